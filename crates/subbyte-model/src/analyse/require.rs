//! What operations demand of their inputs and results, each with the words for its absence.

use alloc::{borrow::ToOwned, format, string::String};

use subbyte_num::CodeType;

use super::{Kind, MAX_DIM, MAX_ELEMENTS, Shape, Tensor};

/// A shape within the limits.
///
/// # Errors
/// If a side is 0, or the shape is too large.
pub(super) fn shape(channels: usize, height: usize, width: usize) -> Result<Shape, String> {
    let side = 1..=MAX_DIM;
    let len = channels
        .checked_mul(height)
        .and_then(|len| len.checked_mul(width));
    if [channels, height, width].iter().all(|n| side.contains(n))
        && len.is_some_and(|len| len <= MAX_ELEMENTS)
    {
        Ok(Shape {
            channels,
            height,
            width,
        })
    } else {
        Err(format!(
            "a tensor of {channels} channels, {height} rows and {width} columns; each may be 1 to {MAX_DIM}, their product {MAX_ELEMENTS}"
        ))
    }
}

/// A product of sizes.
pub(super) fn times(a: usize, b: usize) -> Result<usize, String> {
    a.checked_mul(b)
        .ok_or_else(|| format!("a side of {a} times {b}"))
}

/// A tensor of codes.
pub(super) fn made_of(code: CodeType, shape: Shape) -> Result<Tensor, String> {
    Ok(Tensor {
        shape,
        kind: Kind::Codes(code),
    })
}

/// The type of an input of codes.
pub(super) fn codes(x: &Tensor) -> Result<CodeType, String> {
    x.code()
        .ok_or_else(|| "reads codes, but is given sums or the image".to_owned())
}

/// The range of an input of sums.
pub(super) fn sums(x: &Tensor) -> Result<(i32, i32), String> {
    match x.kind {
        Kind::Sums { lo, hi } => Ok((lo, hi)),
        _ => Err("reads sums, but is given codes or the image".to_owned()),
    }
}

/// The number of features of a flat vector.
pub(super) fn flat(x: &Tensor) -> Result<usize, String> {
    let Shape {
        channels,
        height,
        width,
    } = x.shape;
    if (height, width) == (1, 1) {
        Ok(channels)
    } else {
        Err(format!(
            "reads a flat vector, but is given {height} rows of {width}"
        ))
    }
}

/// That a constant code is one of the input's.
pub(super) fn fits(code: u8, ty: CodeType) -> Result<(), String> {
    if code <= ty.max_code() {
        Ok(())
    } else {
        Err(format!(
            "code {code} does not fit the input's {} bits",
            ty.bits
        ))
    }
}

/// A tensor of sums within `lo..=hi` and all that can be met on the way there from 0.
pub(super) fn sums_within(shape: Shape, lo: i64, hi: i64) -> Result<Tensor, String> {
    match (i32::try_from(lo.min(0)), i32::try_from(hi.max(0))) {
        (Ok(lo), Ok(hi)) => Ok(Tensor {
            shape,
            kind: Kind::Sums { lo, hi },
        }),
        _ => Err(format!("sums can reach {lo} to {hi}, beyond 32 bits")),
    }
}
