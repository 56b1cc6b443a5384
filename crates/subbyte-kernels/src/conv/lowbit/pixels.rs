//! Products by table, the other way round: the codes are indices, the weights choose the table.
//!
//! A vector holds one byte of codes of [`BYTES`] neighbouring pixels, so that no lane is idle where there are few output
//! channels. Padded rows lie one behind the other: a vector runs on from one row to the next, and what it computes for the
//! padding between them is not written. Weights keep their signs: what makes the entries of a table row unsigned depends on its
//! weights alone and is a constant of each output channel.

use alloc::{boxed::Box, vec, vec::Vec};
use core::ops::Range;

use super::{
    planar::{PIXELS, Planar},
    rows::SLACK,
    terms::Terms,
    weights::Weights,
};
use subbyte_num::CodeType;

use crate::{
    Conv, Extent, Job, KernelFor, Window, Work,
    finish::Lanes,
    isa::{Algorithm, BYTES, Isa},
    memory::{Aligned, Block, Split, view_mut},
};

/// Output channels whose codes are transposed at a time.
const CHANNELS: usize = 16;

/// Table rows of groups that lack a channel begin here; those of whole groups end before.
const LACKING: usize = 128;

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
    rows: Box<Aligned<[[u8; ROW]; 256]>>,
    /// The code that stands for padding.
    pad: u8,
    unit: i16,
    middle: i16,
    lanes: Lanes,
}

/// How products are looked up and what the sums lack.
struct Tables<'a> {
    weights: &'a Weights,
    code: CodeType,
    /// Input channels of a group.
    together: usize,
    /// Greatest common divisor of the weights.
    unit: i32,
}

impl<'a> Tables<'a> {
    /// `None` where no group fits an index of `index_bits`.
    fn new(conv: &Conv<'_>, weights: &'a Weights, index_bits: u32) -> Option<Self> {
        let by_codes = index_bits / u32::from(conv.code.bits);
        let by_weights = LACKING.ilog2() / weights.bits();
        let together = match by_codes.min(by_weights) as usize {
            0 => return None,
            5 => 4,
            channels => channels.min(6),
        };
        Some(Self {
            weights,
            code: conv.code,
            together,
            unit: weights.common_divisor(),
        })
    }

    /// Levels of the weights of a combination, one for each of `slots` channels.
    fn levels(&self, combination: usize, slots: usize) -> impl Iterator<Item = i32> {
        let bits = self.weights.bits();
        (0..slots as u32).map(move |slot| {
            let index = combination >> (slot * bits) & ((1 << bits) - 1);
            self.weights.level(index as u8).unwrap_or(0)
        })
    }

    /// The smallest sum of products of weights with codes.
    fn least(&self, levels: impl Iterator<Item = i32>) -> i32 {
        i32::from(self.code.max_code()) * levels.map(|level| level.min(0)).sum::<i32>()
    }

    /// The largest entry of a table row.
    fn largest(&self) -> i32 {
        let (low, high) = self.weights.range();
        let widest = low.abs().max(high.abs()) / self.unit;
        widest * i32::from(self.code.max_code()) * self.together as i32
    }
}

/// What turns sums of table entries into those of the convolution: `sum = unit * entries - middle + constant[channel]`, of which
/// all but the constant fits 16 bits and a sign.
struct Constants {
    unit: i16,
    middle: i16,
    constants: Vec<i32>,
}

impl Constants {
    /// `None` where sums may need more than 16 bits.
    fn new(conv: &Conv<'_>, tables: &Tables<'_>) -> Option<Self> {
        let (step, offset) = (i64::from(conv.code.step), i64::from(conv.code.offset));
        let reach = step * i64::from(conv.code.max_code());
        let per_channel = conv.weights.len() / conv.channels;
        let own = conv.weights.chunks_exact(per_channel);
        let range = |own: &[i32]| own.iter().map(|w| i64::from(w.abs())).sum::<i64>() * reach;
        let widest = own.clone().map(range).max()?;
        // One value below the lowest sum stays free, so that a threshold can be there.
        if widest >= i64::from(u16::MAX) {
            return None;
        }
        let middle = (widest + 1) / 2;
        let constants = own.enumerate().map(|(channel, own)| {
            let least: i64 = own.iter().map(|&w| i64::from(w.min(0))).sum();
            let total: i64 = own.iter().map(|&w| i64::from(w)).sum();
            (middle + reach * least + offset * total + i64::from(conv.bias(channel))) as i32
        });
        Some(Self {
            unit: i16::try_from(step * i64::from(tables.unit)).ok()?,
            middle: middle as i16,
            constants: constants.collect(),
        })
    }
}

