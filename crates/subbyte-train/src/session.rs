//! A network in training: one optimizer step, one epoch, one measurement.

use std::{f64::consts::PI, num::NonZeroUsize};

use burn::tensor::{Device, Tensor};
use subbyte_data::{Augment, Batch, Geometry, ImageSet, Loader, LoaderOptions};
use subbyte_exec::{Images, Mode, Network, ops};
use subbyte_graph::{Graph, Role};

use crate::{
    Checkpoint, Epoch, Metrics, TrainError,
    dampening::Dampened,
    denoising::Denoising,
    evaluate::{evaluate_float, images, numbers},
    limits::{TableRange, positive},
    optimizer::Optimizer,
    progress::Progress,
    recipe::Recipe,
    teacher::Teacher,
};

/// Share of a batch's statistics in the running statistics of a batch norm.
const STATISTICS_MOMENTUM: f32 = 0.1;

/// Network, optimizer and images.
pub(crate) struct Session<'a> {
    recipe: &'a Recipe,
    geometry: Geometry,
    loader: Loader,
    network: Network,
    optimizer: Optimizer,
    ranges: Vec<TableRange>,
    dampened: Vec<Dampened>,
    teacher: Option<Teacher>,
    /// What is learned where it is not classes.
    denoising: Option<Denoising>,
}

/// A step whose loss is not finite.
pub(crate) struct Divergence {
    pub(crate) loss: f64,
}

impl<'a> Session<'a> {
    /// A network that nothing was learned in; steps of quantizers that are 0 are measured on the first batch.
    pub(crate) fn begin(
        recipe: &'a Recipe,
        graph: &Graph,
        data: &ImageSet,
    ) -> Result<Self, TrainError> {
        let mut session = Self::new(recipe, graph, data)?;
        if session.denoising.is_none()
            && let Some(batch) = session.loader.epoch(0)?.next()
        {
            let images = images(batch?.images, session.geometry);
            session.network.initialise_scales(&images)?;
        }
        Ok(session)
    }

    /// Takes up a run where its checkpoint left it.
    pub(crate) fn resume(
        recipe: &'a Recipe,
        checkpoint: &Checkpoint,
        data: &ImageSet,
    ) -> Result<Self, TrainError> {
        let mut session = Self::new(recipe, &checkpoint.graph, data)?;
        let names = checkpoint.graph.params.keys().map(String::as_str);
        let device = session.network.device().clone().inner();
        let state = checkpoint.optimizer.clone();
        session
            .optimizer
            .restore(&names.collect::<Vec<_>>(), state, &device);
        Ok(session)
    }

    fn new(recipe: &'a Recipe, graph: &Graph, data: &ImageSet) -> Result<Self, TrainError> {
        let augment = Augment {
            pad: recipe.augment.pad,
            flip: recipe.augment.flip,
            crop: recipe.augment.crop,
            cutout: recipe.augment.cutout,
        };
        let mut network = Network::new(graph, &Device::flex().autodiff())?;
        network.equalise_tables(recipe.table.equalise);
        Ok(Self {
            recipe,
            geometry: data.geometry(),
            loader: Loader::new(data.clone(), options(recipe, augment))?,
            network,
            optimizer: Optimizer::new(recipe),
            ranges: TableRange::all(graph),
            dampened: Dampened::all(graph),
            denoising: Denoising::of(graph, recipe)?,
            teacher: Teacher::of(recipe, data)?,
        })
    }

    /// The network of now.
    pub(crate) fn network(&self) -> &Network {
        &self.network
    }

    /// Fingerprint of the teacher.
    pub(crate) fn teacher(&self) -> Option<&str> {
        self.teacher.as_ref().map(|t| t.fingerprint.as_str())
    }

    /// Steps of an epoch.
    pub(crate) fn steps(&self) -> usize {
        self.loader.batches()
    }

    /// Images of an epoch.
    pub(crate) fn images(&self) -> usize {
        self.loader.images()
    }

