use std::collections::BTreeSet;

use serde::Serialize;
use subbyte::model::{Model, Op};

/// Facts of a pixel table.
#[derive(Serialize)]
pub struct PixelTable {
    /// 1 for all colours, or one per colour.
    pub tables: usize,
    /// Codes that a colour value becomes (D).
    pub depth: usize,
    /// Bits of a code.
    pub bits: u8,
    /// For each table, how many of its 256 rows of D codes are different: pixel values that the network can tell apart.
    pub distinct_rows: Vec<usize>,
    /// Share of each code among all entries.
    pub code_shares: Vec<f64>,
    /// For each table D lines of text: dark to bright pixels from left to right, small to large codes from blank to dense.
    #[serde(skip)]
    pub pictures: Vec<Vec<String>>,
}

/// Characters for codes, from the smallest to the largest.
const RAMP: &[u8] = b" .:-=+*#%@";
/// Columns of a picture.
const COLUMNS: usize = 64;
/// Rows that a picture shows at most.
const ROWS: usize = 32;

impl PixelTable {
    /// The table of a model, where it has one.
    pub fn of(model: &Model) -> Option<Self> {
        let table = model.nodes.iter().find_map(|node| match &node.op {
            Op::PixelTable(table) => Some(table),
            _ => None,
        })?;
        let codes = table.codes.unpack();
        let largest = usize::from(table.code.max_code());
        let mut counts = vec![0u32; largest + 1];
        codes
            .iter()
            .for_each(|&code| counts[usize::from(code)] += 1);
        let each = codes.chunks(256 * table.depth);
        let distinct = |codes: &[u8]| codes.chunks(table.depth).collect::<BTreeSet<_>>().len();
        Some(Self {
            tables: table.tables,
            depth: table.depth,
            bits: table.code.bits,
            distinct_rows: each.clone().map(distinct).collect(),
            code_shares: counts
                .iter()
                .map(|&n| f64::from(n) / codes.len() as f64)
                .collect(),
            pictures: each
                .map(|codes| picture(codes, table.depth, largest))
                .collect(),
        })
    }
}

/// One table as text; `codes` are `[256][depth]`. Of pixel values that share a column the first is shown.
fn picture(codes: &[u8], depth: usize, largest: usize) -> Vec<String> {
    let mark = |code: u8| char::from(RAMP[usize::from(code) * (RAMP.len() - 1) / largest]);
    let line = |d: usize| {
        (0..256)
            .step_by(256 / COLUMNS)
            .map(|pixel| mark(codes[pixel * depth + d]))
            .collect()
    };
    (0..depth.min(ROWS)).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_codes_are_blank_and_large_ones_dense() {
        let codes: Vec<u8> = (0..=255u8)
            .flat_map(|pixel| [pixel / 128, pixel / 64])
            .collect();
        let lines = picture(&codes, 2, 3);
        let halves = format!("{}{}", " ".repeat(32), "-".repeat(32));
        let quarters: String = " -*@".chars().flat_map(|c| [c; 16]).collect();
        assert_eq!(lines, [halves, quarters]);
    }
}
