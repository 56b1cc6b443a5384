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

use crate::{
    Conv, PixelTable,
    isa::{BYTES, Isa},
};

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

/// The classes of a colour: numbers of the different vectors of codes.
struct Classes {
    /// Of every pixel value; there are no more classes than values.
    values: [u8; PADDING],
    padding: usize,
}

impl Classes {
    fn of(classes: &[u16; PADDING + 1]) -> Self {
        Self {
            values: core::array::from_fn(|value| classes[value] as u8),
            padding: classes[PADDING].into(),
        }
    }
}

/// Where the entry of a class lies in tables with entries of so many bytes.
trait Place: Copy {
    fn of(class: usize, entry: usize) -> Self;
}

impl Place for u8 {
    #[inline(always)]
    fn of(class: usize, _: usize) -> Self {
        class as u8
    }
}

impl Place for u16 {
    #[inline(always)]
    fn of(class: usize, entry: usize) -> Self {
        class as u16 * entry as u16
    }
}

/// Pixels of one colour in every so many columns: every `step`th byte of a row of `bytes` bytes, from `start` on.
struct Plane {
    start: usize,
    step: usize,
    bytes: usize,
    /// Columns of padding before them.
    padding: usize,
}

/// Puts the places of the classes of a plane's pixels into the first `columns` of `row`, those of padding where there are none. `image`
/// goes on behind the row's pixels, and what is behind the columns may be overwritten.
#[inline(always)]
fn classify<I: Isa, T: Place>(
    isa: I,
    classes: &Classes,
    entry: usize,
    image: Option<&[u8]>,
    plane: &Plane,
    columns: usize,
    row: &mut [T],
) {
    let padding = T::of(classes.padding, entry);
    let Some(image) = image else {
        row[..columns].fill(padding);
        return;
    };
    let (step, first) = (plane.step, plane.padding.min(columns));
    let values = plane.bytes.saturating_sub(plane.start).div_ceil(step);
    let values = values.min(columns - first);
    let pixels = &image[plane.start.min(image.len())..];
    row[..first].fill(padding);
    let mut done = 0;
    while step <= I::LOOKUP_EVERY
        && done < values
        && (done + BYTES) * step <= pixels.len()
        && first + done + BYTES <= row.len()
    {
        let found = isa.lookup_every(&classes.values, &pixels[done * step..], step);
        for (to, class) in row[first + done..][..BYTES].iter_mut().zip(found) {
            *to = T::of(class.into(), entry);
        }
        done += BYTES;
    }
    // A loop of known length would be vectorised by the compiler, value by value.
    let (mut at, mut places) = (done * step, row[first..][..values].iter_mut().skip(done));
    while let (Some(&value), Some(to)) = (pixels.get(at), places.next()) {
        *to = T::of(classes.values[usize::from(value)].into(), entry);
        at += step;
    }
    row[first + values..columns].fill(padding);
}
