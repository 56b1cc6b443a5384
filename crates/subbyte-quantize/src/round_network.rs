//! From formats of all layers to codes of all weights.

use std::ops::ControlFlow;

use burn::tensor::{Device, Tensor};
use rayon::prelude::*;
use subbyte_exec::{Images, Inputs, Network, Walk};
use subbyte_graph::{CodedRows, Graph, Op, Param, Role, Storage};
use subbyte_num::Packed;

use crate::QuantizeError;
use crate::formats::Formats;
use crate::gram::{Measured, Moments};
use crate::layer::Layer;
use crate::learned::{Learning, learned};
use crate::prepared::Prepared;
use crate::progress::{Progress, Tell};
use crate::rounding::{closed_form, nearest, products, target};
use crate::scales::Scales;

/// Output pixels of a layer that its Gram matrix is measured over.
const PIXELS: usize = 24 * 1024;

/// How important the errors of a row's weights are, one number a weight.
pub(crate) type Importance<'a> = &'a (dyn Fn(usize) -> &'a Vec<f32> + Sync);

/// Says which codes and scales the weights of a layer get: its number, the weights, and how important they are.
pub(crate) type Choose<'a> =
    &'a dyn Fn(usize, &[f32], Importance<'_>) -> Result<(Formats, Scales), QuantizeError>;

/// How codes are found that make a layer's outputs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Search {
    ClosedForm,
    Learned(Learning),
}

/// Is given the network after every layer that is rounded, and may end the work.
pub type Keep<'a> = &'a mut dyn FnMut(&Graph) -> ControlFlow<()>;

/// What of a rounding was done before, and who keeps what is done now.
#[derive(Default)]
pub struct State<'a> {
    /// The network that was kept last; its layers whose weights are codes are taken as they are.
    pub started: Option<Graph>,
    /// Who keeps what is done now.
    pub keep: Option<Keep<'a>>,
}

impl State<'_> {
    /// The network to go on with, and how many of its layers are done.
    ///
    /// # Errors
    /// If it is not that of `prepared`.
    fn start(&mut self, prepared: &Prepared) -> Result<(Graph, usize), QuantizeError> {
        let Some(started) = self.started.take() else {
            return Ok((prepared.placed.clone(), 0));
        };
        let placed = &prepared.placed;
        if started.nodes != placed.nodes || !started.params.keys().eq(placed.params.keys()) {
            return Err(QuantizeError::OtherState);
        }
        let weights = |layer: &&Layer| started.param_of(placed.nodes[layer.placed].inputs[1]);
        let is_done = |layer: &&Layer| weights(layer).is_some_and(|(_, p)| p.code_bits().is_some());
        let done = prepared.layers.iter().take_while(is_done).count();
        let rounded: Vec<&str> = prepared.layers[..done]
            .iter()
            .flat_map(|layer| placed.nodes[layer.placed].inputs[1..].iter())
            .filter_map(|&id| placed.param_of(id).map(|(name, _)| name))
            .collect();
        let same = |(name, param): (&String, &Param)| {
            rounded.contains(&&name[..]) || started.params[name] == *param
        };
        match placed.params.iter().all(same) {
            true => Ok((started, done)),
            false => Err(QuantizeError::OtherState),
        }
    }
}

/// Every weight becomes the nearest value of its row's codebook.
pub(crate) fn round_to_nearest(
    prepared: &Prepared,
    formats: &[Formats],
) -> Result<Graph, QuantizeError> {
    round_each_to_nearest(prepared, &|i, weights, importance| {
        let layer = &prepared.layers[i];
        let scales = Scales::new(prepared, layer, &formats[i], weights, importance);
        Ok((formats[i].clone(), scales))
    })
}

/// As [`round_to_nearest`], with codes and scales as `choose` says.
pub(crate) fn round_each_to_nearest(
    prepared: &Prepared,
    choose: Choose,
) -> Result<Graph, QuantizeError> {
    let mut placed = prepared.placed.clone();
    for (i, layer) in prepared.layers.iter().enumerate() {
        let weights = prepared.weights(layer)?;
        let one = vec![1.0; layer.geometry.row()];
        let (formats, scales) = choose(i, &weights, &|_| &one)?;
        let levels = nearest(&weights, &scales.grids(&formats));
        store(&mut placed, layer, &formats, &levels, scales);
    }
    Ok(placed)
}

