//! Tables of byte entries, one for every different vector of codes.
//!
//! The entries of a tap and colour are made unsigned by taking the smallest of each output channel away, which goes into the
//! channel's constant, and are divided by what they have in common. Pixel values that have the same codes share their entries:
//! tables of few codes stay in the cache. Where there are few output channels, a vector holds those of several pixels.

use super::{Classes, PixelConv, Plane, classify};
use crate::{
    Conv, Extent, Job, KernelFor, Mix, Store, Window, Work,
    finish::Narrow,
    isa::{Algorithm, BYTES, Isa},
    memory::{Block, Split, view, view_mut},
};
use alloc::{boxed::Box, vec::Vec};
use core::ops::Range;

/// Output rows for which some tables are read at a time, so that these stay in the cache.
const STRIP: usize = 16;

/// Bytes of tables that are read at a time, where more than a row of the window has fewer. Twice as many gain nothing.
const PASS_BYTES: usize = 128 << 10;

/// Rows of the window that are read at a time at most.
const MAX_PASS: usize = 8;

/// Vectors of the largest tile, and pixels of them.
const MAX_VECTORS: usize = 4;
const MAX_PIXELS: usize = 4 * MAX_VECTORS;

/// Panels of [`BYTES`] output channels, or all channels of several pixels.
pub(crate) struct Bytes {
    input: Extent,
    output: Extent,
    window: Window,
    /// Pixels of a vector: 1, 2 or 4.
    pixels: usize,
    /// Of each colour.
    classes: Vec<Classes>,
    /// Bytes of the table of a colour under a tap.
    table_bytes: usize,
    /// Consecutive entries of a window's row that are added before they are widened: 1, 2 or 3.
    depth: usize,
    /// Rows of the window whose tables are read at a time.
    pass: usize,
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
        let pitch = pitch(problem.table.input, &conv.window, pixels);
        let stride = conv.window.stride[1];
        let colours = problem.table.input.channels;
        let offset = |i: usize| {
            let (kx, colour) = (i / colours, i % colours);
            (kx % stride * colours + colour) * pitch + kx / stride
        };
        let middle = fold.middle();
        Bytes {
            input: problem.table.input,
            output: conv.output(),
            window: conv.window,
            pixels,
            classes: fold.classes.iter().map(Classes::of).collect(),
            table_bytes,
            depth,
            pass: (PASS_BYTES / (run * table_bytes)).clamp(1, kernel_h.min(MAX_PASS)),
            offsets: (0..run).map(offset).collect(),
            tables,
            unit: fold.unit as i16,
            middle,
            finish: Narrow::of_pixels(&conv.finish, &fold.constants, pixels),
        }
    }
}

/// Padded columns of one remainder: those that an output column after the other sees under a tap, and as many more as the last
/// tile of a row may run on.
fn pitch(input: Extent, window: &Window, pixels: usize) -> usize {
    let [_, left, _, right] = window.padding;
    (left + input.width + right).div_ceil(window.stride[1]) + MAX_VECTORS * pixels - 1
}

