//! Pixel encoders as integer tables `code[pixel][column]` (methods.md 1.3, 1.4): what stands in front of a network whose first
//! layer is low-bit.

use serde::{Deserialize, Serialize};
use subbyte_num::{CodeType, round_half_even};

/// A fixed encoder of one colour value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Encoder {
    /// One column, the pixel rounded to `bits` bits.
    Naive {
        /// Bits of the code.
        bits: u8,
    },
    /// Eight columns of 1 bit: column `j` is bit `j` of the pixel.
    BitPlanes,
    /// `depth` columns of 1 bit: column `j` is 1 where `j < round(pixel * depth / 256)`, ties to even. At depth 32 this is
    /// FracBNN's encoder (`round(pixel / 8)`).
    Thermometer {
        /// Columns, 1 to 256.
        depth: usize,
    },
    /// `depth` columns of `bits` bits that add up to a uniform quantization of the pixel: the integer rule of methods.md 1.4.
    GeneralisedThermometer {
        /// Columns, 1 to 256.
        depth: usize,
        /// Bits of the codes.
        bits: u8,
    },
    /// One column of 8 bits: the pixel itself.
    Identity,
}

/// Codes of every pixel value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncoderTable {
    /// Columns a pixel value becomes.
    pub depth: usize,
    /// Bits of the unsigned codes.
    pub bits: u8,
    /// Codes `[256][depth]`.
    pub codes: Vec<u8>,
}

impl Encoder {
    /// Columns a pixel value becomes.
    pub fn depth(self) -> usize {
        match self {
            Encoder::Naive { .. } | Encoder::Identity => 1,
            Encoder::BitPlanes => 8,
            Encoder::Thermometer { depth } | Encoder::GeneralisedThermometer { depth, .. } => depth,
        }
    }

    /// Bits of the codes.
    pub fn bits(self) -> u8 {
        match self {
            Encoder::Naive { bits } | Encoder::GeneralisedThermometer { bits, .. } => bits,
            Encoder::BitPlanes | Encoder::Thermometer { .. } => 1,
            Encoder::Identity => 8,
        }
    }

    /// Whether depth and bits are in their ranges.
    pub fn is_valid(self) -> bool {
        (1..=256).contains(&self.depth()) && (1..=8).contains(&self.bits())
    }

    /// The code of `pixel` in column `column`.
    fn code(self, pixel: u8, column: usize) -> u8 {
        let x = usize::from(pixel);
        match self {
            Encoder::Naive { bits } => {
                let n = max_code(bits);
                ((2 * x * n + 255) / 510) as u8
            }
            Encoder::BitPlanes => pixel >> column & 1,
            Encoder::Thermometer { depth } => {
                let level = round_half_even((x * depth) as f64 / 256.0);
                u8::from((column as f64) < level)
            }
            Encoder::GeneralisedThermometer { depth, bits } => {
                let n = max_code(bits);
                let step = (255 / (n * depth)).max(1);
                n.min((x + step * (depth - 1 - column)) / (step * depth)) as u8
            }
            Encoder::Identity => pixel,
        }
    }

    /// Codes of every pixel value.
    ///
    /// # Panics
    /// Unless [`Encoder::is_valid`].
    pub fn table(self) -> EncoderTable {
        assert!(self.is_valid(), "{self:?}");
        let depth = self.depth();
        let codes = (0..=255)
            .flat_map(|pixel| (0..depth).map(move |column| self.code(pixel, column)))
            .collect();
        EncoderTable {
            depth,
            bits: self.bits(),
            codes,
        }
    }
}

/// `n = 2^bits - 1`.
fn max_code(bits: u8) -> usize {
    usize::from(CodeType::unsigned(bits).max_code())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generalised(depth: usize, bits: u8) -> EncoderTable {
        Encoder::GeneralisedThermometer { depth, bits }.table()
    }

    #[test]
    fn generalised_thermometer_has_the_published_levels_and_saturation() {
        for (depth, levels, saturates_at, extreme_percent) in [
            (4, 13, 252, 34.4),
            (8, 25, 240, 37.5),
            (10, 31, 240, 37.5),
            (16, 49, 240, 37.5),
            (21, 64, 252, 34.4),
            (32, 97, 192, 50.0),
        ] {
            let codes = generalised(depth, 2).codes;
            let rows: Vec<_> = codes.chunks(depth).collect();
            let mut distinct = rows.clone();
            distinct.sort();
            distinct.dedup();
            assert_eq!(distinct.len(), levels, "depth {depth}");
            let first_full = rows.iter().position(|row| row.iter().all(|&c| c == 3));
            assert_eq!(first_full, Some(saturates_at), "depth {depth}");
            let extreme = codes.iter().filter(|&&c| c == 0 || c == 3).count();
            let percent = 100.0 * extreme as f64 / codes.len() as f64;
            assert!(
                (percent - extreme_percent).abs() < 0.05,
                "depth {depth}: {percent}"
            );
        }
    }

    #[test]
    fn digits_of_the_generalised_thermometer_add_up_to_a_uniform_quantization() {
        for bits in 1..=4 {
            for depth in [1, 2, 3, 4, 5, 8, 10, 16, 21, 32] {
                let n = max_code(bits);
                let step = (255 / (n * depth)).max(1);
                for (x, row) in generalised(depth, bits).codes.chunks(depth).enumerate() {
                    let sum: usize = row.iter().map(|&c| usize::from(c)).sum();
                    assert_eq!(sum, (n * depth).min(x / step), "depth {depth}, pixel {x}");
                }
            }
        }
    }

    #[test]
    fn digits_count_thresholds_dealt_round_robin() {
        for bits in 1..=4 {
            for depth in [1, 3, 10, 21] {
                let n = max_code(bits);
                let step = (255 / (n * depth)).max(1);
                for (x, row) in generalised(depth, bits).codes.chunks(depth).enumerate() {
                    for (i, &code) in row.iter().enumerate() {
                        let reached = (0..n)
                            .filter(|m| x > step * (m * depth + i + 1) - 1)
                            .count();
                        assert_eq!(usize::from(code), reached);
                    }
                }
            }
        }
    }

    #[test]
    fn thermometer_thresholds_follow_ties_to_even() {
        let codes = Encoder::Thermometer { depth: 32 }.table().codes;
        for j in 0..32 {
            let threshold = (0..256).position(|x| codes[x * 32 + j] == 1);
            let expected = 8 * j + if j % 2 == 0 { 5 } else { 4 };
            assert_eq!(threshold, Some(expected));
            assert!((expected..256).all(|x| codes[x * 32 + j] == 1));
        }
    }

    #[test]
    fn simple_encoders_say_the_pixel() {
        assert!(Encoder::Identity.table().codes.iter().copied().eq(0..=255));
        for (x, row) in Encoder::BitPlanes.table().codes.chunks(8).enumerate() {
            let pixel: usize = row
                .iter()
                .enumerate()
                .map(|(j, &b)| usize::from(b) << j)
                .sum();
            assert_eq!(pixel, x);
        }
        for bits in 1..=8 {
            let n = max_code(bits) as f64;
            let codes = Encoder::Naive { bits }.table().codes;
            for (x, &code) in codes.iter().enumerate() {
                assert_eq!(
                    f64::from(code),
                    (x as f64 * n / 255.0).round(),
                    "{bits} bits"
                );
            }
        }
    }
}
