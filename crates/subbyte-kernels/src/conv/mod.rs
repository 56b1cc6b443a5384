//! Convolution and fully connected layers over codes.

mod depthwise;
mod dot;
mod dot8;
mod lowbit;
mod rows;
mod scalar;
mod winograd;

pub(crate) use depthwise::Depthwise;
pub(crate) use dot::Dot;
pub(crate) use dot8::Dot8;
pub(crate) use lowbit::{LowBit, MAX_LEVELS, Pixels, Popcount, Table, Weights as FewLevels};
pub(crate) use rows::Rows;
pub(crate) use scalar::Scalar;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use winograd::Winograd8;
pub(crate) use winograd::transformed_bits;

use subbyte_num::CodeType;

use crate::{Extent, Finish, WeightLevels, Window};

/// Codes -> sums or codes: `sum[o] = bias[o] + Σ weight level * input level`.
#[derive(Clone, Copy, Debug)]
pub struct Conv<'a> {
    /// Size of the input.
    pub input: Extent,
    /// Output channels.
    pub channels: usize,
    /// Kernel, stride and padding.
    pub window: Window,
    /// Groups of input and output channels.
    pub groups: usize,
    /// Codes of the input.
    pub code: CodeType,
    /// Level outside the borders; 0 leaves these taps out.
    pub pad: i32,
    /// Weight levels, `[out][kernel_h][kernel_w][in / groups]`.
    pub weights: &'a WeightLevels,
    /// Added to each output channel's sums; empty for none.
    pub bias: &'a [i32],
    /// How the sums leave.
    pub finish: Finish<'a>,
}

impl Conv<'_> {
    /// Size of the output.
    pub fn output(&self) -> Extent {
        let [height, width] = self.window.output(self.input);
        Extent::new(self.channels, height, width)
    }

    /// Input channels that one output channel reads.
    pub fn group_inputs(&self) -> usize {
        self.input.channels / self.groups
    }

    /// Weights of an output channel.
    pub fn channel_weights(&self) -> usize {
        self.window.taps() * self.group_inputs()
    }

    /// Multiply-adds of one run.
    pub fn macs(&self) -> u64 {
        self.output().elements() as u64 * self.channel_weights() as u64
    }

    /// Bias of an output channel.
    pub(crate) fn bias(&self, channel: usize) -> i32 {
        self.bias.get(channel).copied().unwrap_or(0)
    }

    /// Whether input levels, the level of the padding and the weights all fit 16 bits.
    pub(crate) fn fits_16_bits(&self) -> bool {
        let fits = |level: i32| i16::try_from(level).is_ok();
        fits(self.code.min_level())
            && fits(self.code.max_level())
            && fits(self.pad)
            && self.weights.fit_16_bits()
    }
}
