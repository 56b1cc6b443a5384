use serde::{Deserialize, Serialize};
use subbyte_num::Minifloat;

use crate::Quantizer;

/// The operators of a graph. Tensors are `[N][C][H][W]` in meaning, flat features `[N][C][1][1]`; weights and other
/// parameters have the shapes that the variants state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Op {
    /// The u8 image input, `height` x `width` pixels of `colours` (1 or 3). No inputs.
    Image {
        /// Colours of a pixel.
        colours: usize,
        /// Pixels downwards.
        height: usize,
        /// Pixels across.
        width: usize,
    },
    /// Numbers that come from outside, such as a noisy picture or, with one channel, height and width 1, one number for each image.
    /// Called by the node's name. No inputs.
    Input {
        /// Channels.
        channels: usize,
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
    },
    /// A named parameter of [`crate::Graph::params`]. No inputs.
    Param {
        /// Its name.
        name: String,
    },
    /// `[image]` -> `(pixel / 255 - mean) / std` per colour: the input of a float first layer.
    Normalize {
        /// Mean of each colour, in 0 to 1.
        mean: Vec<f32>,
        /// Standard deviation of each colour.
        std: Vec<f32>,
    },
    /// `[image, table [1 or colours][rows][D]]` -> channel `c * D + d` holds `table[c][pixel * rows / 256][d]` (methods.md 1.1).
    /// Rows are 256 or a smaller power of two, each then shared by neighbouring pixel values.
    PixelTable,
    /// `[x, weight [O][I / groups][kh][kw], bias [O] optional]`.
    Conv2d {
        /// Vertical and horizontal stride.
        stride: [usize; 2],
        /// Zero rows above, columns left, rows below, columns right.
        padding: [usize; 4],
        /// Groups of channels.
        groups: usize,
    },
    /// `[x [N][I][1][1], weight [O][I], bias [O] optional]`.
    Linear,
    /// `[x, gamma [C], beta [C], mean [C], variance [C]]`.
    BatchNorm {
        /// Added to the variance.
        eps: f32,
    },
    /// `[x, gamma [C], beta [C]]` -> `gamma * (x - mean) / sqrt(variance + eps) + beta`, with mean and biased variance of each image over
    /// all pixels of the group of neighbouring channels that the channel is in.
    GroupNorm {
        /// Groups of channels.
        groups: usize,
        /// Added to the variance.
        eps: f32,
    },
    /// `[query, key, value]`: every pixel of the query becomes the mean of the value's pixels, weighted by the softmax over key pixels
    /// of `scale * <query, key>`. Each head does so with its own run of neighbouring channels.
    Attention {
        /// Heads.
        heads: usize,
        /// Factor of the products, usually `1 / sqrt(channels of a head)`.
        scale: f32,
    },
    /// `mul * x + add`.
    Affine {
        /// The factor.
        mul: f32,
        /// The summand.
        add: f32,
    },
    /// `x`, but at least `low` and at most `high`.
    Clip {
        /// Smallest result.
        low: f32,
        /// Largest result.
        high: f32,
    },
    /// A function of every number.
    Map {
        /// Which.
        function: Function,
    },
    /// `max(x, 0)`.
    Relu,
    /// `min(max(x, 0), 6)`.
    Relu6,
    /// `x * sigmoid(x)`.
    Silu,
    /// `x * relu6(x + 3) / 6`.
    HardSwish,
    /// `relu6(x + 3) / 6`.
    HardSigmoid,
    /// Maximum over windows; padding never wins.
    MaxPool(Window),
    /// Mean over windows; padding counts as zeros.
    AvgPool(Window),
    /// Mean over those pixels of windows that are no padding.
    AvgPoolInside(Window),
    /// Mean over height and width -> `[N][C][1][1]`.
    GlobalAvgPool,
    /// Sum of two tensors; a side is spread over the other's axes where it has length 1 on them.
    Add,
    /// Product of two tensors; a side is spread over the other's axes where it has length 1 on them.
    Mul,
    /// All inputs' channels one after another.
    Concat,
    /// `start..end` by `step` along channels, height, width.
    Slice {
        /// First index along each axis.
        start: [usize; 3],
        /// One past the last index along each axis.
        end: [usize; 3],
        /// Distance between kept indices.
        step: [usize; 3],
    },
    /// Zero channels before and after.
    PadChannels {
        /// Channels before.
        before: usize,
        /// Channels after.
        after: usize,
    },
    /// `[N][C * H * W][1][1]`, channel slowest.
    Flatten,
    /// Nearest-neighbour resize by whole factors.
    Upsample {
        /// Vertical factor.
        vertical: usize,
        /// Horizontal factor.
        horizontal: usize,
    },
    /// `[x]` or `[x, parameter of the quantizer]`: every value becomes the nearest one that the quantizer's codes can stand for.
    Quantize(Quantizer),
    /// `[x, clip [1]]`, or `clip [O]` for a weight: every value becomes the nearest `offset + level * clip / largest level` of a float
    /// format of few bits ([`subbyte_num::MinifloatGrid`], methods.md 4.2). Such numbers have no integer form.
    Minifloat {
        /// Bits of exponent and mantissa.
        #[serde(with = "name")]
        format: Minifloat,
        /// Value of level 0; other than 0 behind functions whose smallest value is known, such as SiLU.
        #[serde(default)]
        offset: f32,
    },
}

/// Formats by their names.
mod name {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};
    use subbyte_num::Minifloat;

    pub(super) fn serialize<S: Serializer>(format: &Minifloat, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(format)
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Minifloat, D::Error> {
        let name = String::deserialize(from)?;
        name.parse()
            .map_err(|e| D::Error::custom(format!("`{name}`: {e}")))
    }
}

/// What [`Op::Map`] computes of every number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Function {
    /// Natural logarithm.
    Log,
    /// Square root.
    Sqrt,
    /// `1 / x`.
    Reciprocal,
    /// Sine of radians.
    Sin,
    /// Cosine of radians.
    Cos,
}

/// Window of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Height and width.
    pub kernel: [usize; 2],
    /// Vertical and horizontal stride.
    pub stride: [usize; 2],
    /// Rows above, columns left, rows below, columns right.
    pub padding: [usize; 4],
}
