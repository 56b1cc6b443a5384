//! Uniform codes of one width for a whole layer: the base of all post-training methods.

use std::ops::ControlFlow;

use subbyte_graph::{Graph, Placement};

use crate::codebook::Codebook;
use crate::formats::Formats;
use crate::prepared::Prepared;
use crate::progress::Progress;
use crate::round_network::{round_in_closed_form, round_to_nearest};
use crate::{Clip, Images, QuantizeError};

/// How [`uniform`] quantizes.
#[derive(Clone, Debug, PartialEq)]
pub struct Uniform {
    /// Bits of all layers; weights without bits get 8.
    pub placement: Placement,
    /// Ranges of activations.
    pub clip: Clip,
    /// How weights get their codes.
    pub rounding: Rounding,
}

/// How weights get their codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// The nearest code, and nothing else: the baseline.
    Nearest,
    /// By the layers' Gram matrices, with weights adapted to the inputs of the network quantized so far and biases that keep the mean
    /// of every channel (methods.md 6.5).
    ClosedForm,
}

/// Quantizes a float classifier in every layer: batch norms folded, a scale for each output channel, uniform codes.
///
/// `calibration` are batches of images like those that the network will see. `tell` hears of every step and may end the work. The
/// weights of the result are codes that stay as they are.
///
/// # Errors
/// If the network cannot be given quantizers or run, if it computes numbers that are not finite, or if `tell` ends it.
pub fn uniform(
    float: &Graph,
    calibration: &[Images],
    method: &Uniform,
    mut tell: impl FnMut(Progress) -> ControlFlow<()>,
) -> Result<Graph, QuantizeError> {
    let Uniform {
        placement, clip, ..
    } = method;
    let prepared = Prepared::new(float, placement, calibration, *clip, &mut tell)?;
    let formats: Vec<Formats> = prepared
        .layers
        .iter()
        .map(|layer| {
            let bits = placement.of(&layer.name).weights.unwrap_or(8);
            Formats::one(Codebook::signed(bits), layer.geometry.output[0])
        })
        .collect();
    match method.rounding {
        Rounding::Nearest => round_to_nearest(&prepared, &formats),
        Rounding::ClosedForm => round_in_closed_form(&prepared, calibration, &formats, &mut tell),
    }
}
