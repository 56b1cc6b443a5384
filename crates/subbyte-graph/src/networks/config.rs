use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Encoder, TableInit};

/// What every built-in network can be told.
///
/// In a recipe the keys are the field names in kebab-case; keys that are left out have the values of [`NetworkConfig::default`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct NetworkConfig {
    /// Colours of the image, 1 or 3.
    pub colours: usize,
    /// Height of the image in pixels.
    pub height: usize,
    /// Width of the image in pixels.
    pub width: usize,
    /// Number of classes.
    pub classes: usize,
    /// Bits of the body, written `w2a2`. `None`, written `float`, leaves out every quantizer, also those of the first and the
    /// last layer.
    #[serde(with = "bits_or_float")]
    pub bits: Option<Bits>,
    /// Bits of residual streams.
    pub residual_bits: u8,
    /// What the first layer is.
    pub first: FirstLayer,
    /// What the last layer is.
    pub last: LastLayer,
    /// Mean of the pixels in 0 to 1 for a float first layer: one number, or one for each colour.
    pub mean: Vec<f32>,
    /// Standard deviation of the pixels, likewise.
    pub std: Vec<f32>,
    /// How weights of 2 bits and more are quantized.
    pub weight_quantizer: WeightQuantizer,
    /// How 1-bit weights are scaled.
    pub binary_scale: BinaryScale,
    /// How activations are quantized, residual streams apart: the signed ends of their branches need a learned step.
    pub activation_quantizer: ActivationQuantizer,
    /// Seed of the initial weights and tables. Layers of one name and shape start from the same weights in every network.
    pub seed: u64,
}

impl Default for NetworkConfig {
    /// 32x32 colour images of 10 classes, w2a2 in every layer.
    fn default() -> Self {
        Self {
            colours: 3,
            height: 32,
            width: 32,
            classes: 10,
            bits: Some(Bits {
                weights: 2,
                activations: 2,
            }),
            residual_bits: 8,
            first: FirstLayer::default(),
            last: LastLayer::default(),
            mean: vec![0.5],
            std: vec![0.25],
            weight_quantizer: WeightQuantizer::default(),
            binary_scale: BinaryScale::default(),
            activation_quantizer: ActivationQuantizer::default(),
            seed: 0,
        }
    }
}

/// Bits of weights and activations, written `w2a2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bits {
    /// Bits of a weight, 1 to 8.
    pub weights: u8,
    /// Bits of an activation, 1 to 8.
    pub activations: u8,
}

impl fmt::Display for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "w{}a{}", self.weights, self.activations)
    }
}

impl FromStr for Bits {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (weights, activations) = text.strip_prefix('w')?.split_once('a')?;
            Some(Self {
                weights: weights.parse().ok()?,
                activations: activations.parse().ok()?,
            })
        };
        parse().ok_or_else(|| {
            format!("`{text}` are no bits; write w2a2 for 2-bit weights and activations, or float")
        })
    }
}

/// What the first layer is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FirstLayer {
    /// Normalized pixels and float weights.
    Float,
    /// The pixels as 8-bit codes and 8-bit weights.
    EightBit,
    /// Weights like the body's, behind this input.
    Body(Input),
}

impl Default for FirstLayer {
    fn default() -> Self {
        FirstLayer::Body(Input::Table(TableConfig::default()))
    }
}

/// How pixels become low-bit codes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Input {
    /// A fixed encoder.
    Encoder(Encoder),
    /// A learned pixel table.
    Table(TableConfig),
}

/// A learned pixel table.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct TableConfig {
    /// Columns a colour value becomes, 1 to 256.
    pub depth: usize,
    /// Rows, one of [`crate::TABLE_ROWS`]: with fewer than 256, neighbouring pixel values share one.
    pub rows: usize,
    /// Bits of the codes.
    pub bits: u8,
    /// One table for all colours instead of one for each.
    pub shared: bool,
    /// What it starts from.
    pub init: TableInit,
}

impl Default for TableConfig {
    fn default() -> Self {
        Self {
            depth: 10,
            rows: 256,
            bits: 2,
            shared: true,
            init: TableInit::default(),
        }
    }
}

