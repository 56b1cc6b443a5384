//! Low-bit floats (methods.md 4): a format and a clip value for every tensor that is multiplied, and weights stored as codes.
//!
//! Integers are the formats of one exponent bit here, so that both kinds are searched and rounded alike.

use std::ops::ControlFlow;

use burn::tensor::Device;
use rayon::prelude::*;
use subbyte_exec::{Inputs, Mode, Network};
use subbyte_graph::{Graph, NodeId, Op};
use subbyte_num::MinifloatGrid;

use crate::QuantizeError;
use crate::codebook::Codebook;
use crate::density::{Density, Piece, points};
use crate::format_search::{Candidate, FormatChoice, Reach, search};
use crate::formats::Formats;
use crate::layer::Layer;
use crate::learned::Learning;
use crate::prepared::Prepared;
use crate::progress::{Progress, Tell};
use crate::round_network::{Importance, Search, State, round_by_outputs, round_each_to_nearest};
use crate::scales::Scales;

/// Rows of more weights than this are searched by their density.
const POINTS: usize = 2048;
/// The least value of `x * sigmoid(x)`.
const LEAST_SILU: f32 = -0.278_464_54;
/// The least value of `x * relu6(x + 3) / 6`.
const LEAST_HARD_SWISH: f32 = -0.375;

/// How [`minifloat`] quantizes.
#[derive(Clone, Debug, PartialEq)]
pub struct Minifloats {
    /// Formats of weights; `None` leaves them in f32.
    pub weights: Option<FormatChoice>,
    /// Formats of the tensors that layers read; `None` leaves them in f32.
    pub activations: Option<FormatChoice>,
    /// Bits of the first and the last layers, where they are not those of the others: what no layer is before, or none after.
    pub ends: Option<u8>,
    /// How far formats reach.
    pub reach: Reach,
    /// A clip value for every output channel of weights in place of one for the tensor.
    pub per_channel: bool,
    /// How weights get their codes.
    pub rounding: WeightRounding,
}

/// How weights get their codes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum WeightRounding {
    /// The nearest one.
    Nearest,
    /// One input after another, each error being spread over those that are left (methods.md 6.5).
    ClosedForm,
    /// Learned (methods.md 4.5).
    Learned(Learning),
}

/// Quantizes what every convolution and linear layer of a float network multiplies to floats of few bits. The result runs in the
/// executor; it has no integer form.
///
/// `calibration` are batches of what the network will read, images or float inputs; only activations and roundings other than the nearest need
/// them. `tell` hears of every step and may end the work.
///
/// # Errors
/// If the network cannot be run or is quantized already, if there are no images, if a tensor holds numbers that are not finite or nothing
/// but zeros, or if `tell` ends the work.
pub fn minifloat(
    float: &Graph,
    calibration: &[Inputs],
    method: &Minifloats,
    tell: impl FnMut(Progress) -> ControlFlow<()>,
) -> Result<Graph, QuantizeError> {
    resume_minifloat(float, calibration, method, &mut State::default(), tell)
}

/// As [`minifloat`], going on from layers that were rounded before; with the same network, images and method the result is the same.
///
/// # Errors
/// As [`minifloat`], and if what was kept is of another network or other activations.
pub fn resume_minifloat(
    float: &Graph,
    calibration: &[Inputs],
    method: &Minifloats,
    state: &mut State<'_>,
    mut tell: impl FnMut(Progress) -> ControlFlow<()>,
) -> Result<Graph, QuantizeError> {
    let needs_images = method.activations.is_some() || method.rounding != WeightRounding::Nearest;
    if needs_images && calibration.iter().all(Inputs::is_empty) {
        return Err(QuantizeError::NoImages);
    }
    let choices = Choices::new(float, method);
    let prepared = Prepared::placed(
        float,
        |float| place(float, calibration, method, &choices, &mut tell),
        |layer| choices.weights(layer).is_some(),
    )?;
    let choose = |i: usize, weights: &[f32], importance: Importance<'_>| {
        let layer = &prepared.layers[i];
        let fit = fit_weights(&choices, method, layer, weights, importance)?;
        Ok((fit.formats, fit.scales))
    };
    let search = match method.rounding {
        WeightRounding::Nearest => return round_each_to_nearest(&prepared, &choose),
        WeightRounding::ClosedForm => Search::ClosedForm,
        WeightRounding::Learned(learning) => Search::Learned(learning),
    };
    round_by_outputs(&prepared, calibration, &choose, search, state, &mut tell)
}

