//! Tables of byte entries, one for every different vector of codes.
//!
//! The entries of a tap and colour are made unsigned by taking the smallest of each output channel away, which goes into the
//! channel's constant, and are divided by what they have in common. Pixel values that have the same codes share their entries:
//! tables of few codes stay in the cache.

use alloc::{vec, vec::Vec};
use core::ops::Range;

use super::{PADDING, PixelConv};
use crate::{
    Extent, Job, KernelFor, Window,
    finish::Narrow,
    isa::{Algorithm, BYTES, Isa},
    memory::{Aligned, Block, view_mut},
};

/// Tables of a window beyond this are read one row of the window after the other, each for several rows of the output, so that
/// what is being read stays in the cache.
const CACHED_BYTES: usize = 512 << 10;

/// Output rows for which a row of tables is read at a time.
const STRIP: usize = 8;

/// Output pixels of a tile.
const TILE: usize = 4;

/// Panels of [`BYTES`] output channels.
pub(crate) struct Bytes {
    input: Extent,
    output: Extent,
    window: Window,
    /// Of each colour, the class of every pixel value and of [`PADDING`].
    classes: Vec<[u16; PADDING + 1]>,
    /// Entries of a colour under a tap.
    entries: usize,
    /// For each row of the window and each panel, where entries that fit a byte when added end: taps and colours.
    ends: Vec<Vec<usize>>,
    /// `[panels][kernel_h][kernel_w][colours][entries]`.
    tables: Vec<Aligned<[u8; BYTES]>>,
    /// Rows of the window that are taken at a time.
    passes: Vec<Range<usize>>,
    unit: i16,
    middle: i16,
    finish: Narrow,
}

/// What the tables are made of.
struct Fold {
    classes: Vec<[u16; PADDING + 1]>,
    entries: usize,
    /// `[channels][taps][colours][entries]`, the smallest of each table taken away.
    values: Vec<i32>,
    unit: i32,
    /// The largest sum.
    highest: i32,
    /// What was taken away, with the bias.
    constants: Vec<i32>,
}

impl Fold {
    fn of(problem: &PixelConv<'_>) -> Option<Self> {
        let conv = &problem.conv;
        let (taps, colours) = (conv.window.taps(), problem.table.input.channels);
        let mut classes = Vec::new();
        let mut representatives = Vec::new();
        for colour in 0..colours {
            let (own, firsts) = classify(problem, colour);
            classes.push(own);
            representatives.push(firsts);
        }
        let entries = representatives.iter().map(Vec::len).max()?;
        let mut values = Vec::with_capacity(conv.channels * taps * colours * entries);
        let mut constants = Vec::with_capacity(conv.channels);
        let (mut unit, mut largest, mut highest) = (0, 0, 0i64);
        for channel in 0..conv.channels {
            let (mut constant, mut high) = (i64::from(conv.bias(channel)), 0);
            for tap in 0..taps {
                for (colour, firsts) in representatives.iter().enumerate() {
                    let start = values.len();
                    let own = firsts
                        .iter()
                        .map(|&v| problem.entry(channel, tap, colour, v));
                    values.extend(own);
                    let least = values[start..].iter().copied().min()?;
                    constant += i64::from(least);
                    let mut most = 0;
                    for value in &mut values[start..] {
                        *value -= least;
                        unit = greatest_common_divisor(unit, *value);
                        most = most.max(*value);
                    }
                    values.resize(start + entries, 0);
                    largest = largest.max(most);
                    high += i64::from(most);
                }
            }
            highest = highest.max(high);
            constants.push(constant);
        }
        let unit = unit.max(1);
        let middle = highest / 2;
        // One value below the lowest sum stays free, so that a threshold can be there.
        let fits = largest / unit <= i32::from(u8::MAX) && highest < i64::from(u16::MAX) - 1;
        fits.then(|| Self {
            classes,
            entries,
            values,
            unit,
            highest: highest as i32,
            constants: constants.iter().map(|c| (c + middle) as i32).collect(),
        })
    }
}

/// The class of every value of a colour and of padding, and a value of each class.
fn classify(problem: &PixelConv<'_>, colour: usize) -> ([u16; PADDING + 1], Vec<usize>) {
    let mut classes = [0; PADDING + 1];
    let mut firsts: Vec<usize> = Vec::new();
    for value in 0..=u8::MAX {
        let codes = problem.table.lookup(colour, value);
        let known = firsts.iter().position(|&first| {
            u8::try_from(first).is_ok_and(|first| problem.table.lookup(colour, first) == codes)
        });
        classes[usize::from(value)] = known.unwrap_or(firsts.len()) as u16;
        if known.is_none() {
            firsts.push(value.into());
        }
    }
    classes[PADDING] = firsts.len() as u16;
    firsts.push(PADDING);
    (classes, firsts)
}

