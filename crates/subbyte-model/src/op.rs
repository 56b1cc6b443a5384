use alloc::{string::String, vec::Vec};

use subbyte_num::{CodeType, MulShift, Packed};

use crate::Weights;

/// Index of a node, and of the tensor it makes.
pub type NodeId = usize;

/// An integer-only network for one image input.
///
/// Tensors are `[channels][height][width]` in meaning; a flat vector is `[features][1][1]`. A tensor holds either codes of one
/// [`CodeType`] or i32 sums. Convolutions, linear layers, products and average pools make sums, [`Op::Requant`] makes codes of
/// sums, everything else maps codes to codes.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Geometry of the image.
    pub input: Input,
    /// Nodes in topological order; node 0 is [`Op::Image`], the last one [`Op::Output`].
    pub nodes: Vec<Node>,
    /// Class names in logit order; empty where they are unknown.
    pub classes: Vec<String>,
    /// Where the model comes from.
    pub provenance: Provenance,
    /// Inputs with the logits they must give, replayed by `subbyte verify`.
    pub vectors: Vec<TestVector>,
}

/// Size of the input image and how larger or smaller images are brought to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Input {
    /// Colours of a pixel: 1 or 3 (red, green, blue).
    pub colours: usize,
    /// Pixels downwards.
    pub height: usize,
    /// Pixels across.
    pub width: usize,
    /// How images of other sizes are brought to this one; `None` where they are an error.
    pub resize: Option<Resize>,
}

/// Preprocessing of images that do not have the input's size: the shorter side is resampled to `shorter_side`, then the centre
/// of the input's size is cut out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Resize {
    /// Length of the shorter side after resampling, at least the input's longer side.
    pub shorter_side: usize,
    /// Resampling filter.
    pub filter: Resampling,
}

/// Filter of [`Resize`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resampling {
    /// Nearest pixel.
    Nearest,
    /// Triangle filter (antialiased when shrinking).
    Bilinear,
    /// Catmull-Rom.
    Bicubic,
    /// Lanczos with three lobes.
    Lanczos3,
}

/// What is known of a model's origin, as pairs such as `recipe`, `seed`, `data`, `top1`.
pub type Provenance = Vec<(String, String)>;

/// An input with its known result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestVector {
    /// The image, `[height][width][colours]`.
    pub image: Vec<u8>,
    /// The integer logits.
    pub logits: Vec<i32>,
}

/// One operation with its inputs.
#[derive(Clone, Debug, PartialEq, Hash)]
pub struct Node {
    /// Unique, for people and error messages.
    pub name: String,
    /// Nodes whose tensors are read, all of them before this one.
    pub inputs: Vec<NodeId>,
    /// What is done.
    pub op: Op,
}

/// The operations of the integer model.
#[derive(Clone, Debug, PartialEq, Hash)]
pub enum Op {
    /// The u8 image itself, `[height][width][colours]` in memory; read by [`Op::PixelTable`] only.
    Image,
    /// Image -> codes: every colour of a pixel becomes `depth` codes; output channel = colour * depth + d.
    PixelTable(PixelTable),
    /// Codes -> sums.
    Conv2d(Conv2d),
    /// Codes or sums of shape `[features][1][1]` -> sums.
    Linear(Linear),
    /// Two code tensors of one shape and one scale -> codes: levels are added and saturated.
    Add {
        /// Codes of the result.
        code: CodeType,
    },
    /// Two code tensors -> sums: levels are multiplied; a side of height and width 1 is spread over the other's.
    Mul,
    /// Codes -> codes of the same type; padding never wins.
    MaxPool(Window),
    /// Codes -> sums of levels over the window; padding adds nothing.
    AvgPool(Window),
    /// Codes -> sums of levels over height and width, shape `[channels][1][1]`.
    GlobalAvgPool,
    /// Code tensors of one type -> their channels one after another.
    Concat,
    /// Codes -> `start..end` by `step` along channels, height, width.
    Slice {
        /// First index along each axis.
        start: [usize; 3],
        /// One past the last index along each axis.
        end: [usize; 3],
        /// Distance between kept indices, at least 1.
        step: [usize; 3],
    },
    /// Codes -> codes with channels of one constant code before and after.
    PadChannels {
        /// Channels before.
        before: usize,
        /// Channels after.
        after: usize,
        /// Code of the new channels.
        code: u8,
    },
    /// Codes -> `[channels * height * width][1][1]`, channel slowest, width fastest.
    Flatten,
    /// Codes -> nearest-neighbour resize by whole factors; output pixel y reads input pixel y / factor.
    Upsample {
        /// Vertical factor.
        vertical: usize,
        /// Horizontal factor.
        horizontal: usize,
    },
    /// Sums -> codes.
    Requant(Requant),
    /// Codes -> codes by a table: any function of one code.
    CodeTable {
        /// Codes of the result.
        code: CodeType,
        /// New code of every old code, `2^bits` of the input's bits.
        table: Vec<u8>,
    },
    /// Sums of shape `[classes][1][1]` -> the logits, unchanged.
    Output {
        /// Real value of one unit, the same for all logits; the IEEE 754 bits of a positive f32. No integer depends on it.
        scale_bits: u32,
    },
}