/// What the last layer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LastLayer {
    /// Float weights; its input keeps the codes of the layer before.
    Float,
    /// 8-bit weights, and 8-bit activations where it does not read a residual stream.
    EightBit,
    /// Weights and activations like the body's.
    #[default]
    Body,
}

/// How weights of 2 bits and more are quantized. Those of 1 bit are always scaled by their mean magnitude.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WeightQuantizer {
    /// Learned step, one for the tensor ([`crate::Quantizer::Lsq`]).
    #[default]
    Lsq,
    /// Hyperbolic tangents between -1 and 1 ([`crate::Quantizer::DorefaWeight`]).
    Dorefa,
}

/// How 1-bit weights are scaled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BinaryScale {
    /// One mean for each output channel; one for the tensor in the classifier, whose logits need a common scale.
    #[default]
    Channel,
    /// One mean for the tensor.
    Tensor,
}

/// How activations are quantized.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ActivationQuantizer {
    /// Learned step.
    #[default]
    Lsq,
    /// Linear mid-tread half.
    MidTreadHalf {
        /// Value of the largest code.
        max: f32,
    },
    /// Values from 0 to 1 in equal steps (DoReFa), which is LSQ with a step that is not learned.
    Dorefa,
    /// Learned clip value. A pixel table has LSQ's learned step instead: its entries follow the step, so nothing would be left to clip.
    Pact,
}

impl NetworkConfig {
    /// Everything that is out of range, one line each.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut check = |ok: bool, what: String| {
            if !ok {
                problems.push(what);
            }
        };
        let bits_ok = |bits: u8| (1..=8).contains(&bits);
        let colours = self.colours;
        check(
            [1, 3].contains(&colours),
            format!("colours = {colours}; use 1 or 3"),
        );
        for (key, value, most) in [
            ("height", self.height, 4096),
            ("width", self.width, 4096),
            ("classes", self.classes, 100_000),
        ] {
            check(
                (1..=most).contains(&value),
                format!("{key} = {value}; use 1 to {most}"),
            );
        }
        if let Some(bits) = self.bits {
            check(
                bits_ok(bits.weights) && bits_ok(bits.activations),
                format!("bits = {bits}; use 1 to 8"),
            );
        }
        check(
            (2..=8).contains(&self.residual_bits),
            format!("residual-bits = {}; use 2 to 8", self.residual_bits),
        );
        for (key, values) in [("mean", &self.mean), ("std", &self.std)] {
            check(
                values.len() == 1 || values.len() == colours,
                format!("{key} has {} numbers; give 1 or {colours}", values.len()),
            );
            check(
                values.iter().all(|v| v.is_finite()),
                format!("{key} = {values:?}; finite numbers are needed"),
            );
        }
        check(
            self.std.iter().all(|&std| std > 0.0),
            format!("std = {:?}; positive numbers are needed", self.std),
        );
        if let ActivationQuantizer::MidTreadHalf { max } = self.activation_quantizer {
            check(
                max.is_finite() && max > 0.0,
                format!("activation-quantizer max = {max}; a positive number is needed"),
            );
        }
        match self.first {
            FirstLayer::Body(Input::Encoder(encoder)) => check(
                encoder.is_valid(),
                format!("encoder {encoder:?}; use depths 1 to 256 and 1 to 8 bits"),
            ),
            FirstLayer::Body(Input::Table(TableConfig {
                depth, rows, bits, ..
            })) => check(
                (1..=256).contains(&depth) && crate::TABLE_ROWS.contains(&rows) && bits_ok(bits),
                format!(
                    "table depth = {depth}, rows = {rows}, bits = {bits}; use depths 1 to 256, 256 rows or a smaller power \
                     of two, and 1 to 8 bits"
                ),
            ),
            FirstLayer::Float | FirstLayer::EightBit => {}
        }
        problems
    }
}

/// `Option<Bits>` as `"w2a2"` or `"float"`.
mod bits_or_float {
    use super::Bits;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(bits: &Option<Bits>, serializer: S) -> Result<S::Ok, S::Error> {
        match bits {
            Some(bits) => serializer.collect_str(bits),
            None => serializer.serialize_str("float"),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Bits>, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "float" => Ok(None),
            text => text.parse().map(Some).map_err(D::Error::custom),
        }
    }
}
