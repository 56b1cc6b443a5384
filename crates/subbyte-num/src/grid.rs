use crate::{CodeType, round_half_even, round_half_even_f32, round_half_up};

/// Real value to code and back on a uniform grid: how the float side's quantizers are defined.
///
/// Every rounding rule that a trained network may use is one of these; methods.md 2 has their sources.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Grid {
    /// `clamp(round_half_even(x / scale))` on the levels of the code type (LSQ, PACT, uniform post-training grids).
    Nearest {
        /// Bits and levels.
        code: CodeType,
        /// Real value of one level, positive.
        scale: f32,
    },
    /// Linear mid-tread half: `floor(clamp(x, 0, max) * n / max + 1/2)`, ties upwards, unsigned codes.
    MidTreadHalf {
        /// Bits of the unsigned code.
        bits: u8,
        /// Real value of the largest code, positive.
        max: f32,
    },
    /// Mid-rise: the nearest odd level `-n, 2 - n, …, n`, ties to the even code (DoReFa weights).
    MidRise {
        /// Bits of the bipolar code.
        bits: u8,
        /// Real value of level 1, positive.
        scale: f32,
    },
    /// `sign(x)` with `sign(0) = +1`, levels -1 and +1.
    Sign {
        /// Real value of level 1, positive.
        scale: f32,
    },
}

impl Grid {
    /// Bits and levels of the codes.
    pub fn code_type(self) -> CodeType {
        match self {
            Grid::Nearest { code, .. } => code,
            Grid::MidTreadHalf { bits, .. } => CodeType::unsigned(bits),
            Grid::MidRise { bits, .. } => CodeType::bipolar(bits),
            Grid::Sign { .. } => CodeType::bipolar(1),
        }
    }

    /// Real value of one level.
    pub fn scale(self) -> f64 {
        match self {
            Grid::Nearest { scale, .. } | Grid::MidRise { scale, .. } | Grid::Sign { scale } => {
                f64::from(scale)
            }
            Grid::MidTreadHalf { bits, max } => {
                f64::from(max) / f64::from(CodeType::unsigned(bits).max_code())
            }
        }
    }

    /// Code of a real value in f64 arithmetic, which is what lowering uses. NaN becomes code 0.
    pub fn code(self, x: f64) -> u8 {
        match self {
            Grid::Nearest { code, scale } => {
                clamp_level(code, round_half_even(x / f64::from(scale)))
            }
            Grid::MidTreadHalf { bits, max } => {
                let code = CodeType::unsigned(bits);
                clamp_level(
                    code,
                    round_half_up(x / f64::from(max) * f64::from(code.max_code())),
                )
            }
            Grid::MidRise { bits, scale } => {
                let codes = CodeType::unsigned(bits);
                let middle = f64::from(codes.max_code());
                clamp_level(
                    codes,
                    round_half_even((x / f64::from(scale) + middle) / 2.0),
                )
            }
            Grid::Sign { .. } => u8::from(x >= 0.0),
        }
    }

    /// Code of an f32 value in f32 arithmetic, which is what training uses (weights and tables are quantized by it, so that
    /// the lowered weights are the trained ones).
    pub fn code_f32(self, x: f32) -> u8 {
        match self {
            Grid::Nearest { code, scale } => {
                clamp_level(code, f64::from(round_half_even_f32(x / scale)))
            }
            // The tie rule needs one more bit than f32 has, so these round in f64 on every path.
            Grid::MidTreadHalf { .. } | Grid::MidRise { .. } | Grid::Sign { .. } => {
                self.code(f64::from(x))
            }
        }
    }

    /// Real value of a code, in f32.
    pub fn value(self, code: u8) -> f32 {
        (self.scale() * f64::from(self.code_type().level(code))) as f32
    }
}

/// Saturates an integral level to the code type, NaN to code 0.
fn clamp_level(code: CodeType, level: f64) -> u8 {
    if level >= f64::from(code.max_level()) {
        code.max_code()
    } else if level >= f64::from(code.min_level()) {
        code.saturate(level as i32)
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_fixed_points() {
        for bits in 1..=8 {
            let mut grids = std::vec![
                Grid::Nearest {
                    code: CodeType::unsigned(bits),
                    scale: 0.37
                },
                Grid::MidTreadHalf { bits, max: 2.0 },
                Grid::MidRise { bits, scale: 0.3 },
                Grid::Sign { scale: 0.2 },
            ];
            if bits > 1 {
                grids.push(Grid::Nearest {
                    code: CodeType::signed(bits),
                    scale: 1e-3,
                });
            }
            for grid in grids {
                for code in 0..=grid.code_type().max_code() {
                    assert_eq!(grid.code_f32(grid.value(code)), code, "{grid:?}");
                    assert_eq!(grid.code(f64::from(grid.value(code))), code, "{grid:?}");
                }
                assert_eq!(grid.code(f64::NEG_INFINITY), 0);
                assert_eq!(grid.code(f64::INFINITY), grid.code_type().max_code());
                assert_eq!(grid.code(f64::NAN), 0);
            }
        }
    }

    #[test]
    fn ties_follow_each_rule() {
        let nearest = Grid::Nearest {
            code: CodeType::unsigned(2),
            scale: 1.0,
        };
        assert_eq!([0.5, 1.5, 2.5, 3.5].map(|x| nearest.code(x)), [0, 2, 2, 3]);
        let half_up = Grid::MidTreadHalf { bits: 2, max: 3.0 };
        assert_eq!([0.5, 1.5, 2.5, 3.5].map(|x| half_up.code(x)), [1, 2, 3, 3]);
        let mid_rise = Grid::MidRise {
            bits: 2,
            scale: 1.0,
        };
        assert_eq!(
            [-2.0, -1.9, 0.0, 1.9, 2.0].map(|x| mid_rise.code(x)),
            [0, 1, 2, 2, 2]
        );
        let sign = Grid::Sign { scale: 1.0 };
        assert_eq!(
            [-1e-30, -0.0, 0.0, 1e-30].map(|x| sign.code(x)),
            [0, 1, 1, 1]
        );
    }
}
