use alloc::{vec, vec::Vec};
use core::ops::Range;

use super::{Conv, lowbit::Terms};
use crate::{
    Extent, Job, KernelFor, Mix, Store, Window, Work,
    finish::Finisher,
    isa::{Algorithm, Isa, LANES},
    memory::{Aligned, Block, Split, view_mut},
};

/// Output pixels that are computed from one pass over the weights, where the image has as many.
const STRIP_PIXELS: usize = 32;

/// Bytes beyond the rows that may be read; they meet weights of 0.
const SLACK: usize = 64;

/// Convolution by dot products of four codes with four 8-bit weights.
///
/// The codes themselves are multiplied: their step is part of the weights, their offset a constant of each output channel. A kernel
/// row is one run of codes, with no image-to-column copy.
pub(crate) struct Dot8 {
    input: Extent,
    output: Extent,
    window: Window,
    /// The code that stands for padding.
    pad: u8,
    /// Whether the products of two neighbours may exceed 16 bits.
    wide: bool,
    /// Output rows of a strip.
    strip: usize,
    /// Fours of codes in a kernel row, the last one filled up with weights of 0.
    fours: usize,
    /// `[panels][kernel_h][fours]`, each [`LANES`] output channels times four taps.
    weights: Vec<Aligned<[i8; 4 * LANES]>>,
    /// `[panels]`.
    constants: Vec<[i32; LANES]>,
    finisher: Finisher,
}

/// Whether the products of two neighbours may exceed 16 bits, where no weight is larger.
fn wide(conv: &Conv<'_>, largest: i32) -> bool {
    2 * largest * i32::from(conv.code.max_code()) > i32::from(i16::MAX)
}

/// A weight times the step of the codes, where it fits 8 bits.
fn scaled(conv: &Conv<'_>, weight: i32) -> Option<i8> {
    let weight = i64::from(weight) * i64::from(conv.code.step);
    i8::try_from(weight).ok()
}

/// The largest magnitude of the scaled weights, where all fit 8 bits.
fn largest(conv: &Conv<'_>) -> Option<i32> {
    let (least, most) = conv.weights.range();
    let ends = [scaled(conv, least)?, scaled(conv, most)?];
    ends.into_iter().map(|w| i32::from(w).abs()).max()
}

impl KernelFor<Conv<'_>> for Dot8 {
    /// One group, weights times the codes' step of 8 bits, a code for padding.
    fn supports(conv: &Conv<'_>) -> bool {
        conv.groups == 1 && Terms::pad_code(conv).is_some() && largest(conv).is_some()
    }

    fn work(conv: &Conv<'_>) -> Work {
        let panels = conv.groups * (conv.channels / conv.groups).div_ceil(LANES);
        let outputs = (conv.output().pixels() * panels) as u64;
        let run = conv.window.kernel[1] * conv.group_inputs();
        let mix = match wide(conv, largest(conv).expect("supported")) {
            true => Mix::Dot8Wide,
            false => Mix::Dot8,
        };
        Work {
            mix: Some(mix),
            steps: outputs * (conv.window.kernel[0] * run.div_ceil(4)) as u64,
            lone: 0,
            outputs,
            inputs: conv.input.elements() as u64,
        }
    }

    fn pack(conv: &Conv<'_>, store: &mut Store<'_>) -> Self {
        let output = conv.output();
        let [kernel_h, kernel_w] = conv.window.kernel;
        let run = kernel_w * conv.input.channels;
        let fours = run.div_ceil(4);
        let panels = conv.channels.div_ceil(LANES);
        let mut weights = vec![Aligned([0; 4 * LANES]); panels * kernel_h * fours];
        let mut constants = vec![[0; LANES]; panels];
        let largest = largest(conv).expect("supported");
        let (step, offset) = (i32::from(conv.code.step), i32::from(conv.code.offset));
        for (channel, sums) in conv.weights.sums().iter().enumerate() {
            let (panel, lane) = (channel / LANES, channel % LANES);
            let total = sums.total() as i32;
            constants[panel][lane] = conv.bias(channel).wrapping_add(offset.wrapping_mul(total));
        }
        store.fill(&mut weights, |weights| {
            let own = conv.weights.chunks_exact(kernel_h * run);
            for (channel, own) in own.enumerate() {
                let (panel, lane) = (channel / LANES, channel % LANES);
                for (ky, from) in own.chunks_exact(run).enumerate() {
                    let to = &mut weights[(panel * kernel_h + ky) * fours..][..fours];
                    for (tap, &weight) in from.iter().enumerate() {
                        to[tap / 4].0[4 * lane + tap % 4] = (weight * step) as i8;
                    }
                }
            }
        });
        Dot8 {
            input: conv.input,
            output,
            window: conv.window,
            pad: Terms::pad_code(conv).expect("supported"),
            wide: wide(conv, largest),
            strip: STRIP_PIXELS.div_ceil(output.width).min(output.height),
            fours,
            weights,
            constants,
            finisher: Finisher::new(&conv.finish, conv.channels),
        }
    }
}

