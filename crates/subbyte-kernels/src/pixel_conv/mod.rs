//! The pixel table and the convolution behind it, folded into table additions (methods.md 1.7).
//!
//! One vector of output channels is added for every tap and colour of a window, at a cost that depends neither on the table's
//! depth nor on any bits.

mod bytes;
mod few;
mod fold;
mod words;

pub(crate) use bytes::Bytes;
pub(crate) use few::Few;
pub use fold::Fold;
pub(crate) use words::Words;

use crate::{Conv, PixelTable};

/// Image -> sums or codes: a pixel table, then a convolution of its codes.
#[derive(Clone, Copy, Debug)]
pub struct PixelConv<'a> {
    /// The table.
    pub table: PixelTable<'a>,
    /// The convolution that reads the table's codes.
    pub conv: Conv<'a>,
    /// What both make together, by [`Fold::of`].
    pub fold: Option<&'a Fold>,
}

/// The index of padding, one past the values of a pixel.
const PADDING: usize = 256;

impl PixelConv<'_> {
    /// Multiply-adds that the unfolded convolution would take.
    pub fn macs(&self) -> u64 {
        self.conv.macs()
    }
}

/// Puts the classes of every `step`th pixel value from `start` on into `row`, as many as there are values or places.
#[inline(always)]
fn gather<T: Copy>(
    classes: &[T; PADDING + 1],
    pixels: &[u8],
    start: usize,
    step: usize,
    row: &mut [T],
) {
    let (mut at, mut places) = (start, row.iter_mut());
    // Both ends are looked for at every step: a loop of known length would be vectorised by the compiler, value by value.
    while let (Some(&value), Some(class)) = (pixels.get(at), places.next()) {
        *class = classes[usize::from(value)];
        at += step;
    }
}
