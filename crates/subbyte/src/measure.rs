use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use burn::tensor::Device;
use subbyte_data::Dataset;
use subbyte_engine::{Options, Plan, Pool};
use subbyte_exec::Network;
use subbyte_graph::Graph;
use subbyte_model::Model;
use subbyte_train::{Metrics, evaluate_float};

use crate::{Accuracy, Error};

/// Images between two calls of a progress function.
pub(crate) const CHUNK: usize = 64;

/// What an integer model achieves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IntegerScore {
    /// Its accuracy.
    pub accuracy: Accuracy,
    /// Time that the engine computed.
    pub time: Duration,
}

impl IntegerScore {
    /// Speed of the engine alone.
    pub fn images_per_second(&self) -> f64 {
        self.accuracy.images as f64 / self.time.as_secs_f64().max(1e-9)
    }
}

/// Classifies all of `data` with the integer model on `threads` threads; `progress` is told how many images are done.
///
/// # Errors
/// If the data do not fit the model, or the plan cannot be made.
pub fn measure_model(
    model: &Model,
    data: &Dataset,
    threads: Option<NonZeroUsize>,
    progress: &mut dyn FnMut(usize),
) -> Result<IntegerScore, Error> {
    let plan = Plan::new(model, Options::default())?;
    check(plan.image_bytes(), plan.classes(), data)?;
    let mut pool = Pool::new(threads)?;
    let mut accuracy = Accuracy::default();
    let mut time = Duration::ZERO;
    let mut logits = vec![0; CHUNK * plan.classes()];
    let batches = data.images().chunks(CHUNK * plan.image_bytes());
    for (images, labels) in batches.zip(data.labels().chunks(CHUNK)) {
        let logits = &mut logits[..labels.len() * plan.classes()];
        let begun = Instant::now();
        plan.run_batch(&mut pool, images, logits)?;
        time += begun.elapsed();
        for (logits, &label) in logits.chunks(plan.classes()).zip(labels) {
            accuracy.add(logits, label.into());
        }
        progress(accuracy.images);
    }
    Ok(IntegerScore { accuracy, time })
}

/// Classifies all of `data` with the float network, its quantizers simulated in floats: for networks with float layers.
///
/// # Errors
/// If the data do not fit the network.
pub fn measure_float(graph: &Graph, data: &Dataset) -> Result<Metrics, Error> {
    if data.len() == 0 {
        return Err(Error::NoImages);
    }
    let network = Network::new(graph, &Device::flex())?;
    Ok(evaluate_float(&network, data)?)
}

/// Threads that are used where no number is given.
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Whether `data` can be given to a network.
pub(crate) fn check(image_bytes: usize, classes: usize, data: &Dataset) -> Result<(), Error> {
    let found = data.geometry().bytes();
    if data.len() == 0 {
        Err(Error::NoImages)
    } else if found != image_bytes {
        Err(Error::Geometry {
            expected: image_bytes,
            found,
        })
    } else if data.classes().len() != classes {
        Err(Error::Classes {
            expected: classes,
            found: data.classes().len(),
        })
    } else {
        Ok(())
    }
}
