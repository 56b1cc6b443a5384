//! Products by table, the other way round: the codes are indices, the weights choose the table.
//!
//! A vector holds one byte of codes of [`BYTES`] neighbouring pixels, so that no lane is idle where there are few output
//! channels. Padded rows lie one behind the other: a vector runs on from one row to the next, and what it computes for the
//! padding between them is not written. Box sums are one more output channel, whose weights are all 1.

use alloc::{boxed::Box, vec, vec::Vec};

use super::{planar::Planar, rows::SLACK, terms::Terms, weights::Weights};
use crate::{
    Conv, Extent, Job, KernelFor, Window, Work,
    finish::Lanes,
    isa::{Algorithm, BYTES, Isa},
    memory::{Aligned, Block, view_mut},
};

/// Output channels whose codes are transposed at a time.
const CHANNELS: usize = 16;

/// The table rows of box sums begin here; those of weights end before.
const ONES: usize = 128;

/// Tables of `ROW` entries, 16 or 64.
pub(crate) struct Pixels<const ROW: usize> {
    input: Extent,
    output: Extent,
    window: Window,
    layout: Planar,
    /// Partial sums that fit a byte.
    depth: usize,
    /// Where the planes have the codes of a tap and group for the first output pixel, `[kernel_h][kernel_w][groups]`.
    offsets: Vec<usize>,
    /// `[channels / CHANNELS][taps and groups]`: the table rows of as many output channels.
    weights: Vec<[u8; CHANNELS]>,
    /// The table rows of box sums, `[taps and groups]`.
    ones: Vec<u8>,
    rows: Box<Aligned<[[u8; ROW]; 256]>>,
    terms: Terms,
    lanes: Lanes,
}

/// Input channels that fit an index of codes and a byte of weights.
fn together(row: usize, conv: &Conv<'_>, weights: &Weights) -> usize {
    let by_codes = row.ilog2() / u32::from(conv.code.bits);
    let by_weights = ONES.ilog2() / weights.bits();
    match by_codes.min(by_weights) as usize {
        5 => 4,
        channels => channels.min(6),
    }
}

fn largest(row: usize, conv: &Conv<'_>, weights: &Weights) -> usize {
    let products = weights.largest() as usize * usize::from(conv.code.max_code());
    products * together(row, conv, weights)
}

impl<const ROW: usize> KernelFor<Conv<'_>> for Pixels<ROW> {
    fn supports(conv: &Conv<'_>) -> bool {
        conv.groups == 1
            && Weights::of(conv).is_some_and(|weights| {
                together(ROW, conv, &weights) > 0
                    && largest(ROW, conv, &weights) * 2 <= usize::from(u8::MAX)
                    && Terms::of(conv, &weights)
                        .is_some_and(|terms| Lanes::new(&conv.finish, &terms.constants).is_some())
            })
    }

    fn work(conv: &Conv<'_>) -> Work {
        let weights = Weights::of(conv).expect("supported");
        let groups = conv.input.channels.div_ceil(together(ROW, conv, &weights));
        let shape = Shape::of(conv.input, &conv.window);
        let vectors = shape.positions(conv.output()).div_ceil(BYTES) * (conv.channels + 1);
        Work {
            steps: (vectors * conv.window.taps() * groups) as u64,
            outputs: vectors as u64,
            inputs: conv.input.elements() as u64,
        }
    }

    fn pack(conv: &Conv<'_>) -> Self {
        let weights = Weights::of(conv).expect("supported");
        let terms = Terms::of(conv, &weights).expect("supported");
        let channels = together(ROW, conv, &weights);
        let layout = Planar::new(conv, channels);
        let (groups, inputs) = (layout.groups, conv.input.channels);
        let [kernel_h, kernel_w] = conv.window.kernel;
        let shape = Shape::of(conv.input, &conv.window);
        let steps = kernel_h * kernel_w * groups;
        let mut offsets = Vec::with_capacity(steps);
        let mut ones = Vec::with_capacity(steps);
        for tap in 0..kernel_h * kernel_w {
            for group in 0..groups {
                offsets.push(shape.offset(groups, tap / kernel_w, tap % kernel_w, group));
                let slots = (0..channels).filter(|slot| slot * groups + group < inputs);
                ones.push((ONES + slots.count()) as u8);
            }
        }
        let mut packed = vec![[0; CHANNELS]; conv.channels.div_ceil(CHANNELS) * steps];
        let bits = weights.bits();
        for output in 0..conv.channels {
            let own = &mut packed[output / CHANNELS * steps..][..steps];
            for tap in 0..kernel_h * kernel_w {
                let from = &conv.weights[(output * kernel_h * kernel_w + tap) * inputs..][..inputs];
                for (input, &weight) in from.iter().enumerate() {
                    let (slot, group) = (input / groups, input % groups);
                    own[tap * groups + group][output % CHANNELS] |=
                        weights.index(weight) << (slot as u32 * bits);
                }
            }
        }
        let code_bits = u32::from(conv.code.bits);
        let mut rows = Box::new(Aligned([[0; ROW]; 256]));
        for index in 0..1usize << (channels as u32 * code_bits) {
            let code = |slot: usize| index >> (slot as u32 * code_bits) & ((1 << code_bits) - 1);
            for combination in 0..1usize << (channels as u32 * bits) {
                let sum: usize = (0..channels)
                    .map(|slot| {
                        let weight = combination >> (slot as u32 * bits) & ((1 << bits) - 1);
                        usize::from(weights.u(weight as u8)) * code(slot)
                    })
                    .sum();
                rows.0[combination][index] = sum as u8;
            }
            // The slots in use are the first ones.
            for slots in 0..=channels {
                rows.0[ONES + slots][index] = (0..slots).map(code).sum::<usize>() as u8;
            }
        }
        Self {
            input: conv.input,
            output: conv.output(),
            window: conv.window,
            layout,
            depth: usize::from(u8::MAX)
                / largest(ROW, conv, &weights).max(channels * usize::from(conv.code.max_code())),
            offsets,
            weights: packed,
            ones,
            rows,
            lanes: Lanes::new(&conv.finish, &terms.constants).expect("supported"),
            terms,
        }
    }
}

