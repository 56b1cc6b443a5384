use alloc::{vec, vec::Vec};

use super::{Conv, rows::Rows};
use crate::{
    Extent, Job, KernelFor, Store, Window, Work,
    finish::Finisher,
    isa::{Algorithm, Isa, LANES},
    memory::{Block, Split, view_mut},
};

/// Depthwise convolution: every channel has its own window, so the vectors run along the channels.
pub(crate) struct Depthwise {
    output: Extent,
    window: Window,
    rows: Rows,
    /// `[vectors][taps]`.
    weights: Vec<[i16; LANES]>,
    bias: Vec<[i32; LANES]>,
    finisher: Finisher,
}

impl KernelFor<Conv<'_>> for Depthwise {
    /// As many groups as input and output channels, levels and weights of 16 bits.
    fn supports(conv: &Conv<'_>) -> bool {
        conv.groups > 1
            && conv.groups == conv.input.channels
            && conv.groups == conv.channels
            && conv.fits_16_bits()
    }

    fn work(conv: &Conv<'_>) -> Work {
        let outputs = (conv.output().pixels() * conv.channels.div_ceil(LANES)) as u64;
        Work {
            mix: None,
            steps: outputs * conv.window.taps() as u64,
            lone: 0,
            outputs,
            inputs: conv.input.elements() as u64,
        }
    }

    fn pack(conv: &Conv<'_>, store: &mut Store<'_>) -> Self {
        let (taps, vectors) = (conv.window.taps(), conv.channels.div_ceil(LANES));
        let mut weights = vec![[0; LANES]; taps * vectors];
        let mut bias = vec![[0; LANES]; vectors];
        for channel in 0..conv.channels {
            let (vector, lane) = (channel / LANES, channel % LANES);
            bias[vector][lane] = conv.bias(channel);
        }
        store.fill(&mut weights, |weights| {
            for channel in 0..conv.channels {
                let (vector, lane) = (channel / LANES, channel % LANES);
                for tap in 0..taps {
                    weights[vector * taps + tap][lane] = conv.weights[channel * taps + tap] as i16;
                }
            }
        });
        Depthwise {
            output: conv.output(),
            window: conv.window,
            rows: Rows::new(conv, 1, conv.window.kernel[0]),
            weights,
            bias,
            finisher: Finisher::new(&conv.finish, conv.channels),
        }
    }
}

impl Depthwise {
    /// Puts the sums of the output pixel in column `x` into `sums`; `slot` holds the kernel's first row.
    #[inline(always)]
    fn pixel(&self, levels: &[i16], slot: usize, x: usize, sums: &mut [[i32; LANES]]) {
        let channels = self.output.channels;
        let [kernel_h, kernel_w] = self.window.kernel;
        let first = x * self.window.stride[1] * channels;
        for (vector, to) in sums.iter_mut().enumerate() {
            let mut sums = self.bias[vector];
            let mut weights = self.weights[vector * kernel_h * kernel_w..].iter();
            for ky in 0..kernel_h {
                let start = self.rows.after(slot, ky) + first + vector * LANES;
                for (kx, weights) in (0..kernel_w).zip(&mut weights) {
                    // The lanes beyond the last channel see the next pixel, and weights of 0.
                    let levels = &levels[start + kx * channels..][..LANES];
                    for ((sum, &level), &weight) in sums.iter_mut().zip(levels).zip(weights) {
                        *sum = sum.wrapping_add(i32::from(level) * i32::from(weight));
                    }
                }
            }
            *to = sums;
        }
    }
}

impl Algorithm for Depthwise {
    #[inline(always)]
    fn run<I: Isa>(&self, _: I, job: Job<'_>) {
        let input = job.inputs.get::<u8>(0);
        let (levels, sums) = job.scratch.split_at_mut(self.rows.blocks());
        let (levels, sums) = (view_mut::<i16>(levels), view_mut::<i32>(sums));
        let [kernel_h, _] = self.window.kernel;
        let sums = &mut sums[..self.output.width * self.finisher.stride()];
        let mut filled = 0;
        for y in job.rows.clone() {
            let top = y * self.window.stride[0];
            self.rows
                .fill(levels, input, filled.max(top), top + kernel_h);
            filled = top + kernel_h;
            let pixels = sums.as_chunks_mut().0.chunks_exact_mut(self.bias.len());
            for (x, pixel) in pixels.enumerate() {
                self.pixel(levels, self.rows.slot(top), x, pixel);
            }
            let pixel = (y - job.rows.start) * self.output.width;
            self.finisher.write(sums, job.output, pixel);
        }
    }

    fn scratch_bytes(&self) -> usize {
        self.rows.blocks() * Block::BYTES + 4 * self.output.width * self.finisher.stride()
    }

    fn packed_bytes(&self) -> usize {
        size_of_val(&self.weights[..]) + size_of_val(&self.bias[..]) + self.finisher.packed_bytes()
    }

    fn split(&self) -> Split {
        Split::rows(self.output, self.finisher.element_bytes())
    }
}
