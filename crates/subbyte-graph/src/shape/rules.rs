//! Shape rules of the operators. Sizes may come from a damaged file, so no sum or product is taken on trust.

use super::Shape;
use crate::{Op, Quantizer, Role, TABLE_ROWS, Window};

/// Fewest and most inputs of an operator.
pub(super) fn arity(op: &Op) -> (usize, usize) {
    match op {
        Op::Image { .. } | Op::Input { .. } | Op::Param { .. } => (0, 0),
        Op::PixelTable | Op::Add | Op::Mul | Op::Minifloat { .. } => (2, 2),
        Op::Conv2d { .. } | Op::Linear => (2, 3),
        Op::GroupNorm { .. } | Op::Attention { .. } => (3, 3),
        Op::BatchNorm { .. } => (5, 5),
        Op::Concat => (1, usize::MAX),
        Op::Quantize(quantizer) => {
            let inputs = 1 + usize::from(quantizer.parameter().is_some());
            (inputs, inputs)
        }
        Op::Normalize { .. }
        | Op::Affine { .. }
        | Op::Clip { .. }
        | Op::Map { .. }
        | Op::Relu
        | Op::Relu6
        | Op::Silu
        | Op::HardSwish
        | Op::HardSigmoid
        | Op::MaxPool(_)
        | Op::AvgPool(_)
        | Op::AvgPoolInside(_)
        | Op::GlobalAvgPool
        | Op::Slice { .. }
        | Op::PadChannels { .. }
        | Op::Flatten
        | Op::Upsample { .. } => (1, 1),
    }
}

/// The rule of every operator; `inputs` has the right length.
pub(super) fn output_shape(op: &Op, inputs: &[&Shape]) -> Result<Shape, String> {
    let dims = match op {
        Op::Image {
            colours,
            height,
            width,
        } => {
            if ![1, 3].contains(colours) {
                return Err(format!("has {colours} colours; use 1 or 3"));
            }
            return Ok(Shape::Image([*colours, *height, *width]));
        }
        Op::Input {
            channels,
            height,
            width,
        } => [*channels, *height, *width],
        Op::Param { .. } => unreachable!("parameters carry their own shapes"),
        Op::Normalize { .. } => image(inputs[0])?,
        Op::PixelTable => pixel_table(image(inputs[0])?, param(inputs[1], "table")?)?,
        Op::Conv2d {
            stride,
            padding,
            groups,
        } => conv(inputs, *stride, *padding, *groups)?,
        Op::Linear => linear(inputs)?,
        Op::BatchNorm { .. } => batch_norm(inputs)?,
        Op::GroupNorm { groups, .. } => group_norm(inputs, *groups)?,
        Op::Attention { heads, .. } => attention(inputs, *heads)?,
        Op::Affine { .. }
        | Op::Clip { .. }
        | Op::Map { .. }
        | Op::Relu
        | Op::Relu6
        | Op::Silu
        | Op::HardSwish
        | Op::HardSigmoid => feature(inputs[0])?,
        Op::MaxPool(window) | Op::AvgPool(window) | Op::AvgPoolInside(window) => {
            pool(feature(inputs[0])?, window)?
        }
        Op::GlobalAvgPool => [feature(inputs[0])?[0], 1, 1],
        Op::Add => spread("adds", feature(inputs[0])?, feature(inputs[1])?)?,
        Op::Mul => spread("multiplies", feature(inputs[0])?, feature(inputs[1])?)?,
        Op::Concat => concat(inputs)?,
        Op::Slice { start, end, step } => slice(feature(inputs[0])?, start, end, step)?,
        Op::PadChannels { before, after } => {
            let [c, h, w] = feature(inputs[0])?;
            [sum(&[c, *before, *after])?, h, w]
        }
        Op::Flatten => [feature(inputs[0])?.iter().product(), 1, 1],
        Op::Upsample {
            vertical,
            horizontal,
        } => {
            let [c, h, w] = feature(inputs[0])?;
            [c, product(&[h, *vertical])?, product(&[w, *horizontal])?]
        }
        Op::Quantize(quantizer) => return quantized(inputs, *quantizer),
        Op::Minifloat { .. } => return as_minifloats(inputs),
    };
    Ok(Shape::Feature(dims))
}

fn image(shape: &Shape) -> Result<[usize; 3], String> {
    match shape {
        Shape::Image(dims) => Ok(*dims),
        _ => Err("reads something that is not the image".into()),
    }
}

fn feature(shape: &Shape) -> Result<[usize; 3], String> {
    match shape {
        Shape::Feature(dims) => Ok(*dims),
        Shape::Image(_) => {
            Err("reads the u8 image; put a normalization or a pixel table between".into())
        }
        Shape::Param(_) => Err("reads a parameter where a feature tensor belongs".into()),
    }
}

