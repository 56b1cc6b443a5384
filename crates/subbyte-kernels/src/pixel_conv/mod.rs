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
