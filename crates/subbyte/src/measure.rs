use burn::tensor::Device;
use subbyte_data::Geometry;
use subbyte_engine::Plan;
use subbyte_exec::Network;
use subbyte_graph::Graph;
use subbyte_train::{Metrics, evaluate_float};

use crate::Error;

/// Classifies labelled images, u8 `[height][width][colours]` each, with the float network, its quantizers simulated in floats: for
/// networks with float layers.
///
/// # Errors
/// If the network cannot be run, or not on these images and labels.
///
/// # Panics
/// If an image does not have the geometry.
pub fn measure_float<P: AsRef<[u8]>>(
    graph: &Graph,
    geometry: Geometry,
    examples: impl IntoIterator<Item = (usize, P)>,
) -> Result<Metrics, Error> {
    let network = Network::new(graph, &Device::flex())?;
    Ok(evaluate_float(&network, geometry, examples)?)
}

/// Whether a plan can be measured on images of some geometry and classes.
///
/// # Errors
/// If it cannot.
pub fn check_data(plan: &Plan, geometry: Geometry, classes: &[String]) -> Result<(), Error> {
    if geometry.bytes() != plan.image_bytes() {
        Err(Error::Geometry {
            expected: plan.image_bytes(),
            found: geometry.bytes(),
        })
    } else if classes.len() != plan.classes() {
        Err(Error::Classes {
            expected: plan.classes(),
            found: classes.len(),
        })
    } else {
        Ok(())
    }
}
