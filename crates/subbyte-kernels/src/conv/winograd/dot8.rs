use alloc::{vec, vec::Vec};
use core::ops::Range;

use super::{IN, OUT, POSITIONS, transform};
use crate::{
    Conv, Extent, Job, KernelFor, Mix, Store, Work,
    conv::lowbit::Terms,
    finish::Finisher,
    isa::{Algorithm, Isa, LANES},
    memory::{Aligned, Block, Split, view_mut},
};

/// `A^T`.
const BACK: [[i32; IN]; OUT] = [[1, 1, 1, 0], [1, -1, 0, 1]];

/// Tiles that are computed from one pass over the weights, where the image has as many.
const STRIP_TILES: usize = 28;

/// Tiles of a group, where there are registers for many.
const SIZES: &[usize] = &[8, 7, 4, 1];

/// Tiles and panels of the largest group.
const LARGEST: [usize; 2] = [8, 2];

/// Channels of transformed codes are filled up to whole vectors of these.
const CHUNK: usize = 16;

/// Bytes beyond the rows that may be read.
const SLACK: usize = 64;

/// Convolution of 3x3 by transformed tiles and kernels, with dot products of four transformed codes and four 8-bit weights.
///
/// For codes up to `m`, the position of the sums of sums of a tile lies within `0..=4m`, the others within `±2m`. To these `2m` is
/// added, so that a byte holds them. What that adds to the sums of a pixel, the offset of the codes and the bias are constants of
/// each output channel; the codes' step is part of the weights.
pub(crate) struct Winograd8 {
    input: Extent,
    output: Extent,
    /// Padding above and on the left.
    before: [usize; 2],
    /// The code that stands for padding.
    pad: u8,
    /// What makes transformed codes unsigned.
    lift: u8,
    /// Whether the products of two neighbours may exceed 16 bits.
    wide: bool,
    /// Rows of tiles of a strip.
    strip: usize,
    /// Tiles of a row.
    across: usize,
    /// Fours of channels, the last one filled up with weights of 0.
    fours: usize,
    /// Bytes of a position of a transformed tile.
    pixel: usize,
    /// `[panels][POSITIONS][fours]`, each [`LANES`] output channels times four input channels.
    weights: Vec<Aligned<[i8; 4 * LANES]>>,
    /// 4 times what is added to the sums, `[panels][columns][rows]`.
    constants: Vec<Aligned<[[[i32; LANES]; OUT]; OUT]>>,
    finisher: Finisher,
}

/// A bound of the magnitude of the transformed weights times the step of the codes, where all fit 8 bits.
fn largest(conv: &Conv<'_>) -> Option<i32> {
    let bits = conv.weights.transformed_bits().filter(|&bits| bits < 8)?;
    let largest = i32::from(conv.code.step) << bits;
    (largest <= 1 << 7).then_some(largest)
}

/// Whether the products of two neighbours may exceed 16 bits.
fn wide(conv: &Conv<'_>) -> bool {
    let largest = largest(conv).expect("supported");
    2 * largest * 4 * i32::from(conv.code.max_code()) > i32::from(i16::MAX)
}

/// Whether 4 times the sums fit 32 bits, whatever the codes; on the way there anything may wrap.
fn fits(conv: &Conv<'_>) -> bool {
    let [low, high] = [conv.code.min_level(), conv.code.max_level()].map(i64::from);
    let mut channels = conv.weights.sums().iter().enumerate();
    channels.all(|(channel, sums)| {
        let bias = i64::from(conv.bias(channel));
        let least = sums.positive * low + sums.negative * high + bias;
        let most = sums.positive * high + sums.negative * low + bias;
        let mut ends = [least, most].into_iter();
        ends.all(|sum| i32::try_from(4 * sum).is_ok())
    })
}

