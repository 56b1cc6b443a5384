use std::time::Instant;

use crate::metrics::Tally;

/// An epoch that goes on.
pub(crate) struct Progress {
    /// Epoch, from 0.
    pub(crate) epoch: usize,
    /// Steps that were taken.
    pub(crate) steps: usize,
    /// Learning rate of the last one.
    pub(crate) learning_rate: f64,
    loss: f64,
    images: usize,
    tally: Tally,
    begun: Instant,
}

impl Progress {
    /// An epoch, counted from 0, that begins now.
    pub(crate) fn new(epoch: usize) -> Self {
        Self {
            epoch,
            steps: 0,
            learning_rate: 0.0,
            loss: 0.0,
            images: 0,
            tally: Tally::default(),
            begun: Instant::now(),
        }
    }

    /// Counts a step with the mean loss of its batch.
    pub(crate) fn add(&mut self, loss: f64, logits: &[f32], labels: &[u16]) {
        self.add_loss(loss, labels.len());
        let labels: Vec<usize> = labels.iter().map(|&label| label.into()).collect();
        self.tally.add(logits, &labels);
    }

    /// Counts a step of images without classes.
    pub(crate) fn add_loss(&mut self, loss: f64, images: usize) {
        self.loss += loss * images as f64;
        self.images += images;
    }

    /// Images so far.
    pub(crate) fn images(&self) -> usize {
        self.images
    }

    /// Mean loss so far, penalties included.
    pub(crate) fn loss(&self) -> f64 {
        self.loss / self.images().max(1) as f64
    }

    /// Share of right predictions so far.
    pub(crate) fn accuracy(&self) -> f64 {
        self.tally.metrics().top1
    }

    /// Time so far.
    pub(crate) fn seconds(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    /// Speed so far.
    pub(crate) fn images_per_second(&self) -> f64 {
        self.images() as f64 / self.seconds().max(1e-9)
    }
}