impl<const ROW: usize> KernelFor<Conv<'_>> for Pixels<ROW> {
    fn supports(conv: &Conv<'_>) -> bool {
        let fits = |weights: &Weights| {
            let tables = Tables::new(conv, weights, ROW.ilog2())?;
            // Below two sums a byte, adding in bytes gains nothing.
            let byte = tables.largest() * 2 <= i32::from(u8::MAX);
            let constants = Constants::new(conv, &tables)?.constants;
            Lanes::new(&conv.finish, &constants).filter(|_| byte)
        };
        conv.groups == 1
            && Terms::pad_code(conv).is_some()
            && Weights::of(conv).is_some_and(|weights| fits(&weights).is_some())
    }

    fn work(conv: &Conv<'_>) -> Work {
        let weights = Weights::of(conv).expect("supported");
        let tables = Tables::new(conv, &weights, ROW.ilog2()).expect("supported");
        let groups = conv.input.channels.div_ceil(tables.together);
        let shape = Shape::of(conv.input, &conv.window);
        let vectors = shape.positions(conv.output()).div_ceil(BYTES) * conv.channels;
        Work {
            steps: (vectors * conv.window.taps() * groups) as u64,
            outputs: vectors as u64,
            inputs: conv.input.elements() as u64,
        }
    }

    fn pack(conv: &Conv<'_>) -> Self {
        let weights = Weights::of(conv).expect("supported");
        let tables = Tables::new(conv, &weights, ROW.ilog2()).expect("supported");
        let Constants {
            unit,
            middle,
            constants,
        } = Constants::new(conv, &tables).expect("supported");
        let channels = tables.together;
        let shape = Shape::of(conv.input, &conv.window);
        let layout = Planar::new(conv, channels).with_pitch(shape.plane());
        let (groups, inputs) = (layout.groups, conv.input.channels);
        let [kernel_h, kernel_w] = conv.window.kernel;
        let taps = kernel_h * kernel_w;
        let steps = taps * groups;
        let places = (0..taps).flat_map(|tap| (0..groups).map(move |group| (tap, group)));
        let offsets =
            places.map(|(tap, group)| shape.offset(groups, tap / kernel_w, tap % kernel_w, group));
        // Channel `slot * groups + group` is in slot `slot` of its group; the last groups may lack one more than the first.
        let slots = |group: usize| (inputs - group).div_ceil(groups);
        let base = |group: usize| if slots(group) == slots(0) { 0 } else { LACKING };
        let bits = weights.bits();
        let mut packed = vec![[0; CHANNELS]; conv.channels.div_ceil(CHANNELS) * steps];
        for output in 0..conv.channels {
            let own = &mut packed[output / CHANNELS * steps..][..steps];
            for tap in 0..taps {
                let from = &conv.weights[(output * taps + tap) * inputs..][..inputs];
                for group in 0..groups {
                    own[tap * groups + group][output % CHANNELS] = base(group) as u8;
                }
                for (input, &weight) in from.iter().enumerate() {
                    let (slot, group) = (input / groups, input % groups);
                    own[tap * groups + group][output % CHANNELS] |=
                        weights.index(weight) << (slot as u32 * bits);
                }
            }
        }
        let code_bits = u32::from(conv.code.bits);
        let mut rows = Box::new(Aligned([[0; ROW]; 256]));
        for group in [0, groups - 1] {
            let slots = slots(group);
            for combination in 0..1usize << (slots as u32 * bits) {
                let least = tables.least(tables.levels(combination, slots));
                let row = &mut rows.0[base(group) + combination];
                for (index, entry) in row.iter_mut().enumerate() {
                    let code = |slot: u32| index >> (slot * code_bits) & ((1 << code_bits) - 1);
                    let levels = tables.levels(combination, slots).zip(0..);
                    let sum: i32 = levels.map(|(level, slot)| level * code(slot) as i32).sum();
                    *entry = ((sum - least) / tables.unit) as u8;
                }
            }
        }
        Self {
            input: conv.input,
            output: conv.output(),
            window: conv.window,
            layout,
            depth: (i32::from(u8::MAX) / tables.largest().max(1)) as usize,
            offsets: offsets.collect(),
            weights: packed,
            rows,
            pad: Terms::pad_code(conv).expect("supported"),
            unit,
            middle,
            lanes: Lanes::new(&conv.finish, &constants).expect("supported"),
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

    /// Bytes of a plane, with those that packing its last row may overwrite.
    fn plane(&self) -> usize {
        self.rows * self.columns + PIXELS
    }

    /// Bytes of all planes, with what vectors may read beyond.
    fn bytes(&self, groups: usize) -> usize {
        self.stride[0] * self.stride[1] * groups * self.plane() + 2 * BYTES
    }

    /// Where the codes of a group lie under a tap, for the first output pixel.
    fn offset(&self, groups: usize, ky: usize, kx: usize, group: usize) -> usize {
        let [sy, sx] = self.stride;
        let plane = (ky % sy * sx + kx % sx) * groups + group;
        plane * self.plane() + ky / sy * self.columns + kx / sx
    }

    /// Positions from the first output pixel to the last one of `output`.
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

    /// Blocks of a row of codes and of the planes.
    fn parts(&self) -> [usize; 2] {
        let planes = self.shape().bytes(self.layout.groups);
        [self.row_len(), planes].map(Block::covering)
    }

    /// Packs the padded rows that output rows see, the first of them at the beginning of the planes.
    #[inline(always)]
    fn fill<I: Isa>(
        &self,
        isa: I,
        input: &[u8],
        seen: Range<usize>,
        codes: &mut [u8],
        planes: &mut [u8],
    ) {
        let shape = self.shape();
        let [top, left, ..] = self.window.padding;
        let [sy, sx] = shape.stride;
        let (channels, inside) = (self.input.channels, self.input.row());
        for (i, y) in seen.enumerate() {
            codes.fill(self.pad);
            if let Some(y) = y.checked_sub(top).filter(|&y| y < self.input.height) {
                codes[left * channels..][..inside].copy_from_slice(&input[y * inside..][..inside]);
            }
            let first = i % sy * sx * self.layout.groups * shape.plane() + i / sy * shape.columns;
            self.layout.pack(isa, codes, channels, &mut planes[first..]);
        }
    }

    /// Sums of entries of the pixels of `R` vectors, the first of which begins at `position`, for `P` output channels from `first` on
    /// among those of `weights`.
    #[inline(always)]
    fn tile<I: Isa, const P: usize, const R: usize>(
        &self,
        isa: I,
        planes: &[u8],
        position: usize,
        weights: &[[u8; CHANNELS]],
        first: usize,
    ) -> [[I::Words; R]; P] {
        let rows = &self.rows.0;
        let planes = &planes[position..];
        let mut sums = [[isa.zero_sums(); R]; P];
        for (weights, offsets) in weights
            .chunks(self.depth)
            .zip(self.offsets.chunks(self.depth))
        {
            let mut bytes = [[isa.zero_bytes(); R]; P];
            for (weights, &offset) in weights.iter().zip(offsets) {
                let codes = planes[offset..][..R * BYTES].as_chunks::<BYTES>().0;
                let mut index = [isa.zero_bytes(); R];
                for r in 0..R {
                    index[r] = isa.load_bytes(&codes[r]);
                }
                let weights: &[u8; P] = weights[first..].first_chunk().expect("whole tiles");
                for p in 0..P {
                    let row = &rows[usize::from(weights[p])];
                    for r in 0..R {
                        let found = match ROW {
                            64 => isa.lookup64(row.first_chunk().expect("64"), index[r]),
                            _ => isa.lookup16(row.first_chunk().expect("16"), index[r]),
                        };
                        bytes[p][r] = isa.add_bytes(bytes[p][r], found);
                    }
                }
            }
            for p in 0..P {
                for r in 0..R {
                    sums[p][r] = isa.add_to_sums(sums[p][r], bytes[p][r]);
                }
            }
        }
        let mut words = [[isa.zero_words(); R]; P];
        for p in 0..P {
            for r in 0..R {
                words[p][r] = isa.sums(sums[p][r]);
            }
        }
        words
    }

    /// Computes [`CHANNELS`] output channels for the pixels of `R` vectors.
    #[inline(always)]
    fn vectors<I: Isa, const P: usize, const R: usize>(
        &self,
        isa: I,
        planes: &[u8],
        position: usize,
        panel: usize,
        output: &mut [u8],
    ) {
        let steps = self.offsets.len();
        let weights = &self.weights[panel * steps..][..steps];
        let mut codes = [[[0; BYTES]; CHANNELS]; R];
        for first in (0..CHANNELS).step_by(P) {
            let tile: [[I::Words; R]; P] = self.tile(isa, planes, position, weights, first);
            for p in 0..P {
                let channel = panel * CHANNELS + first + p;
                if channel < self.output.channels {
                    for r in 0..R {
                        let sums = isa.scale_words(tile[p][r], self.unit, -self.middle);
                        let to = &mut codes[r][first + p];
                        self.lanes.write(isa, sums, channel, to);
                    }
                }
            }
        }
        for (r, codes) in codes.iter().enumerate() {
            self.write(isa, position + r * BYTES, panel, codes, output);
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
        let height = output.len() / (self.output.width * channels);
        let own = CHANNELS.min(channels - panel * CHANNELS);
        let (mut y, mut x) = (position / columns, position % columns);
        for part in 0..BYTES / CHANNELS {
            let mut block = [[0; CHANNELS]; CHANNELS];
            for (to, from) in block.iter_mut().zip(codes) {
                *to = from.as_chunks().0[part];
            }
            for pixel in &isa.transpose(&block) {
                if x < self.output.width && y < height {
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
        let split = self.split();
        let own = Extent {
            height: job.rows.len(),
            ..self.output
        };
        let output = &mut job.output[..own.height * split.row_bytes];
        let [codes, _] = self.parts();
        let (codes, planes) = job.scratch.split_at_mut(codes);
        let (codes, planes) = (view_mut(codes), view_mut(planes));
        let stride = self.window.stride[0];
        let seen = job.rows.start * stride..(job.rows.end - 1) * stride + self.window.kernel[0];
        self.fill(isa, input, seen, codes, planes);
        let positions = self.shape().positions(own);
        let panels = self.output.channels.div_ceil(CHANNELS);
        let mut position = 0;
        while position < positions {
            // A row of the table is read once for two vectors, where there are as many.
            let pair = I::MANY_REGISTERS && position + BYTES < positions;
            for panel in 0..panels {
                match (pair, I::TILE) {
                    (true, _) => self.vectors::<I, 4, 2>(isa, planes, position, panel, output),
                    (_, 8) => self.vectors::<I, 8, 1>(isa, planes, position, panel, output),
                    (_, 4) => self.vectors::<I, 4, 1>(isa, planes, position, panel, output),
                    _ => self.vectors::<I, 1, 1>(isa, planes, position, panel, output),
                }
            }
            position += if pair { 2 * BYTES } else { BYTES };
        }
    }

    fn split(&self) -> Split {
        Split::rows(self.output, 1)
    }

    fn scratch_bytes(&self) -> usize {
        // Vectors run on beyond the last plane from any position of an output pixel.
        self.parts().iter().sum::<usize>() * Block::BYTES + BYTES
    }

    fn packed_bytes(&self) -> usize {
        size_of_val(&self.weights[..])
            + size_of_val(&self.offsets[..])
            + size_of_val(&*self.rows)
            + self.lanes.packed_bytes()
    }
}
