//! Moving constants: slices, transposes, joins, reshapes.

use super::{
    super::layout::{added_axes, axis_index, reshaped},
    Call,
};
use crate::{
    error::Refusal,
    tensor::{Budget, Tensor, elements},
};

/// Indices of a tensor with `strides`, visited in row-major order of `dims`.
fn walk(dims: Vec<usize>, strides: Vec<i64>, start: i64) -> impl Iterator<Item = usize> {
    let len: usize = dims.iter().product();
    (0..len).map(move |mut i| {
        let mut at = start;
        for (&dim, &stride) in dims.iter().zip(&strides).rev() {
            at += (i % dim) as i64 * stride;
            i /= dim;
        }
        // Callers keep within the tensor.
        at as usize
    })
}

fn strides(dims: &[usize]) -> Vec<i64> {
    let mut strides = vec![1i64; dims.len()];
    for i in (1..dims.len()).rev() {
        strides[i - 1] = strides[i].saturating_mul(dims[i] as i64);
    }
    strides
}

/// The shape of two tensors that are spread over each other.
pub fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>, Refusal> {
    let rank = a.len().max(b.len());
    let at = |dims: &[usize], i: usize| {
        let ahead = rank - dims.len();
        if i < ahead { 1 } else { dims[i - ahead] }
    };
    let axis = |i: usize| match (at(a, i), at(b, i)) {
        (m, n) if m == n || n == 1 => Some(m),
        (1, n) => Some(n),
        _ => None,
    };
    let dims = (0..rank).map(axis).collect::<Option<_>>();
    dims.ok_or_else(|| Refusal::broken(format!("the shapes {a:?} and {b:?} do not fit")))
}

/// Indices of a tensor of `from`, spread over `to`, which [`broadcast`] made of it.
pub fn spread(from: &[usize], to: &[usize]) -> impl Iterator<Item = usize> + use<> {
    let ahead = to.len() - from.len();
    let own = strides(from);
    let stride = |i: usize| match i.checked_sub(ahead) {
        Some(i) if from[i] != 1 => own[i],
        _ => 0,
    };
    walk(to.to_vec(), (0..to.len()).map(stride).collect(), 0)
}

/// `tensor` spread over `dims`.
pub fn expand(tensor: &Tensor, dims: &[usize]) -> Result<Tensor, Refusal> {
    let dims = match tensor.len() {
        // A single number fills any shape, also one without elements.
        1 => {
            let len = elements(dims)?;
            return Ok(tensor.gather(dims.to_vec(), std::iter::repeat_n(0, len)));
        }
        _ => broadcast(&tensor.dims, dims)?,
    };
    let indices = spread(&tensor.dims, &dims);
    Ok(tensor.gather(dims, indices))
}

pub fn transpose(tensor: &Tensor, perm: Option<&[i64]>) -> Result<Tensor, Refusal> {
    let rank = tensor.dims.len();
    let perm = permutation(perm, rank)?;
    let own = strides(&tensor.dims);
    let dims: Vec<usize> = perm.iter().map(|&axis| tensor.dims[axis]).collect();
    let strides = perm.iter().map(|&axis| own[axis]).collect();
    Ok(tensor.gather(dims.clone(), walk(dims, strides, 0)))
}

/// A permutation of `rank` axes; they are reversed where none is given.
pub fn permutation(perm: Option<&[i64]>, rank: usize) -> Result<Vec<usize>, Refusal> {
    let Some(perm) = perm else {
        return Ok((0..rank).rev().collect());
    };
    let axes = perm.iter().map(|&axis| axis_index(axis, rank));
    let axes = axes.collect::<Result<Vec<_>, _>>()?;
    let mut sorted = axes.clone();
    sorted.sort_unstable();
    match sorted.into_iter().eq(0..rank) {
        true => Ok(axes),
        false => Err(Refusal::broken(format!(
            "its permutation {perm:?} is none of {rank} axes"
        ))),
    }
}