/// Layer after layer is rounded in closed form, each by what the layers before it have become; its weights are adapted to their
/// inputs before, and biases keep the mean of every channel.
pub(crate) fn round_in_closed_form(
    prepared: &Prepared,
    calibration: &[Images],
    formats: &[Formats],
    tell: Tell,
) -> Result<Graph, QuantizeError> {
    let choose: Choose = &|i, weights, importance| {
        let layer = &prepared.layers[i];
        let scales = Scales::new(prepared, layer, &formats[i], weights, importance);
        Ok((formats[i].clone(), scales))
    };
    let state = &mut State::default();
    let calibration: Vec<Inputs> = calibration.iter().map(Inputs::from).collect();
    round_by_outputs(
        prepared,
        &calibration,
        choose,
        Search::ClosedForm,
        state,
        tell,
    )
}

/// As [`round_in_closed_form`], with codes and scales as `choose` says of the adapted weights, and rounded by `search`.
pub(crate) fn round_by_outputs(
    prepared: &Prepared,
    calibration: &[Inputs],
    choose: Choose,
    search: Search,
    state: &mut State<'_>,
    tell: Tell,
) -> Result<Graph, QuantizeError> {
    let (mut placed, first) = state.start(prepared)?;
    let network = Network::new(&prepared.placed, &Device::flex())?;
    let mut walk = Walk::new(&network, calibration)?;
    for layer in &prepared.layers[..first] {
        walk.run_to(layer.placed);
        for &id in &prepared.placed.nodes[layer.placed].inputs[1..] {
            let (_, param) = placed.param_of(id).expect("the same nodes");
            walk.set_parameter(id, &param.to_vec());
        }
    }
    for_each_layer(
        prepared,
        calibration,
        first,
        Some(&mut walk),
        |walk, i, grams| {
            let layer = &prepared.layers[i];
            let rounded = round_layer(prepared, i, choose, search, &grams, &mut *tell)?;
            let inputs = &prepared.placed.nodes[layer.placed].inputs;
            if let Some(walk) = walk {
                walk.set_parameter(inputs[1], &rounded.weights);
                walk.set_parameter(inputs[2], &rounded.bias);
            }
            set(&mut placed, inputs[2], Storage::F32(rounded.bias));
            store(
                &mut placed,
                layer,
                &rounded.formats,
                &rounded.levels,
                rounded.scales,
            );
            let kept = match &mut state.keep {
                Some(keep) => keep(&placed),
                None => ControlFlow::Continue(()),
            };
            let told = tell(Progress::Layer {
                name: layer.name.clone(),
                done: i + 1,
                of: prepared.layers.len(),
                error: rounded.error,
            });
            match kept.is_break() || told.is_break() {
                true => Err(QuantizeError::Stopped),
                false => Ok(()),
            }
        },
    )?;
    Ok(placed)
}

