//! Convolutions with weights of few levels that look products up, or count them, instead of multiplying.
//!
//! With weight level = `pivot + unit * u` and input level = `step * code + offset`, a sum of products is
//!
//! ```text
//! Σ weight * level = (step * unit) Σ u * code + (step * pivot) Σ code + offset Σ weight
//! ```
//!
//! The last term belongs to the output channel, `Σ code` to the pixel: it is a box sum over the input, made once for all
//! channels; not needed where the pivot is 0. What is left, `S = Σ u * code`, is the work of a [`Family`]. Everything is kept modulo 2^16, which loses nothing
//! where the sums of all channels lie within a range of that size.

mod kernel_rows;
mod pixels;
mod planar;
mod popcount;
mod rows;
mod table;
mod terms;
mod weights;

pub(crate) use pixels::Pixels;
pub(crate) use popcount::Popcount;
pub(crate) use table::Table;
pub(crate) use terms::Terms;
pub(crate) use weights::{MAX_LEVELS, Weights};

use core::ops::Range;

use self::rows::{Rows, Scratch};
use super::Conv;
use crate::{
    Extent, Job, KernelFor, Mix, Store, Window, Work,
    finish::Narrow,
    isa::{Algorithm, BYTES, Isa},
    memory::Split,
};

/// Widenings of a vector of bytes that cost as much as finishing one, about; the unit in which the work on outputs is counted.
const FINISH: usize = 5;

/// Output pixels that are computed from one pass over the weights, where the image has as many.
const STRIP_PIXELS: usize = 64;

/// How many neighbouring entries may be added up in a byte, where each `row` of them has the largest values `largest`: as many for
/// every part of a row, as few parts as possible.
fn depth(largest: &[u16], row: usize) -> usize {
    let depths = (1..=row).map(|parts| row.div_ceil(parts));
    let fits = |entries: &[u16]| {
        entries.iter().map(|&most| u64::from(most)).sum::<u64>() <= u8::MAX.into()
    };
    let mut depths = depths.filter(|&depth| {
        let mut rows = largest.chunks_exact(row);
        rows.all(|row| row.chunks(depth).all(fits))
    });
    depths.next().unwrap_or(1)
}

/// A way to compute `S` for panels of [`BYTES`] output channels.
pub(crate) trait Family: Sized + Send + Sync + 'static {
    /// The level of weights whose `u` is 0: the smallest one, where none is to be negative, or 0.
    fn pivot(weights: &Weights) -> i32 {
        weights.least()
    }

    /// Whether it takes these weights and codes.
    fn supports(conv: &Conv<'_>, weights: &Weights) -> bool;

    /// Steps for one output pixel and panel.
    fn steps(conv: &Conv<'_>, weights: &Weights) -> usize;

    /// Times that a vector of bytes is widened for one output pixel and panel.
    fn widenings(_: &Conv<'_>, _: &Weights) -> usize {
        0
    }

    /// Packs the weights.
    fn pack(conv: &Conv<'_>, weights: &Weights, store: &mut Store<'_>) -> Self;

    /// Bytes of a packed row of input pixels.
    fn row_bytes(&self) -> usize;

    /// Packs a padded row of codes, `channels` a pixel; [`rows::SLACK`] bytes follow them. `spare` is space for as many.
    fn pack_row<I: Isa>(
        &self,
        isa: I,
        codes: &[u8],
        channels: usize,
        spare: &mut [u8],
        row: &mut [u8],
    );

    /// What its steps do.
    const MIX: Mix;

    /// Whether it gains by computing two panels at a time, where there are registers for that.
    const PAIRS: bool;

    /// `S` of `P` neighbouring output pixels for the channels of `R` panels from `panel` on.
    fn tile<I: Isa, const P: usize, const R: usize>(
        &self,
        isa: I,
        panel: usize,
        taps: &Taps<'_>,
    ) -> [[I::Words; R]; P];

    /// Bytes of packed weights and tables.
    fn packed_bytes(&self) -> usize;
}

/// The packed rows that a tile of output pixels sees.
pub(crate) struct Taps<'a> {
    rows: &'a Rows,
    packed: &'a [u8],
    /// Slot of the window's first row.
    slot: usize,
    /// Column of the first output pixel.
    x: usize,
}

