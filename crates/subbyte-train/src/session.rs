//! A network in training: one optimizer step, one epoch, one measurement.

use std::{sync::Arc, time::Instant};

use burn::tensor::{Device, Tensor};
use subbyte_data::{Augment, Batch, Dataset, Geometry, Loader, LoaderOptions};
use subbyte_exec::{Images, Mode, Network, ops};
use subbyte_graph::{Graph, Role};

use crate::{
    Checkpoint, Epoch, Metrics, TrainError,
    limits::{TableRange, positive},
    metrics::Tally,
    optimizer::Optimizer,
    recipe::Recipe,
};

/// Share of a batch's statistics in the running statistics of a batch norm.
const STATISTICS_MOMENTUM: f32 = 0.1;

/// Images of a batch where nothing is learned.
const EVALUATION_BATCH: usize = 250;

/// Network, optimizer and images.
pub(crate) struct Session<'a> {
    recipe: &'a Recipe,
    geometry: Geometry,
    loader: Loader,
    network: Network,
    optimizer: Optimizer,
    ranges: Vec<TableRange>,
}

/// An epoch that goes on.
pub(crate) struct Progress {
    /// Epoch, from 0.
    pub(crate) epoch: usize,
    /// Steps that were taken.
    pub(crate) steps: usize,
    /// Learning rate of the last one.
    pub(crate) learning_rate: f64,
    loss: f64,
    tally: Tally,
    begun: Instant,
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
        data: &Arc<Dataset>,
    ) -> Result<Self, TrainError> {
        let mut session = Self::new(recipe, graph, data)?;
        if let Some(batch) = session.loader.epoch(0)?.next() {
            let images = images(batch.images, session.geometry);
            session.network.initialise_scales(&images)?;
        }
        Ok(session)
    }

    /// Takes up a run where its checkpoint left it.
    pub(crate) fn resume(
        recipe: &'a Recipe,
        checkpoint: &Checkpoint,
        data: &Arc<Dataset>,
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

    fn new(recipe: &'a Recipe, graph: &Graph, data: &Arc<Dataset>) -> Result<Self, TrainError> {
        let options = LoaderOptions {
            batch: recipe.batch_size,
            shuffle: true,
            augment: Augment {
                pad: recipe.augment.pad,
                flip: recipe.augment.flip,
            },
            drop_last: true,
            seed: recipe.seed.into(),
        };
        Ok(Self {
            recipe,
            geometry: data.geometry(),
            loader: Loader::new(data.clone(), options)?,
            network: Network::new(graph, &Device::flex().autodiff())?,
            optimizer: Optimizer::new(recipe),
            ranges: TableRange::all(graph),
        })
    }

    /// The network of now.
    pub(crate) fn network(&self) -> &Network {
        &self.network
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
            history: history.to_vec(),
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

        let labels: Vec<u32> = batch.labels.iter().map(|&label| label.into()).collect();
        let images = images(batch.images, self.geometry);
        let mut forward = self.network.forward(&images, Mode::Train)?;
        let logits = forward.outputs.swap_remove(0);
        let smoothing = self.recipe.label_smoothing as f32;
        let loss = self.penalised(ops::cross_entropy(logits.clone(), &labels, smoothing));
        let value = f64::from(loss.clone().into_scalar::<f32>());
        if !value.is_finite() {
            return Ok(Err(Divergence { loss: value }));
        }
        progress.loss += value * labels.len() as f64;
        progress.tally.add(&numbers(logits), &batch.labels);

        let mut gradients = loss.backward();
        let (optimizer, table_factor) =
            (&mut self.optimizer, self.recipe.table.learning_rate_factor);
        self.network
            .parameters_mut()
            .update(&mut gradients, |info, old, gradient| {
                let rate = match info.role {
                    Role::Table => learning_rate * table_factor,
                    _ => learning_rate,
                };
                let new = optimizer.step(&info.name, info.role, rate, old.clone(), gradient);
                match info.role {
                    Role::Scale => positive(old, new),
                    _ => new,
                }
            });
        for range in &self.ranges {
            range.enforce(&mut self.network)?;
        }
        self.network
            .update_statistics(&forward.statistics, STATISTICS_MOMENTUM);
        Ok(Ok(()))
    }

    /// `loss + smoothness * Σ |T[v + 1] - T[v]|²` over all learned tables (methods.md 1.9).
    fn penalised(&self, mut loss: Tensor<1>) -> Tensor<1> {
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

    /// Measures batch-norm statistics anew over `images` unaugmented training images, in batches like those of training.
    pub(crate) fn reestimate(
        &mut self,
        data: &Arc<Dataset>,
        images: usize,
    ) -> Result<(), TrainError> {
        let options = LoaderOptions {
            batch: self.recipe.batch_size,
            shuffle: true,
            augment: Augment::default(),
            drop_last: true,
            seed: self.recipe.seed.into(),
        };
        let loader = Loader::new(data.clone(), options)?;
        let count = images.div_ceil(self.recipe.batch_size);
        // The epoch after the last one: another order than that of any training epoch.
        let batches = loader.epoch(self.recipe.epochs as u64)?.take(count);
        let geometry = self.geometry;
        self.network
            .reestimate(batches.map(|batch| self::images(batch.images, geometry)))?;
        Ok(())
    }
}

impl Progress {
    /// An epoch, counted from 0, that begins now.
    pub(crate) fn new(epoch: usize) -> Self {
        Self {
            epoch,
            steps: 0,
            learning_rate: 0.0,
            loss: 0.0,
            tally: Tally::default(),
            begun: Instant::now(),
        }
    }

    /// Images so far.
    pub(crate) fn images(&self) -> usize {
        self.tally.images()
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

/// Measures a network by its float forward in evaluation mode; the integer model's accuracy may differ slightly.
///
/// # Errors
/// If the images do not fit the network.
pub fn evaluate_float(network: &Network, data: &Dataset) -> Result<Metrics, TrainError> {
    let mut tally = Tally::default();
    let geometry = data.geometry();
    let batches = data.images().chunks(EVALUATION_BATCH * geometry.bytes());
    for (pixels, labels) in batches.zip(data.labels().chunks(EVALUATION_BATCH)) {
        let logits = network.predict(&images(pixels.to_vec(), geometry))?;
        tally.add(&numbers(logits), labels);
    }
    Ok(tally.metrics())
}

/// A batch for the executor.
fn images(pixels: Vec<u8>, geometry: Geometry) -> Images {
    let count = pixels.len() / geometry.bytes();
    let shape = [count, geometry.height, geometry.width, geometry.colours];
    Images::new(pixels, shape)
}

fn numbers(tensor: Tensor<4>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// Tables, pixel values and depth of a pixel table.
fn table_shape(graph: &Graph, name: &str) -> [usize; 3] {
    let shape = &graph.params[name].shape;
    shape[..].try_into().expect("validated table")
}