/// How the planes lie: `[rows of one remainder][columns of one remainder][groups]`, each with all its pixels.
struct Shape {
    stride: [usize; 2],
    /// Rows and columns of a plane.
    rows: usize,
    columns: usize,
}

impl Shape {
    fn of(input: Extent, window: &Window) -> Self {
        let [top, left, bottom, right] = window.padding;
        Self {
            stride: window.stride,
            rows: (top + input.height + bottom).div_ceil(window.stride[0]),
            columns: (left + input.width + right).div_ceil(window.stride[1]),
        }
    }

    /// Bytes of a plane.
    fn plane(&self) -> usize {
        self.rows * self.columns
    }

    /// Bytes of all planes, with what vectors may read beyond.
    fn bytes(&self, groups: usize) -> usize {
        self.stride[0] * self.stride[1] * groups * self.plane() + BYTES
    }

    /// Where the codes of a group lie under a tap, for the first output pixel.
    fn offset(&self, groups: usize, ky: usize, kx: usize, group: usize) -> usize {
        let [sy, sx] = self.stride;
        let plane = (ky % sy * sx + kx % sx) * groups + group;
        plane * self.plane() + ky / sy * self.columns + kx / sx
    }

    /// Positions from the first output pixel to the last.
    fn positions(&self, output: Extent) -> usize {
        (output.height - 1) * self.columns + output.width
    }
}

impl<const ROW: usize> Pixels<ROW> {
    fn shape(&self) -> Shape {
        Shape::of(self.input, &self.window)
    }

    /// Bytes of a padded row of codes.
    fn row_len(&self) -> usize {
        let [_, left, _, right] = self.window.padding;
        (left + self.input.width + right) * self.input.channels + SLACK
    }

    /// Blocks of a row of codes, a packed row and the planes.
    fn parts(&self) -> [usize; 3] {
        let planes = self.shape().bytes(self.layout.groups);
        [self.row_len(), self.layout.row_bytes(), planes].map(Block::covering)
    }

    /// Packs the whole input.
    #[inline(always)]
    fn fill<I: Isa>(
        &self,
        isa: I,
        input: &[u8],
        codes: &mut [u8],
        row: &mut [u8],
        planes: &mut [u8],
    ) {
        let shape = self.shape();
        let [top, left, bottom, _] = self.window.padding;
        let [sy, sx] = shape.stride;
        let (channels, groups, inside) =
            (self.input.channels, self.layout.groups, self.input.row());
        for y in 0..top + self.input.height + bottom {
            codes.fill(self.terms.pad);
            if let Some(y) = y.checked_sub(top).filter(|&y| y < self.input.height) {
                codes[left * channels..][..inside].copy_from_slice(&input[y * inside..][..inside]);
            }
            self.layout.pack(isa, codes, channels, row);
            for kx in 0..sx {
                for group in 0..groups {
                    let plane = ((y % sy * sx + kx) * groups + group) * shape.plane();
                    let to = &mut planes[plane + y / sy * shape.columns..][..shape.columns];
                    to.copy_from_slice(&row[self.layout.offset(kx, group)..][..shape.columns]);
                }
            }
        }
    }

