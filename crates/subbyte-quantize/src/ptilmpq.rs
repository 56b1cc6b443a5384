//! Several precisions inside a layer (PTILMPQ; methods.md 6): important layers, and important channels in them, get more bits.

use std::ops::ControlFlow;

use subbyte_graph::{Graph, Placement};

use crate::allocation::{Choice, allocate};
use crate::codebook::Codebook;
use crate::formats::Formats;
use crate::output_error::{BITS, Losses, losses};
use crate::overhead::overhead;
use crate::prepared::Prepared;
use crate::progress::Progress;
use crate::round_network::{round_in_closed_form, round_to_nearest};
use crate::{Clip, Images, QuantizeError};

/// How [`ptilmpq`] quantizes.
#[derive(Clone, Debug, PartialEq)]
pub struct Ptilmpq {
    /// Bits of activations; those of weights are found.
    pub placement: Placement,
    /// Ranges of activations.
    pub clip: Clip,
    /// What makes a channel important.
    pub criterion: Criterion,
}

/// What makes a channel important.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Criterion {
    /// As published: a layer by the sum of its weights' magnitudes, a channel by their L2 norm against the median of its layer. Codes
    /// of important channels in important layers have two regions; all are the nearest ones. The layer threshold is searched.
    Published,
    /// The error that a channel's codes cause at the network's output, with closed-form rounding; solved as a Lagrangian.
    OutputError,
}

/// Bytes that a run of channels takes beside its codes.
const RUN_BYTES: f64 = 8.0;

/// A float classifier whose layers and channels have been looked at: it can be quantized within any budget, again and again.
pub struct Ranked<'a> {
    prepared: Prepared,
    calibration: &'a [Images],
    /// Bytes of the file beside codes of weights.
    beside: usize,
    /// What quantizing each channel costs; `None` by the published rule, which looks at weights alone.
    losses: Option<Losses>,
}

/// Ranks the layers and channels of a float classifier, to give bits to every output channel within a budget of bytes.
///
/// The published criterion needs no `calibration`: without images, steps of activations follow from the batch norms and from noise.
///
/// # Errors
/// As [`crate::uniform`].
pub fn ptilmpq<'a>(
    float: &Graph,
    calibration: &'a [Images],
    method: &Ptilmpq,
    mut tell: impl FnMut(Progress) -> ControlFlow<()>,
) -> Result<Ranked<'a>, QuantizeError> {
    let Ptilmpq {
        placement, clip, ..
    } = method;
    let prepared = Prepared::new(float, placement, calibration, *clip, &mut tell)?;
    let losses = match method.criterion {
        Criterion::Published => None,
        Criterion::OutputError => Some(losses(&prepared, calibration, &mut tell)?),
    };
    Ok(Ranked {
        beside: overhead(&prepared)?,
        prepared,
        calibration,
        losses,
    })
}

impl Ranked<'_> {
    /// The least budget that can be met.
    ///
    /// # Errors
    /// If a weight is no finite number.
    pub fn least(&self) -> Result<usize, QuantizeError> {
        let mut budget = 0;
        let formats = loop {
            // An error tells bytes that are needed, of which runs of channels may ask for more.
            match self.formats(budget) {
                Err(QuantizeError::Budget { least, .. }) if least > budget => budget = least,
                formats => break formats?,
            }
        };
        match self.losses {
            None => Ok(budget.max(file_bytes(&round_to_nearest(&self.prepared, &formats)?)?)),
            Some(_) => Ok(budget),
        }
    }

    /// The network in codes of which a model's file takes at most `budget` bytes.
    ///
    /// # Errors
    /// If the budget is too small, if a layer cannot be run, or if `tell` ends it.
    pub fn within(
        &self,
        budget: usize,
        mut tell: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Graph, QuantizeError> {
        if self.losses.is_some() {
            let formats = self.formats(budget)?;
            return round_in_closed_form(&self.prepared, self.calibration, &formats, &mut tell);
        }
        // What the runs of this rule take is known when they are written.
        let mut aim = budget;
        loop {
            let formats = self.formats(aim).map_err(|error| match error {
                QuantizeError::Budget { least, .. } => QuantizeError::Budget {
                    asked: budget,
                    least: least + (budget - aim),
                },
                error => error,
            })?;
            let graph = round_to_nearest(&self.prepared, &formats)?;
            let bytes = file_bytes(&graph)?;
            if bytes <= budget {
                return Ok(graph);
            }
            aim = aim.saturating_sub(bytes - budget);
        }
    }

    fn formats(&self, budget: usize) -> Result<Vec<Formats>, QuantizeError> {
        let weights = budget.saturating_sub(self.beside) as f64;
        let formats = match &self.losses {
            None => published(&self.prepared, weights)?,
            Some(losses) => by_output_error(&self.prepared, losses, weights),
        };
        formats.map_err(|least| QuantizeError::Budget {
            asked: budget,
            least: least.ceil() as usize + self.beside,
        })
    }
}