/// Where to stop adding bytes of consecutive tables, before the sum of any channel can exceed a byte.
fn ends_of_bytes(tables: &[Aligned<[u8; BYTES]>], entries: usize) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut sums = [0; BYTES];
    for (i, table) in tables.chunks_exact(entries).enumerate() {
        let most: [u32; BYTES] = core::array::from_fn(|channel| {
            let values = table.iter().map(|entry| u32::from(entry.0[channel]));
            values.max().unwrap_or(0)
        });
        if sums
            .iter()
            .zip(&most)
            .any(|(sum, most)| sum + most > u32::from(u8::MAX))
        {
            ends.push(i);
            sums = [0; BYTES];
        }
        sums.iter_mut()
            .zip(most)
            .for_each(|(sum, most)| *sum += most);
    }
    ends.push(tables.len() / entries);
    ends
}

fn greatest_common_divisor(a: i32, b: i32) -> i32 {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}

impl KernelFor<PixelConv<'_>> for Bytes {
    /// One group, entries that fit a byte, sums that fit 16 bits.
    fn supports(problem: &PixelConv<'_>) -> bool {
        problem.conv.groups == 1 && Fold::of(problem).is_some()
    }

    fn pack(problem: &PixelConv<'_>) -> Self {
        let fold = Fold::of(problem).expect("supported");
        let conv = &problem.conv;
        let [kernel_h, kernel_w] = conv.window.kernel;
        let rows = kernel_w * problem.table.input.channels;
        let panel = kernel_h * rows * fold.entries;
        let mut tables = vec![Aligned([0; BYTES]); conv.channels.div_ceil(BYTES) * panel];
        for (channel, values) in fold.values.chunks_exact(panel).enumerate() {
            let own = &mut tables[channel / BYTES * panel..][..panel];
            for (entry, &value) in own.iter_mut().zip(values) {
                entry.0[channel % BYTES] = (value / fold.unit) as u8;
            }
        }
        let ends = tables.chunks_exact(rows * fold.entries);
        let ends = ends
            .map(|tables| ends_of_bytes(tables, fold.entries))
            .collect();
        let passes = match panel * BYTES {
            ..=CACHED_BYTES => vec![0..kernel_h],
            _ => (0..kernel_h).map(|ky| ky..ky + 1).collect(),
        };
        Bytes {
            input: problem.table.input,
            output: conv.output(),
            window: conv.window,
            classes: fold.classes,
            entries: fold.entries,
            ends,
            tables,
            passes,
            unit: fold.unit as i16,
            middle: (fold.highest / 2) as i16,
            finish: Narrow::new(&conv.finish, &fold.constants),
        }
    }
}

impl Bytes {
    /// Classes of a padded row of pixels.
    fn row_len(&self) -> usize {
        let [_, left, _, right] = self.window.padding;
        (left + self.input.width + right) * self.input.channels
    }

    /// Output rows of a strip.
    fn strip(&self) -> usize {
        if self.passes.len() == 1 {
            1
        } else {
            STRIP.min(self.output.height)
        }
    }

    /// Padded rows of pixels that a strip sees.
    fn slots(&self) -> usize {
        (self.strip() - 1) * self.window.stride[0] + self.window.kernel[0]
    }

    /// Blocks of the classes.
    fn blocks(&self) -> usize {
        Block::covering(2 * self.slots() * self.row_len())
    }

    /// Puts the classes of padded row `y` into `row`.
    #[inline(always)]
    fn classify(&self, image: &[u8], y: usize, row: &mut [u16]) {
        let colours = self.input.channels;
        let [top, left, ..] = self.window.padding;
        for pixel in row.chunks_exact_mut(colours) {
            for (class, classes) in pixel.iter_mut().zip(&self.classes) {
                *class = classes[PADDING];
            }
        }
        let Some(y) = y.checked_sub(top).filter(|&y| y < self.input.height) else {
            return;
        };
        let pixels = image[y * self.input.row()..][..self.input.row()].chunks_exact(colours);
        for (to, from) in row[left * colours..].chunks_exact_mut(colours).zip(pixels) {
            for ((class, &value), classes) in to.iter_mut().zip(from).zip(&self.classes) {
                *class = classes[usize::from(value)];
            }
        }
    }

