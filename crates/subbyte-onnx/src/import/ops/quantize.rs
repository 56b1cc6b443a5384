//! QuantizeLinear and DequantizeLinear: the two together are one quantizer.

use std::rc::Rc;

use subbyte_graph::{NodeId, Quantizer, Role};

use super::{Call, Made, Refusal, one};
use crate::import::{
    Import,
    layout::axis_index,
    operators::lone_sigmoid,
    value::{Activation, Integers, Quantized, Value, Weights},
};
use crate::tensor::{Numbers, Tensor, range_of};

/// Integers of QuantizeLinear that does not say which.
const UINT8: (i64, i64) = (0, 255);

/// Suffix that onnxruntime gives constants that it quantizes.
const SUFFIX: &str = "_quantized";

pub fn quantize(_: &mut Import, call: &Call) -> Made {
    check_blocks(call)?;
    let (scale, zero, range) = grid(call)?;
    let range = range
        .or_else(|| range_of(i32::try_from(call.int("output_dtype", 0)).unwrap_or(0)))
        .unwrap_or(UINT8);
    let of = match call.input(0)? {
        Value::Activation(x) => Quantized::Activation(x.clone()),
        Value::Sigmoid(_) => return Err(lone_sigmoid()),
        other => Quantized::Constant(other.as_constant(0)?),
    };
    let name = call.name.to_owned();
    let integers = Integers {
        name,
        of,
        scale,
        zero,
        range,
    };
    Ok(vec![Value::Integers(integers)])
}

pub fn dequantize(import: &mut Import, call: &Call) -> Made {
    check_blocks(call)?;
    let (scale, zero, _) = grid(call)?;
    match call.input(0)? {
        Value::Integers(integers) => {
            let same = integers.scale.to_floats() == scale.to_floats();
            if !same || integers.zero != zero {
                return Err(Refusal::new(
                    "has another scale or zero point than its QuantizeLinear",
                    "give both the same",
                ));
            }
            match &integers.of {
                Quantized::Activation(x) => {
                    let x = import.settled(x)?;
                    let zero = single(&zero)?;
                    let quantizer = quantizer(integers.range, zero)?;
                    one(import.quantized(&integers.name, &x, quantizer, &scale)?)
                }
                Quantized::Constant(values) => weights(call, values, &scale, &zero, integers.range),
            }
        }
        Value::Constant(tensor) => {
            let Numbers::Int { values, range } = &tensor.numbers else {
                return Err(Refusal::broken("reads floats where integers belong"));
            };
            let axis = call.int("axis", 1);
            let values = real(tensor, values, &scale, &zero, axis)?;
            let few = range.1.saturating_sub(range.0) < 256;
            match few && tensor.dims.len() > 1 {
                true => weights(call, &Rc::new(values), &scale, &zero, *range),
                false => one(values),
            }
        }
        _ => Err(Refusal::new(
            "reads what no QuantizeLinear made",
            "quantize in the QDQ format",
        )),
    }
}

fn check_blocks(call: &Call) -> Result<(), Refusal> {
    match call.int("block_size", 0) {
        0 => Ok(()),
        _ => Err(Refusal::new(
            "has scales for blocks of weights",
            "quantize for each output channel, or for the whole tensor",
        )),
    }
}

/// Scales, zero points (one, or as many), and the range of the zero points' type.
type GridOf = (Rc<Tensor>, Vec<i64>, Option<(i64, i64)>);

fn grid(call: &Call) -> Result<GridOf, Refusal> {
    let scale = call.constant(1)?;
    let Some(zero) = call.optional_constant(2)? else {
        return Ok((scale, vec![0], None));
    };
    let Numbers::Int { values, range } = &zero.numbers else {
        return Err(Refusal::new(
            "quantizes to floats",
            "quantize to integers of up to 8 bits",
        ));
    };
    let zeros = match values.iter().all(|z| z == &values[0]) {
        true => values.iter().copied().take(1).collect(),
        false => values.clone(),
    };
    match zeros.len() == 1 || zeros.len() == scale.len() {
        true => Ok((scale, zeros, Some(*range))),
        false => Err(Refusal::broken(
            "has other numbers of scales and zero points",
        )),
    }
}

