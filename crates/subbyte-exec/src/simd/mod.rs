//! f32 products with the widest vectors of the machine, in safe code over [`pulp`].
//!
//! Every sum runs over its terms in one fixed order, whatever the vector width, so results do not depend on the instruction
//! set as long as it has fused multiply-add, and never on the number of threads.

mod gather;
mod outer;
mod panels;
mod scratch;
mod sums;

pub(crate) use gather::gather;
pub(crate) use outer::outer;
pub(crate) use panels::Panels;
pub(crate) use scratch::with_scratch;
pub(crate) use sums::LaneSum;

use pulp::{Arch, Simd, WithSimd};

/// A rectangle of pixels: pixel `(r, c)` starts `r * row + c * col` after `start`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pixels {
    /// Pixels downwards.
    pub rows: usize,
    /// Pixels across.
    pub cols: usize,
    /// Index of the first pixel's first value.
    pub start: usize,
    /// Distance of two rows.
    pub row: usize,
    /// Distance of two columns.
    pub col: usize,
}

/// Consecutive values that every pixel reads, `offset` after the pixel's own start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Run {
    pub offset: usize,
    pub len: usize,
}

/// f32 values in one vector register of this machine.
pub(crate) fn lanes() -> usize {
    struct Lanes;
    impl WithSimd for Lanes {
        type Output = usize;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            S::F32_LANES
        }
    }
    Arch::new().dispatch(Lanes)
}

/// Runs `work` compiled for the widest vectors of this machine. Loops inside `work` are vectorized by the compiler, which
/// keeps the order of floating-point operations, so the result is the same on every machine.
#[inline(always)]
pub(crate) fn vectorized<R>(work: impl FnOnce() -> R) -> R {
    Arch::new().dispatch(work)
}