/// What a strip is computed from and to.
struct Strip<'a> {
    codes: &'a [u8],
    /// Output rows.
    rows: Range<usize>,
    /// The row that the output begins with.
    top: usize,
    output: &'a mut [u8],
}

impl Dot8 {
    /// Bytes of a padded row.
    fn row_len(&self) -> usize {
        let [_, left, _, right] = self.window.padding;
        (left + self.input.width + right) * self.input.channels
    }

    /// Padded rows that a strip sees.
    fn slots(&self) -> usize {
        (self.strip - 1) * self.window.stride[0] + self.window.kernel[0]
    }

    /// Blocks of the padded rows.
    fn blocks(&self) -> usize {
        Block::covering(self.slots() * self.row_len() + SLACK)
    }

    /// Puts padded row `y` into `row`.
    #[inline(always)]
    fn fill(&self, input: &[u8], y: usize, row: &mut [u8]) {
        let [top, left, ..] = self.window.padding;
        let (left, inside) = (left * self.input.channels, self.input.row());
        match y.checked_sub(top).filter(|&y| y < self.input.height) {
            Some(y) => {
                row[..left].fill(self.pad);
                row[left..][..inside].copy_from_slice(&input[y * inside..][..inside]);
                row[left + inside..].fill(self.pad);
            }
            None => row.fill(self.pad),
        }
    }

    /// Computes `P` output pixels from `(y, x)` on, in the channels of `R` panels from `panel` on.
    #[inline(always)]
    fn tile<I: Isa, const P: usize, const R: usize, const WIDE: bool>(
        &self,
        isa: I,
        strip: &mut Strip<'_>,
        panel: usize,
        [y, x]: [usize; 2],
    ) {
        let [kernel_h, _] = self.window.kernel;
        let step = self.window.stride[1] * self.input.channels;
        let slots = self.slots();
        let mut constants = [isa.zero(); R];
        for r in 0..R {
            constants[r] = isa.load(&self.constants[panel + r]);
        }
        let mut tile = [constants; P];
        for ky in 0..kernel_h {
            let slot = (y * self.window.stride[0] + ky) % slots;
            let codes = &strip.codes[slot * self.row_len() + x * step..];
            let codes = &codes[..(P - 1) * step + 4 * self.fours];
            for i in 0..self.fours {
                for p in 0..P {
                    // SAFETY: pixel `p` sees `4 * fours` bytes from `p * step` on; reading needs no alignment.
                    let four = unsafe {
                        let first = codes.as_ptr().add(p * step + 4 * i);
                        first.cast::<u32>().read_unaligned()
                    };
                    for r in 0..R {
                        let weights = ((panel + r) * kernel_h + ky) * self.fours + i;
                        debug_assert!(weights < self.weights.len());
                        // SAFETY: panels, rows and fours are within their numbers.
                        let weights = unsafe { &self.weights.get_unchecked(weights).0 };
                        tile[p][r] = isa.dot4::<WIDE>(tile[p][r], four, weights);
                    }
                }
            }
        }
        let pixel = (y - strip.top) * self.output.width + x;
        for p in 0..P {
            for r in 0..R {
                let at = (pixel + p) * self.output.channels + (panel + r) * LANES;
                let group = panel + r;
                self.finisher
                    .write_group(isa, tile[p][r], group, at, strip.output);
            }
        }
    }