impl Bytes {
    /// Classes of a padded row of pixels, `[stride][colours][pitch]`.
    fn row_len(&self) -> usize {
        self.window.stride[1] * self.input.channels * pitch(self.input, &self.window, self.pixels)
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

    /// Vectors of sums of a row of the output, and as many more as its last tile may have.
    fn partial_len(&self) -> usize {
        self.output.width.div_ceil(self.pixels) + MAX_VECTORS - 1
    }

    /// Puts where the tables have the entries of padded row `y` into `row`.
    #[inline(always)]
    fn classify<I: Isa>(&self, isa: I, image: &[u8], y: usize, row: &mut [u16]) {
        let (colours, stride) = (self.input.channels, self.window.stride[1]);
        let [top, left, ..] = self.window.padding;
        let pitch = pitch(self.input, &self.window, self.pixels);
        let inside = y.checked_sub(top).filter(|&y| y < self.input.height);
        let pixels = inside.map(|y| &image[y * self.input.row()..]);
        for plane in 0..stride * colours {
            let (phase, colour) = (plane / colours, plane % colours);
            // The first padded column of this remainder that lies within the image.
            let padding = left.saturating_sub(phase).div_ceil(stride);
            let column = padding * stride + phase - left;
            let own = Plane {
                start: column * colours + colour,
                step: stride * colours,
                bytes: self.input.row(),
                padding,
            };
            // Planes lie in order: what one overwrites behind it is written later.
            let row = &mut row[plane * pitch..];
            let (classes, entry) = (&self.classes[colour], BYTES / self.pixels);
            classify(isa, classes, entry, pixels, &own, pitch, row);
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
            // SAFETY: the caller's promises; a class is the place of an entry of `BYTES / R` bytes within its table.
            unsafe {
                let tables = tables.add(i * self.table_bytes);
                let places = places::<P, R>(classes.add(offset));
                for p in 0..P {
                    let at = &places[p * R..][..R];
                    let found = match R {
                        1 => isa.load_bytes(&*tables.add(at[0]).cast()),
                        2 => isa.join2([&*tables.add(at[0]).cast(), &*tables.add(at[1]).cast()]),
                        _ => isa.join4([
                            &*tables.add(at[0]).cast(),
                            &*tables.add(at[1]).cast(),
                            &*tables.add(at[2]).cast(),
                            &*tables.add(at[3]).cast(),
                        ]),
                    };
                    bytes[p] = match i {
                        0 => found,
                        _ => isa.add_bytes(bytes[p], found),
                    };
                }
            }
        }
        bytes
    }

    /// `sums` and what a row of the window adds to them, those of `P` vectors of `R` output pixels from column `x` on.
    #[inline(always)]
    fn tile<I: Isa, const P: usize, const R: usize, const D: usize>(
        &self,
        isa: I,
        mut sums: [I::Adding; P],
        classes: &[u16],
        tables: &[u8],
        x: usize,
    ) -> [I::Adding; P] {
        debug_assert!(x / R + P <= self.partial_len() && classes.len() == self.row_len());
        debug_assert!(tables.len() == self.offsets.len() * self.table_bytes);
        let (groups, rest) = self.offsets.as_chunks::<D>();
        // SAFETY: a row has a class for every output pixel, and for the rest of the last tile, from every offset on; its tables are
        // as many as its offsets.
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
        sums
    }

    /// Adds the rows `pass.rows` of the window to a row of the output; the last ones write it.
    #[inline(always)]
    fn row<I: Isa, const P: usize, const R: usize, const D: usize>(
        &self,
        isa: I,
        pass: &Pass<'_>,
        partial: &mut [[i16; BYTES]],
        output: &mut [u8],
    ) {
        let (width, channels) = (self.output.width, self.output.channels);
        let [kernel_h, _] = self.window.kernel;
        let (first, last) = (pass.rows.start == 0, pass.rows.end == kernel_h);
        let row_bytes = self.offsets.len() * self.table_bytes;
        // What is seen of each row of the window, found before the pixels are gone through.
        let mut seen: [(&[u16], &[u8]); MAX_PASS] = [(&[], &[]); MAX_PASS];
        let seen = &mut seen[..pass.rows.len()];
        for (seen, ky) in seen.iter_mut().zip(pass.rows.clone()) {
            let slot = (pass.y + ky) % self.slots();
            let tables = view::<u8>(&self.tables);
            *seen = (
                &pass.classes[slot * self.row_len()..][..self.row_len()],
                &tables[(pass.panel * kernel_h + ky) * row_bytes..][..row_bytes],
            );
        }
        for x in (0..width).step_by(P * R) {
            let mut sums = [isa.zero_sums(); P];
            for (classes, tables) in seen.iter() {
                sums = self.tile::<I, P, R, D>(isa, sums, classes, tables, x);
            }
            let partial: &mut [[i16; BYTES]; P] = partial[x / R..]
                .first_chunk_mut()
                .expect("some more than pixels");
            if !last {
                for p in 0..P {
                    let mut words = isa.sums(sums[p]);
                    if !first {
                        words = isa.add_words(words, &partial[p]);
                    }
                    isa.store_words(words, &mut partial[p]);
                }
                continue;
            }
            let mut words = [isa.zero_words(); P];
            for p in 0..P {
                words[p] = isa.sums(sums[p]);
                if !first {
                    words[p] = isa.add_words(words[p], &partial[p]);
                }
                words[p] = isa.scale_words(words[p], self.unit, -self.middle);
            }
            let at = (pass.row * width + x) * channels + pass.panel * BYTES;
            let end = (pass.row + 1) * width * channels;
            self.finish
                .write_tile(isa, &words, pass.panel, [at, R * channels, end], output);
        }
    }

    #[inline(always)]
    fn rows<I: Isa, const R: usize, const D: usize>(
        &self,
        isa: I,
        pass: &Pass<'_>,
        partial: &mut [[i16; BYTES]],
        output: &mut [u8],
    ) {
        match (self.output.width / R, I::MANY_REGISTERS) {
            (4.., true) => self.row::<I, 4, R, D>(isa, pass, partial, output),
            (2.., false) if I::TILE > 1 => self.row::<I, 2, R, D>(isa, pass, partial, output),
            _ => self.row::<I, 1, R, D>(isa, pass, partial, output),
        }
    }
}

/// What is added to a row of the output at a time.
struct Pass<'a> {
    /// Padded rows of pixels, each in its slot.
    classes: &'a [u16],
    /// Rows of the window.
    rows: Range<usize>,
    panel: usize,
    /// The padded row under the first row of the window.
    y: usize,
    /// The row of the job's output.
    row: usize,
}

