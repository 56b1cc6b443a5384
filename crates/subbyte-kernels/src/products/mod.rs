//! Sums of products for training, whose weights change with every step: convolutions of codes and their gradients, without a plan.
//!
//! Operands are *words* of 32 bits: four codes and weights of 8 bits ([`Quad`]), or pairs of 16 bits ([`Pair`]). A word is spread over
//! all lanes and multiplied with a row that holds a word for each of [`LANES`] outputs. [`gather`] keeps a tile of pixels and outputs in
//! registers while the words that each pixel reads go by, and is the forward pass of a convolution and the gradient of its input;
//! [`outer`] keeps a tile of taps and outputs while pixels go by, and is the gradient of its weights. Nothing is copied into patches.
//!
//! Sums are exact modulo 2^32; whoever calls keeps them within 32 bits.

mod gather;
mod outer;
mod panels;

pub use gather::gather;
pub use outer::outer;
pub use panels::Panels;

use crate::{
    isa::{Isa, LANES},
    memory::Aligned,
};

/// A rectangle of pixels: pixel `(r, c)` starts `r * row + c * col` after `start`.
#[derive(Clone, Copy, Debug)]
pub struct Pixels {
    /// Pixels downwards.
    pub rows: usize,
    /// Pixels across.
    pub cols: usize,
    /// Index of the first pixel's first element.
    pub start: usize,
    /// Distance of two rows.
    pub row: usize,
    /// Distance of two columns.
    pub col: usize,
}

/// Consecutive words that every pixel reads, `offset` after the pixel's own start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Words between the pixel's start and the first one.
    pub offset: usize,
    /// Number of words.
    pub len: usize,
}

/// Four codes.
pub type Quad = [u8; 4];

/// Two integers of 16 bits.
pub type Pair = [i16; 2];

/// Two words for each of [`LANES`] outputs, as pairs.
pub type PairRow = Aligned<[i16; 2 * LANES]>;

/// Operands of one lane.
pub trait Word: Copy + Sync {
    /// A word of the other operand for each of [`LANES`] outputs.
    type Row: Copy + Send + Sync;
    /// One operand of a row.
    type Weight: Copy;
    /// Operands of a word.
    const PARTS: usize;
    /// A row of zeros.
    const ZEROS: Self::Row;

    /// Sets operand `part` of output `lane`.
    fn set(row: &mut Self::Row, lane: usize, part: usize, weight: Self::Weight);

    /// `sums[lane] + Σ word[part] * row[lane][part]`.
    fn dot<I: Isa>(self, isa: I, sums: I::Sums, row: &Self::Row) -> I::Sums;
}

impl Word for Pair {
    type Row = PairRow;
    type Weight = i16;
    const PARTS: usize = 2;
    const ZEROS: Self::Row = Aligned([0; 2 * LANES]);

    fn set(row: &mut Self::Row, lane: usize, part: usize, weight: i16) {
        row.0[2 * lane + part] = weight;
    }

    #[inline(always)]
    fn dot<I: Isa>(self, isa: I, sums: I::Sums, row: &Self::Row) -> I::Sums {
        isa.dot(sums, self, &row.0)
    }
}

/// Two neighbouring products must fit 16 bits and a sign when added.
impl Word for Quad {
    type Row = Aligned<[i8; 4 * LANES]>;
    type Weight = i8;
    const PARTS: usize = 4;
    const ZEROS: Self::Row = Aligned([0; 4 * LANES]);

    fn set(row: &mut Self::Row, lane: usize, part: usize, weight: i8) {
        row.0[4 * lane + part] = weight;
    }

    #[inline(always)]
    fn dot<I: Isa>(self, isa: I, sums: I::Sums, row: &Self::Row) -> I::Sums {
        isa.dot4::<false>(sums, u32::from_le_bytes(self), &row.0)
    }
}

#[cfg(test)]
mod tests;