pub fn gather(
    tensor: &Tensor,
    indices: &Tensor,
    axis: i64,
    budget: &mut Budget,
) -> Result<Tensor, Refusal> {
    let axis = axis_index(axis, tensor.dims.len())?;
    let length = tensor.dims[axis];
    let picked = indices.as_ints()?.iter().map(|&i| axis_index(i, length));
    let picked = picked.collect::<Result<Vec<usize>, _>>()?;
    let outer: usize = tensor.dims[..axis].iter().product();
    let inner: usize = tensor.dims[axis + 1..].iter().product();
    let dims = [
        &tensor.dims[..axis],
        &indices.dims,
        &tensor.dims[axis + 1..],
    ]
    .concat();
    budget.take(elements(&dims)?)?;
    let rows = (0..outer).flat_map(|o| picked.iter().map(move |i| (o * length + i) * inner));
    Ok(tensor.gather(dims, rows.flat_map(|row| row..row + inner)))
}

pub fn concat(tensors: &[&Tensor], axis: i64) -> Result<Tensor, Refusal> {
    let Some(first) = tensors.first() else {
        return Err(Refusal::broken("joins nothing"));
    };
    let axis = axis_index(axis, first.dims.len())?;
    let mut dims = first.dims.clone();
    dims[axis] = 0;
    for tensor in tensors {
        let mut others = tensor.dims.clone();
        let length = others
            .get_mut(axis)
            .map(|n| std::mem::replace(n, first.dims[axis]));
        match length {
            Some(length) if others == first.dims => dims[axis] += length,
            _ => {
                return Err(Refusal::broken(format!(
                    "joins {:?} and {:?} along axis {axis}",
                    first.dims, tensor.dims
                )));
            }
        }
    }
    let outer: usize = dims[..axis].iter().product();
    fn rows<T: Copy>(parts: &[&[T]], outer: usize) -> Vec<T> {
        let row = |o: usize| {
            parts.iter().flat_map(move |part| {
                let run = part.len() / outer.max(1);
                part[o * run..(o + 1) * run].iter().copied()
            })
        };
        (0..outer).flat_map(row).collect()
    }
    let ints = tensors
        .iter()
        .map(|t| t.as_ints().ok())
        .collect::<Option<Vec<_>>>();
    if let Some(ints) = ints {
        return Ok(Tensor::ints(String::new(), dims, rows(&ints, outer)));
    }
    let floats: Vec<Vec<f32>> = tensors.iter().map(|t| t.to_floats()).collect();
    let floats: Vec<&[f32]> = floats.iter().map(Vec::as_slice).collect();
    Ok(Tensor::floats(String::new(), dims, rows(&floats, outer)))
}

/// First index, number of indices and step along an axis of `length`, as Slice defines them.
pub fn range(
    start: i64,
    end: i64,
    step: i64,
    length: usize,
) -> Result<(usize, usize, i64), Refusal> {
    if step == 0 || step == i64::MIN {
        return Err(Refusal::broken("slices by steps of 0"));
    }
    if length == 0 {
        return Ok((0, 0, step));
    }
    let n = length as i64;
    let wrap = |i: i64| if i < 0 { i.saturating_add(n) } else { i };
    let (start, end) = match step > 0 {
        true => (wrap(start).clamp(0, n), wrap(end).clamp(0, n)),
        false => (wrap(start).clamp(0, n - 1), wrap(end).clamp(-1, n - 1)),
    };
    let distance = if step > 0 { end - start } else { start - end };
    let count = match distance > 0 {
        true => (distance as usize).div_ceil(step.unsigned_abs() as usize),
        false => 0,
    };
    Ok((start.max(0) as usize, count, step))
}

/// Start, count and step along every axis of a tensor of `lengths`.
pub fn ranges(lengths: &[usize], call: &Call) -> Result<Vec<(usize, usize, i64)>, Refusal> {
    let missing = |what: &str| Refusal::broken(format!("its {what} are missing"));
    let starts = call
        .ints_of(1, "starts")?
        .ok_or_else(|| missing("starts"))?;
    let ends = call.ints_of(2, "ends")?.ok_or_else(|| missing("ends"))?;
    let axes = match call.axes(3, lengths.len())? {
        Some(axes) => axes,
        None => (0..starts.len()).collect(),
    };
    let steps = call
        .ints_of(4, "steps")?
        .unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return Err(Refusal::broken(
            "its starts, ends, axes and steps differ in number",
        ));
    }
    let mut ranges: Vec<_> = lengths.iter().map(|&length| (0, length, 1)).collect();
    for (i, &axis) in axes.iter().enumerate() {
        let length = *lengths
            .get(axis)
            .ok_or_else(|| Refusal::broken("slices along more axes than there are"))?;
        ranges[axis] = range(starts[i], ends[i], steps[i], length)?;
    }
    Ok(ranges)
}

