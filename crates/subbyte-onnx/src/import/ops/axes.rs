//! Operators that move tensors around without computing.

use subbyte_graph::Op;

use super::{Call, Made, Refusal, activation, as_activation, one};
use crate::import::{
    Import,
    fold::{indexing, is_float},
    layout::{Dim, Layout, added_axes, axis_index, reshaped},
    operators::lone_runs,
    runs::Runs,
    value::{Activation, Affine, Value},
};
use crate::tensor::Tensor;

/// Identity and Dropout.
pub fn pass(_: &mut Import, call: &Call) -> Made {
    one(call.input(0)?.clone())
}

pub fn cast(_: &mut Import, call: &Call) -> Made {
    match (call.input(0)?, is_float(call.int("to", 0))) {
        (Value::Activation(x), true) => one(x.clone()),
        _ => Err(Refusal::new(
            "converts what depends on the image to integers",
            "quantize with QuantizeLinear and DequantizeLinear",
        )),
    }
}

pub fn shape(import: &mut Import, call: &Call) -> Made {
    let lengths = import.lengths_of(call.input(0)?);
    let rank = lengths.len() as i64;
    let place = |i: i64| if i < 0 { i.saturating_add(rank) } else { i }.clamp(0, rank) as usize;
    let (start, end) = (place(call.int("start", 0)), place(call.int("end", rank)));
    let part = lengths.get(start..end).unwrap_or_default();
    let ints: Vec<i64> = part.iter().map(|&n| n as i64).collect();
    let name = call.proto.output.first().map_or("", String::as_str);
    one(Tensor::ints(name, vec![ints.len()], ints))
}

/// Reshape, Flatten, Squeeze, Unsqueeze.
pub fn reshape(import: &mut Import, call: &Call) -> Made {
    if let Value::Runs(runs) = call.input(0)? {
        return reshape_runs(import, call, runs);
    }
    let x = activation(call, 0)?;
    let sizes = import.sizes(&x);
    let lengths = x.layout.lengths(sizes);
    let rank = lengths.len();
    let layout = match call.operator() {
        "Reshape" => {
            let target = call.constant(1)?;
            let zero_is_zero = call.int("allowzero", 0) != 0;
            let target = reshaped(&lengths, target.as_ints()?, zero_is_zero)?;
            match (
                x.layout.reshape(&target, sizes),
                x.is_padded() || x.reversed,
            ) {
                (Ok(layout), _) => layout,
                (Err(refusal), true) => return Err(refusal),
                (Err(refusal), false) => {
                    let runs = Runs::cut(&x, sizes, &target).ok_or(refusal)?;
                    return Ok(vec![Value::Runs(runs)]);
                }
            }
        }
        "Flatten" => {
            let axis = axis_index(call.int("axis", 1), rank)?;
            let product = |part: &[usize]| crate::tensor::elements(part);
            let target = [product(&lengths[..axis])?, product(&lengths[axis..])?];
            x.layout.reshape(&target, sizes)?
        }
        "Squeeze" => {
            let axes = call.axes(1, rank)?;
            let is_batch = |i: usize| x.layout.0[i].contains(&Dim::N);
            let axes = axes.unwrap_or_else(|| {
                (0..rank)
                    .filter(|&i| lengths[i] == 1 && !is_batch(i))
                    .collect()
            });
            if let Some(&axis) = axes.iter().find(|&&i| lengths[i] != 1 || is_batch(i)) {
                return Err(Refusal::new(
                    format!("drops axis {axis} of {lengths:?}"),
                    "only axes of length 1 behind the batch can be dropped",
                ));
            }
            let kept = (0..rank).filter(|i| !axes.contains(i));
            Layout(kept.map(|i| x.layout.0[i].clone()).collect())
        }
        _ => {
            let new = call.ints_of(1, "axes")?.unwrap_or_default();
            let new = added_axes(&new, rank)?;
            let rank = rank + new.len();
            let mut old = x.layout.0.iter().cloned();
            let axis = |i: usize| match new.contains(&i) {
                true => Vec::new(),
                false => old.next().unwrap_or_default(),
            };
            Layout((0..rank).map(axis).collect())
        }
    };
    one(Activation { layout, ..x })
}

/// Runs that come together again, or lie along other axes.
fn reshape_runs(import: &Import, call: &Call, runs: &Runs) -> Made {
    let sizes = import.sizes(&runs.x);
    let target = match call.operator() {
        "Reshape" => call.constant(1)?,
        _ => return Err(lone_runs()),
    };
    let zero_is_zero = call.int("allowzero", 0) != 0;
    let target = reshaped(&runs.lengths(sizes), target.as_ints()?, zero_is_zero)?;
    if let Some(x) = runs.joined(sizes, &target) {
        return one(x);
    }
    let runs = runs.reshape(sizes, &target).ok_or_else(lone_runs)?;
    Ok(vec![Value::Runs(runs)])
}

