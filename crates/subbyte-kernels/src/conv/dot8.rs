use alloc::{vec, vec::Vec};

use super::{Conv, lowbit::Terms};
use crate::{
    Extent, Job, KernelFor, Window, Work,
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
/// The codes themselves are multiplied; what step and offset make of them is a factor and a constant of each output channel. A
/// kernel row is one run of codes, with no image-to-column copy.
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
    step: i32,
    /// `[panels]`.
    constants: Vec<[i32; LANES]>,
    finisher: Finisher,
}

impl KernelFor<Conv<'_>> for Dot8 {
    /// One group, weights of 8 bits, a code for padding.
    fn supports(conv: &Conv<'_>) -> bool {
        conv.groups == 1
            && Terms::pad_code(conv).is_some()
            && conv.weights.iter().all(|&w| i8::try_from(w).is_ok())
    }

    fn work(conv: &Conv<'_>) -> Work {
        let panels = conv.groups * (conv.channels / conv.groups).div_ceil(LANES);
        let outputs = (conv.output().pixels() * panels) as u64;
        let run = conv.window.kernel[1] * conv.group_inputs();
        Work {
            steps: outputs * (conv.window.kernel[0] * run.div_ceil(4)) as u64,
            outputs,
            inputs: conv.input.elements() as u64,
        }
    }

    fn pack(conv: &Conv<'_>) -> Self {
        let output = conv.output();
        let [kernel_h, kernel_w] = conv.window.kernel;
        let run = kernel_w * conv.input.channels;
        let fours = run.div_ceil(4);
        let panels = conv.channels.div_ceil(LANES);
        let mut weights = vec![Aligned([0; 4 * LANES]); panels * kernel_h * fours];
        let mut constants = vec![[0; LANES]; panels];
        let offset = i32::from(conv.code.offset);
        let own = conv.weights.chunks_exact(kernel_h * run);
        let mut largest = 0;
        for (channel, own) in own.enumerate() {
            let (panel, lane) = (channel / LANES, channel % LANES);
            let total = own.iter().fold(0i32, |sum, &w| sum.wrapping_add(w));
            constants[panel][lane] = conv.bias(channel).wrapping_add(offset.wrapping_mul(total));
            for (ky, from) in own.chunks_exact(run).enumerate() {
                let to = &mut weights[(panel * kernel_h + ky) * fours..][..fours];
                for (tap, &weight) in from.iter().enumerate() {
                    to[tap / 4].0[4 * lane + tap % 4] = weight as i8;
                    largest = largest.max(weight.abs());
                }
            }
        }
        Dot8 {
            input: conv.input,
            output,
            window: conv.window,
            pad: Terms::pad_code(conv).expect("supported"),
            wide: 2 * largest * i32::from(conv.code.max_code()) > i32::from(i16::MAX),
            strip: STRIP_PIXELS.div_ceil(output.width).min(output.height),
            fours,
            weights,
            step: conv.code.step.into(),
            constants,
            finisher: Finisher::new(&conv.finish, conv.channels),
        }
    }
}