impl KernelFor<Conv<'_>> for Winograd8 {
    /// 3x3 of stride 1 in one group, codes of at most 6 bits, transformed weights of 8, a code for padding.
    fn supports(conv: &Conv<'_>) -> bool {
        (conv.window.kernel, conv.window.stride, conv.groups) == ([3; 2], [1; 2], 1)
            && conv.code.max_code() <= u8::MAX / 4
            && Terms::pad_code(conv).is_some()
            && largest(conv).is_some()
            && fits(conv)
    }

    fn work(conv: &Conv<'_>) -> Work {
        let output = conv.output();
        let tiles = output.height.div_ceil(OUT) * output.width.div_ceil(OUT);
        let panels = conv.channels.div_ceil(LANES);
        let steps = POSITIONS * conv.input.channels.div_ceil(4);
        let mix = match wide(conv) {
            true => Mix::Dot8Wide,
            false => Mix::Dot8,
        };
        Work {
            mix: Some(mix),
            steps: (tiles * panels * steps) as u64,
            lone: (tiles * (panels % 2) * steps) as u64,
            outputs: (tiles * panels) as u64,
            inputs: (tiles * POSITIONS * conv.input.channels) as u64,
        }
    }

    fn pack(conv: &Conv<'_>, store: &mut Store<'_>) -> Self {
        let output = conv.output();
        let inputs = conv.input.channels;
        let fours = inputs.div_ceil(4);
        let panels = conv.channels.div_ceil(LANES);
        let lift = 2 * conv.code.max_code();
        let mut weights = vec![Aligned([0; 4 * LANES]); panels * POSITIONS * fours];
        let mut constants = vec![Aligned([[[0i32; LANES]; OUT]; OUT]); panels];
        let (step, offset) = (i32::from(conv.code.step), i32::from(conv.code.offset));
        store.fill(&mut weights, |weights| {
            for (channel, own) in conv.weights.chunks_exact(9 * inputs).enumerate() {
                let (panel, lane) = (channel / LANES, channel % LANES);
                let panel = &mut weights[panel * POSITIONS * fours..][..POSITIONS * fours];
                for i in 0..inputs {
                    let mut w = [0; 9];
                    for tap in 0..9 {
                        w[tap] = own[tap * inputs + i];
                    }
                    for (position, u) in transform(w).into_iter().enumerate() {
                        let four = &mut panel[position * fours + i / 4].0;
                        four[4 * lane + i % 4] = (u * step) as i8;
                    }
                }
            }
        });
        store.fill(&mut constants, |constants| {
            let panels = weights.chunks_exact(POSITIONS * fours);
            for (constants, weights) in constants.iter_mut().zip(panels) {
                take_off(&mut constants.0, weights, lift);
            }
        });
        for (channel, sums) in conv.weights.sums().iter().enumerate() {
            let (panel, lane) = (channel / LANES, channel % LANES);
            let total = sums.total() as i32;
            let constant = conv.bias(channel).wrapping_add(offset.wrapping_mul(total));
            for pixel in constants[panel].0.as_flattened_mut() {
                pixel[lane] = pixel[lane].wrapping_add(constant.wrapping_mul(4));
            }
        }
        let [rows, across] = [output.height, output.width].map(|size| size.div_ceil(OUT));
        Winograd8 {
            input: conv.input,
            output,
            before: [conv.window.padding[0], conv.window.padding[1]],
            pad: Terms::pad_code(conv).expect("supported"),
            lift,
            wide: wide(conv),
            strip: STRIP_TILES.div_ceil(across).min(rows),
            across,
            fours,
            pixel: inputs.next_multiple_of(CHUNK),
            weights,
            constants,
            finisher: Finisher::new(&conv.finish, conv.channels),
        }
    }
}

/// Takes off what the lifted codes add to 4 times the sums, for the transformed weights of a panel.
fn take_off(
    constants: &mut [[[i32; LANES]; OUT]; OUT],
    weights: &[Aligned<[i8; 4 * LANES]>],
    lift: u8,
) {
    let positions = weights.chunks_exact(weights.len() / POSITIONS).enumerate();
    // Position 0, of sums of sums, is not lifted.
    for (position, fours) in positions.skip(1) {
        let (y, x) = (position / IN, position % IN);
        for four in fours {
            for (at, &u) in four.0.iter().enumerate() {
                let added = i32::from(lift) * i32::from(u);
                for (i, j) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                    let constant = &mut constants[j][i][at / 4];
                    *constant = constant.wrapping_sub(BACK[i][y] * BACK[j][x] * added);
                }
            }
        }
    }
}

