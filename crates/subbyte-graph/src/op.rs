use serde::{Deserialize, Serialize};
use subbyte_num::{CodeType, Grid};

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
    /// Mean over height and width -> `[N][C][1][1]`.
    GlobalAvgPool,
    /// Sum of two tensors of one shape.
    Add,
    /// Product of two tensors; a side of height and width 1 is spread over the other's.
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
    /// `[x]` or `[x, scale]`: every value becomes the nearest one that the quantizer's codes can stand for.
    Quantize(Quantizer),
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

/// How values become codes. Forward and backward are exact as methods.md 2 states them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "quantizer", rename_all = "snake_case")]
pub enum Quantizer {
    /// Learned step size (methods.md 2.3). Inputs `[x, scale]`; the scale is a parameter of shape `[1]`, or `[O]` for a weight
    /// whose output channels have their own steps. Several nodes may share one scale parameter.
    Lsq {
        /// Bits of the codes.
        bits: u8,
        /// Levels from -2^(bits-1), else from 0. Signed codes need 2 bits.
        signed: bool,
    },
    /// Linear mid-tread half (methods.md 2.1), unsigned. Inputs `[x]`.
    MidTreadHalf {
        /// Bits of the codes.
        bits: u8,
        /// Value of the largest code.
        max: f32,
    },
    /// Binary mean scaling of weights (methods.md 2.2): `mean |w| * sign(w)`. Inputs `[w]`.
    BinaryMean {
        /// One mean per output channel instead of one for the tensor.
        per_channel: bool,
    },
}

impl Quantizer {
    /// Bits and levels of the codes.
    pub fn code_type(self) -> CodeType {
        match self {
            Quantizer::Lsq { bits, signed: true } => CodeType::signed(bits),
            Quantizer::Lsq {
                bits,
                signed: false,
            }
            | Quantizer::MidTreadHalf { bits, .. } => CodeType::unsigned(bits),
            Quantizer::BinaryMean { .. } => CodeType::bipolar(1),
        }
    }

    /// Whether a second input holds the scale.
    pub fn has_scale(self) -> bool {
        matches!(self, Quantizer::Lsq { .. })
    }

    /// The grid of values; `scale` is the learned step or the mean of the magnitudes, and is ignored where the quantizer fixes it.
    pub fn grid(self, scale: f32) -> Grid {
        match self {
            Quantizer::Lsq { .. } => Grid::Nearest {
                code: self.code_type(),
                scale,
            },
            Quantizer::MidTreadHalf { bits, max } => Grid::MidTreadHalf { bits, max },
            Quantizer::BinaryMean { .. } => Grid::Sign { scale },
        }
    }
}
