//! Sums and products of tensors, and of a tensor with constants.

use subbyte_graph::{Function, Op, Role};

use super::{Call, Made, Refusal, activation, as_activation, function, one};
use crate::import::{
    Import,
    layout::{Dim, Layout},
    operators::lone_runs,
    runs::{Products, Runs},
    value::{Activation, Affine, Value},
};
use crate::tensor::Tensor;

pub fn add(import: &mut Import, call: &Call) -> Made {
    binary(import, call, |c| (1.0, c), |c| (1.0, c), Some(1.0))
}

pub fn sub(import: &mut Import, call: &Call) -> Made {
    binary(import, call, |c| (1.0, -c), |c| (-1.0, c), Some(-1.0))
}

pub fn div(import: &mut Import, call: &Call) -> Made {
    if let (true, Value::Activation(divisor)) = (import.reads_floats, call.input(1)?) {
        let divisor = import.plain(divisor)?;
        let name = format!("{}.reciprocal", call.name);
        let inverse = function::push(import, &name, &divisor, Function::Reciprocal)?;
        return one(match call.input(0)? {
            Value::Activation(x) => product(import, call, x, &inverse)?,
            other => {
                let affine = per_channel(import, &inverse, &*other.as_constant(0)?, |c| (c, 0.0))?;
                import.with_affine(&inverse, &affine)?
            }
        });
    }
    if let (Value::Constant(_) | Value::Weights(_), _) | (_, Value::Activation(_)) =
        (call.input(0)?, call.input(1)?)
    {
        return Err(Refusal::new(
            "divides by a tensor that depends on the image",
            "only divisions by constants can be taken over",
        ));
    }
    binary(import, call, |c| (1.0 / c, 0.0), |c| (c, 0.0), None)
}

pub fn neg(import: &mut Import, call: &Call) -> Made {
    let x = activation(call, 0)?;
    let minus = Affine {
        mul: vec![-1.0],
        add: vec![0.0],
    };
    one(import.with_affine(&x, &minus)?)
}

/// An operator of two inputs: `right` makes factor and shift of a constant on the right, `left` of one on the left, and `second` is
/// the factor of the second of two tensors that are added.
fn binary(
    import: &mut Import,
    call: &Call,
    right: fn(f64) -> (f64, f64),
    left: fn(f64) -> (f64, f64),
    second: Option<f64>,
) -> Made {
    let constant = |i: usize| match call.input(i) {
        Ok(value @ (Value::Constant(_) | Value::Weights(_))) => value.as_constant(i).map(Some),
        _ => Ok(None),
    };
    if let Some(c) = constant(1)? {
        let x = activation(call, 0)?;
        let affine = per_channel(import, &x, &c, right)?;
        return one(import.with_affine(&x, &affine)?);
    }
    if let Some(c) = constant(0)? {
        let x = activation(call, 1)?;
        let affine = per_channel(import, &x, &c, left)?;
        return one(import.with_affine(&x, &affine)?);
    }
    let second = Affine {
        mul: vec![second.ok_or_else(|| Refusal::broken("its inputs do not fit"))?],
        add: vec![0.0],
    };
    let a = activation(call, 0)?;
    let b = import.with_affine(&activation(call, 1)?, &second)?;
    one(sum_of(import, call, &a, &b)?)
}

pub fn sum(import: &mut Import, call: &Call) -> Made {
    let mut all = call.inputs.iter().flatten();
    let first = all.next().ok_or_else(|| Refusal::broken("adds nothing"))?;
    let mut sum = as_activation(first)?;
    for next in all {
        sum = sum_of(import, call, &sum, &as_activation(next)?)?;
    }
    one(sum)
}

fn sum_of(
    import: &mut Import,
    call: &Call,
    a: &Activation,
    b: &Activation,
) -> Result<Activation, Refusal> {
    let (a, b) = (import.plain(a)?, import.plain(b)?);
    let layout = common(import, &a, &b)?;
    let node = import.builder.push(call.name, Op::Add, &[a.node, b.node])?;
    Ok(Activation {
        layout,
        ..Activation::of(node)
    })
}

pub fn mul(import: &mut Import, call: &Call) -> Made {
    let (a, b) = (call.input(0)?, call.input(1)?);
    for (x, gate) in [(a, b), (b, a)] {
        match (x, gate) {
            (Value::Products(products), Value::Constant(_)) => {
                return Ok(vec![scaled(products, &*gate.as_constant(1)?)?]);
            }
            (Value::Runs(runs), Value::Constant(c)) if c.len() == 1 => {
                let affine = per_channel(import, &runs.x, c, |c| (c, 0.0))?;
                let x = import.with_affine(&runs.x, &affine)?;
                return Ok(vec![Value::Runs(Runs { x, ..runs.clone() })]);
            }
            (Value::Activation(x), Value::Constant(_) | Value::Weights(_)) => {
                let c = gate.as_constant(1)?;
                if let Some(x) = outer_product(import, call, x, &c)? {
                    return one(x);
                }
                let affine = per_channel(import, x, &c, |c| (c, 0.0))?;
                return one(import.with_affine(x, &affine)?);
            }
            (Value::Activation(x), Value::Sigmoid(inner)) => {
                let x = import.plain(x)?;
                if x == *inner {
                    let node = import.builder.push(call.name, Op::Silu, &[x.node])?;
                    return one(Activation { node, ..x });
                }
            }
            (Value::Activation(x), Value::Activation(gate)) => {
                let made = import.builder.node(gate.node);
                let gated = made.op == Op::HardSigmoid && made.inputs == [x.node];
                if gated && x.layout == gate.layout && x.affine.is_identity() {
                    let node = import.builder.push(call.name, Op::HardSwish, &[x.node])?;
                    // The scale of relu6(x + 3), where the division by 6 comes later.
                    return one(Activation {
                        node,
                        ..gate.clone()
                    });
                }
            }
            _ => {}
        }
    }
    one(product(
        import,
        call,
        &as_activation(a)?,
        &as_activation(b)?,
    )?)
}