    /// What the rows `pass` of the window add to the sums of `P` output pixels from `(y, x)` on.
    #[inline(always)]
    fn tile<I: Isa, const P: usize>(
        &self,
        isa: I,
        rows: &[u16],
        panel: usize,
        pass: Range<usize>,
        [y, x]: [usize; 2],
    ) -> [I::Words; P] {
        let colours = self.input.channels;
        let run = self.window.kernel[1] * colours;
        let step = self.window.stride[1] * colours;
        let (slots, row_len) = (self.slots(), self.row_len());
        let mut sums = [isa.zero_sums(); P];
        for ky in pass {
            let slot = (y * self.window.stride[0] + ky) % slots;
            let classes = &rows[slot * row_len + x * step..][..(P - 1) * step + run];
            let row = panel * self.window.kernel[0] + ky;
            let tables = &self.tables[row * run * self.entries..][..run * self.entries];
            let mut first = 0;
            for &end in &self.ends[row] {
                let mut bytes = [isa.zero_bytes(); P];
                for i in first..end {
                    for p in 0..P {
                        debug_assert!(usize::from(classes[p * step + i]) < self.entries);
                        // SAFETY: `i < run`, so that the class lies within what pixel `p` sees, and its entry, as classes are
                        // less than `entries`, within the table of `i`.
                        let entry = unsafe {
                            let class = *classes.get_unchecked(p * step + i);
                            tables.get_unchecked(i * self.entries + usize::from(class))
                        };
                        bytes[p] = isa.add_bytes(bytes[p], isa.load_bytes(&entry.0));
                    }
                }
                first = end;
                for p in 0..P {
                    sums[p] = isa.add_to_sums(sums[p], bytes[p]);
                }
            }
        }
        let mut words = [isa.zero_words(); P];
        for p in 0..P {
            words[p] = isa.sums(sums[p]);
        }
        words
    }

    /// Adds pass `i` to a row of output pixels; the last one writes them.
    #[inline(always)]
    fn row<I: Isa, const P: usize>(
        &self,
        isa: I,
        rows: &[u16],
        [panel, i, y]: [usize; 3],
        partial: &mut [[i16; BYTES]],
        output: &mut [u8],
    ) {
        let width = self.output.width;
        let (first, last) = (i == 0, i + 1 == self.passes.len());
        let mut next = 0;
        while next < width {
            // The last tile of a row begins early enough to end with the row.
            let start = next.min(width - P);
            let words: [I::Words; P] =
                self.tile(isa, rows, panel, self.passes[i].clone(), [y, start]);
            for p in next - start..P {
                let (x, mut words) = (start + p, words[p]);
                if !first {
                    words = isa.add_words(words, &partial[x]);
                }
                if last {
                    let words = isa.scale_words(words, self.unit, -self.middle);
                    self.finish.write(isa, words, panel, y * width + x, output);
                } else {
                    isa.store_words(words, &mut partial[x]);
                }
            }
            next += P;
        }
    }
}

impl Algorithm for Bytes {
    #[inline(always)]
    fn run<I: Isa>(&self, isa: I, job: Job<'_>) {
        let image = job.inputs.get::<u8>(0);
        let output = view_mut::<u8>(job.output);
        let (rows, partial) = job.scratch.split_at_mut(self.blocks());
        let rows = view_mut::<u16>(rows);
        let partial = view_mut::<i16>(partial).as_chunks_mut::<BYTES>().0;
        let (slots, row_len) = (self.slots(), self.row_len());
        let (stride, width) = (self.window.stride[0], self.output.width);
        let mut filled = 0;
        for first in (0..self.output.height).step_by(self.strip()) {
            let strip = first..(first + self.strip()).min(self.output.height);
            let seen = (strip.end - 1) * stride + self.window.kernel[0];
            for y in filled.max(first * stride)..seen {
                self.classify(image, y, &mut rows[y % slots * row_len..][..row_len]);
            }
            filled = seen;
            for panel in 0..self.output.channels.div_ceil(BYTES) {
                for i in 0..self.passes.len() {
                    for y in strip.clone() {
                        let partial = match self.passes.len() {
                            1 => &mut [],
                            _ => &mut partial[(y - first) * width..][..width],
                        };
                        let place = [panel, i, y];
                        match width {
                            ..TILE => self.row::<I, 1>(isa, rows, place, partial, output),
                            _ => self.row::<I, TILE>(isa, rows, place, partial, output),
                        }
                    }
                }
            }
        }
    }

    fn scratch_bytes(&self) -> usize {
        let partial = match self.passes.len() {
            1 => 0,
            _ => self.strip() * self.output.width * 2 * BYTES,
        };
        self.blocks() * Block::BYTES + partial
    }

    fn packed_bytes(&self) -> usize {
        size_of_val(&self.tables[..]) + size_of_val(&self.classes[..]) + self.finish.packed_bytes()
    }
}