pub fn transpose(_: &mut Import, call: &Call) -> Made {
    if let Value::Runs(runs) = call.input(0)? {
        let perm = indexing::permutation(call.ints("perm"), runs.axes.len())?;
        let axes = perm.iter().map(|&axis| runs.axes[axis].clone()).collect();
        let runs = runs.clone();
        return Ok(vec![Value::Runs(Runs { axes, ..runs })]);
    }
    if let Value::Weights(weights) = call.input(0)? {
        return match call.ints("perm") {
            None | Some([1, 0]) => Ok(vec![Value::Weights(weights.transposed()?)]),
            _ => Err(Refusal::new(
                "moves the axes of quantized weights",
                "export the weights in the order [out, in, height, width]",
            )),
        };
    }
    let x = activation(call, 0)?;
    let perm = indexing::permutation(call.ints("perm"), x.layout.0.len())?;
    let layout = Layout(perm.iter().map(|&axis| x.layout.0[axis].clone()).collect());
    one(Activation { layout, ..x })
}

pub fn concat(import: &mut Import, call: &Call) -> Made {
    let mut parts = Vec::new();
    for value in call.inputs.iter().flatten() {
        parts.push(import.plain(&as_activation(value)?)?);
    }
    let first = parts
        .first()
        .ok_or_else(|| Refusal::broken("joins nothing"))?;
    let rank = first.layout.0.len();
    let axis = axis_index(call.int("axis", 0), rank)?;
    let layout = first.layout.clone();
    if rank == 2 && axis == 1 {
        for part in &mut parts {
            let (flat, places) = import.flattened(part)?;
            if places.is_some() {
                return Err(not_channels());
            }
            *part = flat;
        }
    } else {
        let others = |x: &Activation| {
            let mut axes = x.layout.significant(import.sizes(x));
            (axes.len() == rank).then(|| axes.remove(axis))?;
            Some(axes)
        };
        let same = parts.iter().all(|part| {
            part.layout.0.get(axis).is_some_and(|a| *a == [Dim::C]) && others(part) == others(first)
        });
        if !same {
            return Err(not_channels());
        }
    }
    let nodes: Vec<_> = parts.iter().map(|part| part.node).collect();
    let node = import.builder.push(call.name, Op::Concat, &nodes)?;
    let layout = if rank == 2 { Layout::flat() } else { layout };
    one(Activation {
        layout,
        ..Activation::of(node)
    })
}

fn not_channels() -> Refusal {
    Refusal::new(
        "joins tensors along other axes than their channels",
        "only channels can be joined",
    )
}

pub fn slice(import: &mut Import, call: &Call) -> Made {
    let x = activation(call, 0)?;
    let lengths = x.layout.lengths(import.sizes(&x));
    let ranges = indexing::ranges(&lengths, call)?;
    let reversed: Vec<usize> = (0..ranges.len()).filter(|&i| ranges[i].2 < 0).collect();
    if let &[axis] = reversed.as_slice()
        && ranges[axis] == (lengths[axis].saturating_sub(1), lengths[axis], -1)
        && ranges
            .iter()
            .zip(&lengths)
            .all(|(range, &length)| range.1 == length)
        && let Some(x) = reverse_colours(import, &x, axis)
    {
        return one(x);
    }
    one(cut(import, call.name, &x, &ranges)?)
}

/// The image with its colours in reverse, where axis `axis` is that of colours.
fn reverse_colours(import: &Import, x: &Activation, axis: usize) -> Option<Activation> {
    let image = matches!(import.builder.node(x.node).op, Op::Image { .. });
    if !image || x.layout.0.get(axis)?.as_slice() != [Dim::C] {
        return None;
    }
    let mut affine: Affine = x.affine.clone();
    affine.mul.reverse();
    affine.add.reverse();
    Some(Activation {
        affine,
        reversed: !x.reversed,
        ..x.clone()
    })
}

/// First index, number of indices and step along each axis of `x`.
fn cut(
    import: &mut Import,
    name: &str,
    x: &Activation,
    ranges: &[(usize, usize, i64)],
) -> Result<Activation, Refusal> {
    let x = import.plain(x)?;
    let shape = import.builder.shape(x.node);
    let lengths = x.layout.lengths(import.sizes(&x));
    let (mut start, mut end, mut step) = ([0; 3], shape, [1; 3]);
    for (axis, &(first, count, by)) in ranges.iter().enumerate() {
        if (first, count, by) == (0, lengths[axis], 1) {
            continue;
        }
        let dim = match x.layout.0[axis].as_slice() {
            [Dim::C] => 0,
            [Dim::H] => 1,
            [Dim::W] => 2,
            _ => {
                return Err(Refusal::new(
                    "cuts along other axes than channels, height and width",
                    "cut before flattening",
                ));
            }
        };
        let by = usize::try_from(by).map_err(|_| {
            Refusal::new("cuts backwards", "only slices forwards can be taken over")
        })?;
        if count == 0 {
            return Err(Refusal::broken("cuts out nothing"));
        }
        start[dim] = first;
        end[dim] = first + (count - 1) * by + 1;
        step[dim] = by;
    }
    if (start, end, step) == ([0; 3], shape, [1; 3]) {
        return Ok(x);
    }
    let op = Op::Slice { start, end, step };
    let node = import.builder.push(name, op, &[x.node])?;
    Ok(Activation { node, ..x })
}