    /// The batches of an epoch, counted from 0.
    pub(crate) fn batches(&self, epoch: usize) -> Result<subbyte_data::Batches, TrainError> {
        Ok(self.loader.epoch(epoch as u64)?)
    }

    /// State after the epochs of `history`.
    pub(crate) fn checkpoint(&self, data: &str, history: &[Epoch]) -> Checkpoint {
        Checkpoint {
            graph: self.network.to_graph(),
            recipe: self.recipe.clone(),
            data: data.to_owned(),
            teacher: self.teacher().map(str::to_owned),
            history: history.to_vec(),
            table: None,
            optimizer: self.optimizer.state(),
        }
    }

    /// Learns from one batch.
    pub(crate) fn step(
        &mut self,
        batch: Batch,
        progress: &mut Progress,
    ) -> Result<Result<(), Divergence>, TrainError> {
        let step = progress.epoch * self.steps() + progress.steps;
        let learning_rate = self.recipe.learning_rate_at(step, self.steps());
        progress.steps += 1;
        progress.learning_rate = learning_rate;

        if let Some(denoising) = &self.denoising {
            let images = images(batch.images, self.geometry);
            let noisy = denoising.noisy(&images, &format!("step {step}"));
            let mut forward = self.network.forward(&noisy.inputs, Mode::Train)?;
            let loss = Denoising::loss(forward.outputs.swap_remove(0), &noisy);
            let value = f64::from(loss.clone().into_scalar::<f32>());
            if !value.is_finite() {
                return Ok(Err(Divergence { loss: value }));
            }
            progress.add_loss(value, images.len());
            self.update(loss, learning_rate);
            return Ok(Ok(()));
        }
        let labels: Vec<u32> = batch.labels.iter().map(|&label| label.into()).collect();
        let images = images(batch.images, self.geometry);
        let mut forward = self.network.forward(&images, Mode::Train)?;
        let logits = forward.outputs.swap_remove(0);
        let smoothing = self.recipe.label_smoothing as f32;
        let loss = ops::cross_entropy(logits.clone(), &labels, smoothing);
        let loss = self.penalised(self.taught(loss, &logits, &images)?, step);
        let value = f64::from(loss.clone().into_scalar::<f32>());
        if !value.is_finite() {
            return Ok(Err(Divergence { loss: value }));
        }
        progress.add(value, &numbers(logits), &batch.labels);

        self.update(loss, learning_rate);
        for range in &self.ranges {
            range.enforce(&mut self.network)?;
        }
        self.network
            .update_statistics(&forward.statistics, STATISTICS_MOMENTUM);
        Ok(Ok(()))
    }

    /// Moves all parameters against the gradients of `loss`.
    fn update(&mut self, loss: Tensor<1>, learning_rate: f64) {
        let mut gradients = loss.backward();
        let (recipe, optimizer) = (self.recipe, &mut self.optimizer);
        self.network
            .parameters_mut()
            .update(&mut gradients, |info, old, gradient| {
                let rate = match info.role {
                    Role::Table => learning_rate * recipe.table.learning_rate_factor,
                    _ => learning_rate,
                };
                let gradient = match info.role {
                    Role::Scale => gradient * recipe.step_gradient_scale,
                    _ => gradient,
                };
                let new = optimizer.step(&info.name, info.role, rate, old.clone(), gradient);
                match info.role {
                    Role::Scale | Role::Clip => positive(old, new),
                    _ => new,
                }
            });
    }

    /// Loss and accuracy on images held back.
    pub(crate) fn measure(&self, set: &ImageSet) -> Result<Metrics, TrainError> {
        if let Some(denoising) = &self.denoising {
            return denoising.measure(&self.network, set);
        }
        let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let examples = set.examples(threads)?;
        usable(examples, |examples| {
            evaluate_float(&self.network, set.geometry(), examples)
        })
    }

