//! Products of tensors with tensors, which together with a softmax are an attention.

use subbyte_graph::Op;

use super::{Call, Made, Refusal, as_activation, linear, one};
use crate::import::{
    Import,
    layout::axis_index,
    runs::{Axes, Part, Products, Runs, take_scale},
    value::{Activation, Value},
};

/// What to do about products that are no attention.
const ADVICE: &str = "only the products of an attention (query with key, softmax, weights with value) can be taken over";

pub fn matmul(import: &mut Import, call: &Call) -> Made {
    let tensors = |value: &Value| {
        matches!(
            value,
            Value::Activation(_) | Value::Runs(_) | Value::Products(_)
        )
    };
    if !tensors(call.input(0)?) || !tensors(call.input(1)?) {
        return linear::matmul(import, call);
    }
    let rank = [0, 1].map(|i| call.input(i).map(|value| import.lengths_of(value).len()));
    let [Ok(rank), Ok(other)] = rank else {
        return Err(Refusal::broken("its inputs are missing"));
    };
    if rank != other || rank < 2 {
        return Err(Refusal::new("spreads one tensor over another", ADVICE));
    }
    // Letters as an einsum would have them: the batch, then rows, what is summed over, and columns.
    let batch: Vec<char> = ('a'..).take(rank - 2).collect();
    let with = |last: [char; 2]| -> Vec<char> { batch.iter().copied().chain(last).collect() };
    let terms = [with(['x', 's']), with(['s', 'y']), with(['x', 'y'])];
    one(contract(import, call, &terms)?)
}

pub fn einsum(import: &mut Import, call: &Call) -> Made {
    let equation = call.text("equation", "").replace(' ', "");
    let refuse = || Refusal::new(format!("computes `{equation}`"), ADVICE);
    let (inputs, output) = equation.split_once("->").ok_or_else(refuse)?;
    let (a, b) = inputs.split_once(',').ok_or_else(refuse)?;
    let terms = [a, b, output].map(|term| term.chars().collect::<Vec<char>>());
    if !terms.iter().flatten().all(char::is_ascii_alphabetic) {
        return Err(refuse());
    }
    one(contract(import, call, &terms)?)
}

/// The product of both inputs, summed over the letter that the result lacks.
fn contract(
    import: &mut Import,
    call: &Call,
    [a, b, out]: &[Vec<char>; 3],
) -> Result<Value, Refusal> {
    let refuse = || Refusal::new("multiplies tensors with each other", ADVICE);
    match (call.input(0)?, call.input(1)?) {
        (Value::Products(products), other) => {
            let value = runs(import, other)?;
            mean(import, call, products, &value, [a, b, out])?.ok_or_else(refuse)
        }
        (other, Value::Products(products)) => {
            let value = runs(import, other)?;
            mean(import, call, products, &value, [b, a, out])?.ok_or_else(refuse)
        }
        (first, second) => {
            let (first, second) = (runs(import, first)?, runs(import, second)?);
            products(import, &first, &second, [a, b, out]).ok_or_else(refuse)
        }
    }
}

/// A tensor with its channels in runs, one where the file does not cut them.
fn runs(import: &Import, value: &Value) -> Result<Runs, Refusal> {
    match value {
        Value::Runs(runs) => Ok(runs.clone()),
        other => {
            let x = as_activation(other)?;
            let refuse = || Refusal::new("multiplies tensors with each other", ADVICE);
            Runs::whole(&x, import.sizes(&x)).ok_or_else(refuse)
        }
    }
}

/// The parts of the axis that `letter` names.
fn parts<'a>(letters: &[char], axes: &'a Axes, letter: char) -> Option<&'a [Part]> {
    let axis = letters.iter().position(|&l| l == letter)?;
    axes.get(axis).map(Vec::as_slice)
}

/// The one letter that both have and the result does not.
fn summed(a: &[char], b: &[char], out: &[char]) -> Option<char> {
    let mut letters = a.iter().filter(|l| b.contains(l) && !out.contains(l));
    let letter = letters.next()?;
    letters.next().is_none().then_some(*letter)
}