pub fn slice(tensor: &Tensor, call: &Call) -> Result<Tensor, Refusal> {
    let ranges = ranges(&tensor.dims, call)?;
    let own = strides(&tensor.dims);
    let dims: Vec<usize> = ranges.iter().map(|r| r.1).collect();
    let steps = ranges.iter().zip(&own);
    let strides = steps
        .clone()
        .map(|(r, stride)| r.2.saturating_mul(*stride))
        .collect();
    let start = steps.map(|(r, stride)| r.0 as i64 * stride).sum();
    Ok(tensor.gather(dims.clone(), walk(dims, strides, start)))
}

/// Reshape, Flatten, Squeeze and Unsqueeze: other lengths for the same numbers.
pub fn reshape(tensor: &Tensor, call: &Call) -> Result<Tensor, Refusal> {
    let dims = &tensor.dims;
    let rank = dims.len();
    let dims = match call.operator() {
        "Reshape" => {
            let target = call.constant(1)?;
            reshaped(dims, target.as_ints()?, call.int("allowzero", 0) != 0)?
        }
        "Flatten" => {
            let axis = match call.int("axis", 1) {
                axis if axis == rank as i64 => rank,
                axis => axis_index(axis, rank)?,
            };
            vec![elements(&dims[..axis])?, elements(&dims[axis..])?]
        }
        "Squeeze" => {
            let axes = call.axes(1, rank)?;
            let drop = |i: usize| match &axes {
                Some(axes) => axes.contains(&i),
                None => dims[i] == 1,
            };
            let kept = (0..rank).filter(|&i| !drop(i)).map(|i| dims[i]);
            kept.collect()
        }
        _ => {
            let new = call.ints_of(1, "axes")?.unwrap_or_default();
            let new = added_axes(&new, rank)?;
            let rank = rank + new.len();
            let mut old = dims.iter().copied();
            let length = |i: usize| match new.contains(&i) {
                true => 1,
                false => old.next().unwrap_or(1),
            };
            (0..rank).map(length).collect()
        }
    };
    if elements(&dims)? != tensor.len() {
        return Err(Refusal::broken(format!(
            "makes {dims:?} of {:?}",
            tensor.dims
        )));
    }
    Ok(Tensor {
        dims,
        ..tensor.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_those_of_the_standard() {
        let max = i64::MAX;
        assert_eq!(range(0, max, 1, 5), Ok((0, 5, 1)));
        assert_eq!(range(1, -1, 2, 6), Ok((1, 2, 2)));
        assert_eq!(range(-1, i64::MIN, -1, 3), Ok((2, 3, -1)));
        assert_eq!(range(3, 1, 1, 5).map(|r| r.1), Ok(0));
        assert!(range(0, 1, 0, 5).is_err());
    }

    #[test]
    fn shapes_spread_over_each_other() {
        assert_eq!(broadcast(&[3, 1], &[4]), Ok(vec![3, 4]));
        assert!(broadcast(&[3], &[4]).is_err());
        let x = Tensor::ints("x", vec![2, 1], vec![7, 9]);
        let wide = expand(&x, &[2, 3]).unwrap();
        assert_eq!(wide.as_ints(), Ok(&[7, 7, 7, 9, 9, 9][..]));
    }

    #[test]
    fn transposes_and_joins_move_numbers() {
        let x = Tensor::ints("x", vec![2, 3], vec![0, 1, 2, 3, 4, 5]);
        let t = transpose(&x, None).unwrap();
        assert_eq!(
            (t.dims.as_slice(), t.as_ints()),
            (&[3, 2][..], Ok(&[0, 3, 1, 4, 2, 5][..]))
        );
        let joined = concat(&[&x, &x], 1).unwrap();
        assert_eq!(
            joined.as_ints(),
            Ok(&[0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5][..])
        );
    }
}
