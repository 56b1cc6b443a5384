//! Uniform codes: the base of all post-training methods.

use std::ops::ControlFlow;

use burn::tensor::Device;
use rayon::prelude::*;
use subbyte_exec::{Images, Network, Walk};
use subbyte_graph::{Graph, Op, Placement, Quantizer, Storage};

use crate::QuantizeError;
use crate::gram::{Gram, Moments};
use crate::grid::{RowGrid, best_scale};
use crate::layer::{Layer, layers};
use crate::progress::{Progress, Tell};
use crate::ranges::{Clip, set_steps};
use crate::rounding::{closed_form, products, target};

/// Output pixels of a layer that its Gram matrix is measured over.
const PIXELS: usize = 24 * 1024;

/// How [`uniform`] quantizes.
#[derive(Clone, Debug, PartialEq)]
pub struct Uniform {
    /// Bits of all layers.
    pub placement: Placement,
    /// Ranges of activations.
    pub clip: Clip,
    /// How weights get their codes.
    pub rounding: Rounding,
}

/// How weights get their codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// The nearest code, and nothing else: the baseline.
    Nearest,
    /// By the layers' Gram matrices, with weights adapted to the inputs of the network quantized so far and biases that keep the mean
    /// of every channel.
    ClosedForm,
}

/// Quantizes a float classifier in every layer: batch norms folded, a step for each output channel, uniform codes.
///
/// `calibration` are batches of images like those that the network will see. `tell` hears of every step and may end the work.
///
/// # Errors
/// If the network cannot be given quantizers or run, if it computes numbers that are not finite, or if `tell` ends it.
pub fn uniform(
    float: &Graph,
    calibration: &[Images],
    method: &Uniform,
    mut tell: impl FnMut(Progress) -> ControlFlow<()>,
) -> Result<Graph, QuantizeError> {
    let mut float = float.clone();
    float.fold_norms();
    float.give_biases();
    let mut placed = float.place_quantizers(&method.placement)?;
    set_steps(&mut placed, &float, calibration, method.clip, &mut tell)?;
    match method.rounding {
        Rounding::Nearest => {
            for layer in layers(&float, &placed) {
                let weights = weights_of(&float, &layer)?;
                let row = layer.geometry.row();
                let one = vec![1.0; row];
                let steps = steps(&placed, &layer, &weights, |_| &one);
                let id = placed.nodes[layer.quantizer].inputs[1];
                set(&mut placed, id, steps);
            }
        }
        Rounding::ClosedForm => round(&mut placed, &float, calibration, &mut tell)?,
    }
    Ok(placed)
}

/// Rounds layer after layer, each by what the layers before it have become.
fn round(
    placed: &mut Graph,
    float: &Graph,
    calibration: &[Images],
    tell: Tell,
) -> Result<(), QuantizeError> {
    let device = Device::flex();
    let images: usize = calibration.iter().map(Images::len).sum();
    let (float_network, network) = (
        Network::new(float, &device)?,
        Network::new(placed, &device)?,
    );
    let mut float_walk = Walk::new(&float_network, calibration)?;
    let mut walk = Walk::new(&network, calibration)?;
    let layers = layers(float, placed);
    for (done, layer) in layers.iter().enumerate() {
        float_walk.run_to(layer.float);
        walk.run_to(layer.quantizer);
        let mut moments = Moments::new(layer.geometry, images, PIXELS);
        let inputs = [
            walk.features(placed.nodes[layer.placed].inputs[0]),
            float_walk.features(float.nodes[layer.float].inputs[0]),
        ];
        let [Some(quantized), Some(plain)] = inputs else {
            unreachable!("a layer's inputs are kept until it has run")
        };
        for (quantized, plain) in quantized.into_iter().zip(plain) {
            let [quantized, plain] = [quantized, plain].map(|x| x.clone().into_data());
            let [quantized, plain] =
                [&quantized, &plain].map(|x| x.as_slice::<f32>().expect("f32"));
            moments.add(quantized, plain);
        }
        let rounded = round_layer(placed, float, layer, moments.finish())?;
        let node = &placed.nodes[layer.placed];
        let quantizer = &placed.nodes[layer.quantizer];
        let parameters = [
            (quantizer.inputs[0], rounded.weights),
            (quantizer.inputs[1], rounded.steps),
            (node.inputs[2], rounded.bias),
        ];
        for (id, values) in parameters {
            walk.set_parameter(id, &values);
            set(placed, id, values);
        }
        let told = tell(Progress::Layer {
            name: layer.name.clone(),
            done: done + 1,
            of: layers.len(),
            error: rounded.error,
        });
        if let ControlFlow::Break(()) = told {
            return Err(QuantizeError::Stopped);
        }
    }
    Ok(())
}

struct Rounded {
    weights: Vec<f32>,
    steps: Vec<f32>,
    bias: Vec<f32>,
    error: f64,
}

