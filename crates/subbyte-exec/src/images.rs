use std::sync::Arc;

/// A batch of images: u8 pixels `[n][height][width][colours]`, kept as bytes until a pixel table or a normalization reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    data: Arc<[u8]>,
    shape: [usize; 4],
}

impl Images {
    /// Takes `n * height * width * colours` bytes.
    ///
    /// # Panics
    /// If `data` has another length.
    pub fn new(data: impl Into<Arc<[u8]>>, shape: [usize; 4]) -> Self {
        let data = data.into();
        assert_eq!(
            data.len(),
            shape.iter().product::<usize>(),
            "images of shape {shape:?}"
        );
        Self { data, shape }
    }

    /// The pixels.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// Images, height, width, colours.
    pub fn shape(&self) -> [usize; 4] {
        self.shape
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.shape[0]
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.shape[0] == 0
    }
}