    #[inline(always)]
    fn panels<I: Isa, const P: usize, const R: usize, const WIDE: bool>(
        &self,
        isa: I,
        panel: usize,
        strip: &mut Strip<'_>,
    ) {
        let width = self.output.width;
        for y in strip.rows.clone() {
            for x in (0..width).step_by(P) {
                // The last tile of a row begins early enough to end with the row.
                let place = [y, x.min(width - P)];
                self.tile::<I, P, R, WIDE>(isa, strip, panel, place);
            }
        }
    }

    #[inline(always)]
    fn strip<I: Isa, const WIDE: bool>(&self, isa: I, strip: &mut Strip<'_>) {
        let panels = self.constants.len();
        let pairs = if I::MANY_REGISTERS { panels / 2 * 2 } else { 0 };
        for panel in (0..pairs).step_by(2) {
            match tile_pixels(self.output.width, &[8, 7, 4, 1]) {
                8 => self.panels::<I, 8, 2, WIDE>(isa, panel, strip),
                7 => self.panels::<I, 7, 2, WIDE>(isa, panel, strip),
                4 => self.panels::<I, 4, 2, WIDE>(isa, panel, strip),
                _ => self.panels::<I, 1, 2, WIDE>(isa, panel, strip),
            }
        }
        for panel in pairs..panels {
            match self.output.width {
                ..4 => self.panels::<I, 1, 1, WIDE>(isa, panel, strip),
                _ => self.panels::<I, 4, 1, WIDE>(isa, panel, strip),
            }
        }
    }
}

/// Pixels of a tile, of those that there are, that divide a row with the least work twice done.
fn tile_pixels(width: usize, sizes: &[usize]) -> usize {
    let fitting = sizes.iter().copied().filter(|&pixels| pixels <= width);
    let work = |pixels: &usize| width.div_ceil(*pixels) * (pixels + 1);
    fitting.min_by_key(work).expect("one pixel fits")
}

impl Algorithm for Dot8 {
    #[inline(always)]
    fn run<I: Isa>(&self, isa: I, job: Job<'_>) {
        let input = job.inputs.get::<u8>(0);
        let codes = view_mut::<u8>(job.scratch);
        let (slots, row_len) = (self.slots(), self.row_len());
        let stride = self.window.stride[0];
        let (top, output) = (job.rows.start, job.output);
        let mut filled = 0;
        for first in job.rows.clone().step_by(self.strip) {
            let rows = first..(first + self.strip).min(job.rows.end);
            let seen = (rows.end - 1) * stride + self.window.kernel[0];
            for y in filled.max(first * stride)..seen {
                self.fill(input, y, &mut codes[y % slots * row_len..][..row_len]);
            }
            filled = seen;
            let strip = &mut Strip {
                codes,
                rows,
                top,
                output,
            };
            match self.wide && !I::ALWAYS_WIDE {
                true => self.strip::<I, true>(isa, strip),
                false => self.strip::<I, false>(isa, strip),
            }
        }
    }

    fn scratch_bytes(&self) -> usize {
        self.blocks() * Block::BYTES
    }

    fn packed_bytes(&self) -> usize {
        size_of_val(&self.weights[..])
            + size_of_val(&self.constants[..])
            + self.finisher.packed_bytes()
    }

    fn split(&self) -> Split {
        Split::rows(self.output, self.finisher.element_bytes())
    }
}
