use std::{path::PathBuf, time::Duration};

use subbyte_data::ImageSet;
use subbyte_graph::{Graph, Role};

use crate::{
    Checkpoint, Control, Epoch, Event, Observer, RunFolder, Start, Step, TableUse, Taken,
    TrainError,
    log::{Header, Log, Record},
    progress::Progress,
    recipe::Recipe,
    session::Session,
    start,
    tensorboard::Board,
};

/// A training run: recipe, images and the folder where it is kept.
///
/// Equal recipes on equal images give equal weights, however often the run is interrupted and resumed.
#[derive(Debug)]
pub struct Run {
    recipe: Recipe,
    training: ImageSet,
    validation: Option<ImageSet>,
    /// Fingerprint of all training images, validation included.
    data: String,
    folder: RunFolder,
    force: bool,
    tensorboard: bool,
}

/// Images in files of which the mean and the deviation of pixels are taken.
const SAMPLE: usize = 256;

/// How a run ended.
#[derive(Debug)]
pub enum Outcome {
    /// All epochs are done; this is what `final.sbg` holds.
    Finished(Box<Checkpoint>),
    /// The observer stopped it; it can be resumed after this many epochs.
    Stopped {
        /// Epochs in the last checkpoint.
        epochs: usize,
    },
}

/// Why a run ends early.
enum End {
    Stopped,
    Failed(TrainError),
}

impl<E: Into<TrainError>> From<E> for End {
    fn from(error: E) -> Self {
        End::Failed(error.into())
    }
}

impl Run {
    /// Prepares a run on training images `data`, of which the recipe's share is held back for validation; nothing is written yet.
    ///
    /// # Errors
    /// If the recipe is impossible, or no image would be left on either side.
    pub fn new(
        mut recipe: Recipe,
        data: impl Into<ImageSet>,
        folder: impl Into<PathBuf>,
    ) -> Result<Self, TrainError> {
        recipe.resolve("".as_ref())?;
        recipe.validate()?;
        let data = data.into();
        let fingerprint = data.fingerprint()?;
        let (training, validation) = if recipe.data.validation > 0.0 {
            let (training, validation) =
                data.split_validation(recipe.data.validation, recipe.seed.into())?;
            (training, Some(validation))
        } else {
            (data, None)
        };
        Ok(Self {
            recipe,
            training,
            validation,
            data: fingerprint,
            folder: RunFolder::new(folder),
            force: false,
            tensorboard: false,
        })
    }

    /// Lets [`Run::train`] remove another run from the folder.
    pub fn force(mut self, force: bool) -> Self {
        self.force = force;
        self
    }

    /// Writes an event file for TensorBoard beside the log. A run that is resumed goes on with one that is there.
    pub fn tensorboard(mut self, tensorboard: bool) -> Self {
        self.tensorboard = tensorboard;
        self
    }

    /// Where the run is kept.
    pub fn folder(&self) -> &RunFolder {
        &self.folder
    }

    /// Trains to the end, or until the observer stops it. With `resume` it goes on after the folder's checkpoint; without one it
    /// begins anew.
    ///
    /// # Errors
    /// If the folder cannot be used or holds something else, the network cannot be built, the loss is no longer finite, or
    /// something cannot be written. The last good checkpoint stays in each case.
    pub fn train(&self, observer: &mut dyn Observer, resume: bool) -> Result<Outcome, TrainError> {
        let checkpoint = self
            .folder
            .examine(&self.recipe, &self.data, resume, self.force)?;
        let mut history = match &checkpoint {
            Some(checkpoint) => checkpoint.history.clone(),
            None => Vec::new(),
        };
        // Whatever is wrong with the recipe shows here, before the folder is touched.
        let (session, taken) = self.session(checkpoint)?;
        self.folder.prepare(&self.recipe, resume)?;
        match self.drive(observer, session, taken, &mut history) {
            Ok(finished) => Ok(Outcome::Finished(Box::new(finished))),
            Err(End::Stopped) => Ok(Outcome::Stopped {
                epochs: history.len(),
            }),
            Err(End::Failed(error)) => Err(error),
        }
    }

    /// All that is left of the run; `history` always holds the epochs of the last checkpoint.
    fn drive(
        &self,
        observer: &mut dyn Observer,
        mut session: Session<'_>,
        taken: Option<Taken>,
        history: &mut Vec<Epoch>,
    ) -> Result<Checkpoint, End> {
        let start = self.start(session.network().graph(), history.len(), taken);
        let mut log = Log::open(&self.folder.log(), self.header(&start), history)?;
        let path = self.folder.tensorboard();
        let mut board = match self.tensorboard || path.exists() {
            true => Some(Board::open(&path, history)?),
            false => None,
        };
        tell(observer, &Event::Started(&start))?;
        while history.len() < self.recipe.epochs {
            let epoch = self.epoch(&mut session, history.len(), observer)?;
            history.push(epoch.clone());
            let path = self.folder.checkpoint();
            if let Err(error) = session.checkpoint(&self.data, history).save(&path) {
                history.pop();
                return Err(error.into());
            }
            log.append(&Record::Epoch(epoch.clone()))?;
            if let Some(board) = &mut board {
                board.append(&epoch)?;
            }
            tell(observer, &Event::EpochEnd(&epoch))?;
            tell(observer, &Event::Checkpoint { path: &path })?;
        }
        let finished = self.finish(&mut session, history, observer)?;
        log.append(&Record::Finished {
            seconds: history.iter().map(|epoch| epoch.seconds).sum(),
            table: finished.table,
        })?;
        let path = self.folder.finished();
        // Nothing is left that could be stopped.
        observer.event(&Event::Finished { path: &path });
        Ok(finished)
    }