/// Shows the Gram matrices of every layer from layer `first` on to `see`, one for each group, in the order of the layers: of what `walk`'s network gives the layer
/// and of what the float network does, or of the float network alone.
pub(crate) fn for_each_layer(
    prepared: &Prepared,
    calibration: &[Inputs],
    first: usize,
    mut walk: Option<&mut Walk<'_>>,
    mut see: impl FnMut(Option<&mut Walk<'_>>, usize, Vec<Measured>) -> Result<(), QuantizeError>,
) -> Result<(), QuantizeError> {
    let images: usize = calibration.iter().map(Inputs::len).sum();
    let float = Network::new(&prepared.float, &Device::flex())?;
    let mut float_walk = Walk::new(&float, calibration)?;
    for (i, layer) in prepared.layers.iter().enumerate().skip(first) {
        float_walk.run_to(layer.float);
        let mut moments = Moments::new(layer.geometry, images, PIXELS);
        if let Some(walk) = &mut walk {
            walk.run_to(layer.placed);
        }
        let input = prepared.placed.nodes[layer.placed].inputs[0];
        let mut quantized = walk.as_ref().map(|walk| walk.features(input));
        for plain in float_walk.features(prepared.float.nodes[layer.float].inputs[0]) {
            let quantized = quantized.as_mut().and_then(Iterator::next);
            let quantized = quantized.map(Tensor::into_data);
            let plain = plain.into_data();
            let quantized = quantized.as_ref().unwrap_or(&plain);
            let [quantized, plain] =
                [quantized, &plain].map(|x| x.as_slice::<f32>().expect("f32 activations"));
            moments.add(quantized, plain);
        }
        drop(quantized);
        see(walk.as_deref_mut(), i, moments.finish())?;
    }
    Ok(())
}

struct Rounded {
    formats: Formats,
    levels: Vec<f32>,
    scales: Scales,
    weights: Vec<f32>,
    bias: Vec<f32>,
    error: f64,
}

fn round_layer(
    prepared: &Prepared,
    i: usize,
    choose: Choose,
    search: Search,
    grams: &[Measured],
    tell: Tell,
) -> Result<Rounded, QuantizeError> {
    let layer = &prepared.layers[i];
    let weights = prepared.weights(layer)?;
    let (row, group) = (layer.geometry.row(), weights.len() / grams.len());
    let rows = weights.len() / row;
    let per_group = rows / grams.len();
    let targets: Vec<f32> = weights
        .par_chunks(group)
        .zip(grams)
        .flat_map_iter(|(weights, gram)| target(weights, gram))
        .collect();
    let variances: Vec<Vec<f32>> = grams.iter().map(|m| m.all.variances()).collect();
    let (formats, mut scales) = choose(i, &targets, &|r| &variances[r / per_group])?;
    let grids = scales.grids(&formats);
    let of_group = |g: usize| &grids[g * per_group..][..per_group];
    let levels: Vec<f32> = match search {
        Search::ClosedForm => targets
            .par_chunks(group)
            .zip(grams)
            .enumerate()
            .flat_map_iter(|(g, (target, gram))| closed_form(target, gram, of_group(g)))
            .collect(),
        Search::Learned(learning) => {
            let mut levels = Vec::with_capacity(targets.len());
            for (g, (target, gram)) in targets.chunks(group).zip(grams).enumerate() {
                levels.extend(learned(target, gram, of_group(g), learning, &mut |step| {
                    tell(Progress::Rounding {
                        name: layer.name.clone(),
                        done: g * learning.steps + step,
                        of: grams.len() * learning.steps,
                    })
                })?);
            }
            levels
        }
    };
    // Given the codes, the best scale is one of least squares too.
    let products: Vec<[f64; 3]> = levels
        .chunks(group)
        .zip(targets.chunks(group))
        .zip(grams)
        .flat_map(|((levels, targets), gram)| products(levels, targets, &gram.all))
        .collect();
    let sharing = rows / scales.scales.len();
    let (mut left, mut all) = (0.0, 0.0);
    for (scale, rows) in scales.scales.iter_mut().zip(products.chunks(sharing)) {
        let [mixed, own, whole] = rows
            .iter()
            .fold([0.0; 3], |a, b| [0, 1, 2].map(|i| a[i] + b[i]));
        let fitted = (mixed / own) as f32;
        if fitted.is_finite() && fitted > 0.0 {
            *scale = fitted;
        }
        let scale = f64::from(*scale);
        left += whole - 2.0 * scale * mixed + scale * scale * own;
        all += whole;
    }
    let values: Vec<f32> = levels
        .iter()
        .enumerate()
        .map(|(i, level)| level * scales.scales[i / row / sharing])
        .collect();
    let mut bias = prepared.bias(layer);
    for (r, bias) in bias.iter_mut().enumerate() {
        let gram = &grams[r / per_group].all;
        let mean = |weights: &[f32], inputs: &[f64]| -> f64 {
            let each = weights[r * row..][..row].iter().zip(inputs);
            each.map(|(w, x)| f64::from(*w) * x).sum()
        };
        *bias += (mean(&weights, &gram.float_mean) - mean(&values, &gram.mean)) as f32;
    }
    Ok(Rounded {
        formats,
        levels,
        scales,
        weights: values,
        bias,
        error: left / all.max(f64::MIN_POSITIVE),
    })
}

/// Puts codes in the place of a layer's weights.
fn store(placed: &mut Graph, layer: &Layer, formats: &Formats, levels: &[f32], scales: Scales) {
    let row = layer.geometry.row();
    let taps = layer.geometry.kernel.iter().product();
    let mut first = 0;
    let run = |(rows, codebook): (usize, usize)| {
        let codebook = &formats.codebooks[codebook];
        let of_run = first * row..(first + rows) * row;
        let own = |i: usize| match scales.multipliers.as_ref().map(|m| m[i]) {
            None => levels[i],
            Some(0.0) => 0.0,
            Some(m) => levels[i] / m,
        };
        let codes: Vec<u8> = of_run.map(|i| codebook.code(own(i))).collect();
        let of_rows = first..first + rows;
        first += rows;
        CodedRows {
            codebook: codebook.entries(),
            scales: scales.of_rows(of_rows.clone()),
            multipliers: formats
                .vector
                .map(|length| scales.run_multipliers(of_rows, row, taps, length)),
            codes: Packed::new(codebook.bits(), &codes),
        }
    };
    let runs = formats.runs().map(run).collect();
    let id = placed.nodes[layer.placed].inputs[1];
    set(placed, id, Storage::Codes(runs));
}

/// Replaces the numbers of the parameter that node `id` reads; codes stay as they are then.
fn set(graph: &mut Graph, id: usize, storage: Storage) {
    let Op::Param { name } = &graph.nodes[id].op else {
        unreachable!("a parameter's node")
    };
    let param = graph.params.get_mut(name).expect("validated");
    if let Storage::Codes(_) = storage {
        param.role = Role::Constant;
    }
    param.storage = storage;
}
