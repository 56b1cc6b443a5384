//! What quantizing each layer does to the network's output: the error that closed-form rounding leaves in every channel, times how much
//! the output feels errors of that layer.

use std::ops::ControlFlow;

use burn::tensor::Device;
use rayon::prelude::*;
use subbyte_exec::{Images, Inputs, Network, Walk};

use crate::QuantizeError;
use crate::codebook::Codebook;
use crate::divergence::{divergence, logits, spread};
use crate::formats::Formats;
use crate::gram::Measured;
use crate::prepared::Prepared;
use crate::progress::{Progress, Tell};
use crate::round_network::for_each_layer;
use crate::rounding::{Rounder, products};
use crate::scales::Scales;

/// Bits that channels can have.
pub(crate) const BITS: [u8; 6] = [2, 3, 4, 5, 6, 8];
/// Of them, so many with which a layer is tried alone; the output feels errors of more bits as it feels those of the last.
const TRIED: usize = 3;
/// Images on which that is done.
const TRIAL_IMAGES: usize = 24;
/// Of the mean diagonal, what is added to a Gram matrix.
const DAMPING: f32 = 0.1;

/// `[layer][bits][row]`: how much the output distribution is expected to move, in nats, when that row alone has those bits.
pub(crate) type Losses = Vec<Vec<Vec<f64>>>;

/// Measures all layers of the float network.
pub(crate) fn losses(
    prepared: &Prepared,
    calibration: &[Images],
    tell: Tell,
) -> Result<Losses, QuantizeError> {
    let trial = spread(calibration, TRIAL_IMAGES);
    let network = Network::new(&prepared.float, &Device::flex())?;
    let mut walk = Walk::new(&network, &trial)?;
    let expected = {
        let mut all = walk.clone();
        logits(&mut all, &prepared.float)
    };
    let mut losses = Losses::new();
    let inputs: Vec<Inputs> = calibration.iter().map(Inputs::from).collect();
    for_each_layer(prepared, &inputs, 0, None, |_, i, grams| {
        let layer = &prepared.layers[i];
        let weights = prepared.weights(layer)?;
        let rounders: Vec<Rounder> = grams
            .par_iter()
            .map(|measured| Rounder::new(&measured.all, DAMPING))
            .collect();
        walk.run_to(layer.float);
        let mut all = Vec::new();
        let (mut moved, mut felt) = (0.0, 0.0);
        for (which, &bits) in BITS.iter().enumerate() {
            let (values, mut errors) = errors_of(prepared, i, &weights, &grams, &rounders, bits);
            if which < TRIED {
                let mut alone = walk.clone();
                alone.set_parameter(prepared.float.nodes[layer.float].inputs[1], &values);
                moved = divergence(&expected, &logits(&mut alone, &prepared.float));
                felt = moved / errors.iter().sum::<f64>().max(f64::MIN_POSITIVE);
            }
            errors.iter_mut().for_each(|e| *e *= felt);
            all.push(errors);
        }
        losses.push(all);
        let told = tell(Progress::Sensitivity {
            name: layer.name.clone(),
            done: i + 1,
            of: prepared.layers.len(),
            loss: moved,
        });
        match told {
            ControlFlow::Break(()) => Err(QuantizeError::Stopped),
            ControlFlow::Continue(()) => Ok(()),
        }
    })?;
    Ok(losses)
}

/// Weights of layer `i` rounded to `bits` bits, and the variance of the error that this leaves in each output channel.
fn errors_of(
    prepared: &Prepared,
    i: usize,
    weights: &[f32],
    grams: &[Measured],
    rounders: &[Rounder],
    bits: u8,
) -> (Vec<f32>, Vec<f64>) {
    let layer = &prepared.layers[i];
    let (row, group) = (layer.geometry.row(), weights.len() / grams.len());
    let rows = weights.len() / row;
    let per_group = rows / grams.len();
    let formats = Formats::one(Codebook::signed(bits), rows);
    let variances: Vec<Vec<f32>> = grams.iter().map(|m| m.all.variances()).collect();
    let scales = Scales::new(prepared, layer, &formats, weights, |r| {
        &variances[r / per_group]
    });
    let grids = scales.grids(&formats);
    let round = |(g, (weights, gram)): (usize, (&[f32], &Measured))| {
        let grids = &grids[g * per_group..][..per_group];
        let levels = rounders[g].round(weights, grids);
        let products = products(&levels, weights, &gram.all);
        let one = |(r, [mixed, own, all]): (usize, [f64; 3])| {
            let fitted = mixed / own;
            let fits = fitted.is_finite() && fitted > 0.0;
            let scale = if fits {
                fitted
            } else {
                f64::from(grids[r].scale)
            };
            let error = all - 2.0 * scale * mixed + scale * scale * own;
            let levels = &levels[r * row..][..row];
            let values: Vec<f32> = levels.iter().map(|l| l * scale as f32).collect();
            (values, error.max(0.0))
        };
        products
            .into_iter()
            .enumerate()
            .map(one)
            .collect::<Vec<_>>()
    };
    let rounded: Vec<(Vec<f32>, f64)> = weights
        .par_chunks(group)
        .zip(grams)
        .enumerate()
        .flat_map_iter(round)
        .collect();
    let (values, errors): (Vec<_>, Vec<_>) = rounded.into_iter().unzip();
    (values.concat(), errors)
}