impl<'a> Taps<'a> {
    /// Row `ky` of the window; [`rows::SLACK`] bytes follow it.
    #[inline(always)]
    fn row(&self, ky: usize) -> &'a [u8] {
        self.rows.row(self.packed, self.slot, ky)
    }
}

/// A convolution by a [`Family`].
pub(crate) struct LowBit<F> {
    output: Extent,
    window: Window,
    /// Output rows of a strip.
    strip: usize,
    rows: Rows,
    family: F,
    terms: Terms,
    finish: Narrow,
}

impl<F: Family> KernelFor<Conv<'_>> for LowBit<F> {
    fn supports(conv: &Conv<'_>) -> bool {
        conv.groups == 1
            && Weights::of(conv)
                .is_some_and(|w| F::supports(conv, w) && Self::terms(conv, w).is_some())
    }

    fn work(conv: &Conv<'_>) -> Work {
        let weights = Weights::of(conv).expect("supported");
        let panels = conv.channels.div_ceil(BYTES);
        let pixels = conv.output().pixels();
        // A single pixel shares nothing that is read with another one.
        let lone = match (F::PAIRS, pixels) {
            (true, 1) => panels,
            (true, _) => panels % 2,
            (false, _) => 0,
        };
        let outputs = pixels * panels;
        Work {
            mix: Some(F::MIX),
            steps: (outputs * F::steps(conv, weights)) as u64,
            lone: (pixels * lone * F::steps(conv, weights)) as u64,
            outputs: (outputs * (FINISH + F::widenings(conv, weights))) as u64,
            inputs: conv.input.elements() as u64,
        }
    }

    fn pack(conv: &Conv<'_>, store: &mut Store<'_>) -> Self {
        let weights = Weights::of(conv).expect("supported");
        let terms = Self::terms(conv, weights).expect("supported");
        let family = F::pack(conv, weights, store);
        let output = conv.output();
        let strip = STRIP_PIXELS.div_ceil(output.width).min(output.height);
        let slots = (strip - 1) * conv.window.stride[0] + conv.window.kernel[0];
        LowBit {
            output,
            window: conv.window,
            strip,
            rows: Rows::new(conv, family.row_bytes(), slots, &terms),
            finish: Narrow::new(&conv.finish, &terms.constants),
            family,
            terms,
        }
    }
}

/// Pixels of a tile that divide a row with the least work twice done; longer ones read the weights less often.
fn tile_pixels(width: usize, most: usize) -> usize {
    let work = |&pixels: &usize| width.div_ceil(pixels) * (pixels + 1);
    let fitting = TILES
        .into_iter()
        .filter(|&pixels| pixels <= width.min(most));
    fitting.min_by_key(work).expect("one pixel fits")
}

/// Sizes of tiles of one panel.
const TILES: [usize; 4] = [7, 4, 2, 1];

/// Where tiles of five pixels end in a row, and those of four behind them; less than four are left.
fn fives_and_fours(width: usize) -> [usize; 2] {
    let fours = 4 * ((5 - width % 5) % 5);
    match width.checked_sub(fours) {
        Some(fives) => [fives, width],
        None => [0, width / 4 * 4],
    }
}

impl<F: Family> LowBit<F> {
    fn terms(conv: &Conv<'_>, weights: &Weights) -> Option<Terms> {
        Terms::of(conv, weights.unit, F::pivot(weights))
    }

