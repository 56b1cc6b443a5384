use std::time::{Duration, Instant};

use crate::{Run, TrainError, progress::Progress};

/// Steps before those that are timed: they fill the buffers that later ones use again.
const WARM_UP: usize = 2;

/// Steps that are timed.
const TIMED: usize = 4;

/// What a run would take, from a few steps of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Rehearsal {
    /// The network's name.
    pub network: String,
    /// Values that training changes.
    pub parameters: usize,
    /// Images of an epoch.
    pub images: usize,
    /// Steps of an epoch.
    pub steps: usize,
    /// Passes over the images.
    pub epochs: usize,
    /// The fastest of the steps that were timed.
    pub step: Duration,
}

impl Run {
    /// Takes a few steps without writing anything: whatever a step needs of time and memory is seen before the run.
    ///
    /// # Errors
    /// If the network cannot be built or the images cannot be read.
    pub fn rehearse(&self) -> Result<Rehearsal, TrainError> {
        let (mut session, taken) = self.session(None)?;
        let start = self.start(session.network().graph(), 0, taken);
        let mut progress = Progress::new(0);
        let mut step = Duration::MAX;
        let batches = session.batches(0)?.take(WARM_UP + TIMED);
        for (i, batch) in batches.enumerate() {
            let start = Instant::now();
            if let Err(divergence) = session.step(batch?, &mut progress)? {
                return Err(self.diverged(&progress, divergence.loss));
            }
            if i >= WARM_UP || session.steps() <= WARM_UP {
                step = step.min(start.elapsed());
            }
        }
        Ok(Rehearsal {
            network: start.network,
            parameters: start.parameters,
            images: session.images(),
            steps: session.steps(),
            epochs: start.epochs,
            step,
        })
    }
}