pub fn split(import: &mut Import, call: &Call) -> Made {
    let x = activation(call, 0)?;
    let lengths = x.layout.lengths(import.sizes(&x));
    let axis = axis_index(call.int("axis", 0), lengths.len())?;
    let outputs = call.proto.output.len();
    let parts = match call.ints_of(1, "split")? {
        Some(parts) => {
            let parts = parts.iter().map(|&n| usize::try_from(n).ok());
            parts.collect::<Option<Vec<_>>>()
        }
        None => {
            let each = lengths[axis].div_ceil(outputs.max(1));
            let part = |i: usize| each.min(lengths[axis].saturating_sub(i.saturating_mul(each)));
            Some((0..outputs).map(part).collect())
        }
    };
    let fits = |parts: &Vec<usize>| {
        let total = parts
            .iter()
            .try_fold(0usize, |n, &part| n.checked_add(part));
        parts.len() == outputs && total == Some(lengths[axis])
    };
    let parts = parts.filter(fits).ok_or_else(|| {
        Refusal::broken(format!("does not split {} into its parts", lengths[axis]))
    })?;
    let mut values = Vec::with_capacity(outputs);
    let mut first = 0;
    for (i, part) in parts.into_iter().enumerate() {
        let mut ranges: Vec<_> = lengths.iter().map(|&length| (0, length, 1)).collect();
        ranges[axis] = (first, part, 1);
        let name = format!("{}.{i}", call.name);
        values.push(cut(import, &name, &x, &ranges)?.into());
        first += part;
    }
    Ok(values)
}

pub fn gather(import: &mut Import, call: &Call) -> Made {
    let x = activation(call, 0)?;
    let lengths = x.layout.lengths(import.sizes(&x));
    let axis = axis_index(call.int("axis", 0), lengths.len())?;
    let indices = call.constant(1)?;
    let length = lengths[axis];
    let backwards = (0..length.min(4)).rev().map(|i| i as i64);
    if length < 4
        && indices.as_ints()?.iter().copied().eq(backwards)
        && let Some(x) = reverse_colours(import, &x, axis)
    {
        return one(x);
    }
    Err(Refusal::new(
        "picks out of a tensor that depends on the image",
        "use Slice or Split; only the image's colours can be reversed",
    ))
}

pub fn pad(import: &mut Import, call: &Call) -> Made {
    let mut x = activation(call, 0)?;
    let rank = x.layout.0.len();
    let refuse = |what: &str| Refusal::new(what, "only padding with zeros can be taken over");
    if call.text("mode", "constant") != "constant" {
        return Err(refuse("pads with what is at the edges"));
    }
    if let Some(value) = call.optional_constant(2)?
        && value.to_floats() != [0.0]
    {
        return Err(refuse("pads with something else than 0"));
    }
    let pads = call
        .ints_of(1, "pads")?
        .ok_or_else(|| Refusal::broken("has no pads"))?;
    let axes = call.axes(3, rank)?.unwrap_or_else(|| (0..rank).collect());
    if pads.len() != 2 * axes.len() {
        return Err(Refusal::broken(format!(
            "has {} pads for {} axes",
            pads.len(),
            axes.len()
        )));
    }
    let mut channels = [0; 2];
    for (i, axis) in axes.iter().enumerate() {
        let sides = [pads[i], pads[i + axes.len()]].map(usize::try_from);
        let [Ok(before), Ok(after)] = sides else {
            return Err(refuse("cuts by negative padding"));
        };
        match (x.layout.0[*axis].as_slice(), before, after) {
            (_, 0, 0) => {}
            ([Dim::C], ..) => channels = [before, after],
            ([dim @ (Dim::H | Dim::W)], ..) => {
                let first = usize::from(*dim == Dim::W);
                let more = |old: usize, more: usize| {
                    old.checked_add(more)
                        .filter(|&sum| sum <= i32::MAX as usize)
                        .ok_or_else(|| Refusal::broken("its padding is too large"))
                };
                x.padding[first] = more(x.padding[first], before)?;
                x.padding[first + 2] = more(x.padding[first + 2], after)?;
            }
            _ => return Err(refuse("pads other axes than channels, height and width")),
        }
    }
    let [before, after] = channels;
    if channels == [0, 0] {
        return one(x);
    }
    let padding = x.padding;
    let inner = Activation {
        padding: [0; 4],
        ..x
    };
    let inner = import.plain(&inner)?;
    let op = Op::PadChannels { before, after };
    let node = import.builder.push(call.name, op, &[inner.node])?;
    one(Activation {
        node,
        padding,
        ..inner
    })
}
