use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Images;

/// What a network reads for one batch: images, or float tensors by the names of the graph's inputs, or both. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inputs {
    images: Option<Images>,
    floats: BTreeMap<String, Floats>,
}

/// A batch of numbers for one input: `[n][height][width][channels]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Floats {
    data: Arc<[f32]>,
    shape: [usize; 4],
}

impl Inputs {
    /// No inputs.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the numbers of input `name`, `[n][height][width][channels]`; one number for each image is `[n, 1, 1, 1]`.
    ///
    /// # Panics
    /// If `data` has another length.
    pub fn with(
        mut self,
        name: impl Into<String>,
        data: impl Into<Arc<[f32]>>,
        shape: [usize; 4],
    ) -> Self {
        let data = data.into();
        assert_eq!(
            data.len(),
            shape.iter().product::<usize>(),
            "numbers of shape {shape:?}"
        );
        self.floats.insert(name.into(), Floats { data, shape });
        self
    }

    /// The images, where there are any.
    pub fn images(&self) -> Option<&Images> {
        self.images.as_ref()
    }

    /// The numbers of input `name`.
    pub fn get(&self, name: &str) -> Option<&Floats> {
        self.floats.get(name)
    }

    /// Names and numbers of all float inputs.
    pub fn floats(&self) -> impl Iterator<Item = (&str, &Floats)> {
        let all = self.floats.iter();
        all.map(|(name, floats)| (name.as_str(), floats))
    }

    /// Images of the batch.
    pub fn len(&self) -> usize {
        let floats = || self.floats.values().next().map(|floats| floats.shape[0]);
        let images = self.images.as_ref().map(Images::len);
        images.or_else(floats).unwrap_or(0)
    }

    /// Whether there is nothing to compute with.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Floats {
    /// The numbers.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// Images of the batch, height, width, channels.
    pub fn shape(&self) -> [usize; 4] {
        self.shape
    }
}

impl From<Images> for Inputs {
    fn from(images: Images) -> Self {
        Self {
            images: Some(images),
            floats: BTreeMap::new(),
        }
    }
}

impl From<&Images> for Inputs {
    fn from(images: &Images) -> Self {
        images.clone().into()
    }
}

impl From<&Inputs> for Inputs {
    fn from(inputs: &Inputs) -> Self {
        inputs.clone()
    }
}