/// The learned or fixed table in front of the network.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PixelTable {
    /// Codes a colour value becomes (D).
    pub depth: usize,
    /// Tables: 1 shared by all colours, or one per colour.
    pub tables: usize,
    /// Bits and levels of the codes.
    pub code: CodeType,
    /// Codes `[tables][256][depth]`.
    pub codes: Packed,
}

/// Two-dimensional convolution over levels: `sum = bias[o] + Σ weight level * input level`.
#[derive(Clone, Debug, PartialEq, Hash)]
pub struct Conv2d {
    /// `[out][kernel_h][kernel_w][in / groups]`.
    pub weights: Weights,
    /// Added to each output channel's sum; empty for none.
    pub bias: Vec<i32>,
    /// Kernel height and width.
    pub kernel: [usize; 2],
    /// Vertical and horizontal stride.
    pub stride: [usize; 2],
    /// Rows above, columns left, rows below, columns right.
    pub padding: [usize; 4],
    /// What padding is made of.
    pub pad: Pad,
    /// Groups of input and output channels.
    pub groups: usize,
}

/// What lies outside a tensor's borders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pad {
    /// This code.
    Code(u8),
    /// Nothing: the tap is left out, as if the level were 0. For code types without a code of level 0.
    Skip,
}

/// Fully connected layer: `sum = bias[o] + Σ weight level * input`, the input being levels or sums.
#[derive(Clone, Debug, PartialEq, Hash)]
pub struct Linear {
    /// `[out][1][1][in]`.
    pub weights: Weights,
    /// Added to each output's sum; empty for none.
    pub bias: Vec<i32>,
}

/// Window of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Height and width.
    pub kernel: [usize; 2],
    /// Vertical and horizontal stride.
    pub stride: [usize; 2],
    /// Rows above, columns left, rows below, columns right; each less than the kernel.
    pub padding: [usize; 4],
}

/// Sums -> codes, per channel.
#[derive(Clone, Debug, PartialEq, Hash)]
pub enum Requant {
    /// For codes of 1 to 4 bits; see [`subbyte_num::count_thresholds`].
    Thresholds {
        /// Codes of the result; `n = 2^bits - 1` thresholds a channel.
        code: CodeType,
        /// Ascending thresholds `[channels][n]`; repeated values are allowed.
        thresholds: Vec<i32>,
        /// Per channel, whether codes fall as the sum rises.
        descending: Vec<bool>,
    },
    /// For wider codes; see [`MulShift`].
    MulShift {
        /// Codes of the result.
        code: CodeType,
        /// One a channel.
        channels: Vec<MulShift>,
    },
}

impl Requant {
    /// Codes of the result.
    pub fn code(&self) -> CodeType {
        match self {
            Requant::Thresholds { code, .. } | Requant::MulShift { code, .. } => *code,
        }
    }

    /// Channels that have parameters.
    pub fn channels(&self) -> usize {
        match self {
            Requant::Thresholds { descending, .. } => descending.len(),
            Requant::MulShift { channels, .. } => channels.len(),
        }
    }

    /// Code of the sum `acc` in channel `channel`.
    pub fn apply(&self, acc: i32, channel: usize) -> u8 {
        match self {
            Requant::Thresholds {
                code,
                thresholds,
                descending,
            } => {
                let n = code.max_code() as usize;
                subbyte_num::count_thresholds(
                    acc,
                    &thresholds[channel * n..][..n],
                    descending[channel],
                )
            }
            Requant::MulShift { code, channels } => channels[channel].apply(acc, code.max_code()),
        }
    }
}