fn param<'a>(shape: &'a Shape, what: &str) -> Result<&'a [usize], String> {
    match shape {
        Shape::Param(dims) => Ok(dims),
        _ => Err(format!("its {what} is not a parameter")),
    }
}

fn pixel_table([colours, h, w]: [usize; 3], table: &[usize]) -> Result<[usize; 3], String> {
    match table {
        [tables, rows, depth]
            if (*tables == 1 || *tables == colours) && TABLE_ROWS.contains(rows) =>
        {
            Ok([product(&[colours, *depth])?, h, w])
        }
        _ => Err(format!(
            "its table is {table:?}; an image of {colours} colours needs [1 or {colours}, rows, depth], rows being 256 or a smaller power of two"
        )),
    }
}

fn conv(
    inputs: &[&Shape],
    stride: [usize; 2],
    padding: [usize; 4],
    groups: usize,
) -> Result<[usize; 3], String> {
    let [c, h, w] = feature(inputs[0])?;
    let weight = param(inputs[1], "weight")?;
    let &[out, per_group, kernel_h, kernel_w] = weight else {
        return Err(format!(
            "its weight is {weight:?}; [out, in / groups, height, width] is needed"
        ));
    };
    if groups == 0 || c % groups != 0 || out % groups != 0 {
        return Err(format!(
            "{groups} groups do not divide {c} input and {out} output channels"
        ));
    }
    if per_group != c / groups {
        return Err(format!(
            "its weight {weight:?} reads {per_group} channels a group, its input has {}",
            c / groups
        ));
    }
    bias(inputs.get(2), out)?;
    let window = Window {
        kernel: [kernel_h, kernel_w],
        stride,
        padding,
    };
    let [h, w] = windows(h, w, &window)?;
    Ok([out, h, w])
}

fn linear(inputs: &[&Shape]) -> Result<[usize; 3], String> {
    let x = feature(inputs[0])?;
    let weight = param(inputs[1], "weight")?;
    let &[out, features] = weight else {
        return Err(format!("its weight is {weight:?}; [out, in] is needed"));
    };
    if x[1..] != [1, 1] {
        return Err(format!(
            "reads {x:?}; flatten it or pool it to height and width 1 first"
        ));
    }
    if x[0] != features {
        return Err(format!(
            "its weight {weight:?} reads {features} features, its input has {}",
            x[0]
        ));
    }
    bias(inputs.get(2), out)?;
    Ok([out, 1, 1])
}

fn bias(shape: Option<&&Shape>, out: usize) -> Result<(), String> {
    match shape {
        Some(shape) => vector(shape, "bias", out),
        None => Ok(()),
    }
}

fn vector(shape: &Shape, what: &str, length: usize) -> Result<(), String> {
    match param(shape, what)? {
        [n] if *n == length => Ok(()),
        dims => Err(format!("its {what} is {dims:?}; [{length}] is needed")),
    }
}

fn batch_norm(inputs: &[&Shape]) -> Result<[usize; 3], String> {
    let x = feature(inputs[0])?;
    for (shape, what) in inputs[1..]
        .iter()
        .zip(["gamma", "beta", "mean", "variance"])
    {
        vector(shape, what, x[0])?;
    }
    Ok(x)
}

fn pool([c, h, w]: [usize; 3], window: &Window) -> Result<[usize; 3], String> {
    let [top, left, bottom, right] = window.padding;
    let [kernel_h, kernel_w] = window.kernel;
    if top.max(bottom) >= kernel_h || left.max(right) >= kernel_w {
        return Err(format!(
            "its padding {:?} is not smaller than its window {:?}",
            window.padding, window.kernel
        ));
    }
    let [h, w] = windows(h, w, window)?;
    Ok([c, h, w])
}

/// How many windows fit downwards and across.
fn windows(h: usize, w: usize, window: &Window) -> Result<[usize; 2], String> {
    let [top, left, bottom, right] = window.padding;
    let padded = [sum(&[top, h, bottom])?, sum(&[left, w, right])?];
    let Window { kernel, stride, .. } = *window;
    if stride.contains(&0) || kernel.contains(&0) {
        return Err(format!(
            "stride {stride:?} and window {kernel:?} must be at least 1"
        ));
    }
    if kernel[0] > padded[0] || kernel[1] > padded[1] {
        return Err(format!(
            "its window {kernel:?} is larger than its padded input {padded:?}: use larger images or fewer strides"
        ));
    }
    Ok([0, 1].map(|axis| (padded[axis] - kernel[axis]) / stride[axis] + 1))
}

fn group_norm(inputs: &[&Shape], groups: usize) -> Result<[usize; 3], String> {
    let x = feature(inputs[0])?;
    if groups == 0 || x[0] % groups != 0 {
        return Err(format!("{groups} groups do not divide {} channels", x[0]));
    }
    for (shape, what) in inputs[1..].iter().zip(["gamma", "beta"]) {
        vector(shape, what, x[0])?;
    }
    Ok(x)
}