/// Length of the model's file without what it may carry beside the network.
fn file_bytes(graph: &Graph) -> Result<usize, QuantizeError> {
    Ok(subbyte_model::write(&subbyte_lower::lower(graph)?)?.len())
}

/// Bits by a Lagrangian over all channels; channels that share a scale share their bits. The error is the fewest bytes possible.
fn by_output_error(prepared: &Prepared, losses: &Losses, budget: f64) -> Result<Vec<Formats>, f64> {
    let mut choices = Vec::new();
    for (i, (layer, losses)) in prepared.layers.iter().zip(losses).enumerate() {
        let rows = layer.geometry.output[0];
        let together = if prepared.has_one_scale(layer) {
            rows
        } else {
            1
        };
        for first in (0..rows).step_by(together) {
            let candidate = |(&bits, losses): (&u8, &Vec<f64>)| {
                let codes = (together * layer.geometry.row() * usize::from(bits)) as f64 / 8.0;
                let loss: f64 = losses[first..first + together].iter().sum();
                (bits, codes, loss)
            };
            choices.push(Choice {
                layer: i,
                rows: (first, together),
                candidates: BITS.iter().zip(losses).map(candidate).collect(),
            });
        }
    }
    // What runs of channels cost is known only when they are; each round leaves room for what the last one found.
    let mut room = 0.0;
    loop {
        let chosen = allocate(&choices, budget - room).map_err(|least| least + room)?;
        let mut formats: Vec<Formats> = prepared
            .layers
            .iter()
            .map(|layer| Formats {
                codebooks: BITS.map(Codebook::signed).to_vec(),
                rows: vec![0; layer.geometry.output[0]],
                vector: None,
            })
            .collect();
        let mut bytes = 0.0;
        for (choice, &i) in choices.iter().zip(&chosen) {
            let (first, count) = choice.rows;
            formats[choice.layer].rows[first..first + count].fill(i);
            bytes += choice.candidates[i].1;
        }
        let runs: usize = formats.iter().map(|f| f.runs().count()).sum();
        let needed = runs as f64 * RUN_BYTES;
        if bytes + needed <= budget {
            return Ok(formats);
        }
        room = needed.max(room * 1.01 + 1.0);
    }
}

/// Codebooks of the classes: important or not, layer and channel. The outer regions have steps twice as wide as the inner one.
fn classes() -> [[Codebook; 2]; 2] {
    [
        [Codebook::signed(2), Codebook::signed(3)],
        [Codebook::signed(4), Codebook::regions(4, 3.0)],
    ]
}

/// As many layers are important, by falling magnitude of their weights, as the budget allows. The inner error is the fewest bytes possible.
fn published(prepared: &Prepared, budget: f64) -> Result<Result<Vec<Formats>, f64>, QuantizeError> {
    let mut sizes = Vec::new();
    let mut channels = Vec::new();
    for layer in &prepared.layers {
        let weights = prepared.weights(layer)?;
        sizes.push(weights.iter().map(|w| f64::from(w.abs())).sum::<f64>());
        let norm = |row: &[f32]| row.iter().map(|w| f64::from(*w).powi(2)).sum::<f64>();
        let norms: Vec<f64> = weights.chunks(layer.geometry.row()).map(norm).collect();
        let mut sorted = norms.clone();
        sorted.sort_by(f64::total_cmp);
        let median = sorted[sorted.len() / 2];
        channels.push(norms.iter().map(|n| *n >= median).collect::<Vec<bool>>());
    }
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by(|&a, &b| sizes[b].total_cmp(&sizes[a]));
    let [ordinary, important] = classes();
    let formats = |important_layers: &[usize]| -> (Vec<Formats>, f64) {
        let mut bytes = 0.0;
        let mut all = Vec::new();
        for (i, layer) in prepared.layers.iter().enumerate() {
            let books = match important_layers.contains(&i) {
                true => &important,
                false => &ordinary,
            };
            // Rows of one scale have one codebook, the wider one.
            let one = prepared.has_one_scale(layer);
            let formats = Formats {
                codebooks: books.to_vec(),
                vector: None,
                rows: channels[i].iter().map(|c| usize::from(*c || one)).collect(),
            };
            let bits: usize = (0..formats.rows.len())
                .map(|r| usize::from(formats.of(r).bits()))
                .sum();
            bytes += (bits * layer.geometry.row()) as f64 / 8.0;
            bytes += formats.runs().count() as f64 * RUN_BYTES;
            all.push(formats);
        }
        (all, bytes)
    };
    let least = formats(&[]);
    if least.1 > budget {
        return Ok(Err(least.1));
    }
    // The threshold falls until the next layer would be too much.
    let mut best = least.0;
    for count in 1..=order.len() {
        let (formats, bytes) = formats(&order[..count]);
        if bytes > budget {
            break;
        }
        best = formats;
    }
    Ok(Ok(best))
}