/// What a strip is computed from and to.
struct Strip<'a> {
    /// Transformed codes, `[POSITIONS]`, each `[tiles][channels]` and more.
    codes: &'a [u8],
    /// Space for the sums of a group of tiles.
    sums: &'a mut [[i32; LANES]],
    /// Rows of tiles.
    rows: Range<usize>,
    /// The row of tiles that the output begins with.
    top: usize,
    output: &'a mut [u8],
}

/// `a + b` of every byte, modulo 2^8.
#[inline(always)]
fn add(to: &mut [u8], a: &[u8], b: &[u8]) {
    for ((to, a), b) in to.iter_mut().zip(a).zip(b) {
        *to = a.wrapping_add(*b);
    }
}

/// `a - b` of every byte, modulo 2^8.
#[inline(always)]
fn subtract(to: &mut [u8], a: &[u8], b: &[u8]) {
    for ((to, a), b) in to.iter_mut().zip(a).zip(b) {
        *to = a.wrapping_sub(*b);
    }
}

impl Winograd8 {
    /// Bytes of a row of codes with its padding.
    fn row_len(&self) -> usize {
        (OUT * self.across + IN - OUT) * self.input.channels + SLACK
    }

    /// Bytes of a position of the transformed codes of a strip.
    fn position_len(&self) -> usize {
        // An odd number of blocks, so that the positions of a tile do not share a few sets of the first cache.
        let blocks = Block::covering(self.strip * self.across * self.pixel);
        (blocks | 1) * Block::BYTES
    }

    /// Blocks of rows, of transformed codes and of sums.
    fn blocks(&self) -> [usize; 3] {
        [
            Block::covering(self.input.row() + IN * self.row_len()),
            Block::covering(POSITIONS * self.position_len()),
            OUT * IN * LARGEST[0] * LARGEST[1],
        ]
    }

    /// Transforms what row `y` of tiles sees to the tiles from `first` on, `N` channels at a time. `outside` is a row of padding;
    /// `rows` have what becomes of padding on their sides.
    #[inline(always)]
    fn transform<const N: usize>(
        &self,
        input: &[u8],
        [y, first]: [usize; 2],
        [outside, rows]: [&mut [u8]; 2],
        codes: &mut [u8],
    ) {
        let (channels, inside) = (self.input.channels, self.input.row());
        let mut seen: [&[u8]; IN] = [outside; IN];
        for (i, seen) in seen.iter_mut().enumerate() {
            let y = (OUT * y + i).checked_sub(self.before[0]);
            if let Some(y) = y.filter(|&y| y < self.input.height) {
                *seen = &input[y * inside..][..inside];
            }
        }
        let [a, b, c, d] = seen;
        let (left, row_len) = (self.before[1] * channels, self.row_len());
        add(&mut rows[left..][..inside], b, c);
        subtract(&mut rows[row_len + left..][..inside], c, b);
        subtract(&mut rows[2 * row_len + left..][..inside], a, c);
        subtract(&mut rows[3 * row_len + left..][..inside], d, b);
        let position_len = self.position_len();
        for x in 0..self.across {
            let at = (first + x) * self.pixel;
            for i in 0..IN {
                let row = &rows[i * row_len..][..row_len][OUT * x * channels..];
                let codes = &mut codes[i * IN * position_len..][..IN * position_len];
                let lifts = [if i == 0 { 0 } else { self.lift }, self.lift];
                for first in (0..self.pixel).step_by(N) {
                    let of = |x: usize| {
                        let codes = row[x * channels + first..].first_chunk::<N>();
                        codes.expect("slack follows")
                    };
                    let [a, b, c, d] = [of(0), of(1), of(2), of(3)];
                    let mut v = [[0u8; N]; IN];
                    for k in 0..N {
                        v[0][k] = b[k].wrapping_add(c[k]).wrapping_add(lifts[0]);
                        v[1][k] = c[k].wrapping_sub(b[k]).wrapping_add(lifts[1]);
                        v[2][k] = a[k].wrapping_sub(c[k]).wrapping_add(lifts[1]);
                        v[3][k] = d[k].wrapping_sub(b[k]).wrapping_add(lifts[1]);
                    }
                    for j in 0..IN {
                        let to = codes[j * position_len + at + first..].first_chunk_mut();
                        *to.expect("within the strip") = v[j];
                    }
                }
            }
        }
    }

