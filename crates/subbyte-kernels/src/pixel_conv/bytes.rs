//! Tables of byte entries, one for every different vector of codes.
//!
//! The entries of a tap and colour are made unsigned by taking the smallest of each output channel away, which goes into the
//! channel's constant, and are divided by what they have in common. Pixel values that have the same codes share their entries:
//! tables of few codes stay in the cache. Where there are few output channels, a vector holds those of several pixels.

use super::{PADDING, PixelConv};
use crate::{
    Conv, Extent, Job, KernelFor, Mix, Store, Window, Work,
    finish::Narrow,
    isa::{Algorithm, BYTES, Isa},
    memory::{Block, Split, view, view_mut},
};
use alloc::{boxed::Box, vec::Vec};

/// Output rows for which the tables of a window's row are read at a time, so that these stay in the cache.
const STRIP: usize = 16;

/// Panels of [`BYTES`] output channels, or all channels of several pixels.
pub(crate) struct Bytes {
    input: Extent,
    output: Extent,
    window: Window,
    /// Pixels of a vector: 1, 2 or 4.
    pixels: usize,
    /// Of each colour, where its tables have the entry of every pixel value and of [`PADDING`]: bytes.
    classes: Vec<[u16; PADDING + 1]>,
    /// Bytes of the table of a colour under a tap.
    table_bytes: usize,
    /// Consecutive entries of a window's row that are added before they are widened: 1, 2 or 3.
    depth: usize,
    /// Where a row of classes has that of the first output pixel, `[kernel_w][colours]`.
    offsets: Vec<usize>,
    /// `[panels][kernel_h][kernel_w][colours][entries]`, entries of `BYTES / pixels` bytes.
    tables: Box<[Block]>,
    unit: i16,
    middle: i16,
    finish: Narrow,
}

/// Longer runs of entries gain nothing over what they cost in code.
const MAX_DEPTH: usize = 3;

/// Pixels whose output channels fill a vector exactly, where an output row has as many; else 1.
fn pixels(conv: &Conv<'_>) -> usize {
    let fitting =
        |pixels: &usize| pixels * conv.channels == BYTES && *pixels <= conv.output().width;
    [4, 2].into_iter().find(fitting).unwrap_or(1)
}

impl KernelFor<PixelConv<'_>> for Bytes {
    /// What can be folded.
    fn supports(problem: &PixelConv<'_>) -> bool {
        problem.fold.is_some()
    }

    fn work(problem: &PixelConv<'_>) -> Work {
        let output = problem.conv.output();
        let vectors = output.height * output.width.div_ceil(pixels(&problem.conv));
        let outputs = (vectors * output.channels.div_ceil(BYTES)) as u64;
        let entries = problem.conv.window.taps() * problem.table.input.channels;
        Work {
            mix: Some(Mix::Add),
            steps: outputs * entries as u64,
            lone: 0,
            outputs,
            inputs: problem.table.input.elements() as u64,
        }
    }

    fn pack(problem: &PixelConv<'_>, store: &mut Store<'_>) -> Self {
        let fold = problem.fold.expect("supported");
        let conv = &problem.conv;
        let [kernel_h, kernel_w] = conv.window.kernel;
        let run = kernel_w * problem.table.input.channels;
        let pixels = pixels(conv);
        let entry = BYTES / pixels;
        let table_bytes = fold.entries * entry;
        let panel = kernel_h * run;
        let panels = conv.channels.div_ceil(BYTES);
        let mut tables = Block::zeros(Block::covering(panels * panel * table_bytes));
        store.fill(&mut tables, |tables| {
            let bytes = view_mut::<u8>(tables);
            let channels = fold.values.chunks_exact(panel * fold.entries);
            for (channel, values) in channels.enumerate() {
                let first = channel / BYTES * panel * table_bytes + channel % entry;
                for (i, &value) in values.iter().enumerate() {
                    bytes[first + i * entry] = (value / fold.unit) as u8;
                }
            }
        });
        let depth = store.number(1..=MAX_DEPTH, || fold.depth(run, MAX_DEPTH));
        let pitch = pitch(problem.table.input, &conv.window);
        let stride = conv.window.stride[1];
        let colours = problem.table.input.channels;
        let offset = |i: usize| {
            let (kx, colour) = (i / colours, i % colours);
            (kx % stride * colours + colour) * pitch + kx / stride
        };
        let middle = fold.middle();
        let mut classes = fold.classes.clone();
        for class in classes.iter_mut().flatten() {
            *class *= entry as u16;
        }
        Bytes {
            input: problem.table.input,
            output: conv.output(),
            window: conv.window,
            pixels,
            classes,
            table_bytes,
            depth,
            offsets: (0..run).map(offset).collect(),
            tables,
            unit: fold.unit as i16,
            middle,
            finish: Narrow::of_pixels(&conv.finish, &fold.constants, pixels),
        }
    }
}