/// Query times key.
fn products(
    import: &Import,
    first: &Runs,
    second: &Runs,
    [a, b, out]: [&Vec<char>; 3],
) -> Option<Value> {
    let sum = summed(a, b, out)?;
    let is = |letters, axes, letter, part: Part| parts(letters, axes, letter) == Some(&[part][..]);
    let sums_channels =
        is(a, &first.axes, sum, Part::Channel) && is(b, &second.axes, sum, Part::Channel);
    let batches = [import.sizes(&first.x), import.sizes(&second.x)].map(|s| s.0[0]);
    let lengths = a.len() == first.axes.len() && b.len() == second.axes.len();
    if !sums_channels || !lengths || first.runs != second.runs || batches[0] != batches[1] {
        return None;
    }
    let mut axes = Axes::new();
    for &letter in out {
        let here = parts(a, &first.axes, letter);
        let there = parts(b, &second.axes, letter);
        axes.push(match (here, there) {
            (Some(here), Some(there)) if here == there && !here.contains(&Part::Pixel) => {
                here.to_vec()
            }
            (Some(&[Part::Pixel]), None) => vec![Part::Pixel],
            (None, Some(&[Part::Pixel])) => vec![Part::Other],
            _ => return None,
        });
    }
    Some(Value::Products(Products {
        factors: [first.x.clone(), second.x.clone()],
        runs: first.runs,
        scale: 1.0,
        axes,
        softmax: None,
    }))
}

/// The mean of the pixels of `value`, weighted by the softmax of `products`.
fn mean(
    import: &mut Import,
    call: &Call,
    products: &Products,
    value: &Runs,
    [a, b, out]: [&Vec<char>; 3],
) -> Result<Option<Value>, Refusal> {
    let (key, query) = match products.softmax {
        Some(Part::Other) => (Part::Other, Part::Pixel),
        Some(Part::Pixel) => (Part::Pixel, Part::Other),
        _ => {
            return Err(Refusal::new(
                "multiplies products of tensors without a softmax between",
                ADVICE,
            ));
        }
    };
    let Some(sum) = summed(a, b, out) else {
        return Ok(None);
    };
    let fits = parts(a, &products.axes, sum) == Some(&[key])
        && parts(b, &value.axes, sum) == Some(&[Part::Pixel])
        && a.len() == products.axes.len()
        && b.len() == value.axes.len()
        && products.runs == value.runs;
    if !fits {
        return Ok(None);
    }
    let mut axes = Axes::new();
    for &letter in out {
        let here = parts(a, &products.axes, letter);
        let there = parts(b, &value.axes, letter);
        axes.push(match (here, there) {
            (Some(here), Some(there)) if here == there && !here.contains(&Part::Pixel) => {
                here.to_vec()
            }
            (Some(here), None) if here == [query] => vec![Part::Pixel],
            (None, Some(&[Part::Channel])) => vec![Part::Channel],
            _ => return Ok(None),
        });
    }
    let [first, other] = products.factors.clone();
    let (mut query, mut key) = match key {
        Part::Other => (first, other),
        _ => (other, first),
    };
    let scale = products.scale * take_scale(&mut query) * take_scale(&mut key);
    let [query, key] = [import.plain(&query)?, import.plain(&key)?];
    let x = import.plain(&value.x)?;
    let op = Op::Attention {
        heads: products.runs,
        scale: scale as f32,
    };
    let inputs = [query.node, key.node, x.node];
    let node = import.builder.push(call.name, op, &inputs)?;
    let runs = Runs {
        x: Activation::of(node),
        runs: value.runs,
        axes,
    };
    let sizes = import.sizes(&runs.x);
    Ok(Some(match runs.as_whole(sizes) {
        Some(x) => x.into(),
        None => Value::Runs(runs),
    }))
}

/// The softmax over the keys.
pub fn softmax(import: &Import, call: &Call, products: &Products) -> Made {
    let rank = import.lengths_of(call.input(0)?).len();
    let axis = axis_index(call.int("axis", -1), rank)?;
    match products.axes[axis].as_slice() {
        &[part @ (Part::Pixel | Part::Other)] if products.softmax.is_none() => {
            Ok(vec![Value::Products(Products {
                softmax: Some(part),
                ..products.clone()
            })])
        }
        _ => Err(Refusal::new(
            "is taken over something else than the pixels of an attention",
            ADVICE,
        )),
    }
}
