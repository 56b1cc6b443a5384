//! Activation functions, and those that are spelled in several nodes.

use subbyte_graph::Op;

use super::{Call, Made, Refusal, activation, attention, one};
use crate::import::{
    Import, fold,
    value::{Activation, Affine, Value},
};

/// Factors and shifts that differ by less are the same function.
const NEAR: f64 = 1e-6;

pub fn relu(import: &mut Import, call: &Call) -> Made {
    apply(import, call, Op::Relu)
}

pub fn hard_swish(import: &mut Import, call: &Call) -> Made {
    apply(import, call, Op::HardSwish)
}

pub fn swish(import: &mut Import, call: &Call) -> Made {
    match call.float("alpha", 1.0) {
        1.0 => apply(import, call, Op::Silu),
        alpha => Err(Refusal::new(
            format!("has the factor {alpha} in its sigmoid"),
            "train the network with factor 1 (SiLU)",
        )),
    }
}

/// An activation that keeps 0, and with it padding.
fn apply(import: &mut Import, call: &Call, op: Op) -> Made {
    let x = import.settled(&activation(call, 0)?)?;
    one(push(import, call, op, &x)?)
}

fn push(import: &mut Import, call: &Call, op: Op, x: &Activation) -> Result<Activation, Refusal> {
    let node = import.builder.push(call.name, op, &[x.node])?;
    Ok(Activation { node, ..x.clone() })
}

/// `max(alpha * x + beta, 0)` up to 1: hard-sigmoid of `6 * alpha * x + 6 * beta - 3`.
pub fn hard_sigmoid(import: &mut Import, call: &Call) -> Made {
    let alpha = f64::from(call.float("alpha", 0.2));
    let beta = f64::from(call.float("beta", 0.5));
    let mut inner = Affine {
        mul: vec![6.0 * alpha],
        add: vec![6.0 * beta - 3.0],
    };
    // 1/6 and 1/2 in f32.
    if (inner.mul[0] - 1.0).abs() < NEAR && inner.add[0].abs() < NEAR {
        inner = Affine::identity();
    }
    let x = import.plain(&activation(call, 0)?)?;
    let x = import.with_affine(&x, &inner)?;
    let x = import.settled(&x)?;
    one(push(import, call, Op::HardSigmoid, &x)?)
}

pub fn sigmoid(import: &mut Import, call: &Call) -> Made {
    let x = import.plain(&activation(call, 0)?)?;
    Ok(vec![Value::Sigmoid(x)])
}

/// Keeps the order of the logits, so that the last one can be left out.
pub fn softmax(import: &mut Import, call: &Call) -> Made {
    if let Value::Products(products) = call.input(0)? {
        return attention::softmax(import, call, products);
    }
    let x = activation(call, 0)?;
    let lengths = x.layout.lengths(import.sizes(&x));
    let axis = crate::import::layout::axis_index(call.int("axis", -1), lengths.len())?;
    let over_classes = lengths
        .iter()
        .enumerate()
        .all(|(i, &n)| i == 0 || i == axis || n == 1);
    match call.is_last && axis > 0 && over_classes {
        true => one(x),
        false => Err(Refusal::new(
            "is not over the classes at the end of the network",
            "only a softmax that the network ends in can be left out",
        )),
    }
}

pub fn clip(import: &mut Import, call: &Call) -> Made {
    let low = call.optional_constant(1)?;
    let high = call.optional_constant(2)?;
    if let Value::Integers(integers) = call.input(0)? {
        let range = fold::clipped(integers.range, low.as_deref(), high.as_deref())?;
        let mut integers = integers.clone();
        integers.range = range;
        return Ok(vec![Value::Integers(integers)]);
    }
    let bound = |tensor: Option<&crate::tensor::Tensor>, open: f32| match tensor {
        None => Ok(open),
        Some(tensor) => tensor
            .scalar()
            .ok_or_else(|| Refusal::broken("its bound is no single number")),
    };
    let low = bound(low.as_deref(), f32::NEG_INFINITY)?;
    let high = bound(high.as_deref(), f32::INFINITY)?;
    let x = activation(call, 0)?;
    if (low, high) == (0.0, 6.0) && !x.is_padded() && is_plus_three(&x.affine) {
        let inner = Activation {
            affine: Affine::identity(),
            ..x
        };
        let inner = import.plain(&inner)?;
        let x = push(import, call, Op::HardSigmoid, &inner)?;
        let six = Affine {
            mul: vec![6.0],
            add: vec![0.0],
        };
        return one(import.with_affine(&x, &six)?);
    }
    let op = match (low, high) {
        (0.0, 6.0) => Op::Relu6,
        (0.0, f32::MAX..) => Op::Relu,
        (..=f32::MIN, f32::MAX..) => return one(x),
        (f32::MIN..=f32::MAX, f32::MIN..=f32::MAX) if import.reads_floats && low <= high => {
            let x = import.plain(&x)?;
            let op = Op::Clip { low, high };
            return one(push(import, call, op, &x)?);
        }
        _ => {
            return Err(Refusal::new(
                format!("limits values to {low}..={high}"),
                "use ReLU or ReLU6; other limits belong into a quantizer",
            ));
        }
    };
    let x = import.settled(&x)?;
    one(push(import, call, op, &x)?)
}

fn is_plus_three(affine: &Affine) -> bool {
    let near = |x: f64, y: f64| (x - y).abs() < NEAR;
    affine.mul.iter().all(|&m| near(m, 1.0)) && affine.add.iter().all(|&a| near(a, 3.0))
}