/// Padded columns of one remainder: those that an output column after the other sees under a tap.
fn pitch(input: Extent, window: &Window) -> usize {
    let [_, left, _, right] = window.padding;
    (left + input.width + right).div_ceil(window.stride[1])
}

impl Bytes {
    /// Classes of a padded row of pixels, `[stride][colours][pitch]`.
    fn row_len(&self) -> usize {
        self.window.stride[1] * self.input.channels * pitch(self.input, &self.window)
    }

    /// Output rows of a strip.
    fn strip(&self) -> usize {
        STRIP.min(self.output.height)
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
        let (colours, stride) = (self.input.channels, self.window.stride[1]);
        let [top, left, ..] = self.window.padding;
        let pitch = pitch(self.input, &self.window);
        let inside = y.checked_sub(top).filter(|&y| y < self.input.height);
        let pixels = inside.map(|y| &image[y * self.input.row()..][..self.input.row()]);
        for (plane, row) in row.chunks_exact_mut(pitch).enumerate() {
            let (phase, colour) = (plane / colours, plane % colours);
            let classes = &self.classes[colour];
            row.fill(classes[PADDING]);
            let Some(pixels) = pixels else { continue };
            // The first padded column of this remainder that lies within the image.
            let first = left.saturating_sub(phase).div_ceil(stride);
            let column = first * stride + phase - left;
            let values =
                pixels[(column * colours + colour).min(pixels.len())..].chunks(stride * colours);
            for (class, values) in row[first..].iter_mut().zip(values) {
                *class = classes[usize::from(values[0])];
            }
        }
    }

    /// The sums of `D` consecutive entries for the `R` pixels of each of `P` vectors, whose first lies `x` beyond the offsets.
    ///
    /// # Safety
    /// From every offset on there are `x + P * R` classes; `tables` begins with the `D` tables that they belong to.
    #[inline(always)]
    unsafe fn entries<I: Isa, const P: usize, const R: usize, const D: usize>(
        &self,
        isa: I,
        classes: *const u16,
        offsets: &[usize; D],
        tables: *const u8,
    ) -> [I::Bytes; P] {
        let mut bytes = [isa.zero_bytes(); P];
        for (i, &offset) in offsets.iter().enumerate() {
            for p in 0..P {
                // SAFETY: the caller's promises; a class is the place of an entry of `BYTES / R` bytes within its table.
                let found = unsafe {
                    let tables = tables.add(i * self.table_bytes);
                    let classes = classes.add(offset + p * R);
                    let at = |pixel: usize| tables.add(usize::from(*classes.add(pixel)));
                    match R {
                        1 => isa.load_bytes(&*at(0).cast()),
                        2 => isa.join2([&*at(0).cast(), &*at(1).cast()]),
                        _ => isa.join4([
                            &*at(0).cast(),
                            &*at(1).cast(),
                            &*at(2).cast(),
                            &*at(3).cast(),
                        ]),
                    }
                };
                bytes[p] = match i {
                    0 => found,
                    _ => isa.add_bytes(bytes[p], found),
                };
            }
        }
        bytes
    }

    /// What a row of the window adds to the sums of `P` vectors of `R` output pixels from column `x` on.
    #[inline(always)]
    fn tile<I: Isa, const P: usize, const R: usize, const D: usize>(
        &self,
        isa: I,
        classes: &[u16],
        tables: &[u8],
        x: usize,
    ) -> [I::Words; P] {
        debug_assert!(x + P * R <= self.output.width && classes.len() == self.row_len());
        debug_assert!(tables.len() == self.offsets.len() * self.table_bytes);
        let mut sums = [isa.zero_sums(); P];
        let (groups, rest) = self.offsets.as_chunks::<D>();
        // SAFETY: a row has a class for every output pixel from every offset on; its tables are as many as its offsets.
        unsafe {
            let classes = classes.as_ptr().add(x);
            let mut tables = tables.as_ptr();
            for offsets in groups {
                let bytes = self.entries::<I, P, R, D>(isa, classes, offsets, tables);
                for p in 0..P {
                    sums[p] = isa.add_to_sums(sums[p], bytes[p]);
                }
                tables = tables.add(D * self.table_bytes);
            }
            for &offset in rest {
                let bytes = self.entries::<I, P, R, 1>(isa, classes, &[offset], tables);
                for p in 0..P {
                    sums[p] = isa.add_to_sums(sums[p], bytes[p]);
                }
                tables = tables.add(self.table_bytes);
            }
        }
        let mut words = [isa.zero_words(); P];
        for p in 0..P {
            words[p] = isa.sums(sums[p]);
        }
        words
    }

