//! What quantizing each layer does to the network's output: the error that closed-form rounding leaves in every channel, times how much
//! the output feels errors of that layer.

use std::ops::ControlFlow;

use burn::tensor::Device;
use rayon::prelude::*;
use subbyte_exec::{Images, Network, Walk};

use crate::QuantizeError;
use crate::codebook::Codebook;
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
        outputs(&mut all, prepared)
    };
    let mut losses = Losses::new();
    for_each_layer(prepared, calibration, None, |_, i, grams| {
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
                moved = divergence(&expected, &outputs(&mut alone, prepared));
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

/// About `count` of the images, as batches of their own.
fn spread(batches: &[Images], count: usize) -> Vec<Images> {
    let all: usize = batches.iter().map(Images::len).sum();
    let every = (all / count.max(1)).max(1);
    let pick = |images: &Images| {
        let [_, height, width, colours] = images.shape();
        let bytes = height * width * colours;
        let chosen = images.data().chunks(bytes).step_by(every);
        let data: Vec<u8> = chosen.flatten().copied().collect();
        let shape = [data.len() / bytes, height, width, colours];
        Images::new(data, shape)
    };
    batches.iter().map(pick).collect()
}

/// The logits of all images, `[image][class]`.
fn outputs(walk: &mut Walk<'_>, prepared: &Prepared) -> Vec<Vec<f64>> {
    walk.run_to(prepared.float.nodes.len());
    let logits = walk.features(prepared.float.outputs[0]);
    let each = logits.flat_map(|batch| {
        let [_, _, _, classes] = batch.dims();
        let data = batch.into_data();
        let data: Vec<f64> = data.iter::<f64>().collect();
        data.chunks(classes)
            .map(<[f64]>::to_vec)
            .collect::<Vec<_>>()
    });
    each.collect()
}

/// Mean Kullback-Leibler divergence between the distributions that logits mean, in nats.
fn divergence(expected: &[Vec<f64>], found: &[Vec<f64>]) -> f64 {
    let log_softmax = |logits: &[f64]| -> Vec<f64> {
        let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = logits.iter().map(|l| (l - max).exp()).sum();
        logits.iter().map(|l| l - max - sum.ln()).collect()
    };
    let one = |(expected, found): (&Vec<f64>, &Vec<f64>)| -> f64 {
        let (p, q) = (log_softmax(expected), log_softmax(found));
        p.iter().zip(&q).map(|(p, q)| p.exp() * (p - q)).sum()
    };
    let all: f64 = expected.iter().zip(found).map(one).sum();
    all / expected.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distributions_diverge_by_what_differs_in_them() {
        let a = vec![vec![0.0, 1.0, 2.0]];
        let shifted = vec![vec![5.0, 6.0, 7.0]];
        assert!(divergence(&a, &shifted).abs() < 1e-12);
        let half = vec![vec![0.0, 0.0]];
        let ninety = vec![vec![9f64.ln(), 0.0]];
        let exact = 0.5 * (0.5f64 / 0.9).ln() + 0.5 * (0.5f64 / 0.1).ln();
        assert!((divergence(&half, &ninety) - exact).abs() < 1e-12);
    }

    #[test]
    fn trial_images_come_from_all_batches() {
        let batches: Vec<Images> = (0..4)
            .map(|b| Images::new(vec![b; 16 * 2], [16, 2, 1, 1]))
            .collect();
        let few = spread(&batches, 8);
        let lengths: Vec<usize> = few.iter().map(Images::len).collect();
        assert_eq!(lengths, [2; 4]);
        assert_eq!(few[3].data(), [3; 4]);
    }
}