/// The classes of `P * R` pixels, four of them in one read.
///
/// # Safety
/// There are as many.
#[inline(always)]
unsafe fn places<const P: usize, const R: usize>(classes: *const u16) -> [usize; MAX_PIXELS] {
    let mut places = [0; MAX_PIXELS];
    for four in (0..P * R).step_by(4) {
        if cfg!(target_endian = "little") && four + 4 <= P * R {
            // SAFETY: the caller's promise; reading needs no alignment.
            let mut classes = unsafe { classes.add(four).cast::<u64>().read_unaligned() };
            for place in &mut places[four..four + 4] {
                *place = usize::from(classes as u16);
                classes >>= 16;
            }
        } else {
            for i in four..(P * R).min(four + 4) {
                // SAFETY: the caller's promise.
                places[i] = usize::from(unsafe { *classes.add(i) });
            }
        }
    }
    places
}

impl Algorithm for Bytes {
    #[inline(always)]
    fn run<I: Isa>(&self, isa: I, job: Job<'_>) {
        let image = job.inputs.get::<u8>(0);
        let (rows, partial) = job.scratch.split_at_mut(self.blocks());
        let rows = view_mut::<u16>(rows);
        let partial = view_mut::<i16>(partial).as_chunks_mut::<BYTES>().0;
        let (slots, row_len) = (self.slots(), self.row_len());
        let (stride, kernel_h) = (self.window.stride[0], self.window.kernel[0]);
        let mut filled = 0;
        for first in job.rows.clone().step_by(self.strip()) {
            let strip = first..(first + self.strip()).min(job.rows.end);
            let top = job.rows.start;
            let output = &mut *job.output;
            let seen = (strip.end - 1) * stride + kernel_h;
            for y in filled.max(first * stride)..seen {
                self.classify(isa, image, y, &mut rows[y % slots * row_len..][..row_len]);
            }
            filled = seen;
            for panel in 0..self.output.channels.div_ceil(BYTES) {
                for ky in (0..kernel_h).step_by(self.pass) {
                    for y in strip.clone() {
                        let partial = &mut partial[(y - first) * self.partial_len()..];
                        let pass = Pass {
                            classes: rows,
                            rows: ky..(ky + self.pass).min(kernel_h),
                            panel,
                            y: y * stride,
                            row: y - top,
                        };
                        match (self.pixels, self.depth) {
                            (1, 3) => self.rows::<I, 1, 3>(isa, &pass, partial, output),
                            (1, 2) if I::TILE > 1 => {
                                self.rows::<I, 1, 2>(isa, &pass, partial, output)
                            }
                            (1, _) => self.rows::<I, 1, 1>(isa, &pass, partial, output),
                            (2, 3) => self.rows::<I, 2, 3>(isa, &pass, partial, output),
                            (2, _) => self.rows::<I, 2, 1>(isa, &pass, partial, output),
                            (_, 3) => self.rows::<I, 4, 3>(isa, &pass, partial, output),
                            _ => self.rows::<I, 4, 1>(isa, &pass, partial, output),
                        }
                    }
                }
            }
        }
    }

    fn scratch_bytes(&self) -> usize {
        self.blocks() * Block::BYTES + self.strip() * self.partial_len() * 2 * BYTES
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
