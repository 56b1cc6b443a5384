//! What a run tells while it goes on. Nothing in this crate writes to a terminal: a command line, a notebook or a test observes.

use std::{path::Path, time::Duration};

use serde::{Deserialize, Serialize};

/// Something that happened in a run.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The network and the data are ready.
    Started(&'a Start),
    /// A step was taken.
    Step(&'a Step),
    /// An epoch ended and was measured.
    EpochEnd(&'a Epoch),
    /// A checkpoint is complete on disk.
    Checkpoint {
        /// The file.
        path: &'a Path,
    },
    /// Batch-norm statistics are being measured anew.
    Reestimation {
        /// Training images that are used.
        images: usize,
    },
    /// The final network is complete on disk.
    Finished {
        /// The file.
        path: &'a Path,
    },
}

/// The run as it starts or goes on.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// The network's name.
    pub network: String,
    /// Trained numbers.
    pub parameters: usize,
    /// Images that are trained on.
    pub training_images: usize,
    /// Images held back for validation.
    pub validation_images: usize,
    /// Epochs of the recipe.
    pub epochs: usize,
    /// Epochs that an earlier process finished.
    pub resumed_at: usize,
    /// Where the network started from another one: parameters that it gave, and names of those it did not have.
    pub taken: Option<Taken>,
}

/// What a network took over from another one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Taken {
    /// Parameters whose name and shape agreed.
    pub parameters: usize,
    /// Parameters that the other network lacks or has in another shape.
    pub missing: Vec<String>,
}

/// One optimizer step.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Epoch, from 1.
    pub epoch: usize,
    /// Step within the epoch, from 1.
    pub step: usize,
    /// Steps of an epoch.
    pub steps: usize,
    /// Mean loss of the epoch so far.
    pub loss: f64,
    /// Share of right predictions of the epoch so far.
    pub accuracy: f64,
    /// Speed of the epoch so far.
    pub images_per_second: f64,
    /// Estimated time until the last step of the run.
    pub remaining: Duration,
}

/// One epoch, as it stands in the log and in checkpoints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Epoch, from 1.
    pub epoch: usize,
    /// Learning rate of its last step.
    pub learning_rate: f64,
    /// Mean training loss, penalties included.
    pub loss: f64,
    /// Share of right predictions on training images, as they were seen in training.
    pub accuracy: f64,
    /// Result on the validation images; absent without them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Metrics>,
    /// Time of the epoch, validation included.
    pub seconds: f64,
    /// Training speed.
    pub images_per_second: f64,
}

/// How well a network classifies.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Share of images whose class has the largest logit.
    pub top1: f64,
    /// Share of images whose class is among the five largest logits.
    pub top5: f64,
    /// Mean cross-entropy without label smoothing.
    pub loss: f64,
}

/// What the observer wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Go on.
    Continue,
    /// Stop at once. What was done since the last checkpoint is lost; resuming goes on from there.
    Stop,
}

/// Whoever watches a run.
pub trait Observer {
    /// Called for every event, in the run's own thread.
    fn event(&mut self, event: &Event<'_>) -> Control;
}

impl<F: FnMut(&Event<'_>) -> Control> Observer for F {
    fn event(&mut self, event: &Event<'_>) -> Control {
        self(event)
    }
}