fn round_layer(
    placed: &Graph,
    float: &Graph,
    layer: &Layer,
    grams: Vec<Gram>,
) -> Result<Rounded, QuantizeError> {
    let weights = weights_of(float, layer)?;
    let (row, group) = (layer.geometry.row(), weights.len() / grams.len());
    let rows = weights.len() / row;
    let targets: Vec<f32> = weights
        .par_chunks(group)
        .zip(&grams)
        .flat_map_iter(|(weights, gram)| target(weights, gram))
        .collect();
    let variances: Vec<Vec<f32>> = grams
        .iter()
        .map(|gram| (0..row).map(|i| gram.own[(i, i)]).collect())
        .collect();
    let per_group = rows / grams.len();
    let mut steps = steps(placed, layer, &targets, |r| &variances[r / per_group]);
    let bits = bits_of(placed, layer);
    let one = steps.len() == 1;
    let grids: Vec<RowGrid> = (0..rows)
        .map(|r| RowGrid::signed(bits, steps[if one { 0 } else { r }]))
        .collect();
    let round = |(i, (target, gram)): (usize, (&[f32], &Gram))| {
        closed_form(target, gram, &grids[i * per_group..][..per_group])
    };
    let levels: Vec<f32> = targets
        .par_chunks(group)
        .zip(&grams)
        .enumerate()
        .flat_map_iter(round)
        .collect();
    // Given the codes, the best step is one of least squares too.
    let products: Vec<[f64; 3]> = levels
        .chunks(group)
        .zip(targets.chunks(group))
        .zip(&grams)
        .flat_map(|((levels, targets), gram)| products(levels, targets, gram))
        .collect();
    let sum = |rows: &[[f64; 3]]| {
        let add = |a: [f64; 3], b: &[f64; 3]| [0, 1, 2].map(|i| a[i] + b[i]);
        rows.iter().fold([0.0; 3], add)
    };
    let sharing = rows / steps.len();
    let mut left = 0.0;
    for (step, rows) in steps.iter_mut().zip(products.chunks(sharing)) {
        let [mixed, own, all] = sum(rows);
        let fitted = (mixed / own) as f32;
        if fitted.is_finite() && fitted > 0.0 {
            *step = fitted;
        }
        let step = f64::from(*step);
        left += all - 2.0 * step * mixed + step * step * own;
    }
    let weights_now: Vec<f32> = levels
        .iter()
        .enumerate()
        .map(|(i, level)| level * steps[i / row / sharing])
        .collect();
    let mut bias = bias_of(float, layer);
    for r in 0..rows {
        let gram = &grams[r / per_group];
        let mean = |weights: &[f32], inputs: &[f64]| -> f64 {
            let each = weights[r * row..][..row].iter().zip(inputs);
            each.map(|(w, x)| f64::from(*w) * x).sum()
        };
        bias[r] += (mean(&weights, &gram.float_mean) - mean(&weights_now, &gram.mean)) as f32;
    }
    Ok(Rounded {
        weights: weights_now,
        steps,
        bias,
        error: left / sum(&products)[2].max(f64::MIN_POSITIVE),
    })
}

/// Steps of a layer's rows, or the one of all, by squared error of the weights counted by `importance` of a row's inputs.
fn steps<'a>(
    placed: &Graph,
    layer: &Layer,
    weights: &[f32],
    importance: impl Fn(usize) -> &'a Vec<f32> + Sync,
) -> Vec<f32> {
    let bits = bits_of(placed, layer);
    let rows: Vec<&[f32]> = weights.chunks(layer.geometry.row()).collect();
    let (_, step) = placed
        .param_of(placed.nodes[layer.quantizer].inputs[1])
        .expect("placed there");
    match step.len() {
        1 => vec![best_scale(&rows, importance(0), bits)],
        _ => rows
            .par_iter()
            .enumerate()
            .map(|(r, row)| best_scale(&[row], importance(r), bits))
            .collect(),
    }
}

fn bits_of(placed: &Graph, layer: &Layer) -> u8 {
    match placed.nodes[layer.quantizer].op {
        Op::Quantize(Quantizer::Lsq { bits, .. }) => bits,
        _ => unreachable!("placed there"),
    }
}

/// The layer's float weights `[output][input][row][column]`.
fn weights_of(float: &Graph, layer: &Layer) -> Result<Vec<f32>, QuantizeError> {
    let (name, param) = float
        .param_of(float.nodes[layer.float].inputs[1])
        .expect("placing quantizers asked for it");
    let weights = param.to_vec();
    let count = weights.iter().filter(|w| !w.is_finite()).count();
    match count {
        0 => Ok(weights),
        _ => Err(QuantizeError::NotFinite {
            place: name.to_owned(),
            count,
        }),
    }
}

fn bias_of(float: &Graph, layer: &Layer) -> Vec<f32> {
    let bias = float.nodes[layer.float].inputs.get(2);
    let (_, bias) = bias
        .and_then(|&id| float.param_of(id))
        .expect("every layer was given one");
    bias.to_vec()
}

/// Replaces the numbers of the parameter that node `id` reads.
fn set(graph: &mut Graph, id: usize, values: Vec<f32>) {
    let Op::Param { name } = &graph.nodes[id].op else {
        unreachable!("a parameter's node")
    };
    let name = name.clone();
    let param = graph.params.get_mut(&name).expect("validated");
    param.storage = Storage::F32(values);
}