/// The one zero point of a tensor.
pub fn single(zero: &[i64]) -> Result<i64, Refusal> {
    match zero {
        [zero] => Ok(*zero),
        _ => Err(Refusal::new(
            "has a zero point for each channel",
            "quantize with one zero point, or symmetrically",
        )),
    }
}

/// The quantizer of integers in `range` with `zero` standing for 0.
pub fn quantizer(range: (i64, i64), zero: i64) -> Result<Quantizer, Refusal> {
    let count = range.1.saturating_sub(range.0).saturating_add(1);
    let bits = (1..=8u8).find(|&bits| 1 << bits == count);
    let zero = zero.checked_sub(range.0).filter(|z| (0..count).contains(z));
    match (bits, zero) {
        (Some(bits), Some(0)) => Ok(Quantizer::Lsq {
            bits,
            signed: false,
        }),
        (Some(bits @ 2..), Some(z)) if z == 1 << (bits - 1) => {
            Ok(Quantizer::Lsq { bits, signed: true })
        }
        // Below 256, as the codes are.
        (Some(bits), Some(z)) => Ok(Quantizer::Affine {
            bits,
            zero: z as u8,
        }),
        (Some(_), None) => Err(Refusal::new(
            "has a zero point that is none of its integers",
            "widen the range so that it contains 0",
        )),
        (None, _) => Err(Refusal::new(
            format!("quantizes to the integers {} to {}", range.0, range.1),
            "quantize to all integers of 1 to 8 bits",
        )),
    }
}

/// The real values of integers.
fn real(
    tensor: &Tensor,
    integers: &[i64],
    scale: &Tensor,
    zero: &[i64],
    axis: i64,
) -> Result<Tensor, Refusal> {
    let scales = scale.to_floats();
    let (inner, channels) = match scales.len() {
        1 => (1, 1),
        n => {
            let axis = axis_index(axis, tensor.dims.len())?;
            if tensor.dims[axis] != n {
                return Err(unfit(n, tensor));
            }
            (tensor.dims[axis + 1..].iter().product(), n)
        }
    };
    let at = |i: usize| i / inner % channels;
    let value = |(i, &q): (usize, &i64)| {
        let zero = if zero.len() == 1 {
            zero[0]
        } else {
            zero[at(i)]
        };
        // Wide integers are biases, whose product an f32 would round twice.
        (q.wrapping_sub(zero) as f64 * f64::from(scales[at(i)])) as f32
    };
    let values = integers.iter().enumerate().map(value).collect();
    let mut real = tensor.with(Numbers::Float(values));
    if let Some(name) = tensor.name.strip_suffix(SUFFIX) {
        real.name = name.to_owned();
    }
    Ok(real)
}

fn unfit(scales: usize, tensor: &Tensor) -> Refusal {
    Refusal::broken(format!(
        "has {scales} scales for the tensor `{}` of {:?}",
        tensor.name, tensor.dims
    ))
}

/// A parameter behind a quantizer. A narrow range, which lacks the lowest integer, is that of the values.
fn weights(
    call: &Call,
    values: &Rc<Tensor>,
    scale: &Rc<Tensor>,
    zero: &[i64],
    range: (i64, i64),
) -> Made {
    let axis = match scale.len() {
        1 => 0,
        n => {
            let axis = axis_index(call.int("axis", 1), values.dims.len())?;
            match values.dims[axis] == n {
                true => axis,
                false => return Err(unfit(n, values)),
            }
        }
    };
    let key = call.proto.output.first().map_or("", String::as_str);
    let zero = single(zero)?;
    Ok(vec![narrowed(key, values, scale, axis, zero, range)?])
}