fn product(
    import: &mut Import,
    call: &Call,
    a: &Activation,
    b: &Activation,
) -> Result<Activation, Refusal> {
    let (a, b) = (import.plain(a)?, import.plain(b)?);
    let layout = common(import, &a, &b)?;
    let node = import.builder.push(call.name, Op::Mul, &[a.node, b.node])?;
    Ok(Activation {
        layout,
        ..Activation::of(node)
    })
}

/// One number for each image times each number of a constant row: a linear layer of one input.
fn outer_product(
    import: &mut Import,
    call: &Call,
    x: &Activation,
    c: &Tensor,
) -> Result<Option<Activation>, Refusal> {
    let lengths = x.layout.lengths(import.sizes(x));
    let [_, 1, 1, 1] = import.sizes(x).0 else {
        return Ok(None);
    };
    let (&[.., last], true) = (c.dims.as_slice(), c.dims.len() <= lengths.len()) else {
        return Ok(None);
    };
    // The last axis is the constant's; the batch stays before it.
    let is_row = last > 1 && last == c.len() && lengths.len() == 2;
    if !is_row || x.layout.0[0] != [Dim::N] {
        return Ok(None);
    }
    let x = import.plain(x)?;
    let names = [c.name.as_str(), &c.key];
    let weight = import.builder.param(names, "row", Role::Constant, || {
        Ok((vec![last, 1], c.to_floats()))
    })?;
    let inputs = [x.node, weight];
    let node = import.builder.push(call.name, Op::Linear, &inputs)?;
    Ok(Some(Activation {
        layout: Layout::flat(),
        ..Activation::of(node)
    }))
}

/// A product of query and key with one number.
fn scaled(products: &Products, c: &Tensor) -> Result<Value, Refusal> {
    match (c.scalar(), products.softmax) {
        (Some(c), None) => Ok(Value::Products(Products {
            scale: products.scale * f64::from(c),
            ..products.clone()
        })),
        _ => Err(lone_runs()),
    }
}

/// The layout of what is made of two tensors that are spread over each other: that of the one with more to say.
fn common(import: &Import, a: &Activation, b: &Activation) -> Result<Layout, Refusal> {
    let (sizes_a, sizes_b) = (import.sizes(a), import.sizes(b));
    let (axes_a, axes_b) = (a.layout.significant(sizes_a), b.layout.significant(sizes_b));
    let refuse = || {
        Refusal::new(
            format!(
                "combines {:?} and {:?}, whose axes mean different things",
                a.layout.lengths(sizes_a),
                b.layout.lengths(sizes_b)
            ),
            "transpose or reshape one of them",
        )
    };
    let rank = axes_a.len().max(axes_b.len());
    let at = |axes: &[Vec<Dim>], i: usize| {
        let ahead = rank - axes.len();
        i.checked_sub(ahead)
            .map_or_else(Vec::new, |i| axes[i].clone())
    };
    let mut layout = Vec::with_capacity(rank);
    for i in 0..rank {
        let (a_axis, b_axis) = (at(&axes_a, i), at(&axes_b, i));
        if !a_axis.is_empty() && !b_axis.is_empty() && a_axis != b_axis {
            return Err(refuse());
        }
        layout.push(if a_axis.is_empty() { b_axis } else { a_axis });
    }
    let mut dims = layout.concat();
    dims.sort_unstable();
    match dims.windows(2).any(|pair| pair[0] == pair[1]) {
        true => Err(refuse()),
        false => Ok(Layout(layout)),
    }
}

/// Factor and shift for each channel of `x`, by `each` of the numbers of `c`.
fn per_channel(
    import: &Import,
    x: &Activation,
    c: &Tensor,
    each: fn(f64) -> (f64, f64),
) -> Result<Affine, Refusal> {
    let sizes = import.sizes(x);
    let lengths = x.layout.lengths(sizes);
    let refuse = || {
        Refusal::new(
            format!(
                "combines {lengths:?} with the constant `{}` of {:?}",
                c.name, c.dims
            ),
            "only constants of one number, or of one for each channel, can be taken over",
        )
    };
    let ahead = lengths.len().checked_sub(c.dims.len()).ok_or_else(refuse)?;
    for (i, &length) in c.dims.iter().enumerate() {
        let channels = x.layout.axis(ahead + i, sizes) == [Dim::C] && length == sizes.of(Dim::C);
        if length != 1 && !channels {
            return Err(refuse());
        }
    }
    let numbers = c.to_floats();
    let first = *numbers.first().ok_or_else(refuse)?;
    let uniform = numbers.iter().all(|&n| n == first);
    let numbers = if uniform { vec![first] } else { numbers };
    let both = numbers.iter().map(|&n| each(f64::from(n)));
    let (mul, add): (Vec<f64>, Vec<f64>) = both.unzip();
    match mul.iter().chain(&add).all(|x| x.is_finite()) {
        true => Ok(Affine { mul, add }),
        false => Err(Refusal::broken(format!(
            "the constant `{}` divides by zero or is not finite",
            c.name
        ))),
    }
}
