//! Arithmetic on constants.

use super::{Call, is_float};
use crate::{
    error::Refusal,
    tensor::{Budget, Numbers, Tensor, elements, range_of},
};

/// `tensor` as another type. Integers that the type cannot hold are refused.
pub fn cast(tensor: &Tensor, to: i64) -> Result<Tensor, Refusal> {
    if is_float(to) {
        return Ok(tensor.with(Numbers::Float(tensor.to_floats())));
    }
    let refuse = || {
        Refusal::new(
            format!("casts `{}` to element type {to}", tensor.name),
            "fold constants before exporting",
        )
    };
    let range = i32::try_from(to)
        .ok()
        .and_then(range_of)
        .ok_or_else(refuse)?;
    let values: Vec<i64> = match &tensor.numbers {
        Numbers::Int { values, .. } => values.clone(),
        // Saturates; what does not fit is refused below.
        Numbers::Float(values) => values.iter().map(|&x| x as i64).collect(),
    };
    match values.iter().all(|v| (range.0..=range.1).contains(v)) {
        true => Ok(tensor.with(Numbers::Int { values, range })),
        false => Err(refuse()),
    }
}

/// `tensor` between two bounds, which also bound the range of integers.
pub fn clip(
    tensor: &Tensor,
    low: Option<&Tensor>,
    high: Option<&Tensor>,
) -> Result<Tensor, Refusal> {
    let numbers = match &tensor.numbers {
        Numbers::Float(values) => {
            let low = low.and_then(Tensor::scalar).unwrap_or(f32::NEG_INFINITY);
            let high = high.and_then(Tensor::scalar).unwrap_or(f32::INFINITY);
            Numbers::Float(values.iter().map(|x| x.max(low).min(high)).collect())
        }
        Numbers::Int { values, range } => {
            let range = clipped(*range, low, high)?;
            let values = values.iter().map(|v| *v.max(&range.0).min(&range.1));
            Numbers::Int {
                values: values.collect(),
                range,
            }
        }
    };
    Ok(tensor.with(numbers))
}

/// `range` narrowed by integer bounds.
pub fn clipped(
    range: (i64, i64),
    low: Option<&Tensor>,
    high: Option<&Tensor>,
) -> Result<(i64, i64), Refusal> {
    let bound = |tensor: Option<&Tensor>, open: i64| match tensor {
        None => Ok(open),
        Some(tensor) => match tensor.as_ints()? {
            &[bound] => Ok(bound),
            _ => Err(Refusal::broken("its bound is no single number")),
        },
    };
    let range = (
        range.0.max(bound(low, range.0)?),
        range.1.min(bound(high, range.1)?),
    );
    match range.0 <= range.1 {
        true => Ok(range),
        false => Err(Refusal::broken(format!(
            "clips to {}..={}",
            range.0, range.1
        ))),
    }
}

/// An operator of one tensor.
pub fn unary(operator: &str, x: &Tensor) -> Result<Tensor, Refusal> {
    if let (Numbers::Int { values, .. }, "Neg") = (&x.numbers, operator) {
        let negated = values.iter().map(|v| v.checked_neg());
        let negated = negated.collect::<Option<Vec<i64>>>().ok_or_else(overflow)?;
        return Ok(Tensor::ints(x.name.clone(), x.dims.clone(), negated));
    }
    let f = match operator {
        "Neg" => |x: f32| -x,
        "Sqrt" => f32::sqrt,
        "Reciprocal" => f32::recip,
        "Floor" => f32::floor,
        "Cos" => f32::cos,
        "Exp" => f32::exp,
        "Log" => f32::ln,
        "Sin" => f32::sin,
        _ => f32::ceil,
    };
    let values = x.to_floats().into_iter().map(f).collect();
    Ok(x.with(Numbers::Float(values)))
}

/// An operator of two tensors, spread over each other.
pub fn binary(
    operator: &str,
    a: &Tensor,
    b: &Tensor,
    budget: &mut Budget,
) -> Result<Tensor, Refusal> {
    let dims = super::indexing::broadcast(&a.dims, &b.dims)?;
    budget.take(elements(&dims)?)?;
    let pairs =
        super::indexing::spread(&a.dims, &dims).zip(super::indexing::spread(&b.dims, &dims));
    let name = a.name.clone();
    if let (Numbers::Int { values: a, .. }, Numbers::Int { values: b, .. }) =
        (&a.numbers, &b.numbers)
    {
        let f = |a: i64, b: i64| match operator {
            "Add" => a.checked_add(b),
            "Sub" => a.checked_sub(b),
            "Mul" => a.checked_mul(b),
            "Div" => a.checked_div(b),
            "Min" => Some(a.min(b)),
            "Max" => Some(a.max(b)),
            _ => a.checked_pow(u32::try_from(b).ok()?),
        };
        let values = pairs.map(|(i, j)| f(a[i], b[j])).collect::<Option<_>>();
        return Ok(Tensor::ints(name, dims, values.ok_or_else(overflow)?));
    }
    let (a, b) = (a.to_floats(), b.to_floats());
    let f = |a: f32, b: f32| match operator {
        "Add" => a + b,
        "Sub" => a - b,
        "Mul" => a * b,
        "Div" => a / b,
        "Min" => a.min(b),
        "Max" => a.max(b),
        _ => a.powf(b),
    };
    let values = pairs.map(|(i, j)| f(a[i], b[j])).collect();
    Ok(Tensor::floats(name, dims, values))
}

/// The product over all axes, as computed shapes need it.
pub fn product(x: &Tensor, call: &Call) -> Result<Tensor, Refusal> {
    let rank = x.dims.len();
    let axes = call.axes(1, rank)?.unwrap_or_else(|| (0..rank).collect());
    if axes.len() != rank {
        return Err(Refusal::new(
            "multiplies along some axes only",
            "fold constants before exporting",
        ));
    }
    let dims = match call.int("keepdims", 1) {
        0 => vec![],
        _ => vec![1; rank],
    };
    let mut values = x.as_ints()?.iter();
    let product = values.try_fold(1i64, |n, &v| n.checked_mul(v));
    Ok(Tensor::ints(
        x.name.clone(),
        dims,
        vec![product.ok_or_else(overflow)?],
    ))
}

fn overflow() -> Refusal {
    Refusal::broken("its integers overflow, or it divides by zero")
}
