//! Batch norm and group norm.

use subbyte_graph::{NodeId, Op, Role};

use super::{Call, Made, Refusal, activation, one};
use crate::import::{
    Import,
    layout::Dim,
    operators::lone_runs,
    runs::{Part, Runs},
    value::{Activation, Affine, Value},
};

pub fn batch_norm(import: &mut Import, call: &Call) -> Made {
    if call.int("training_mode", 0) != 0 {
        return Err(Refusal::new(
            "is in training mode",
            "export the network in evaluation mode",
        ));
    }
    let x = activation(call, 0)?;
    let sizes = import.sizes(&x);
    let channels = sizes.of(Dim::C);
    if channels != 1 && x.layout.axis(1, sizes) != [Dim::C] {
        return Err(Refusal::new(
            "normalizes along an axis that is not the channels",
            "export the network channels-first",
        ));
    }
    let eps = call.float("epsilon", 1e-5);
    let mut parts = Vec::new();
    for i in 1..5 {
        let part = call.constant(i)?;
        if part.len() != channels {
            return Err(Refusal::broken(format!(
                "its input {i} has {} numbers for {channels} channels",
                part.len()
            )));
        }
        parts.push(part);
    }
    if let Some(v) = parts[3].to_floats().iter().find(|v| **v < 0.0) {
        return Err(Refusal::broken(format!("has the variance {v}")));
    }
    // On the image it is part of the network's normalization.
    if let Op::Image { .. } = import.builder.node(x.node).op {
        let [gamma, beta, mean, variance] = [0, 1, 2, 3].map(|i| parts[i].to_floats());
        let both = (0..channels).map(|c| {
            let deviation = (f64::from(variance[c]) + f64::from(eps)).sqrt();
            let mul = f64::from(gamma[c]) / deviation;
            (mul, f64::from(beta[c]) - f64::from(mean[c]) * mul)
        });
        let (mul, add) = both.unzip();
        return one(import.with_affine(&x, &Affine { mul, add })?);
    }
    let x = import.plain(&x)?;
    let mut inputs = vec![x.node];
    let roles = [
        ("gamma", Role::Norm),
        ("beta", Role::Norm),
        ("mean", Role::Statistic),
        ("variance", Role::Statistic),
    ];
    for (part, (variant, role)) in parts.iter().zip(roles) {
        let names = [part.name.as_str(), &part.key];
        let make = || Ok((vec![channels], part.to_floats()));
        inputs.push(import.builder.param(names, variant, role, make)?);
    }
    let op = Op::BatchNorm { eps };
    let node = import.builder.push(call.name, op, &inputs)?;
    one(Activation { node, ..x })
}

/// Of a tensor whose channels are cut into groups a group norm; otherwise every channel is a group.
pub fn instance_norm(import: &mut Import, call: &Call) -> Made {
    let (x, groups) = match call.input(0)? {
        Value::Runs(runs) => {
            let sizes = import.sizes(&runs.x);
            let axes: Vec<&[Part]> = runs.axes.iter().map(Vec::as_slice).collect();
            let is_cut = match axes.as_slice() {
                [[] | [Part::Batch], [Part::Run], rest @ ..] => {
                    let rest = rest.concat();
                    rest.iter()
                        .all(|p| [Part::Channel, Part::Pixel].contains(p))
                        && runs.joined(sizes, &sizes.0).is_some()
                }
                _ => false,
            };
            match is_cut {
                true => (runs.x.clone(), runs.runs),
                false => return Err(lone_runs()),
            }
        }
        _ => {
            let x = activation(call, 0)?;
            let channels = import.sizes(&x).of(Dim::C);
            (x, channels)
        }
    };
    let node = norm(import, call, &x, groups)?;
    match call.input(0)? {
        Value::Runs(runs) => Ok(vec![Value::Runs(Runs {
            x: Activation {
                layout: runs.x.layout.clone(),
                ..Activation::of(node)
            },
            ..runs.clone()
        })]),
        _ => one(Activation {
            layout: x.layout,
            ..Activation::of(node)
        }),
    }
}

pub fn group_norm(import: &mut Import, call: &Call) -> Made {
    let x = activation(call, 0)?;
    let groups = usize::try_from(call.int("num_groups", 0)).unwrap_or(0);
    let node = norm(import, call, &x, groups)?;
    one(Activation {
        layout: x.layout,
        ..Activation::of(node)
    })
}

/// The group norm of `x` with scales and shifts of every channel or of every group.
fn norm(
    import: &mut Import,
    call: &Call,
    x: &Activation,
    groups: usize,
) -> Result<NodeId, Refusal> {
    let x = import.plain(x)?;
    let sizes = import.sizes(&x);
    let channels = sizes.of(Dim::C);
    if channels != 1 && x.layout.axis(1, sizes) != [Dim::C] {
        return Err(Refusal::new(
            "normalizes along an axis that is not the channels",
            "export the network channels-first",
        ));
    }
    if groups == 0 || !channels.is_multiple_of(groups) {
        return Err(Refusal::broken(format!(
            "has {groups} groups for {channels} channels"
        )));
    }
    let mut inputs = vec![x.node];
    for (i, variant) in [(1, "gamma"), (2, "beta")] {
        let part = call.constant(i)?;
        let each = match part.len() {
            n if n == channels => 1,
            n if n == groups => channels / groups,
            n => {
                return Err(Refusal::broken(format!(
                    "its input {i} has {n} numbers for {channels} channels in {groups} groups"
                )));
            }
        };
        let numbers = part.to_floats();
        // Where all norms share ones and zeros, none may train them.
        let is_shared = numbers.iter().all(|&x| x == if i == 1 { 1.0 } else { 0.0 });
        let role = match is_shared {
            true => Role::Constant,
            false => Role::Norm,
        };
        let names = [part.name.as_str(), &part.key];
        let variant = format!("{variant} of {channels}");
        let make = || {
            let spread = (0..channels).map(|c| numbers[c / each]);
            Ok((vec![channels], spread.collect()))
        };
        inputs.push(import.builder.param(names, &variant, role, make)?);
    }
    let eps = call.float("epsilon", 1e-5);
    let op = Op::GroupNorm { groups, eps };
    import.builder.push(call.name, op, &inputs)
}
