use burn::tensor::Tensor;
use subbyte_data::{Dataset, Geometry};
use subbyte_exec::{Images, Network};

use crate::{Metrics, TrainError, metrics::Tally};

/// Images of a batch; nothing depends on it but speed and memory.
const BATCH: usize = 250;

/// Measures a network by its float forward in evaluation mode; the integer model's accuracy may differ slightly.
///
/// # Errors
/// If the images do not fit the network.
pub fn evaluate_float(network: &Network, data: &Dataset) -> Result<Metrics, TrainError> {
    let mut tally = Tally::default();
    let geometry = data.geometry();
    let batches = data.images().chunks(BATCH * geometry.bytes());
    for (pixels, labels) in batches.zip(data.labels().chunks(BATCH)) {
        let logits = network.predict(&images(pixels.to_vec(), geometry))?;
        tally.add(&numbers(logits), labels);
    }
    Ok(tally.metrics())
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