/// What rounding a layer's weights to the nearest value does to them.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightFit {
    /// Name of the layer's node.
    pub layer: String,
    /// Number of weights.
    pub weights: usize,
    /// The format.
    pub format: subbyte_num::Minifloat,
    /// Fourth moment by the square of the second: 3 for a Gaussian, 6 for a Laplacian.
    pub kurtosis: f64,
    /// Squared weights by squared errors, in dB.
    pub sqnr_db: f64,
}

/// Formats of all layers' weights, norms folded, and how well they fit them.
///
/// # Errors
/// As [`minifloat`].
pub fn weight_fits(float: &Graph, method: &Minifloats) -> Result<Vec<WeightFit>, QuantizeError> {
    let choices = Choices::new(float, method);
    let chosen = |layer: &str| choices.weights(layer).is_some();
    let prepared = Prepared::placed(float, |float| Ok(float.clone()), chosen)?;
    let fit = |layer: &Layer| {
        let weights = prepared.weights(layer)?;
        let one = vec![1.0; layer.geometry.row()];
        let fit = fit_weights(&choices, method, layer, &weights, &|_| &one)?;
        let moment = |power: i32| -> f64 {
            let all = weights.iter().map(|w| f64::from(*w).powi(power));
            all.sum::<f64>() / weights.len() as f64
        };
        Ok(WeightFit {
            layer: layer.name.clone(),
            weights: weights.len(),
            format: fit.format,
            kurtosis: moment(4) / moment(2).powi(2),
            sqnr_db: 10.0 * (moment(2) * weights.len() as f64 / fit.error).log10(),
        })
    };
    prepared.layers.iter().map(fit).collect()
}

/// Which formats each layer may have.
struct Choices<'a> {
    method: &'a Minifloats,
    ends: Vec<String>,
    /// Layers that stay in floats.
    phases: Vec<String>,
}

impl<'a> Choices<'a> {
    fn new(graph: &Graph, method: &'a Minifloats) -> Self {
        let names = |ids: Vec<NodeId>| {
            let names = ids.into_iter().map(|id| graph.nodes[id].name.clone());
            names.collect()
        };
        Self {
            method,
            ends: names(ends(graph)),
            phases: names(phases(graph)),
        }
    }

    fn weights(&self, layer: &str) -> Option<FormatChoice> {
        self.of(layer, self.method.weights)
    }

    fn activations(&self, layer: &str) -> Option<FormatChoice> {
        self.of(layer, self.method.activations)
    }

    fn of(&self, layer: &str, choice: Option<FormatChoice>) -> Option<FormatChoice> {
        if self.phases.iter().any(|phase| phase == layer) {
            return None;
        }
        let is_end = self.ends.iter().any(|end| end == layer);
        match self.method.ends.filter(|_| is_end) {
            Some(bits) if choice.is_some_and(|choice| choice.bits() != bits) => {
                choice.map(|choice| choice.with_bits(bits))
            }
            _ => choice,
        }
    }
}

/// Whether node `id` multiplies.
fn multiplies(graph: &Graph, id: NodeId) -> bool {
    !graph.factors(id).is_empty()
}

/// Layers whose results a function such as a sine takes before another layer reads them: the phases of a time embedding, of which an
/// error of a few per cent leaves nothing. They stay in floats, as in published work (methods.md 4.7).
fn phases(graph: &Graph) -> Vec<NodeId> {
    let mut taken = vec![false; graph.nodes.len()];
    for (id, node) in graph.nodes.iter().enumerate().rev() {
        if matches!(node.op, Op::Map { .. }) || taken[id] && !multiplies(graph, id) {
            node.inputs.iter().for_each(|&input| taken[input] = true);
        }
    }
    (0..taken.len())
        .filter(|&id| taken[id] && multiplies(graph, id))
        .collect()
}

