//! The operators of QONNX, as Brevitas and others write them.

use std::rc::Rc;

use subbyte_graph::Quantizer;

use super::{
    Call, Made, Refusal, activation, one,
    quantize::{narrowed, quantizer},
};
use crate::import::{
    Import,
    value::{Activation, Value, Weights},
};
use crate::tensor::{Numbers, Tensor};

/// Most bits of a constant that is no weight, such as a bias.
const MOST_BITS: i64 = 32;

/// `Quant(x, scale, zero point, bits)`.
pub fn quant(import: &mut Import, call: &Call) -> Made {
    let scale = call.constant(1)?;
    let zero = whole(call, 2, "zero point")?;
    let bits = whole(call, 3, "bit width")?;
    if !(1..=MOST_BITS).contains(&bits) {
        return Err(Refusal::new(
            format!("has {bits} bits"),
            "quantize to 1 to 8 bits",
        ));
    }
    let rounding = call.text("rounding_mode", "ROUND").to_ascii_uppercase();
    let half_up = rounding == "HALF_UP" && call.int("signed", 1) == 0 && zero == 0 && bits <= 8;
    if !half_up && !["ROUND", "HALF_EVEN"].contains(&rounding.as_str()) {
        return Err(Refusal::new(
            format!("rounds by {rounding}"),
            "quantize with rounding_mode ROUND",
        ));
    }
    let narrow = call.int("narrow", 0);
    let range = match call.int("signed", 1) {
        0 => (0, (1 << bits) - 1 - narrow.signum().abs()),
        _ => (
            -(1 << (bits - 1)) + narrow.signum().abs(),
            (1 << (bits - 1)) - 1,
        ),
    };
    match call.input(0)? {
        Value::Constant(values) => match values.dims.len() > 1 && bits <= 8 {
            true => {
                let axis = channel_axis(values, &scale)?;
                Ok(vec![narrowed(
                    key(call),
                    values,
                    &scale,
                    axis,
                    zero,
                    range,
                )?])
            }
            false => one(rounded(values, &scale, zero, range)?),
        },
        _ => {
            let x = import.settled(&activation(call, 0)?)?;
            let quantizer = quantizer(range, zero)?;
            if let (true, Quantizer::Lsq { bits, .. }, &[scale]) =
                (half_up, quantizer, scale.to_floats().as_slice())
            {
                let max = scale * f32::from(quantizer.code_type().max_code());
                let op = Quantizer::MidTreadHalf { bits, max };
                let node = import.builder.quantize(call.name, x.node, op, None)?;
                return one(Activation { node, ..x });
            }
            one(import.quantized(call.name, &x, quantizer, &scale)?)
        }
    }
}

/// `BipolarQuant(x, scale)`: `scale` or `-scale`.
pub fn bipolar(_: &mut Import, call: &Call) -> Made {
    let scale = call.constant(1)?;
    let Value::Constant(values) = call.input(0)? else {
        return Err(Refusal::new(
            "makes two signs of a tensor that depends on the image",
            "quantize activations to 1 unsigned bit (0 and 1), or to more",
        ));
    };
    let axis = channel_axis(values, &scale)?;
    let scales = scale.to_floats();
    if scales.iter().any(|s| !(*s > 0.0 && s.is_finite())) {
        return Err(Refusal::broken("has a scale that is not positive"));
    }
    // Their mean magnitude is the scale again.
    let inner: usize = values.dims.iter().skip(axis + 1).product();
    let mut signs = values.to_floats();
    for (i, x) in signs.iter_mut().enumerate() {
        let scale = scales[i / inner.max(1) % scales.len().max(1)];
        *x = if *x >= 0.0 { scale } else { -scale };
    }
    let mut tensor = values.with(Numbers::Float(signs));
    tensor.key = key(call).to_owned();
    Ok(vec![Value::Weights(Weights {
        values: Rc::new(tensor),
        quantizer: Quantizer::BinaryMean {
            per_channel: scales.len() > 1,
        },
        scale: None,
        axis,
    })])
}

/// `Trunc(x, scale, zero point, bits, bits of the result, …)`.
pub fn trunc(_: &mut Import, call: &Call) -> Made {
    match whole(call, 3, "bit width")? == whole(call, 4, "bit width")? {
        true => one(call.input(0)?.clone()),
        false => Err(Refusal::new(
            "drops the lowest bits by rounding down",
            "use Quant, which rounds to the nearest",
        )),
    }
}

fn key<'a>(call: &'a Call) -> &'a str {
    call.proto.output.first().map_or("", String::as_str)
}

/// Input `i` as one whole number.
fn whole(call: &Call, i: usize, what: &str) -> Result<i64, Refusal> {
    let constant = call.constant(i)?;
    let numbers = constant.to_floats();
    match numbers.first() {
        Some(&x) if numbers.iter().all(|&y| y == x) && x.fract() == 0.0 && x.abs() < 1e9 => {
            Ok(x as i64)
        }
        _ => Err(Refusal::new(
            format!("has no single whole {what}"),
            "quantize whole tensors to whole bits with one zero point",
        )),
    }
}

/// The axis along which scales differ: they are spread over the values.
fn channel_axis(values: &Tensor, scale: &Tensor) -> Result<usize, Refusal> {
    if scale.len() == 1 {
        return Ok(0);
    }
    let unfit = || {
        Refusal::new(
            format!("has scales {:?} for {:?}", scale.dims, values.dims),
            "quantize for each output channel, or for the whole tensor",
        )
    };
    let ahead = values
        .dims
        .len()
        .checked_sub(scale.dims.len())
        .ok_or_else(unfit)?;
    let axis = scale.dims.iter().position(|&n| n != 1).ok_or_else(unfit)?;
    match scale.len() == scale.dims[axis] && values.dims[ahead + axis] == scale.len() {
        true => Ok(ahead + axis),
        false => Err(unfit()),
    }
}

/// A constant that is no weight, such as a bias, on its grid.
fn rounded(
    values: &Tensor,
    scale: &Tensor,
    zero: i64,
    range: (i64, i64),
) -> Result<Tensor, Refusal> {
    let axis = channel_axis(values, scale)?;
    let scales = scale.to_floats();
    let inner: usize = values.dims.iter().skip(axis + 1).product();
    let mut numbers = values.to_floats();
    for (i, x) in numbers.iter_mut().enumerate() {
        let scale = f64::from(scales[i / inner.max(1) % scales.len().max(1)]);
        let level = (f64::from(*x) / scale + zero as f64).round_ties_even();
        let level = level.clamp(range.0 as f64, range.1 as f64) - zero as f64;
        *x = (level * scale) as f32;
    }
    Ok(values.with(Numbers::Float(numbers)))
}
