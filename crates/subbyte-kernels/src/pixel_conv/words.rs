//! Tables of 16-bit entries.

use alloc::{vec, vec::Vec};

use subbyte_num::CodeType;

use super::{PADDING, PixelConv};
use crate::{
    Conv, Extent, Job, KernelFor, Store, Window,
    conv::Rows,
    finish::Finisher,
    isa::{Algorithm, Isa, LANES},
    memory::{Block, Split, view_mut},
};

/// Entries of a colour under a tap.
const ENTRIES: usize = PADDING + 1;

/// Tables beyond this are slower to read than the unfolded convolution is to compute.
const MAX_TABLE_BYTES: usize = 8 << 20;

/// Panels of [`LANES`] output channels.
pub(crate) struct Words {
    output: Extent,
    window: Window,
    colours: usize,
    /// The image's values, with [`PADDING`] around.
    rows: Rows,
    /// `[panels][taps][colours][ENTRIES]`, each [`LANES`] output channels.
    tables: Vec<[i16; LANES]>,
    /// `[panels]`.
    bias: Vec<[i32; LANES]>,
    finisher: Finisher,
}

impl PixelConv<'_> {
    /// The convolution over the image itself, with the values of a pixel as codes.
    fn over_image(&self) -> Conv<'_> {
        Conv {
            input: self.table.input,
            code: CodeType::unsigned(8),
            pad: PADDING as i32,
            ..self.conv
        }
    }

    /// The largest magnitude that the table additions of any output channel can reach.
    fn bound(&self) -> i64 {
        let code = self.conv.code;
        let level = code.min_level().abs().max(code.max_level().abs());
        let level = i64::from(level.max(self.conv.pad.abs()));
        self.conv.weights.widest() * level
    }

    /// What a colour under a tap adds to output channel `channel`, for a pixel's value or for [`PADDING`].
    fn entry(&self, channel: usize, tap: usize, colour: usize, value: usize) -> i32 {
        let depth = self.table.depth;
        let colours = self.table.input.channels;
        let first = ((channel * self.conv.window.taps() + tap) * colours + colour) * depth;
        let weights = &self.conv.weights[first..][..depth];
        match u8::try_from(value) {
            Ok(value) => {
                let codes = self.table.lookup(colour, value);
                let products = weights.iter().zip(codes);
                products.map(|(w, &c)| w * self.conv.code.level(c)).sum()
            }
            Err(_) => weights.iter().map(|w| w * self.conv.pad).sum(),
        }
    }

    fn table_len(&self) -> usize {
        let panels = self.conv.channels.div_ceil(LANES);
        panels * self.conv.window.taps() * self.table.input.channels * ENTRIES
    }
}

impl KernelFor<PixelConv<'_>> for Words {
    /// One group, all partial sums within 16 bits, and tables of a few megabytes at most.
    fn supports(problem: &PixelConv<'_>) -> bool {
        problem.conv.groups == 1
            && problem.bound() <= i64::from(i16::MAX)
            && problem.table_len() * size_of::<[i16; LANES]>() <= MAX_TABLE_BYTES
    }

    fn pack(problem: &PixelConv<'_>, store: &mut Store<'_>) -> Self {
        let conv = &problem.conv;
        let (taps, colours) = (conv.window.taps(), problem.table.input.channels);
        let mut tables = vec![[0; LANES]; problem.table_len()];
        let mut bias = vec![[0; LANES]; conv.channels.div_ceil(LANES)];
        for channel in 0..conv.channels {
            let (panel, lane) = (channel / LANES, channel % LANES);
            bias[panel][lane] = conv.bias(channel);
        }
        store.fill(&mut tables, |tables| {
            for channel in 0..conv.channels {
                let (panel, lane) = (channel / LANES, channel % LANES);
                let own =
                    &mut tables[panel * taps * colours * ENTRIES..][..taps * colours * ENTRIES];
                for (i, table) in own.chunks_exact_mut(ENTRIES).enumerate() {
                    for (value, entry) in table.iter_mut().enumerate() {
                        entry[lane] =
                            problem.entry(channel, i / colours, i % colours, value) as i16;
                    }
                }
            }
        });
        Words {
            output: conv.output(),
            window: conv.window,
            colours,
            rows: Rows::new(&problem.over_image(), 1, conv.window.kernel[0]),
            tables,
            bias,
            finisher: Finisher::new(&conv.finish, conv.channels),
        }
    }
}

impl Words {
    /// Sums of one panel for the output pixel in column `x`; `slot` holds the kernel's first row.
    #[inline(always)]
    fn pixel(&self, values: &[i16], slot: usize, x: usize, panel: usize) -> [i32; LANES] {
        let [kernel_h, kernel_w] = self.window.kernel;
        let run = kernel_w * self.colours;
        let tables = &self.tables[panel * kernel_h * run * ENTRIES..];
        let mut tables = tables.chunks_exact(ENTRIES);
        let mut sums = [0i16; LANES];
        for ky in 0..kernel_h {
            let start = self.rows.after(slot, ky) + x * self.window.stride[1] * self.colours;
            for (&value, table) in values[start..][..run].iter().zip(&mut tables) {
                for (sum, &entry) in sums.iter_mut().zip(&table[value as usize]) {
                    *sum = sum.wrapping_add(entry);
                }
            }
        }
        let mut all = self.bias[panel];
        for (all, &sum) in all.iter_mut().zip(&sums) {
            *all = all.wrapping_add(i32::from(sum));
        }
        all
    }
}

impl Algorithm for Words {
    #[inline(always)]
    fn run<I: Isa>(&self, _: I, job: Job<'_>) {
        let image = job.inputs.get::<u8>(0);
        let (values, sums) = job.scratch.split_at_mut(self.rows.blocks());
        let (values, sums) = (view_mut::<i16>(values), view_mut::<i32>(sums));
        let [kernel_h, _] = self.window.kernel;
        let sums = &mut sums[..self.output.width * self.finisher.stride()];
        let mut filled = 0;
        for y in job.rows.clone() {
            let top = y * self.window.stride[0];
            self.rows
                .fill(values, image, filled.max(top), top + kernel_h);
            filled = top + kernel_h;
            let slot = self.rows.slot(top);
            // Panel by panel, so that one panel's tables stay in the cache for the row.
            for panel in 0..self.bias.len() {
                let pixels = sums.chunks_exact_mut(self.finisher.stride());
                for (x, pixel) in pixels.enumerate() {
                    pixel.as_chunks_mut().0[panel] = self.pixel(values, slot, x, panel);
                }
            }
            let pixel = (y - job.rows.start) * self.output.width;
            self.finisher.write(sums, job.output, pixel);
        }
    }

    fn scratch_bytes(&self) -> usize {
        self.rows.blocks() * Block::BYTES + 4 * self.output.width * self.finisher.stride()
    }

    fn packed_bytes(&self) -> usize {
        size_of_val(&self.tables[..]) + size_of_val(&self.bias[..]) + self.finisher.packed_bytes()
    }

    fn split(&self) -> Split {
        Split::rows(self.output, self.finisher.element_bytes())
    }
}