/// Layers that read what no other layer has made, or make what no other one reads.
fn ends(graph: &Graph) -> Vec<NodeId> {
    let count = graph.nodes.len();
    let is_param = |id: NodeId| matches!(graph.nodes[id].op, Op::Param { .. });
    // Whether a tensor comes from the inputs without a layer between, and whether an output does from it.
    let (mut fresh, mut last) = (vec![false; count], vec![false; count]);
    for id in 0..count {
        let mut inputs = graph.nodes[id]
            .inputs
            .iter()
            .filter(|&&input| !is_param(input));
        fresh[id] = !is_param(id) && !multiplies(graph, id) && inputs.all(|&input| fresh[input]);
    }
    for &output in &graph.outputs {
        last[output] = true;
    }
    for id in (0..count)
        .rev()
        .filter(|&id| !multiplies(graph, id))
        .collect::<Vec<_>>()
    {
        if last[id] {
            graph.nodes[id]
                .inputs
                .iter()
                .for_each(|&input| last[input] = true);
        }
    }
    let is_end = |&id: &NodeId| {
        multiplies(graph, id) && (last[id] || graph.factors(id).iter().all(|&input| fresh[input]))
    };
    (0..count).filter(is_end).collect()
}

/// A copy of the network with quantizers of activations.
fn place(
    float: &Graph,
    calibration: &[Inputs],
    method: &Minifloats,
    choices: &Choices<'_>,
    tell: Tell,
) -> Result<Graph, QuantizeError> {
    // What is quantized for whom, and the formats of both.
    let mut wanted: Vec<(NodeId, FormatChoice)> = Vec::new();
    for id in 0..float.nodes.len() {
        let Some(choice) = choices.activations(&float.nodes[id].name) else {
            continue;
        };
        for part in float
            .factors(id)
            .iter()
            .flat_map(|&input| float.joined(input))
        {
            if !wanted.contains(&(part, choice)) {
                wanted.push((part, choice));
            }
        }
    }
    if wanted.is_empty() {
        return Ok(float.clone());
    }
    let densities = densities(float, calibration, &wanted, tell)?;
    let grid = |&(tensor, choice): &(NodeId, FormatChoice)| {
        let density = &densities[tensor].as_ref().expect("measured");
        let range = density.range();
        let candidates = candidates(float, tensor, choice, method.reach, range);
        search(&candidates, method.reach, &density.pieces(), range).0
    };
    let grids: Vec<MinifloatGrid> = wanted.par_iter().map(grid).collect();
    let placed = float.place_minifloats(|layer, tensor| {
        let choice = choices.activations(&float.nodes[layer].name)?;
        let found = wanted.iter().position(|wish| *wish == (tensor, choice));
        found.map(|i| grids[i])
    })?;
    Ok(placed)
}

/// Densities of the tensors that are quantized, by their nodes in the float network.
fn densities(
    float: &Graph,
    calibration: &[Inputs],
    wanted: &[(NodeId, FormatChoice)],
    tell: Tell,
) -> Result<Vec<Option<Density>>, QuantizeError> {
    let mut densities: Vec<Option<Density>> = vec![None; float.nodes.len()];
    for (tensor, _) in wanted {
        densities[*tensor] = Some(Density::new());
    }
    let network = Network::new(float, &Device::flex())?;
    for (done, images) in calibration.iter().enumerate() {
        network.observe(images, Mode::Evaluate, |id, tensor| {
            if let Some(density) = &mut densities[id] {
                let data = tensor.clone().into_data();
                density.extend(data.as_slice::<f32>().expect("f32 activations"), &[1.0]);
            }
        })?;
        let told = tell(Progress::Ranges {
            done: done + 1,
            of: calibration.len(),
        });
        if told == ControlFlow::Break(()) {
            return Err(QuantizeError::Stopped);
        }
    }
    for (density, node) in densities.iter().zip(&float.nodes) {
        match density {
            Some(density) if density.broken > 0 => {
                return Err(QuantizeError::NotFinite {
                    place: node.name.clone(),
                    count: density.broken,
                });
            }
            Some(density) if density.is_zero() => {
                return Err(QuantizeError::OnlyZeros {
                    place: node.name.clone(),
                    advice: "calibrate with other images, or leave activations in floats",
                });
            }
            _ => {}
        }
    }
    Ok(densities)
}

