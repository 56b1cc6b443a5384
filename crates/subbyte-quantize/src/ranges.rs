//! Steps of activation quantizers, from what reaches them in the float network.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use burn::tensor::Device;
use subbyte_exec::{Images, Mode, Network, Walk};
use subbyte_graph::{Graph, NodeId, Op, Param, Quantizer};

use crate::QuantizeError;
use crate::divergence::{divergence, logits, spread};
use crate::histogram::Histogram;
use crate::layer::by_name;
use crate::progress::{Progress, Tell};

/// How far the range of a tensor's codes reaches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Clip {
    /// To the largest value seen.
    MinMax,
    /// To the value that this share of all values exceeds, such as 1e-4.
    Percentile(f64),
    /// To where the mean squared error of the values seen is least.
    Mse,
    /// By whichever of the largest value and the least error moves the network's output less, weights still being floats.
    Auto,
}

/// Images on which [`Clip::Auto`] tries both.
const TRIAL_IMAGES: usize = 32;

/// Steps that are tried between the whole range and a twentieth of it.
const TRIALS: usize = 120;

/// Sets every step of `placed` that is 0, from the values that reach its quantizers in `float`, the network it was made of. A step that
/// several quantizers share serves all of them.
pub(crate) fn set_steps(
    placed: &mut Graph,
    float: &Graph,
    calibration: &[Images],
    clip: Clip,
    tell: Tell,
) -> Result<(), QuantizeError> {
    let quantizers = unset(placed, float);
    let mut histograms: BTreeMap<NodeId, Histogram> = quantizers
        .iter()
        .map(|user| (user.source, Histogram::new()))
        .collect();
    let network = Network::new(float, &Device::flex())?;
    for (done, images) in calibration.iter().enumerate() {
        network.observe(images, Mode::Evaluate, |id, tensor| {
            if let Some(histogram) = histograms.get_mut(&id) {
                let data = tensor.clone().into_data();
                histogram.extend(data.as_slice::<f32>().expect("f32 activations"));
            }
        })?;
        let of = calibration.len();
        let told = tell(Progress::Ranges { done: done + 1, of });
        if let ControlFlow::Break(()) = told {
            return Err(QuantizeError::Stopped);
        }
    }
    for (&id, histogram) in &histograms {
        if histogram.broken > 0 {
            return Err(QuantizeError::NotFinite {
                place: float.nodes[id].name.clone(),
                count: histogram.broken,
            });
        }
    }
    if clip != Clip::Auto {
        *placed = with_steps(placed, &quantizers, &histograms, clip);
        return Ok(());
    }
    let trial = spread(calibration, TRIAL_IMAGES);
    let expected = logits(&mut Walk::new(&network, &trial)?, float);
    let mut least = f64::INFINITY;
    let unset = placed.clone();
    for clip in [Clip::Mse, Clip::MinMax] {
        let tried = with_steps(&unset, &quantizers, &histograms, clip);
        let network = Network::new(&tried, &Device::flex())?;
        let found = logits(&mut Walk::new(&network, &trial)?, &tried);
        let moved = divergence(&expected, &found);
        if moved < least {
            (*placed, least) = (tried, moved);
        }
    }
    Ok(())
}

/// The network with all steps set by one rule.
fn with_steps(
    placed: &Graph,
    quantizers: &[User],
    histograms: &BTreeMap<NodeId, Histogram>,
    clip: Clip,
) -> Graph {
    let mut placed = placed.clone();
    let mut by_step: BTreeMap<&str, Vec<(&Histogram, Quantizer)>> = BTreeMap::new();
    for user in quantizers {
        let entry = by_step.entry(&user.step).or_default();
        entry.push((&histograms[&user.source], user.quantizer));
    }
    for (name, users) in by_step {
        let step = step(&users, clip);
        let param = placed.params.get_mut(name).expect("found there");
        param.storage = subbyte_graph::Storage::F32(vec![step]);
    }
    placed
}

/// A quantizer whose step is not set.
struct User {
    step: String,
    quantizer: Quantizer,
    /// Node of the float network whose tensor it quantizes.
    source: NodeId,
}

fn unset(placed: &Graph, float: &Graph) -> Vec<User> {
    let by_name = by_name(float);
    let user = |node: &subbyte_graph::Node| {
        let Op::Quantize(quantizer) = node.op else {
            return None;
        };
        let (step, param) = placed.param_of(*node.inputs.get(1)?)?;
        if !is_unset(param) {
            return None;
        }
        let mut source = node.inputs[0];
        while let Op::Quantize(_) = placed.nodes[source].op {
            source = placed.nodes[source].inputs[0];
        }
        Some(User {
            step: step.to_owned(),
            quantizer,
            source: *by_name.get(&placed.nodes[source].name[..])?,
        })
    };
    placed.nodes.iter().filter_map(user).collect()
}

/// Whether the parameter is a step that is not set.
pub(crate) fn is_unset(param: &Param) -> bool {
    param.to_vec() == [0.0]
}

/// The step that serves all `users`.
fn step(users: &[(&Histogram, Quantizer)], clip: Clip) -> f32 {
    let unsigned = |q: Quantizer| q.code_type().min_level() == 0;
    let levels = |q: Quantizer| f64::from(q.code_type().max_level());
    let reach = |tail: f64| {
        let each = users
            .iter()
            .map(|(h, q)| h.percentile(tail, unsigned(*q)) / levels(*q));
        each.fold(0.0, f64::max)
    };
    let whole = reach(0.0);
    if whole == 0.0 {
        // Nothing but zeros: any step represents them.
        return 1.0;
    }
    match clip {
        Clip::MinMax => whole as f32,
        Clip::Percentile(tail) => {
            let step = reach(tail);
            (if step > 0.0 { step } else { whole }) as f32
        }
        Clip::Mse | Clip::Auto => {
            let trial = |i: usize| (whole * 0.05f64.powf(i as f64 / TRIALS as f64)) as f32;
            let error = |step: f32| -> f64 {
                let each = users.iter().map(|(h, q)| h.squared_error(q.grid(step)));
                each.sum()
            };
            let trials = (0..=TRIALS).map(trial).map(|step| (error(step), step));
            let best = trials.min_by(|a, b| a.0.total_cmp(&b.0));
            best.expect("several").1
        }
    }
}