    /// The recipe's mixture of `loss` and the distance from the teacher's shares of the classes.
    fn taught(
        &self,
        loss: Tensor<1>,
        logits: &Tensor<4>,
        images: &Images,
    ) -> Result<Tensor<1>, TrainError> {
        let Some(teacher) = &self.teacher else {
            return Ok(loss);
        };
        let temperature = self.recipe.teacher_temperature as f32;
        let distance = ops::distillation(logits.clone(), teacher.logits(images)?, temperature);
        let weight = self.recipe.teacher_weight;
        Ok(loss * (1.0 - weight) + distance * weight)
    }

    /// The loss of step `step` of the run with the recipe's penalties: `smoothness * Σ |T[v + 1] - T[v]|²` over all learned tables
    /// (methods.md 1.9), and the dampening of all weights, which rises along half a cosine (methods.md 2.8).
    fn penalised(&self, mut loss: Tensor<1>, step: usize) -> Tensor<1> {
        if self.recipe.dampening > 0.0 {
            let share = step as f64 / (self.recipe.epochs * self.steps()) as f64;
            let factor = self.recipe.dampening * (1.0 - (PI * share).cos()) / 2.0;
            for dampened in &self.dampened {
                loss = loss
                    + dampened
                        .penalty(self.network.parameters())
                        .mul_scalar(factor);
            }
        }
        let smoothness = self.recipe.table.smoothness;
        if smoothness == 0.0 {
            return loss;
        }
        for (info, param) in self.network.parameters().iter() {
            if info.role == Role::Table {
                let [tables, values, depth] = table_shape(self.network.graph(), &info.name);
                let table = param.val().reshape([tables, values, depth]);
                let upper = table.clone().narrow(1, 1, values - 1);
                let difference = upper - table.narrow(1, 0, values - 1);
                loss = loss + difference.square().sum().mul_scalar(smoothness);
            }
        }
        loss
    }

    /// Training images, a whole number of batches, that [`Session::reestimate`] uses.
    pub(crate) fn reestimation_images(&self) -> usize {
        if self.denoising.is_some() {
            return 0;
        }
        let batch = self.recipe.batch_size;
        let batches = self.recipe.reestimation_images.div_ceil(batch);
        batches.min(self.steps()) * batch
    }

    /// Measures batch-norm statistics anew over batches like those of training. They are augmented too: it is under the statistics of
    /// augmented images, black borders among them, that the weights have learned.
    pub(crate) fn reestimate(&mut self) -> Result<(), TrainError> {
        let count = self.reestimation_images() / self.recipe.batch_size;
        // The epoch after the last one: another order than that of any training epoch.
        let batches = self.loader.epoch(self.recipe.epochs as u64)?;
        let batches = batches.take(count);
        let geometry = self.geometry;
        usable(batches, |batches| {
            let images = batches.map(|batch| images(batch.images, geometry));
            Ok(self.network.reestimate(images)?)
        })
    }
}

/// What `work` makes of items up to the first error, which then counts.
pub(crate) fn usable<T, R>(
    items: impl Iterator<Item = Result<T, subbyte_data::Error>>,
    work: impl FnOnce(&mut dyn Iterator<Item = T>) -> Result<R, TrainError>,
) -> Result<R, TrainError> {
    let mut error = None;
    let mut usable = items.map_while(|item| item.map_err(|e| error = Some(e)).ok());
    let result = work(&mut usable);
    match error {
        Some(error) => Err(error.into()),
        None => result,
    }
}

/// Whole batches in random order.
fn options(recipe: &Recipe, augment: Augment) -> LoaderOptions {
    LoaderOptions {
        batch: recipe.batch_size,
        shuffle: true,
        augment,
        drop_last: true,
        seed: recipe.seed.into(),
    }
}

/// Tables, pixel values and depth of a pixel table.
fn table_shape(graph: &Graph, name: &str) -> [usize; 3] {
    let shape = &graph.params[name].shape;
    shape[..].try_into().expect("validated table")
}
