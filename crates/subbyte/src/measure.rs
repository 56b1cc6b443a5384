use burn::tensor::Device;
use subbyte_data::{Dataset, Geometry};
use subbyte_engine::Plan;
use subbyte_exec::Network;
use subbyte_graph::Graph;
use subbyte_train::{Metrics, evaluate_float};

use crate::Error;

/// Classifies all of `data` with the float network, its quantizers simulated in floats: for networks with float layers.
///
/// # Errors
/// If the data do not fit the network.
pub fn measure_float(graph: &Graph, data: &Dataset) -> Result<Metrics, Error> {
    let network = Network::new(graph, &Device::flex())?;
    Ok(evaluate_float(&network, data)?)
}

/// Whether a plan can be measured on images of some geometry and classes.
///
/// # Errors
/// If it cannot.
pub fn check_data(plan: &Plan, geometry: Geometry, classes: &[String]) -> Result<(), Error> {
    check(plan.image_bytes(), plan.classes(), geometry, classes)
}

/// Whether images of some geometry and classes can be given to a network.
pub(crate) fn check(
    image_bytes: usize,
    known: usize,
    geometry: Geometry,
    classes: &[String],
) -> Result<(), Error> {
    if geometry.bytes() != image_bytes {
        Err(Error::Geometry {
            expected: image_bytes,
            found: geometry.bytes(),
        })
    } else if classes.len() != known {
        Err(Error::Classes {
            expected: known,
            found: classes.len(),
        })
    } else {
        Ok(())
    }
}