/// Formats for an activation: without a sign where no value is negative or the function that makes it has a least value.
fn candidates(
    float: &Graph,
    tensor: NodeId,
    choice: FormatChoice,
    reach: Reach,
    range: [f32; 2],
) -> Vec<Candidate> {
    let with = |signed, offset| {
        let formats = choice.formats(signed).into_iter();
        formats.map(move |format| Candidate { format, offset })
    };
    let signed = range[0] < 0.0;
    let mut candidates: Vec<Candidate> = with(signed, 0.0).collect();
    if let (true, Reach::Search, Some(least)) = (signed, reach, least_value(float, tensor))
        && !matches!(choice, FormatChoice::Fixed(_))
    {
        candidates.extend(with(false, least));
    }
    candidates
}

/// The least value that a tensor can have, where its function has one.
fn least_value(graph: &Graph, id: NodeId) -> Option<f32> {
    let node = &graph.nodes[id];
    match node.op {
        Op::Silu => Some(LEAST_SILU),
        Op::HardSwish => Some(LEAST_HARD_SWISH),
        Op::MaxPool(_) | Op::Slice { .. } | Op::Flatten | Op::Upsample { .. } => {
            least_value(graph, node.inputs[0])
        }
        _ => None,
    }
}

/// The format and scales of a layer's weights.
struct Fit {
    format: subbyte_num::Minifloat,
    formats: Formats,
    scales: Scales,
    /// Sum of squared errors of the nearest values.
    error: f64,
}

fn fit_weights(
    choices: &Choices<'_>,
    method: &Minifloats,
    layer: &Layer,
    weights: &[f32],
    importance: Importance<'_>,
) -> Result<Fit, QuantizeError> {
    let choice = choices
        .weights(&layer.name)
        .expect("only chosen layers are fitted");
    if weights.iter().all(|w| *w == 0.0) {
        return Err(QuantizeError::OnlyZeros {
            place: layer.name.clone(),
            advice: "remove the layer",
        });
    }
    let row = layer.geometry.row();
    let rows = weights.len() / row;
    let one = vec![1.0; row];
    // Inputs that never vary make all errors as unimportant.
    let mass = |r: usize| match importance(r).iter().any(|m| *m > 0.0) {
        true => importance(r),
        false => &one,
    };
    let candidate = |format| Candidate {
        format,
        offset: 0.0,
    };
    let candidates: Vec<Candidate> = choice.formats(true).into_iter().map(candidate).collect();
    let range = |values: &[f32]| {
        let ends = |[min, max]: [f32; 2], w: &f32| [min.min(*w), max.max(*w)];
        values.iter().fold([0.0; 2], ends)
    };
    if !method.per_channel {
        let mut density = Density::new();
        for (r, values) in weights.chunks(row).enumerate() {
            density.extend(values, mass(r));
        }
        let (grid, error) = search(&candidates, method.reach, &density.pieces(), range(weights));
        return Ok(Fit {
            format: grid.format,
            formats: Formats::one(Codebook::minifloat(grid.format), rows),
            scales: Scales::plain(vec![grid.unit()], rows),
            error,
        });
    }
    // One format for the tensor: the one whose rows have the least error together.
    let pieces: Vec<Vec<Piece>> = weights
        .par_chunks(row)
        .enumerate()
        .map(|(r, values)| pieces_of(values, mass(r)))
        .collect();
    let fit = |candidate: &Candidate| {
        let of_row = |(values, pieces): (&[f32], &Vec<Piece>)| {
            search(&[*candidate], method.reach, pieces, range(values))
        };
        let rows: Vec<(MinifloatGrid, f64)> =
            weights.par_chunks(row).zip(&pieces).map(of_row).collect();
        let error: f64 = rows.iter().map(|(_, error)| error).sum();
        (candidate.format, rows, error)
    };
    let fits = candidates.iter().map(fit);
    let (format, grids, error) = fits
        .min_by(|a, b| a.2.total_cmp(&b.2))
        .expect("a choice has formats");
    Ok(Fit {
        format,
        formats: Formats::one(Codebook::minifloat(format), rows),
        scales: Scales::plain(grids.iter().map(|(grid, _)| grid.unit()).collect(), rows),
        error,
    })
}

