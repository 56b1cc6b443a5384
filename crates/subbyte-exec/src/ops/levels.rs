use subbyte_num::CodeType;

use crate::simd::vectorize;

/// What the values of a quantized tensor are: whole multiples, the levels of a code type, of a unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Levels {
    /// Codes and their levels.
    pub code: CodeType,
    /// Real value of a level, positive: one for the tensor, or one for each index of its first axis.
    pub units: Vec<f32>,
}

/// 1.5 * 2^23: a sum with it has no bits for a fraction, so a number of magnitude below 2^22 is rounded by it, half to even.
pub(super) const ROUND: f32 = 12_582_912.0;

vectorize! {
    fn encode_by<'a>(x: &'a [f32], inverse: f32, offset: i32, codes: &'a mut [u8]) -> () {
        for (code, x) in codes.iter_mut().zip(x) {
            *code = round(x * inverse).wrapping_sub(offset) as u8;
        }
    }
}

/// The integer nearest to a number of magnitude below 2^22.
#[inline(always)]
pub(super) fn round(x: f32) -> i32 {
    (x + ROUND).to_bits().wrapping_sub(ROUND.to_bits()) as i32
}

/// Codes of values that are levels, `code + offset`, times the unit.
pub(super) fn encode(x: &[f32], unit: f32, offset: i32, codes: &mut [u8]) {
    encode_by(x, 1.0 / unit, offset, codes);
}

impl Levels {
    /// Levels of the values of a tensor.
    pub(super) fn levels(&self, values: &[f32]) -> Vec<i16> {
        let run = (values.len() / self.units.len()).max(1);
        let rows = values.chunks(run).zip(&self.units);
        rows.flat_map(|(row, unit)| row.iter().map(move |v| round(v / unit) as i16))
            .collect()
    }

    /// The unit of each of `rows` indices of the first axis.
    pub(super) fn per_row(&self, rows: usize) -> Vec<f32> {
        self.units.iter().copied().cycle().take(rows).collect()
    }
}