    /// The network at its start or as a checkpoint left it.
    pub(crate) fn session(
        &self,
        checkpoint: Option<Checkpoint>,
    ) -> Result<(Session<'_>, Option<Taken>), TrainError> {
        if let Some(checkpoint) = checkpoint {
            let session = Session::resume(&self.recipe, &checkpoint, &self.training)?;
            let [mine, theirs] = [session.teacher(), checkpoint.teacher.as_deref()]
                .map(|teacher| teacher.unwrap_or("none"));
            if mine != theirs {
                return Err(TrainError::OtherRun {
                    path: self.folder.checkpoint(),
                    differences: vec![format!("teacher's file: {mine} here, {theirs} there")],
                });
            }
            return Ok((session, None));
        }
        let mut graph = self.recipe.network(&*self.training.sample(SAMPLE)?)?;
        let taken = match &self.recipe.from {
            Some(path) if self.recipe.imported_from().is_none() => {
                let theirs = start::read(path)?;
                let taken = start::take_parameters(&mut graph, &theirs, self.recipe.from_scales);
                if taken.parameters == 0 {
                    return Err(TrainError::Damaged {
                        path: path.clone(),
                        problem:
                            "none of its parameters has the name and shape of one of this network"
                                .into(),
                    });
                }
                Some(taken)
            }
            _ => None,
        };
        let session = Session::begin(&self.recipe, &graph, &self.training)?;
        Ok((session, taken))
    }

    pub(crate) fn start(&self, graph: &Graph, resumed_at: usize, taken: Option<Taken>) -> Start {
        let trained = graph.params.values().filter(|p| p.role.is_trained());
        Start {
            network: graph.name.clone(),
            parameters: trained.map(|param| param.len()).sum(),
            training_images: self.training.len(),
            validation_images: self.validation.as_ref().map_or(0, ImageSet::len),
            epochs: self.recipe.epochs,
            resumed_at,
            taken,
        }
    }

    fn header(&self, start: &Start) -> Header {
        Header {
            recipe: self.recipe.clone(),
            data: self.data.clone(),
            parameters: start.parameters,
            training_images: start.training_images,
            validation_images: start.validation_images,
        }
    }

    /// Trains and measures epoch `epoch`, counted from 0.
    fn epoch(
        &self,
        session: &mut Session<'_>,
        epoch: usize,
        observer: &mut dyn Observer,
    ) -> Result<Epoch, End> {
        let mut progress = Progress::new(epoch);
        for batch in session.batches(epoch)? {
            if let Err(divergence) = session.step(batch?, &mut progress)? {
                return Err(self.diverged(&progress, divergence.loss).into());
            }
            let left = session.images() * (self.recipe.epochs - epoch) - progress.images();
            let step = Step {
                epoch: epoch + 1,
                step: progress.steps,
                steps: session.steps(),
                loss: progress.loss(),
                accuracy: progress.accuracy(),
                images_per_second: progress.images_per_second(),
                remaining: Duration::from_secs_f64(left as f64 / progress.images_per_second()),
            };
            tell(observer, &Event::Step(&step))?;
        }
        let images_per_second = progress.images_per_second();
        let validation = match &self.validation {
            Some(images) => Some(session.measure(images)?),
            None => None,
        };
        // The last update may have ruined the weights after the last loss was computed.
        if let Some(loss) = validation.map(|v| v.loss).filter(|loss| !loss.is_finite()) {
            return Err(self.diverged(&progress, loss).into());
        }
        if !is_finite(&session.network().to_graph()) {
            return Err(self.diverged(&progress, f64::NAN).into());
        }
        Ok(Epoch {
            epoch: epoch + 1,
            learning_rate: progress.learning_rate,
            loss: progress.loss(),
            accuracy: progress.accuracy(),
            validation,
            seconds: progress.seconds(),
            images_per_second,
        })
    }

    /// Measures batch-norm statistics anew and writes the trained network.
    fn finish(
        &self,
        session: &mut Session<'_>,
        history: &[Epoch],
        observer: &mut dyn Observer,
    ) -> Result<Checkpoint, End> {
        let images = session.reestimation_images();
        if images > 0 {
            tell(observer, &Event::Reestimation { images })?;
            session.reestimate()?;
        }
        let state = session.checkpoint(&self.data, history);
        let table = TableUse::of(&state.graph, &*self.training.sample(SAMPLE)?);
        let finished = state.finished(table);
        finished.save(&self.folder.finished())?;
        Ok(finished)
    }

    pub(crate) fn diverged(&self, progress: &Progress, loss: f64) -> TrainError {
        let checkpoint = self.folder.checkpoint();
        TrainError::Diverged {
            epoch: progress.epoch + 1,
            step: progress.steps,
            loss,
            learning_rate: progress.learning_rate,
            checkpoint: checkpoint.exists().then_some(checkpoint),
        }
    }
}

fn tell(observer: &mut dyn Observer, event: &Event<'_>) -> Result<(), End> {
    match observer.event(event) {
        Control::Continue => Ok(()),
        Control::Stop => Err(End::Stopped),
    }
}

fn is_finite(graph: &Graph) -> bool {
    let trained = graph.params.values().filter(|p| p.role != Role::Constant);
    trained.flat_map(|param| param.to_vec()).all(f32::is_finite)
}
