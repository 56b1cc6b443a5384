//! Initial values of a learned pixel table (methods.md 1.5).

use serde::{Deserialize, Serialize};
use subbyte_num::CodeType;

use crate::{Encoder, rng::Rng};

/// What a learned pixel table starts from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TableInit {
    /// Uniform random over the whole range of codes.
    Uniform,
    /// The thermometer of the table's depth, its 1 being the largest code.
    Thermometer,
    /// The generalised thermometer of the table's depth and bits.
    #[default]
    GeneralisedThermometer,
    /// The pixel's brightness, in every column.
    Linear,
    /// Bit planes, the most significant in column 0, again from column 8 on; a set bit is the largest code.
    BitPlanes,
}

/// Rows that a pixel table may have: pixel value `v` reads row `v * rows / 256`.
pub const TABLE_ROWS: [usize; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/// Distance that initial values keep from the values of the smallest and the largest code, in codes. On them the gradient of a
/// clipping quantizer is zero, so they would never be trained; a quarter of a code changes no code.
const MARGIN: f32 = 0.25;

impl TableInit {
    /// Values `[tables][rows][depth]` in units of codes, between 0 and `n = 2^bits - 1`: a row starts as the one in the middle of
    /// the pixel values that share it. `seed` matters to [`TableInit::Uniform`] only.
    ///
    /// # Panics
    /// If `rows` is not among [`TABLE_ROWS`], `depth` not 1 to 256 or `bits` not 1 to 8.
    pub fn values(self, tables: usize, rows: usize, depth: usize, bits: u8, seed: u64) -> Vec<f32> {
        assert!(TABLE_ROWS.contains(&rows), "{rows} rows");
        let n = f32::from(CodeType::unsigned(bits).max_code());
        let codes = |encoder: Encoder| encoder.table().codes;
        let margin = |z: f32| z.clamp(MARGIN, n - MARGIN);
        let one: Vec<f32> = match self {
            TableInit::Uniform => {
                let mut rng = Rng::new(seed);
                let values = std::iter::repeat_with(|| rng.unit() * n);
                return values.take(tables * rows * depth).collect();
            }
            TableInit::Thermometer => codes(Encoder::Thermometer { depth })
                .iter()
                .map(|&bit| margin(f32::from(bit) * n))
                .collect(),
            TableInit::GeneralisedThermometer => {
                codes(Encoder::GeneralisedThermometer { depth, bits })
                    .iter()
                    .map(|&code| margin(f32::from(code)))
                    .collect()
            }
            TableInit::Linear => (0..256 * depth)
                .map(|i| margin((i / depth) as f32 * n / 255.0))
                .collect(),
            TableInit::BitPlanes => (0..256 * depth)
                .map(|i| margin((((i / depth) >> (7 - i % depth % 8)) & 1) as f32 * n))
                .collect(),
        };
        let shared = 256 / rows;
        let middles = one.chunks_exact(shared * depth);
        let one: Vec<f32> = middles
            .flat_map(|values| &values[shared / 2 * depth..][..depth])
            .copied()
            .collect();
        one.repeat(tables)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use subbyte_num::Grid;

    const ALL: [TableInit; 5] = [
        TableInit::Uniform,
        TableInit::Thermometer,
        TableInit::GeneralisedThermometer,
        TableInit::Linear,
        TableInit::BitPlanes,
    ];

    fn codes(values: &[f32], bits: u8) -> Vec<u8> {
        let grid = Grid::Nearest {
            code: CodeType::unsigned(bits),
            scale: 1.0,
        };
        values.iter().map(|&z| grid.code_f32(z)).collect()
    }

    #[test]
    fn every_entry_of_an_encoder_start_is_trainable_and_keeps_its_code() {
        for bits in 1..=8 {
            for depth in [1, 5, 10, 32] {
                let n = f32::from(CodeType::unsigned(bits).max_code());
                for init in ALL {
                    let values = init.values(3, 256, depth, bits, 1);
                    assert_eq!(values.len(), 3 * 256 * depth);
                    assert!(values.iter().all(|&z| z >= 0.0 && z < n), "{init:?}");
                }
                let encoder = Encoder::GeneralisedThermometer { depth, bits };
                let values = TableInit::GeneralisedThermometer.values(1, 256, depth, bits, 1);
                assert_eq!(codes(&values, bits), encoder.table().codes);
                let linear = codes(&TableInit::Linear.values(1, 256, 1, bits, 1), bits);
                assert_eq!(linear, Encoder::Naive { bits }.table().codes);
            }
        }
    }

    #[test]
    fn one_bit_starts_are_the_one_bit_encoders() {
        let thermometer = TableInit::Thermometer.values(1, 256, 32, 1, 1);
        assert_eq!(
            codes(&thermometer, 1),
            Encoder::Thermometer { depth: 32 }.table().codes
        );
        let planes = codes(&TableInit::BitPlanes.values(1, 256, 8, 1, 1), 1);
        for (row, reversed) in planes
            .chunks(8)
            .zip(Encoder::BitPlanes.table().codes.chunks(8))
        {
            assert!(row.iter().eq(reversed.iter().rev()));
        }
    }

    #[test]
    fn a_uniform_start_uses_all_codes_and_every_row_differs() {
        let values = TableInit::Uniform.values(1, 256, 10, 2, 7);
        let codes = codes(&values, 2);
        for (code, share) in [1.0 / 6.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 6.0]
            .iter()
            .enumerate()
        {
            let count = codes.iter().filter(|&&c| usize::from(c) == code).count();
            assert!(
                (count as f64 / codes.len() as f64 - share).abs() < 0.03,
                "code {code}"
            );
        }
        assert_ne!(values, TableInit::Uniform.values(1, 256, 10, 2, 8));
    }
    #[test]
    fn fewer_rows_start_in_the_middle_of_those_that_they_stand_for() {
        for init in ALL {
            let all = init.values(2, 256, 3, 2, 5);
            for rows in TABLE_ROWS {
                let few = init.values(2, rows, 3, 2, 5);
                assert_eq!(few.len(), 2 * rows * 3);
                if init != TableInit::Uniform {
                    for row in 0..rows {
                        let middle = (row * 256 + 128) / rows;
                        assert_eq!(few[row * 3..][..3], all[middle * 3..][..3], "{init:?}");
                    }
                }
            }
        }
    }
}
