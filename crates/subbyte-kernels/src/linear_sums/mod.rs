//! Fully connected layer over sums (a global pool's, say); layers over codes are convolutions of one pixel.

mod dot;
mod wide;

pub(crate) use dot::Dot;
pub(crate) use wide::Wide;

use crate::{Finish, WeightLevels};

/// Sums -> sums or codes: `sum[o] = bias[o] + Σ weight level * input sum`.
#[derive(Clone, Copy, Debug)]
pub struct LinearSums<'a> {
    /// Number of input sums.
    pub features: usize,
    /// Smallest and largest input sum.
    pub range: (i32, i32),
    /// Number of outputs.
    pub channels: usize,
    /// Weight levels, `[out][in]`.
    pub weights: &'a WeightLevels,
    /// Added to each output's sum; empty for none.
    pub bias: &'a [i32],
    /// How the sums leave.
    pub finish: Finish<'a>,
}

impl LinearSums<'_> {
    /// Bias of an output.
    fn bias(&self, channel: usize) -> i32 {
        self.bias.get(channel).copied().unwrap_or(0)
    }
}
