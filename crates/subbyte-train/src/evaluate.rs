use burn::tensor::Tensor;
use subbyte_data::Geometry;
use subbyte_exec::{Images, Network};

use crate::{Metrics, TrainError, metrics::Tally};

/// Most images of a batch, and about the most bytes that they have; nothing depends on these but speed and memory.
const BATCH: usize = 250;
const BATCH_BYTES: usize = 2 << 20;

/// Measures a network by its float forward in evaluation mode, on labelled images; the integer model's accuracy may differ
/// slightly.
///
/// # Errors
/// If the images or labels do not fit the network.
///
/// # Panics
/// If an image does not have the geometry.
pub fn evaluate_float<P: AsRef<[u8]>>(
    network: &Network,
    geometry: Geometry,
    examples: impl IntoIterator<Item = (usize, P)>,
) -> Result<Metrics, TrainError> {
    let mut tally = Tally::default();
    let mut examples = examples.into_iter().fuse();
    let batch = (BATCH_BYTES / geometry.bytes()).clamp(1, BATCH);
    loop {
        let (mut labels, mut pixels) = (Vec::new(), Vec::new());
        for (label, image) in examples.by_ref().take(batch) {
            assert_eq!(image.as_ref().len(), geometry.bytes(), "bytes of an image");
            labels.push(label);
            pixels.extend_from_slice(image.as_ref());
        }
        if labels.is_empty() {
            return Ok(tally.metrics());
        }
        let logits = numbers(network.predict(images(pixels, geometry))?);
        let classes = logits.len() / labels.len();
        if let Some(&label) = labels.iter().find(|&&label| label >= classes) {
            return Err(TrainError::Label { label, classes });
        }
        tally.add(&logits, &labels);
    }
}

/// A batch for the executor.
pub(crate) fn images(pixels: Vec<u8>, geometry: Geometry) -> Images {
    let count = pixels.len() / geometry.bytes();
    let shape = [count, geometry.height, geometry.width, geometry.colours];
    Images::new(pixels, shape)
}

/// The numbers of logits, row-major.
pub(crate) fn numbers(tensor: Tensor<4>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}
