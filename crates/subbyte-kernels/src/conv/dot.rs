use alloc::{vec, vec::Vec};

use super::{Conv, rows::Rows};
use crate::{
    Extent, Job, KernelFor, Mix, Store, Window, Work,
    finish::Finisher,
    isa::{Algorithm, Isa, LANES},
    memory::{Block, Split, view_mut},
};

/// Pixels of a tile. With one vector of output channels each, their sums, a vector of weights and an operand fit the 16
/// registers of AVX2.
const TILE: usize = 4;

/// Output pixels that are computed from one pass over the weights, where the image has as many.
const STRIP_PIXELS: usize = 32;

/// Convolution by 16-bit dot products.
///
/// A tile of pixels by [`LANES`] output channels stays in registers while the kernel's taps go by. Neighbouring taps of a kernel
/// row lie side by side in a row of levels, so a whole kernel row is one run of pairs, with no image-to-column copy.
pub(crate) struct Dot {
    output: Extent,
    window: Window,
    group_inputs: usize,
    group_outputs: usize,
    /// Output rows of a strip.
    strip: usize,
    rows: Rows,
    /// Pairs of taps in a kernel row, the last one filled up with a weight of 0.
    pairs: usize,
    /// `[groups][panels][kernel_h][pairs]`, each [`LANES`] output channels times two taps.
    weights: Vec<[i16; 2 * LANES]>,
    /// `[groups][panels]`.
    bias: Vec<[i32; LANES]>,
    finisher: Finisher,
}

impl KernelFor<Conv<'_>> for Dot {
    /// Any convolution whose levels and weights fit 16 bits.
    fn supports(conv: &Conv<'_>) -> bool {
        conv.fits_16_bits()
    }

    fn work(conv: &Conv<'_>) -> Work {
        let panels = conv.groups * (conv.channels / conv.groups).div_ceil(LANES);
        let outputs = (conv.output().pixels() * panels) as u64;
        let run = conv.window.kernel[1] * conv.group_inputs();
        Work {
            mix: Some(Mix::Dot16),
            steps: outputs * (conv.window.kernel[0] * run.div_ceil(2)) as u64,
            lone: 0,
            outputs,
            inputs: conv.input.elements() as u64,
        }
    }

    fn pack(conv: &Conv<'_>, store: &mut Store<'_>) -> Self {
        let output = conv.output();
        let [kernel_h, kernel_w] = conv.window.kernel;
        let (group_inputs, group_outputs) = (conv.group_inputs(), conv.channels / conv.groups);
        let strip = STRIP_PIXELS.div_ceil(output.width).min(output.height);
        let slots = (strip - 1) * conv.window.stride[0] + kernel_h;
        let run = kernel_w * group_inputs;
        let pairs = run.div_ceil(2);
        let panels = group_outputs.div_ceil(LANES);
        let mut weights = vec![[0; 2 * LANES]; conv.groups * panels * kernel_h * pairs];
        let mut bias = vec![[0; LANES]; conv.groups * panels];
        for channel in 0..conv.channels {
            let (group, within) = (channel / group_outputs, channel % group_outputs);
            let (panel, lane) = (group * panels + within / LANES, within % LANES);
            bias[panel][lane] = conv.bias(channel);
        }
        store.fill(&mut weights, |weights| {
            for channel in 0..conv.channels {
                let (group, within) = (channel / group_outputs, channel % group_outputs);
                let (panel, lane) = (group * panels + within / LANES, within % LANES);
                for ky in 0..kernel_h {
                    let from = &conv.weights[(channel * kernel_h + ky) * run..][..run];
                    let to = &mut weights[(panel * kernel_h + ky) * pairs..][..pairs];
                    for (tap, &weight) in from.iter().enumerate() {
                        to[tap / 2][2 * lane + tap % 2] = weight as i16;
                    }
                }
            }
        });
        Dot {
            output,
            window: conv.window,
            group_inputs,
            group_outputs,
            strip,
            rows: Rows::new(conv, conv.groups, slots),
            pairs,
            weights,
            bias,
            finisher: Finisher::new(&conv.finish, conv.channels),
        }
    }
}

/// Output channels that are computed together: up to [`LANES`] of one group.
struct Panel<'a> {
    weights: &'a [[i16; 2 * LANES]],
    bias: &'a [i32; LANES],
    group: usize,
    /// First output channel.
    channel: usize,
    /// Output channels in use.
    lanes: usize,
}

/// What one row of output pixels reads.
struct Taps<'a> {
    levels: &'a [i16],
    rows: &'a Rows,
    /// Slot of the kernel's first row.
    slot: usize,
    /// Where the panel's group begins within a row.
    group_start: usize,
}