fn attention(inputs: &[&Shape], heads: usize) -> Result<[usize; 3], String> {
    let [query, key, value] = [0, 1, 2].map(|i| feature(inputs[i]));
    let (query, key, value) = (query?, key?, value?);
    if query[0] != key[0] {
        return Err(format!(
            "its query has {} channels, its key {}; both need as many",
            query[0], key[0]
        ));
    }
    if key[1..] != value[1..] {
        return Err(format!(
            "its key has {:?} pixels, its value {:?}; one size is needed",
            &key[1..],
            &value[1..]
        ));
    }
    if heads == 0 || query[0] % heads != 0 || value[0] % heads != 0 {
        return Err(format!(
            "{heads} heads do not divide {} channels of queries and {} of values",
            query[0], value[0]
        ));
    }
    Ok([value[0], query[1], query[2]])
}

/// One side spread over the other.
fn spread(verb: &str, a: [usize; 3], b: [usize; 3]) -> Result<[usize; 3], String> {
    let covers = |large: [usize; 3], small: [usize; 3]| {
        (0..3).all(|axis| large[axis] == small[axis] || small[axis] == 1)
    };
    if covers(a, b) {
        Ok(a)
    } else if covers(b, a) {
        Ok(b)
    } else {
        Err(format!(
            "{verb} {a:?} and {b:?}; equal shapes are needed, or one side of length 1 where they differ"
        ))
    }
}

fn concat(inputs: &[&Shape]) -> Result<[usize; 3], String> {
    let [mut channels, h, w] = feature(inputs[0])?;
    for shape in &inputs[1..] {
        let [c, other_h, other_w] = feature(shape)?;
        if [other_h, other_w] != [h, w] {
            return Err(format!(
                "joins channels of {h} x {w} and {other_h} x {other_w} pixels; one size is needed"
            ));
        }
        channels = sum(&[channels, c])?;
    }
    Ok([channels, h, w])
}

fn slice(
    x: [usize; 3],
    start: &[usize; 3],
    end: &[usize; 3],
    step: &[usize; 3],
) -> Result<[usize; 3], String> {
    let fits = |axis: usize| start[axis] < end[axis] && end[axis] <= x[axis] && step[axis] > 0;
    if !(0..3).all(fits) {
        return Err(format!(
            "cuts {start:?}..{end:?} by {step:?} out of {x:?}; non-empty ranges inside it are needed"
        ));
    }
    Ok([0, 1, 2].map(|axis| (end[axis] - start[axis]).div_ceil(step[axis])))
}

/// Quantizing keeps the shape; the scale has one entry, or one for each output channel of a parameter.
fn quantized(inputs: &[&Shape], quantizer: Quantizer) -> Result<Shape, String> {
    let x = inputs[0];
    if matches!(x, Shape::Image(_)) {
        return Err("quantizes the u8 image; put a pixel table between".into());
    }
    match quantizer.parameter() {
        Some(Role::Clip) => {
            let clip = param(inputs[1], "clip value")?;
            if clip != [1] {
                return Err(format!("its clip value is {clip:?}; [1] is needed"));
            }
        }
        Some(_) => one_or_each(inputs, "scale")?,
        None => {}
    }
    Ok(x.clone())
}

/// As [`quantized`], the clip value being what the scale is there.
fn as_minifloats(inputs: &[&Shape]) -> Result<Shape, String> {
    if matches!(inputs[0], Shape::Image(_)) {
        return Err("quantizes the u8 image; put a normalization between".into());
    }
    one_or_each(inputs, "clip value")?;
    Ok(inputs[0].clone())
}

/// The second input is `[1]`, or has one entry for each output channel of a parameter.
fn one_or_each(inputs: &[&Shape], what: &str) -> Result<(), String> {
    let scale = param(inputs[1], what)?;
    let per_channel = matches!(inputs[0], Shape::Param(dims) if dims.first() == scale.first());
    if scale.len() != 1 || (scale != [1] && !per_channel) {
        return Err(format!(
            "its {what} is {scale:?}; [1] is needed, or [out] for a weight [out, ..]"
        ));
    }
    Ok(())
}

fn sum(terms: &[usize]) -> Result<usize, String> {
    terms
        .iter()
        .try_fold(0usize, |n, &term| n.checked_add(term))
        .ok_or_else(|| format!("{terms:?} add up to more than this machine can count"))
}

fn product(factors: &[usize]) -> Result<usize, String> {
    factors
        .iter()
        .try_fold(1usize, |n, &factor| n.checked_mul(factor))
        .ok_or_else(|| format!("the product of {factors:?} is more than this machine can count"))
}