/// Quantized weights under `key`. Where `range` lacks the lowest of its integers, the values are limited and the quantizer is that of
/// the whole range.
pub fn narrowed(
    key: &str,
    values: &Rc<Tensor>,
    scale: &Rc<Tensor>,
    axis: usize,
    zero: i64,
    range: (i64, i64),
) -> Result<Value, Refusal> {
    let is_narrow = range.0 < 0 && range.0.checked_neg() == Some(range.1);
    let whole = match is_narrow {
        true => (range.0 - 1, range.1),
        false => range,
    };
    let quantizer = quantizer(whole, zero)?;
    let mut tensor = values.as_ref().clone();
    tensor.key = key.to_owned();
    if let (true, Numbers::Float(numbers)) = (is_narrow, &mut tensor.numbers) {
        let scales = scale.to_floats();
        let inner: usize = tensor.dims.iter().skip(axis + 1).product();
        for (i, x) in numbers.iter_mut().enumerate() {
            let scale = match scales.as_slice() {
                [one] => *one,
                all => all[i / inner.max(1) % all.len()],
            };
            *x = x.max((range.0 - zero) as f32 * scale);
        }
    }
    Ok(Value::Weights(Weights {
        values: Rc::new(tensor),
        quantizer,
        scale: Some(scale.clone()),
        axis,
    }))
}

impl Import<'_> {
    /// The node of a scale: one number, or one for each output channel.
    pub fn scale(&mut self, scale: &Tensor) -> Result<NodeId, Refusal> {
        let names = [scale.name.as_str(), &scale.key];
        let numbers = scale.to_floats();
        if let Some(s) = numbers.iter().find(|s| !(**s > 0.0 && s.is_finite())) {
            return Err(Refusal::broken(format!("has the scale {s}")));
        }
        self.builder.param(names, "scale", Role::Constant, || {
            Ok((vec![numbers.len()], numbers))
        })
    }

    /// `x` behind a quantizer of one scale. Zero padding stays, since every quantizer here keeps 0.
    pub fn quantized(
        &mut self,
        name: &str,
        x: &Activation,
        quantizer: Quantizer,
        scale: &Tensor,
    ) -> Result<Activation, Refusal> {
        let numbers = scale.to_floats();
        let scale = match numbers.first() {
            Some(first) if numbers.iter().all(|s| s == first) => {
                let mut one = scale.with(Numbers::Float(vec![*first]));
                one.dims = vec![1];
                self.scale(&one)?
            }
            _ => {
                return Err(Refusal::new(
                    "has a scale for each channel of a tensor that depends on the image",
                    "quantize activations with one scale",
                ));
            }
        };
        let node = self
            .builder
            .quantize(name, x.node, quantizer, Some(scale))?;
        Ok(Activation { node, ..x.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_zero_points_make_quantizers() {
        let lsq = |bits, signed| Ok(Quantizer::Lsq { bits, signed });
        assert_eq!(quantizer((0, 255), 0), lsq(8, false));
        assert_eq!(quantizer((-128, 127), 0), lsq(8, true));
        assert_eq!(quantizer((-128, 127), -128), lsq(8, false));
        assert_eq!(quantizer((0, 255), 128), lsq(8, true));
        assert_eq!(quantizer((-2, 1), 0), lsq(2, true));
        assert_eq!(
            quantizer((0, 15), 3),
            Ok(Quantizer::Affine { bits: 4, zero: 3 })
        );
        assert_eq!(
            quantizer((-8, 7), -5),
            Ok(Quantizer::Affine { bits: 4, zero: 3 })
        );
        assert!(quantizer((-127, 127), 0).is_err());
        assert!(quantizer((0, 65535), 0).is_err());
        assert!(quantizer((0, 255), -1).is_err());
        assert!(quantizer((i64::MIN, i64::MAX), 0).is_err());
    }
}
