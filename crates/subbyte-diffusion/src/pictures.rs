/// Pictures of floats, `[n][height][width][channels]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Pictures {
    /// Height, width, channels.
    pub shape: [usize; 3],
    /// The numbers.
    pub data: Vec<f32>,
}

impl Pictures {
    /// No pictures of a shape.
    pub fn empty(shape: [usize; 3]) -> Self {
        let data = Vec::new();
        Self { shape, data }
    }

    /// Numbers of a picture.
    pub fn size(&self) -> usize {
        self.shape.iter().product()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.data.len() / self.size().max(1)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pictures one by one.
    pub fn iter(&self) -> impl Iterator<Item = &[f32]> {
        self.data.chunks_exact(self.size().max(1))
    }

    /// Smallest and largest number of all.
    pub fn range(&self) -> [f32; 2] {
        range(&self.data)
    }
}

/// Smallest and largest of `numbers`.
pub(crate) fn range(numbers: &[f32]) -> [f32; 2] {
    let start = [f32::INFINITY, f32::NEG_INFINITY];
    let widen = |[low, high]: [f32; 2], &x: &f32| [low.min(x), high.max(x)];
    numbers.iter().fold(start, widen)
}