    /// `S` of the pixels of a vector that begins at `position`, for `P` output channels from `first` on among those of `weights`.
    #[inline(always)]
    fn tile<I: Isa, const P: usize, const N: usize>(
        &self,
        isa: I,
        planes: &[u8],
        position: usize,
        weights: &[[u8; N]],
        first: usize,
    ) -> [I::Words; P] {
        let rows = &self.rows.0;
        let planes = &planes[position..];
        let mut sums = [isa.zero_sums(); P];
        for (weights, offsets) in weights
            .chunks(self.depth)
            .zip(self.offsets.chunks(self.depth))
        {
            let mut bytes = [isa.zero_bytes(); P];
            for (weights, &offset) in weights.iter().zip(offsets) {
                let codes = planes[offset..]
                    .first_chunk()
                    .expect("planes end with a vector more");
                let index = isa.load_bytes(codes);
                let weights: &[u8; P] = weights[first..].first_chunk().expect("whole tiles");
                for p in 0..P {
                    let row = &rows[usize::from(weights[p])];
                    let found = match ROW {
                        64 => isa.lookup64(row.first_chunk().expect("64 entries"), index),
                        _ => isa.lookup16(row.first_chunk().expect("16 entries"), index),
                    };
                    bytes[p] = isa.add_bytes(bytes[p], found);
                }
            }
            for p in 0..P {
                sums[p] = isa.add_to_sums(sums[p], bytes[p]);
            }
        }
        let mut words = [isa.zero_words(); P];
        for p in 0..P {
            words[p] = isa.sums(sums[p]);
        }
        words
    }

    /// Codes of [`CHANNELS`] output channels for the pixels of a vector.
    #[inline(always)]
    fn codes<I: Isa, const P: usize>(
        &self,
        isa: I,
        planes: &[u8],
        position: usize,
        panel: usize,
        terms: &[i16; BYTES],
        codes: &mut [[u8; BYTES]; CHANNELS],
    ) {
        let steps = self.offsets.len();
        let weights = &self.weights[panel * steps..][..steps];
        for first in (0..CHANNELS).step_by(P) {
            let tile: [I::Words; P] = self.tile(isa, planes, position, weights, first);
            for p in 0..P {
                let sums = self.terms.with(isa, tile[p], terms);
                let channel = panel * CHANNELS + first + p;
                if channel < self.output.channels {
                    self.lanes.write(isa, sums, channel, &mut codes[first + p]);
                }
            }
        }
    }

    /// Writes the codes of a vector of pixels where these are output pixels.
    #[inline(always)]
    fn write<I: Isa>(
        &self,
        isa: I,
        position: usize,
        panel: usize,
        codes: &[[u8; BYTES]; CHANNELS],
        output: &mut [u8],
    ) {
        let columns = self.shape().columns;
        let channels = self.output.channels;
        let own = CHANNELS.min(channels - panel * CHANNELS);
        let (mut y, mut x) = (position / columns, position % columns);
        for part in 0..BYTES / CHANNELS {
            let mut block = [[0; CHANNELS]; CHANNELS];
            for (to, from) in block.iter_mut().zip(codes) {
                *to = from.as_chunks().0[part];
            }
            for pixel in &isa.transpose(&block) {
                if x < self.output.width && y < self.output.height {
                    let at = (y * self.output.width + x) * channels + panel * CHANNELS;
                    match output[at..].first_chunk_mut() {
                        Some(to) if own == CHANNELS => *to = *pixel,
                        _ => output[at..][..own].copy_from_slice(&pixel[..own]),
                    }
                }
                x += 1;
                if x == columns {
                    (y, x) = (y + 1, 0);
                }
            }
        }
    }
}

impl<const ROW: usize> Algorithm for Pixels<ROW> {
    #[inline(always)]
    fn run<I: Isa>(&self, isa: I, job: Job<'_>) {
        let input = job.inputs.get::<u8>(0);
        let output = view_mut::<u8>(job.output);
        let [codes, row, _] = self.parts();
        let (codes, rest) = job.scratch.split_at_mut(codes);
        let (row, planes) = rest.split_at_mut(row);
        let (codes, row, planes) = (view_mut(codes), view_mut(row), view_mut(planes));
        self.fill(isa, input, codes, row, planes);
        let ones = self.ones.as_chunks::<1>().0;
        for position in (0..self.shape().positions(self.output)).step_by(BYTES) {
            let [boxes]: [I::Words; 1] = self.tile(isa, planes, position, ones, 0);
            let mut terms = [0; BYTES];
            isa.store_words(self.terms.of_boxes(isa, boxes), &mut terms);
            for panel in 0..self.output.channels.div_ceil(CHANNELS) {
                let mut codes = [[0; BYTES]; CHANNELS];
                match I::TILE {
                    8 => self.codes::<I, 8>(isa, planes, position, panel, &terms, &mut codes),
                    4 => self.codes::<I, 4>(isa, planes, position, panel, &terms, &mut codes),
                    _ => self.codes::<I, 1>(isa, planes, position, panel, &terms, &mut codes),
                }
                self.write(isa, position, panel, &codes, output);
            }
        }
    }

    fn scratch_bytes(&self) -> usize {
        // Vectors run on beyond the last plane from any position of an output pixel.
        self.parts().iter().sum::<usize>() * Block::BYTES + BYTES
    }

    fn packed_bytes(&self) -> usize {
        size_of_val(&self.weights[..])
            + size_of_val(&self.ones[..])
            + size_of_val(&self.offsets[..])
            + size_of_val(&*self.rows)
            + self.lanes.packed_bytes()
    }
}