impl Dot {
    /// Computes the sums of `PIXELS` neighbouring output pixels from column `x` on and puts them among `sums`, which holds the
    /// row's pixels.
    #[inline(always)]
    fn tile<I: Isa, const PIXELS: usize>(
        &self,
        isa: I,
        panel: &Panel<'_>,
        taps: &Taps<'_>,
        x: usize,
        sums: &mut [i32],
    ) {
        let pixel_step = self.window.stride[1] * self.group_inputs;
        let mut tile = [isa.load(panel.bias); PIXELS];
        for (ky, weights) in panel.weights.chunks_exact(self.pairs).enumerate() {
            let start = taps.rows.after(taps.slot, ky) + taps.group_start + x * pixel_step;
            let runs: [&[[i16; 2]]; PIXELS] = core::array::from_fn(|p| {
                let run = &taps.levels[start + p * pixel_step..][..2 * self.pairs];
                run.as_chunks().0
            });
            for (i, weights) in weights.iter().enumerate() {
                for (sums, run) in tile.iter_mut().zip(&runs) {
                    *sums = isa.dot(*sums, run[i], weights);
                }
            }
        }
        let stride = self.finisher.stride();
        let pixels = sums[x * stride..].chunks_exact_mut(stride);
        for (sums, pixel) in tile.into_iter().zip(pixels) {
            let to = &mut pixel[panel.channel..];
            match to.first_chunk_mut() {
                Some(to) if panel.lanes == LANES => isa.store(sums, to),
                _ => {
                    let mut all = [0; LANES];
                    isa.store(sums, &mut all);
                    to[..panel.lanes].copy_from_slice(&all[..panel.lanes]);
                }
            }
        }
    }

    /// Puts the sums of a row of output pixels among `sums`, in the channels of `panel`.
    #[inline(always)]
    fn row<I: Isa>(&self, isa: I, panel: &Panel<'_>, taps: &Taps<'_>, sums: &mut [i32]) {
        let whole = self.output.width / TILE * TILE;
        for x in (0..whole).step_by(TILE) {
            self.tile::<I, TILE>(isa, panel, taps, x, sums);
        }
        match self.output.width - whole {
            1 => self.tile::<I, 1>(isa, panel, taps, whole, sums),
            2 => self.tile::<I, 2>(isa, panel, taps, whole, sums),
            3 => self.tile::<I, 3>(isa, panel, taps, whole, sums),
            _ => {}
        }
    }

    /// Panel `i` of all groups' panels, with its weights.
    fn panel<'a>(&'a self, i: usize, weights: &'a [[i16; 2 * LANES]]) -> Panel<'a> {
        let panels = self.group_outputs.div_ceil(LANES);
        let (group, within) = (i / panels, i % panels * LANES);
        Panel {
            weights,
            bias: &self.bias[i],
            group,
            channel: group * self.group_outputs + within,
            lanes: LANES.min(self.group_outputs - within),
        }
    }
}

impl Algorithm for Dot {
    #[inline(always)]
    fn run<I: Isa>(&self, isa: I, job: Job<'_>) {
        let input = job.inputs.get::<u8>(0);
        let (levels, sums) = job.scratch.split_at_mut(self.rows.blocks());
        let (levels, sums) = (view_mut::<i16>(levels), view_mut::<i32>(sums));
        let [kernel_h, _] = self.window.kernel;
        let [stride_y, _] = self.window.stride;
        let row_sums = self.output.width * self.finisher.stride();
        let mut filled = 0;
        for first in job.rows.clone().step_by(self.strip) {
            let strip = first..(first + self.strip).min(job.rows.end);
            let seen = (strip.end - 1) * stride_y + kernel_h;
            self.rows
                .fill(levels, input, filled.max(first * stride_y), seen);
            filled = seen;
            let panels = self.weights.chunks_exact(kernel_h * self.pairs);
            for (i, weights) in panels.enumerate() {
                let panel = self.panel(i, weights);
                for (y, sums) in strip.clone().zip(sums.chunks_exact_mut(row_sums)) {
                    let taps = Taps {
                        levels,
                        rows: &self.rows,
                        slot: self.rows.slot(y * stride_y),
                        group_start: panel.group * self.rows.group_len(),
                    };
                    self.row(isa, &panel, &taps, sums);
                }
            }
            let sums = &sums[..strip.len() * row_sums];
            let pixel = (first - job.rows.start) * self.output.width;
            self.finisher.write(sums, job.output, pixel);
        }
    }

    fn scratch_bytes(&self) -> usize {
        let sums = self.strip * self.output.width * self.finisher.stride();
        self.rows.blocks() * Block::BYTES + 4 * sums
    }

    fn packed_bytes(&self) -> usize {
        size_of_val(&self.weights[..]) + size_of_val(&self.bias[..]) + self.finisher.packed_bytes()
    }

    fn split(&self) -> Split {
        Split::rows(self.output, self.finisher.element_bytes())
    }
}