    /// Adds row `ky` of the window to row `y` of the output; the last one writes it.
    #[inline(always)]
    fn row<I: Isa, const P: usize, const R: usize, const D: usize>(
        &self,
        isa: I,
        classes: &[u16],
        [panel, ky, y]: [usize; 3],
        partial: &mut [[i16; BYTES]],
        output: &mut [u8],
    ) {
        let (width, channels) = (self.output.width, self.output.channels);
        let [kernel_h, _] = self.window.kernel;
        let (first, last) = (ky == 0, ky + 1 == kernel_h);
        let row_bytes = self.offsets.len() * self.table_bytes;
        let tables = &view::<u8>(&self.tables)[(panel * kernel_h + ky) * row_bytes..][..row_bytes];
        let mut next = 0;
        while next < width {
            // The last tile of a row begins early enough to end with the row.
            let start = next.min(width - P * R);
            let words: [I::Words; P] = self.tile::<I, P, R, D>(isa, classes, tables, start);
            for p in 0..P {
                let (x, mut words) = (start + p * R, words[p]);
                // What the tile before has done is not added again.
                if x + R <= next {
                    continue;
                }
                if !first {
                    words = isa.add_words(words, &partial[x]);
                }
                if last {
                    let words = isa.scale_words(words, self.unit, -self.middle);
                    let at = (y * width + x) * channels + panel * BYTES;
                    self.finish.write(isa, words, panel, at, output);
                } else {
                    isa.store_words(words, &mut partial[x]);
                }
            }
            next = start + P * R;
        }
    }

    #[inline(always)]
    fn rows<I: Isa, const R: usize, const D: usize>(
        &self,
        isa: I,
        classes: &[u16],
        place: [usize; 3],
        partial: &mut [[i16; BYTES]],
        output: &mut [u8],
    ) {
        match (self.output.width / R, I::MANY_REGISTERS) {
            (4.., true) => self.row::<I, 4, R, D>(isa, classes, place, partial, output),
            (2.., false) if I::TILE > 1 => {
                self.row::<I, 2, R, D>(isa, classes, place, partial, output)
            }
            _ => self.row::<I, 1, R, D>(isa, classes, place, partial, output),
        }
    }
}

impl Algorithm for Bytes {
    #[inline(always)]
    fn run<I: Isa>(&self, isa: I, job: Job<'_>) {
        let image = job.inputs.get::<u8>(0);
        let (rows, partial) = job.scratch.split_at_mut(self.blocks());
        let rows = view_mut::<u16>(rows);
        let partial = view_mut::<i16>(partial).as_chunks_mut::<BYTES>().0;
        let (slots, row_len) = (self.slots(), self.row_len());
        let (stride, width) = (self.window.stride[0], self.output.width);
        let mut filled = 0;
        for first in job.rows.clone().step_by(self.strip()) {
            let strip = first..(first + self.strip()).min(job.rows.end);
            let top = job.rows.start;
            let output = &mut *job.output;
            let seen = (strip.end - 1) * stride + self.window.kernel[0];
            for y in filled.max(first * stride)..seen {
                self.classify(image, y, &mut rows[y % slots * row_len..][..row_len]);
            }
            filled = seen;
            for panel in 0..self.output.channels.div_ceil(BYTES) {
                for ky in 0..self.window.kernel[0] {
                    for y in strip.clone() {
                        let partial = &mut partial[(y - first) * width..][..width];
                        let slot = (y * stride + ky) % slots;
                        let classes = &rows[slot * row_len..][..row_len];
                        let place = [panel, ky, y - top];
                        match (self.pixels, self.depth) {
                            (1, 3) => self.rows::<I, 1, 3>(isa, classes, place, partial, output),
                            (1, 2) if I::TILE > 1 => {
                                self.rows::<I, 1, 2>(isa, classes, place, partial, output)
                            }
                            (1, _) => self.rows::<I, 1, 1>(isa, classes, place, partial, output),
                            (2, 3) => self.rows::<I, 2, 3>(isa, classes, place, partial, output),
                            (2, _) => self.rows::<I, 2, 1>(isa, classes, place, partial, output),
                            (_, 3) => self.rows::<I, 4, 3>(isa, classes, place, partial, output),
                            _ => self.rows::<I, 4, 1>(isa, classes, place, partial, output),
                        }
                    }
                }
            }
        }
    }

    fn scratch_bytes(&self) -> usize {
        self.blocks() * Block::BYTES + self.strip() * self.output.width * 2 * BYTES
    }

    fn packed_bytes(&self) -> usize {
        size_of_val(&self.tables[..])
            + size_of_val(&self.classes[..])
            + size_of_val(&self.offsets[..])
            + self.finish.packed_bytes()
    }

    fn split(&self) -> Split {
        Split::rows(self.output, self.finish.element_bytes())
    }
}
