//! Quality scalable quantization (methods.md 5): weights as 0 or plus or minus a power of two, times a scale for every vector of
//! neighbouring input channels. Integers from end to end: codes are shifted, each vector's sum is multiplied once.

use std::ops::ControlFlow;

use subbyte_graph::{Graph, Placement};

use crate::codebook::Codebook;
use crate::formats::Formats;
use crate::prepared::Prepared;
use crate::progress::Progress;
use crate::round_network::{round_in_closed_form, round_to_nearest};
use crate::{Clip, Images, QuantizeError, Rounding};

/// How [`qsq`] quantizes.
#[derive(Clone, Debug, PartialEq)]
pub struct Qsq {
    /// Bits of activations; the layers that it names keep uniform weights of their bits.
    pub placement: Placement,
    /// Ranges of activations.
    pub clip: Clip,
    /// How weights get their codes.
    pub rounding: Rounding,
    /// Input channels that share a scale, at most; a divisor of a layer's channels is taken.
    pub vector: usize,
    /// The largest power of two: 1 (2-bit codes), 2 or 4 (3-bit codes).
    pub quality: u8,
}

/// Quantizes a float classifier to power-of-two codes.
///
/// # Errors
/// As [`crate::uniform`].
pub fn qsq(
    float: &Graph,
    calibration: &[Images],
    method: &Qsq,
    mut tell: impl FnMut(Progress) -> ControlFlow<()>,
) -> Result<Graph, QuantizeError> {
    let Qsq {
        placement, clip, ..
    } = method;
    let prepared = Prepared::new(float, placement, calibration, *clip, &mut tell)?;
    let formats: Vec<Formats> = prepared
        .layers
        .iter()
        .map(|layer| {
            let rows = layer.geometry.output[0];
            let own = placement.layers.get(&layer.name);
            if let Some(bits) = own.and_then(|bits| bits.weights) {
                return Formats::one(Codebook::signed(bits), rows);
            }
            let channels = layer.geometry.input[0] / layer.geometry.groups;
            let divides = |n: &usize| channels % n == 0;
            let length = (1..=method.vector.min(channels)).rev().find(divides);
            Formats {
                vector: length,
                ..Formats::one(Codebook::powers_of_two(method.quality), rows)
            }
        })
        .collect();
    match method.rounding {
        Rounding::Nearest => round_to_nearest(&prepared, &formats),
        Rounding::ClosedForm => round_in_closed_form(&prepared, calibration, &formats, &mut tell),
    }
}
