//! Batch norm.

use subbyte_graph::{Op, Role};

use super::{Call, Made, Refusal, activation, one};
use crate::import::{
    Import,
    layout::Dim,
    value::{Activation, Affine},
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
