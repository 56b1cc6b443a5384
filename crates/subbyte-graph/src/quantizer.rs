use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use subbyte_num::{CodeType, Grid};

use crate::Role;

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
    /// Equal steps with a zero point, as imported networks have it (Jacob et al., 2018): levels from `-zero`, ties to the even level.
    /// Inputs `[x, scale]` like those of [`Quantizer::Lsq`], which is this with `zero` at 0 or in the middle and serves those cases.
    Affine {
        /// Bits of the codes.
        bits: u8,
        /// The code that stands for 0.
        zero: u8,
    },
    /// Linear mid-tread half (methods.md 2.1), unsigned. Inputs `[x]`.
    MidTreadHalf {
        /// Bits of the codes.
        bits: u8,
        /// Value of the largest code.
        max: f32,
    },
    /// PACT (methods.md 2.3; Choi et al., 2018), unsigned: `n` equal steps up to a learned clip value. Inputs `[x, clip]`; the clip
    /// value is a parameter of shape `[1]`.
    Pact {
        /// Bits of the codes.
        bits: u8,
    },
    /// Binary mean scaling of weights (methods.md 2.2): `mean |w| * sign(w)`. Inputs `[w]`.
    BinaryMean {
        /// One mean per output channel instead of one for the tensor.
        per_channel: bool,
    },
    /// DoReFa of weights from 2 bits (methods.md 2.3; Zhou et al., 2016): `tanh(w) / max |tanh(w)|` on the `2^bits` equidistant values
    /// from -1 to 1, of which none is 0. Inputs `[w]`. Its 1-bit form is [`Quantizer::BinaryMean`]; its activations are
    /// [`Quantizer::Lsq`] with the constant step `1 / n`.
    DorefaWeight {
        /// Bits of the codes.
        bits: u8,
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
            | Quantizer::MidTreadHalf { bits, .. }
            | Quantizer::Pact { bits } => CodeType::unsigned(bits),
            Quantizer::Affine { bits, zero } => CodeType {
                bits,
                step: 1,
                offset: -i16::from(zero),
            },
            Quantizer::BinaryMean { .. } => CodeType::bipolar(1),
            Quantizer::DorefaWeight { bits } => CodeType::bipolar(bits),
        }
    }

    /// Role of the parameter that is the second input; `None` without one.
    pub fn parameter(self) -> Option<Role> {
        match self {
            Quantizer::Lsq { .. } | Quantizer::Affine { .. } => Some(Role::Scale),
            Quantizer::Pact { .. } => Some(Role::Clip),
            Quantizer::MidTreadHalf { .. }
            | Quantizer::BinaryMean { .. }
            | Quantizer::DorefaWeight { .. } => None,
        }
    }

    /// The second input's value that makes steps of size `step`.
    pub fn parameter_for(self, step: f32) -> f32 {
        match self {
            Quantizer::Pact { .. } => step * f32::from(self.code_type().max_code()),
            _ => step,
        }
    }

    /// Whether only weights can be quantized so.
    pub fn is_for_weights(self) -> bool {
        matches!(
            self,
            Quantizer::BinaryMean { .. } | Quantizer::DorefaWeight { .. }
        )
    }

    /// The grid of values. `parameter` is the second input, or what the quantizer derives from the weights in its place; it is
    /// ignored where the quantizer fixes its grid.
    pub fn grid(self, parameter: f32) -> Grid {
        let code = self.code_type();
        match self {
            Quantizer::Lsq { .. } | Quantizer::Affine { .. } => Grid::Nearest {
                code,
                scale: parameter,
            },
            Quantizer::MidTreadHalf { bits, max } => Grid::MidTreadHalf { bits, max },
            Quantizer::Pact { .. } => Grid::Nearest {
                code,
                scale: parameter / f32::from(code.max_code()),
            },
            Quantizer::BinaryMean { .. } => Grid::Sign { scale: parameter },
            Quantizer::DorefaWeight { bits } => Grid::MidRise {
                bits,
                scale: 1.0 / f32::from(code.max_code()),
            },
        }
    }

    /// What is put on the grid in place of `values`. It depends on all values of the tensor.
    pub fn prepare(self, values: &[f32]) -> Cow<'_, [f32]> {
        match self {
            Quantizer::DorefaWeight { .. } => squash(values).0.into(),
            _ => values.into(),
        }
    }
}

/// `tanh(w) / max |tanh(w)|` of all weights, and that maximum; weights of 0 alone stay 0.
pub fn squash(weights: &[f32]) -> (Vec<f32>, f32) {
    let mut all: Vec<f32> = weights
        .iter()
        .map(|w| f64::from(*w).tanh() as f32)
        .collect();
    let largest = all
        .iter()
        .fold(f32::MIN_POSITIVE, |max, t| max.max(t.abs()));
    for t in &mut all {
        *t /= largest;
    }
    (all, largest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squashed_weights_reach_one_and_keep_sign_and_order() {
        let (squashed, largest) = squash(&[-0.5, 0.0, 0.1, 2.0]);
        assert_eq!(largest, 2f64.tanh() as f32);
        assert_eq!((squashed[1], squashed[3]), (0.0, 1.0));
        assert!(squashed[0] < 0.0 && squashed.is_sorted());
        assert_eq!(squash(&[0.0, -0.0]).0, [0.0, 0.0]);
    }

    #[test]
    fn the_zero_point_stands_for_zero_and_the_ends_saturate() {
        for (bits, zero) in [(1, 0), (2, 3), (4, 5), (8, 200)] {
            let grid = Quantizer::Affine { bits, zero }.grid(0.25);
            assert_eq!(grid.code(0.0), zero);
            assert_eq!(grid.code(-1e9), 0);
            assert_eq!(grid.code(1e9), grid.code_type().max_code());
            assert_eq!(grid.value(0), -0.25 * f32::from(zero));
        }
    }

    #[test]
    fn the_largest_value_of_pact_is_its_clip_value() {
        for bits in 1..=8 {
            let pact = Quantizer::Pact { bits };
            let grid = pact.grid(1.5);
            assert_eq!(grid.value(grid.code_type().max_code()), 1.5);
            assert_eq!(
                pact.grid(pact.parameter_for(0.25)),
                pact.grid(0.25 * (grid.code_type().max_code() as f32))
            );
            assert_eq!(pact.grid(pact.parameter_for(0.25)).scale(), 0.25);
        }
    }
}