/// Single values, or their density where they are many.
fn pieces_of(values: &[f32], mass: &[f32]) -> Vec<Piece> {
    if values.len() <= POINTS {
        return points(values, mass);
    }
    let mut density = Density::new();
    density.extend(values, mass);
    density.pieces()
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;
    use subbyte_graph::networks::{FirstLayer, LastLayer, NetworkConfig, build};
    use subbyte_graph::{Param, Role, Storage};

    use subbyte_exec::Images;
    use subbyte_graph::Function;

    use super::*;

    /// A float network for images of 28x28, with random weights.
    fn float() -> Graph {
        let config = NetworkConfig {
            colours: 1,
            height: 28,
            width: 28,
            bits: None,
            first: FirstLayer::Float,
            last: LastLayer::Float,
            ..NetworkConfig::default()
        };
        build("small", &config).expect("network")
    }

    fn images(seed: usize) -> Vec<Inputs> {
        let pixel = |i: usize| ((i + seed).wrapping_mul(2_654_435_761) >> 7) as u8;
        let batch = |b: usize| {
            Images::new(
                (0..8 * 784)
                    .map(|i| pixel(i + 9999 * b))
                    .collect::<Vec<u8>>(),
                [8, 28, 28, 1],
            )
            .into()
        };
        (0..4).map(batch).collect()
    }

    fn method(weights: &str, activations: &str, rounding: WeightRounding) -> Minifloats {
        Minifloats {
            weights: weights.parse().ok(),
            activations: activations.parse().ok(),
            ends: Some(8),
            reach: Reach::Search,
            per_channel: false,
            rounding,
        }
    }

    fn go_on(_: Progress) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn outputs(graph: &Graph) -> Vec<f32> {
        let network = Network::new(graph, &Device::flex()).expect("runs");
        let run = |images: &Inputs| -> Vec<f32> {
            let data: TensorData = network.predict(images).expect("forward").into_data();
            data.iter::<f32>().collect()
        };
        images(77).iter().flat_map(run).collect()
    }

    /// Squared error of the outputs by their squares.
    fn moved(graph: &Graph, float: &Graph) -> f32 {
        let (found, expected) = (outputs(graph), outputs(float));
        let off: f32 = found
            .iter()
            .zip(&expected)
            .map(|(a, b)| (a - b).powi(2))
            .sum();
        off / expected.iter().map(|x| x * x).sum::<f32>()
    }

    #[test]
    fn the_better_a_weight_is_rounded_the_less_the_network_moves() {
        let float = float();
        let quantized = |weights: &str, rounding| {
            let method = method(weights, "fp8", rounding);
            let made = minifloat(&float, &images(1), &method, go_on).expect("quantized");
            moved(&made, &float)
        };
        let eight = quantized("fp8", WeightRounding::Nearest);
        let four = quantized("fp4", WeightRounding::Nearest);
        let closed = quantized("fp4", WeightRounding::ClosedForm);
        let learned = quantized("fp4", WeightRounding::Learned(Learning::default()));
        assert!(eight < 0.01 && eight < 0.1 * four, "{eight} {four}");
        assert!(
            closed < 0.7 * four && learned < 0.7 * four,
            "{closed} {learned} {four}"
        );
    }

    #[test]
    fn weights_lie_in_their_bits_and_activations_have_quantizers() {
        let float = float();
        let method = method("fp4", "fp8", WeightRounding::Nearest);
        let made = minifloat(&float, &images(1), &method, go_on).expect("quantized");
        let ends = ends(&float);
        assert_eq!(ends.len(), 2);
        let mut layers = 0;
        for node in &made.nodes {
            if !matches!(node.op, Op::Conv2d { .. } | Op::Linear) {
                continue;
            }
            layers += 1;
            let (_, weights) = made.param_of(node.inputs[1]).expect("weights");
            let end = ends.iter().any(|&id| float.nodes[id].name == node.name);
            assert_eq!(
                weights.code_bits(),
                Some(if end { 8 } else { 4 }),
                "{}",
                node.name
            );
            let Storage::Codes(runs) = &weights.storage else {
                panic!("{} is in floats", node.name)
            };
            let bytes: usize = runs.iter().map(|run| run.codes.bytes().len()).sum();
            assert_eq!(bytes, weights.len() * if end { 8 } else { 4 } / 8);
            assert!(runs[0].minifloat().is_some());
            let Op::Minifloat { format, .. } = made.nodes[node.inputs[0]].op else {
                panic!("{} reads floats", node.name)
            };
            // Pixels have both signs, and all else is behind a ReLU.
            assert_eq!(format.is_signed(), layers == 1, "{}", node.name);
        }
        assert!(layers > 2 && !made.is_fully_quantized());
    }

    #[test]
    fn floats_are_never_worse_than_integers_of_their_bits() {
        let float = float();
        for per_channel in [false, true] {
            let fits = |weights: &str| {
                let mut method = method(weights, "", WeightRounding::Nearest);
                method.per_channel = per_channel;
                weight_fits(&float, &method).expect("fits")
            };
            for (floats, integers) in fits("fp4").iter().zip(&fits("int4")) {
                assert_eq!(floats.layer, integers.layer);
                assert!(
                    floats.sqnr_db >= integers.sqnr_db,
                    "{floats:?} {integers:?}"
                );
                assert_eq!(integers.format.exponent_bits(), 1);
            }
        }
        let fits = |per_channel| {
            let mut method = method("fp4", "", WeightRounding::Nearest);
            method.per_channel = per_channel;
            weight_fits(&float, &method).expect("fits")
        };
        for (rows, tensor) in fits(true).iter().zip(&fits(false)) {
            assert!(rows.sqnr_db > tensor.sqnr_db - 0.05, "{rows:?} {tensor:?}");
        }
    }

    #[test]
    fn tensors_with_a_known_least_value_may_begin_there() {
        let mut g = Graph::new("silu");
        let image = Op::Image {
            colours: 1,
            height: 2,
            width: 2,
        };
        let image = g.push("image", image, &[]);
        let normalize = Op::Normalize {
            mean: vec![0.5],
            std: vec![0.1],
        };
        let x = g.push("x", normalize, &[image]);
        let silu = g.push("silu", Op::Silu, &[x]);
        let up = Op::Upsample {
            vertical: 2,
            horizontal: 2,
        };
        let up = g.push("up", up, &[silu]);
        let weight = g.param("w", Param::new([1, 1, 1, 1], Role::Weight, vec![1.0]));
        let conv = g.conv2d("conv", up, weight, 1, 0, 1);
        g.outputs = vec![conv];
        let find = |choice: &str| {
            let choice = choice.parse().unwrap();
            candidates(&g, up, choice, Reach::Search, [-0.27, 5.0])
        };
        assert_eq!(find("int8").len(), 2);
        assert_eq!(find("fp8").len(), 14);
        assert_eq!(find("e4m3").len(), 1);
        assert!(
            find("fp8")
                .iter()
                .any(|c| c.offset == LEAST_SILU && !c.format.is_signed())
        );
        // Integers gain a bit there: without a sign their steps are half as wide.
        let method = method("float", "int4", WeightRounding::Nearest);
        let pixels = Images::new(
            (0..64).map(|i| 90 + i * 2).collect::<Vec<u8>>(),
            [16, 2, 2, 1],
        );
        let made = minifloat(&g, &[pixels.into()], &method, go_on).expect("quantized");
        let offset = made.nodes.iter().find_map(|node| match node.op {
            Op::Minifloat { offset, .. } => Some(offset),
            _ => None,
        });
        assert_eq!(offset, Some(LEAST_SILU));
        assert_eq!(made.params["w"].to_vec(), [1.0]);
    }

    #[test]
    fn a_rounding_that_was_interrupted_ends_as_one_that_was_not() {
        let float = float();
        let method = method("fp4", "fp8", WeightRounding::ClosedForm);
        let whole = minifloat(&float, &images(1), &method, go_on).expect("quantized");
        let mut kept = None;
        let mut keep = |graph: &Graph| {
            kept = Some(graph.clone());
            ControlFlow::Continue(())
        };
        let mut state = State {
            started: None,
            keep: Some(&mut keep),
        };
        let stopped =
            resume_minifloat(&float, &images(1), &method, &mut state, |told| match told {
                Progress::Layer { done: 2, .. } => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            });
        assert!(matches!(stopped, Err(QuantizeError::Stopped)));
        let go_on_from = |started: Graph, float: &Graph| {
            let mut layers = Vec::new();
            let mut state = State {
                started: Some(started),
                keep: None,
            };
            let made = resume_minifloat(float, &images(1), &method, &mut state, |told| {
                if let Progress::Layer { done, .. } = told {
                    layers.push(done);
                }
                ControlFlow::Continue(())
            });
            made.map(|made| (made, layers))
        };
        let kept = kept.expect("two layers");
        let (made, layers) = go_on_from(kept.clone(), &float).expect("quantized");
        assert_eq!(layers[0], 3);
        assert!(made == whole);
        let mut other = float.clone();
        let weight = other.params.get_mut("classifier.weight").expect("a layer");
        weight.storage = Storage::F32(vec![0.25; weight.len()]);
        let refused = go_on_from(kept, &other);
        assert!(matches!(refused, Err(QuantizeError::OtherState)));
    }

    #[test]
    fn what_cannot_be_quantized_is_named() {
        let method = method("fp4", "fp8", WeightRounding::Nearest);
        let error = |graph: &Graph, images: &[Inputs]| {
            let made = minifloat(graph, images, &method, go_on);
            made.expect_err("not quantized").to_string()
        };
        let float = float();
        assert!(error(&float, &[]).contains("no image"));
        let with = |value: f32| {
            let mut graph = float.clone();
            let weight = graph.params.get_mut("conv2.weight").expect("a layer");
            weight.storage = Storage::F32(vec![value; weight.len()]);
            graph
        };
        let dead = error(&with(0.0), &images(1));
        assert!(
            dead.contains("zero everywhere") && dead.contains("calibrate"),
            "{dead}"
        );
        let only_weights = Minifloats {
            activations: None,
            ..method.clone()
        };
        let zeros = minifloat(&with(0.0), &[], &only_weights, go_on).expect_err("zeros");
        let zeros = zeros.to_string();
        assert!(
            zeros.contains("conv2") && zeros.contains("zero everywhere"),
            "{zeros}"
        );
        let huge = error(&with(f32::NAN), &images(1));
        assert!(huge.contains("conv2") && huge.contains("NaN"), "{huge}");
        let made = minifloat(&float, &images(1), &method, go_on).expect("quantized");
        let twice = error(&made, &images(1));
        assert!(twice.contains("quantized already"), "{twice}");
        let stopped = minifloat(&float, &images(1), &method, |_| ControlFlow::Break(()));
        assert!(matches!(stopped, Err(QuantizeError::Stopped)));
    }

    #[test]
    fn what_a_sine_is_taken_of_stays_in_floats() {
        let mut graph = Graph::new("embedding");
        let time = graph.push(
            "time",
            Op::Input {
                channels: 1,
                height: 1,
                width: 1,
            },
            &[],
        );
        let layer = |graph: &mut Graph, name: &str, x, rows: usize, inputs: usize| {
            let numbers = (0..rows * inputs).map(|i| i as f32 + 0.3).collect();
            let weight = Param::new([rows, inputs], Role::Weight, numbers);
            let weight = graph.param(format!("{name}.weight"), weight);
            graph.push(name, Op::Linear, &[x, weight])
        };
        let phases = layer(&mut graph, "phases", time, 3, 1);
        let function = Op::Map {
            function: Function::Sin,
        };
        let sine = graph.push("sine", function, &[phases]);
        let out = layer(&mut graph, "out", sine, 2, 3);
        graph.outputs = vec![out];
        let times = (0..40).map(|i| i as f32 * 0.7).collect::<Vec<_>>();
        let inputs = [Inputs::new().with("time", times, [40, 1, 1, 1])];
        let method = method("fp4", "fp8", WeightRounding::Learned(Learning::default()));
        let made = minifloat(&graph, &inputs, &method, go_on).expect("quantized");
        let bits = |name: &str| made.params[name].code_bits();
        assert_eq!(bits("phases.weight"), None);
        assert_eq!(bits("out.weight"), Some(8));
        let quantizers = made
            .nodes
            .iter()
            .filter(|n| matches!(n.op, Op::Minifloat { .. }));
        assert_eq!(quantizers.count(), 1);
    }
}
