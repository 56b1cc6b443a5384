//! Number formats of subbyte: what a code means, how codes are packed, how sums become codes again.
//!
//! This crate is the one place where rounding, clamping and the mapping between codes, levels and values are written.
//! Quantizers of the float side call it or are tested exhaustively against it. It knows nothing of tensors, layers or files.
//!
//! Words: a **code** is the small unsigned integer that is stored; its **level** is the integer `step * code + offset` that
//! enters sums; its **value** is `scale * level`.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod code;
mod csd;
mod grid;
mod minifloat;
mod pack;
mod requant;
mod round;

pub use code::CodeType;
pub use csd::{csd_keep, csd_terms};
pub use grid::Grid;
pub use minifloat::{FormatError, Minifloat, MinifloatGrid, MinifloatRounder};
pub use pack::{PackError, Packed, packed_bytes};
pub use requant::{MulShift, count_thresholds};
pub use round::{round_half_even, round_half_even_f32, round_half_up};