    /// `sums` plus those of position `(y, x)`, of `P` tiles from `first` on in the channels of `R` panels from `panel` on.
    #[inline(always)]
    fn dots<I: Isa, const P: usize, const R: usize, const WIDE: bool>(
        &self,
        isa: I,
        mut sums: [[I::Sums; R]; P],
        codes: &[u8],
        [panel, first]: [usize; 2],
        [y, x]: [usize; 2],
    ) -> [[I::Sums; R]; P] {
        let (position, pixel) = (IN * y + x, self.pixel);
        let codes = &codes[position * self.position_len() + first * pixel..][..P * pixel];
        for i in 0..self.fours {
            for p in 0..P {
                // SAFETY: there are `P` times `pixel` bytes, and `pixel` is at least `4 * fours`; reading needs no alignment.
                let four = unsafe {
                    let first = codes.as_ptr().add(p * pixel + 4 * i);
                    first.cast::<u32>().read_unaligned()
                };
                for r in 0..R {
                    let weights = ((panel + r) * POSITIONS + position) * self.fours + i;
                    debug_assert!(weights < self.weights.len());
                    // SAFETY: panels, positions and fours are within their numbers.
                    let weights = unsafe { &self.weights.get_unchecked(weights).0 };
                    sums[p][r] = isa.dot4::<WIDE>(sums[p][r], four, weights);
                }
            }
        }
        sums
    }

