use std::fmt;

use serde::{Deserialize, Serialize};
use subbyte_graph::networks;

/// Bits of the body: `float` or `wXaY`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Bits {
    /// No quantizers at all.
    Float,
    /// Quantized weights and activations.
    Low(networks::Bits),
}

impl TryFrom<String> for Bits {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "float" => Ok(Bits::Float),
            text => text.parse().map(Bits::Low),
        }
    }
}

impl From<Bits> for String {
    fn from(bits: Bits) -> Self {
        bits.to_string()
    }
}

impl fmt::Display for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bits::Float => f.write_str("float"),
            Bits::Low(bits) => bits.fmt(f),
        }
    }
}

/// What the first or the last layer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// Float weights and inputs.
    Float,
    /// 8-bit weights and inputs.
    EightBit,
    /// Like the layers in between.
    Body,
}

/// What turns u8 pixels into codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Input {
    /// A learned pixel table.
    Table,
    /// One code a colour: the pixel rounded to the codes' range.
    Naive,
    /// The eight bits of the pixel.
    Planes,
    /// Comparisons with equally spaced thresholds.
    Thermometer,
    /// Equally spaced levels dealt to several codes in turn (methods.md 1.4).
    GeneralisedThermometer,
}

/// Quantizer of activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActivationQuantizer {
    /// Learned step size (methods.md 2.3).
    Lsq,
    /// Linear mid-tread half (methods.md 2.1).
    MidTreadHalf,
    /// Equal steps from 0 to 1 (methods.md 2.3).
    Dorefa,
    /// Learned clip value with weight decay (methods.md 2.3); a pixel table has a learned step.
    Pact,
}

/// Where the scales of a network that starts from another one come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FromScales {
    /// From the other network where it has them, else measured.
    Keep,
    /// Measured, as for a network that starts from scratch: for other bits than the other network's.
    New,
}

/// By which mean and deviation a float first layer normalizes pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Normalize {
    /// By those of the training images.
    Data,
    /// By those of ImageNet that networks are customarily published with, also ones for other images.
    Imagenet,
}

/// Update rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerKind {
    /// Stochastic gradient descent with momentum.
    Sgd,
    /// Adam.
    Adam,
}

/// How the learning rate falls after warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// It does not.
    Constant,
    /// Half a cosine down to zero.
    Cosine,
    /// By a factor after certain epochs.
    Steps,
}