/// What a strip is computed from and to.
struct Strip<'a> {
    codes: &'a [u8],
    /// First output row.
    first: usize,
    /// Output rows.
    rows: usize,
    sums: &'a mut [i32],
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

    /// Puts the sums of `P` output pixels from `(y, x)` on among `sums`, in the channels of `R` panels from `panel` on.
    #[inline(always)]
    fn tile<I: Isa, const P: usize, const R: usize, const WIDE: bool>(
        &self,
        isa: I,
        codes: &[u8],
        panel: usize,
        [y, x]: [usize; 2],
        sums: &mut [i32],
    ) {
        let [kernel_h, _] = self.window.kernel;
        let step = self.window.stride[1] * self.input.channels;
        let slots = self.slots();
        let mut tile = [[isa.zero(); R]; P];
        for ky in 0..kernel_h {
            let slot = (y * self.window.stride[0] + ky) % slots;
            let codes = &codes[slot * self.row_len() + x * step..];
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
        let stride = self.finisher.stride();
        for (p, tile) in tile.iter().enumerate() {
            for (r, &own) in tile.iter().enumerate() {
                let at = (x + p) * stride + (panel + r) * LANES;
                let to: &mut [i32; LANES] = sums[at..].first_chunk_mut().expect("whole panels");
                isa.store(own, to);
                for (sum, constant) in to.iter_mut().zip(&self.constants[panel + r]) {
                    *sum = sum.wrapping_mul(self.step).wrapping_add(*constant);
                }
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
        let rows = strip.sums.chunks_exact_mut(width * self.finisher.stride());
        for (row, sums) in rows.take(strip.rows).enumerate() {
            for x in (0..width).step_by(P) {
                // The last tile of a row begins early enough to end with the row.
                let place = [strip.first + row, x.min(width - P)];
                self.tile::<I, P, R, WIDE>(isa, strip.codes, panel, place, sums);
            }
        }
    }

    #[inline(always)]
    fn strip<I: Isa, const R: usize, const WIDE: bool>(&self, isa: I, strip: &mut Strip<'_>) {
        let panels = self.constants.len();
        let whole = panels / R * R;
        for panel in (0..whole).step_by(R) {
            match tile_pixels(self.output.width) {
                6 => self.panels::<I, 6, R, WIDE>(isa, panel, strip),
                4 => self.panels::<I, 4, R, WIDE>(isa, panel, strip),
                _ => self.panels::<I, 1, R, WIDE>(isa, panel, strip),
            }
        }
        for panel in whole..panels {
            match self.output.width {
                ..4 => self.panels::<I, 1, 1, WIDE>(isa, panel, strip),
                _ => self.panels::<I, 4, 1, WIDE>(isa, panel, strip),
            }
        }
    }
}

/// Pixels of a tile that divide a row with the least work twice done.
fn tile_pixels(width: usize) -> usize {
    let fitting = [6, 4, 1].into_iter().filter(|&pixels| pixels <= width);
    let work = |pixels: &usize| width.div_ceil(*pixels) * (pixels + 1);
    fitting.min_by_key(work).expect("one pixel fits")
}

impl Algorithm for Dot8 {
    #[inline(always)]
    fn run<I: Isa>(&self, isa: I, job: Job<'_>) {
        let input = job.inputs.get::<u8>(0);
        let (codes, sums) = job.scratch.split_at_mut(self.blocks());
        let (codes, sums) = (view_mut::<u8>(codes), view_mut::<i32>(sums));
        let (slots, row_len) = (self.slots(), self.row_len());
        let mut filled = 0;
        for first in job.rows.clone().step_by(self.strip) {
            let rows = self.strip.min(job.rows.end - first);
            let stride = self.window.stride[0];
            let seen = (first + rows - 1) * stride + self.window.kernel[0];
            for y in filled.max(first * stride)..seen {
                self.fill(input, y, &mut codes[y % slots * row_len..][..row_len]);
            }
            filled = seen;
            let strip = &mut Strip {
                codes,
                first,
                rows,
                sums,
            };
            match (I::MANY_REGISTERS, self.wide) {
                (true, true) => self.strip::<I, 4, true>(isa, strip),
                (true, false) => self.strip::<I, 4, false>(isa, strip),
                (false, true) => self.strip::<I, 1, true>(isa, strip),
                (false, false) => self.strip::<I, 1, false>(isa, strip),
            }
            let sums = &sums[..rows * self.output.width * self.finisher.stride()];
            let pixel = (first - job.rows.start) * self.output.width;
            self.finisher.write(sums, job.output, pixel);
        }
    }

    fn scratch_bytes(&self) -> usize {
        let sums = self.strip * self.output.width * self.finisher.stride();
        self.blocks() * Block::BYTES + 4 * sums
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