    /// Columns of row `y` of output pixels, in the channels of `R` panels from `panel` on; the output begins with row `top`.
    #[inline(always)]
    fn row<I: Isa, const P: usize, const R: usize>(
        &self,
        isa: I,
        columns: Range<usize>,
        [panel, y, top]: [usize; 3],
        scratch: &Scratch<'_>,
        output: &mut [u8],
    ) {
        let boxes = scratch.boxes(y % self.strip);
        for x in columns.step_by(P) {
            // The last tile of a row begins early enough to end with the row.
            let x = x.min(self.output.width - P);
            let taps = Taps {
                rows: &self.rows,
                packed: scratch.packed,
                slot: self.rows.slot(y * self.window.stride[0]),
                x,
            };
            let tile: [[I::Words; R]; P] = self.family.tile(isa, panel, &taps);
            let pixel = (y - top) * self.output.width + x;
            for r in 0..R {
                let panel = panel + r;
                let mut sums = [isa.zero_words(); P];
                for p in 0..P {
                    let box_sum = boxes.get(x + p).copied().unwrap_or(0);
                    sums[p] = self.terms.sums(isa, tile[p][r], box_sum);
                }
                let channels = self.output.channels;
                let at = pixel * channels + panel * BYTES;
                self.finish
                    .write_tile(isa, &sums, panel, [at, channels, usize::MAX], output);
            }
        }
    }
}

impl<F: Family> Algorithm for LowBit<F> {
    #[inline(always)]
    fn run<I: Isa>(&self, isa: I, job: Job<'_>) {
        let input = job.inputs.get::<u8>(0);
        let output = job.output;
        let mut scratch = self
            .rows
            .scratch(job.scratch, self.strip * self.output.width);
        let panels = self.output.channels.div_ceil(BYTES);
        let paired = match F::PAIRS && I::MANY_REGISTERS {
            true => panels / 2 * 2,
            false => 0,
        };
        let width = self.output.width;
        let tile = tile_pixels(width, I::TILE);
        let [fives, fours] = fives_and_fours(width);
        let mut filled = 0;
        let top = job.rows.start;
        for first in job.rows.clone().step_by(self.strip) {
            let strip = first..(first + self.strip).min(job.rows.end);
            let seen = (strip.end - 1) * self.window.stride[0] + self.window.kernel[0];
            let unseen = filled.max(first * self.window.stride[0])..seen;
            self.rows
                .fill(isa, &self.family, &mut scratch, input, unseen);
            filled = seen;
            for y in strip.clone() {
                self.rows
                    .add_boxes(&mut scratch, &self.window, y, self.strip, self.output.width);
            }
            for panel in (0..paired).step_by(2) {
                for y in strip.clone() {
                    let place = [panel, y, top];
                    self.row::<I, 5, 2>(isa, 0..fives, place, &scratch, output);
                    self.row::<I, 4, 2>(isa, fives..fours, place, &scratch, output);
                    let rest = fours..width;
                    match rest.len() {
                        3 => self.row::<I, 3, 2>(isa, rest, place, &scratch, output),
                        2 => self.row::<I, 2, 2>(isa, rest, place, &scratch, output),
                        _ => self.row::<I, 1, 2>(isa, rest, place, &scratch, output),
                    }
                }
            }
            for panel in paired..panels {
                for y in strip.clone() {
                    let (all, place) = (0..width, [panel, y, top]);
                    // Sizes beyond the instruction set's are not compiled for it.
                    match tile {
                        7 if I::TILE >= 7 => self.row::<I, 7, 1>(isa, all, place, &scratch, output),
                        4 if I::TILE >= 4 => self.row::<I, 4, 1>(isa, all, place, &scratch, output),
                        2 if I::TILE >= 2 => self.row::<I, 2, 1>(isa, all, place, &scratch, output),
                        _ => self.row::<I, 1, 1>(isa, all, place, &scratch, output),
                    }
                }
            }
        }
    }

    fn split(&self) -> Split {
        Split::rows(self.output, self.finish.element_bytes())
    }

    fn scratch_bytes(&self) -> usize {
        self.rows.scratch_bytes(self.strip * self.output.width)
    }

    fn packed_bytes(&self) -> usize {
        self.family.packed_bytes() + self.finish.packed_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::depth;

    #[test]
    fn rows_are_added_up_in_as_few_parts_as_every_row_allows() {
        assert_eq!(depth(&[51; 5], 5), 5);
        assert_eq!(depth(&[52; 5], 5), 3);
        // The second row needs three parts of two.
        assert_eq!(depth(&[1, 1, 1, 1, 1, 1, 100, 100, 100, 9, 9, 9], 6), 2);
        assert_eq!(depth(&[127; 4], 4), 2);
    }
}
