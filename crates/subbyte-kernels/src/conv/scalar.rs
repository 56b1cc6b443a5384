use alloc::{vec, vec::Vec};

use subbyte_num::CodeType;

use super::Conv;
use crate::{
    Extent, Job, KernelFor, Store, Window, Work,
    finish::Finisher,
    isa::{Algorithm, Isa},
    memory::{Split, view_mut},
};

/// Any convolution at all, one multiply-add at a time.
pub(crate) struct Scalar {
    input: Extent,
    output: Extent,
    window: Window,
    group_inputs: usize,
    group_outputs: usize,
    code: CodeType,
    pad: i32,
    /// `[out][kernel_h][kernel_w][in / groups]`.
    weights: Vec<i32>,
    bias: Vec<i32>,
    finisher: Finisher,
}

impl KernelFor<Conv<'_>> for Scalar {
    fn work(conv: &Conv<'_>) -> Work {
        Work {
            mix: None,
            steps: conv.macs(),
            lone: 0,
            outputs: conv.output().elements() as u64,
            inputs: 0,
        }
    }

    fn pack(conv: &Conv<'_>, store: &mut Store<'_>) -> Self {
        let mut weights = vec![0; conv.channels * conv.channel_weights()];
        store.fill(&mut weights, |to| to.copy_from_slice(conv.weights));
        Scalar {
            input: conv.input,
            output: conv.output(),
            window: conv.window,
            group_inputs: conv.group_inputs(),
            group_outputs: conv.channels / conv.groups,
            code: conv.code,
            pad: conv.pad,
            weights,
            bias: (0..conv.channels).map(|c| conv.bias(c)).collect(),
            finisher: Finisher::new(&conv.finish, conv.channels),
        }
    }
}

impl Scalar {
    fn sum(&self, input: &[u8], channel: usize, y: usize, x: usize) -> i32 {
        let [kernel_h, kernel_w] = self.window.kernel;
        let first = channel / self.group_outputs * self.group_inputs;
        let weights = &self.weights[channel * kernel_h * kernel_w * self.group_inputs..];
        let mut sum = self.bias[channel];
        for (tap, weights) in weights
            .chunks_exact(self.group_inputs)
            .take(kernel_h * kernel_w)
            .enumerate()
        {
            let y = (y * self.window.stride[0] + tap / kernel_w)
                .checked_sub(self.window.padding[0])
                .filter(|&y| y < self.input.height);
            let x = (x * self.window.stride[1] + tap % kernel_w)
                .checked_sub(self.window.padding[1])
                .filter(|&x| x < self.input.width);
            for (i, weight) in weights.iter().enumerate() {
                let level = match (y, x) {
                    (Some(y), Some(x)) => self.code.level(input[self.input.index(first + i, y, x)]),
                    _ => self.pad,
                };
                sum = sum.wrapping_add(weight.wrapping_mul(level));
            }
        }
        sum
    }
}

impl Algorithm for Scalar {
    #[inline(always)]
    fn run<I: Isa>(&self, _: I, job: Job<'_>) {
        let input = job.inputs.get::<u8>(0);
        let sums = &mut view_mut::<i32>(job.scratch)[..self.finisher.stride()];
        for y in job.rows.clone() {
            for x in 0..self.output.width {
                for (channel, sum) in sums[..self.output.channels].iter_mut().enumerate() {
                    *sum = self.sum(input, channel, y, x);
                }
                let pixel = (y - job.rows.start) * self.output.width + x;
                self.finisher.write(sums, job.output, pixel);
            }
        }
    }

    fn scratch_bytes(&self) -> usize {
        4 * self.finisher.stride()
    }

    fn packed_bytes(&self) -> usize {
        4 * (self.weights.len() + self.bias.len()) + self.finisher.packed_bytes()
    }

    fn split(&self) -> Split {
        Split::rows(self.output, self.finisher.element_bytes())
    }
}