    /// Computes `P` tiles of a strip from the `first` on, in the channels of `R` panels from `panel` on.
    #[inline(always)]
    fn group<I: Isa, const P: usize, const R: usize, const WIDE: bool>(
        &self,
        isa: I,
        strip: &mut Strip<'_>,
        panel: usize,
        first: usize,
    ) {
        let rows = strip.sums.as_chunks_mut::<R>().0.as_chunks_mut::<P>().0;
        let rows = rows.as_chunks_mut::<OUT>().0.first_chunk_mut::<IN>();
        let rows = rows.expect("space for the largest group");
        let (codes, place) = (strip.codes, [panel, first]);
        let zero = [[isa.zero(); R]; P];
        for (y, row) in rows.iter_mut().enumerate() {
            // The second column of sums waits in registers, or beside them, while the first one is completed.
            let mut left = self.dots::<I, P, R, WIDE>(isa, zero, codes, place, [y, 0]);
            let mut right = self.dots::<I, P, R, WIDE>(isa, zero, codes, place, [y, 1]);
            for p in 0..P {
                for r in 0..R {
                    let [sum, difference] = [left[p][r], right[p][r]];
                    left[p][r] = isa.add(sum, difference);
                    right[p][r] = isa.subtract(sum, difference);
                }
            }
            left = self.dots::<I, P, R, WIDE>(isa, left, codes, place, [y, 2]);
            for p in 0..P {
                for r in 0..R {
                    isa.store(left[p][r], &mut row[0][p][r]);
                }
            }
            right = self.dots::<I, P, R, WIDE>(isa, right, codes, place, [y, 3]);
            for p in 0..P {
                for r in 0..R {
                    isa.store(right[p][r], &mut row[1][p][r]);
                }
            }
        }
        let width = self.output.width;
        for p in 0..P {
            let (y, x) = ((first + p) / self.across, (first + p) % self.across);
            let [y, x] = [OUT * (strip.rows.start + y), OUT * x];
            let inside = [y + 1 < self.output.height, x + 1 < width];
            let pixel = (y - OUT * strip.top) * width + x;
            for r in 0..R {
                let group = panel + r;
                for j in 0..OUT {
                    let mut column = [isa.zero(); IN];
                    for i in 0..IN {
                        column[i] = isa.load(&rows[i][j][p][r]);
                    }
                    let [a, b, c, d] = column;
                    let sums = [isa.add(isa.add(a, b), c), isa.add(isa.subtract(a, b), d)];
                    for i in 0..OUT {
                        if (i == 0 || inside[0]) && (j == 0 || inside[1]) {
                            let constants = isa.load(&self.constants[group].0[j][i]);
                            let sums = isa.quarter(isa.add(sums[i], constants));
                            let at = (pixel + i * width + j) * self.output.channels + group * LANES;
                            self.finisher
                                .write_group(isa, sums, group, at, strip.output);
                        }
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn groups<I: Isa, const P: usize, const R: usize, const WIDE: bool>(
        &self,
        isa: I,
        panel: usize,
        strip: &mut Strip<'_>,
    ) {
        let tiles = strip.rows.len() * self.across;
        for first in (0..tiles).step_by(P) {
            // The last group begins early enough to end with the strip.
            self.group::<I, P, R, WIDE>(isa, strip, panel, first.min(tiles - P));
        }
    }

    #[inline(always)]
    fn strip<I: Isa, const WIDE: bool>(&self, isa: I, strip: &mut Strip<'_>) {
        let (panels, tiles) = (self.constants.len(), strip.rows.len() * self.across);
        if !I::MANY_REGISTERS {
            for panel in 0..panels {
                match tiles {
                    ..4 => self.groups::<I, 1, 1, WIDE>(isa, panel, strip),
                    _ => self.groups::<I, 4, 1, WIDE>(isa, panel, strip),
                }
            }
            return;
        }
        let size = group_tiles(tiles);
        for panel in (0..panels - 1).step_by(2) {
            match size {
                8 => self.groups::<I, 8, 2, WIDE>(isa, panel, strip),
                7 => self.groups::<I, 7, 2, WIDE>(isa, panel, strip),
                4 => self.groups::<I, 4, 2, WIDE>(isa, panel, strip),
                _ => self.groups::<I, 1, 2, WIDE>(isa, panel, strip),
            }
        }
        if panels % 2 == 1 {
            match size {
                8 => self.groups::<I, 8, 1, WIDE>(isa, panels - 1, strip),
                7 => self.groups::<I, 7, 1, WIDE>(isa, panels - 1, strip),
                4 => self.groups::<I, 4, 1, WIDE>(isa, panels - 1, strip),
                _ => self.groups::<I, 1, 1, WIDE>(isa, panels - 1, strip),
            }
        }
    }
}

/// Tiles of a group that divide a strip with the least work twice done.
fn group_tiles(tiles: usize) -> usize {
    let fitting = SIZES.iter().copied().filter(|&size| size <= tiles);
    let work = |size: &usize| tiles.div_ceil(*size) * (size + 1);
    fitting.min_by_key(work).expect("one tile fits")
}

impl Algorithm for Winograd8 {
    #[inline(always)]
    fn run<I: Isa>(&self, isa: I, job: Job<'_>) {
        let input = job.inputs.get::<u8>(0);
        let [rows, codes, sums] = self.blocks();
        let (rows, scratch) = job.scratch.split_at_mut(rows);
        let (codes, scratch) = scratch.split_at_mut(codes);
        let codes = view_mut::<u8>(codes);
        let sums = view_mut::<i32>(&mut scratch[..sums]).as_chunks_mut().0;
        let (outside, rows) = view_mut::<u8>(rows).split_at_mut(self.input.row());
        let rows = &mut rows[..IN * self.row_len()];
        outside.fill(self.pad);
        // On the sides all codes are padding; the first row is of sums, the others of differences.
        rows.fill(0);
        rows[..self.row_len()].fill(2 * self.pad);
        let (top, output) = (job.rows.start, job.output);
        for first in job.rows.clone().step_by(self.strip) {
            let strip = first..(first + self.strip).min(job.rows.end);
            for (i, y) in strip.clone().enumerate() {
                let (place, scratch) = ([y, i * self.across], [&mut *outside, &mut *rows]);
                match self.pixel % 64 {
                    0 => self.transform::<64>(input, place, scratch, codes),
                    _ => self.transform::<CHUNK>(input, place, scratch, codes),
                }
            }
            let strip = &mut Strip {
                codes,
                sums,
                rows: strip,
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
        self.blocks().iter().sum::<usize>() * Block::BYTES
    }

    fn packed_bytes(&self) -> usize {
        size_of_val(&self.weights[..])
            + size_of_val(&self.constants[..])
            + self.finisher.packed_bytes()
    }

    /// Rows of tiles.
    fn split(&self) -> Split {
        Split::bands(self.output, self.finisher.element_bytes(), OUT)
    }
}
