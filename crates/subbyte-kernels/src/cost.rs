//! What kernels cost, so that the planner can choose between those that compute the same.

use crate::{Level, Mix};

/// The work of a kernel for one problem.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// What the innermost steps do; `None` where the compiler vectorises them.
    pub mix: Option<Mix>,
    /// Innermost steps: one vector of weights or table entries for one pixel.
    pub steps: u64,
    /// Those of the steps that read a table row for one vector alone, not for two.
    pub lone: u64,
    /// Vectors of sums that are finished.
    pub outputs: u64,
    /// Input codes that are packed.
    pub inputs: u64,
}

/// Picoseconds for each part of the [`Work`].
pub(crate) type Prices = [u64; 4];

impl Work {
    /// What has a price, in the order of the table of prices.
    pub const fn parts(self) -> [u64; 4] {
        [self.steps, self.lone, self.outputs, self.inputs]
    }

    /// Picoseconds that a kernel takes at a level by the table of prices; `None` where it has no row, having no rival.
    pub(crate) fn cost(self, kernel: &str, level: Level) -> Option<u64> {
        let row = TABLE.iter().find(|row| (row.0, row.1) == (kernel, level))?;
        let parts = self.parts().into_iter().zip(row.2);
        Some(parts.map(|(part, price)| part * price).sum())
    }
}

/// A kernel, its level, its prices.
type Row = (&'static str, Level, Prices);

/// Prices as `cargo bench -p subbyte-kernels -- prices` measures them, one class of machines a level.
const ROWS: &[Row] = &include!("prices.in");

/// Those of the levels that this build has.
static TABLE: [Row; own_rows()] = {
    let mut table = [ROWS[0]; own_rows()];
    let (mut i, mut filled) = (0, 0);
    while i < ROWS.len() {
        if is_own(ROWS[i].1) {
            table[filled] = ROWS[i];
            filled += 1;
        }
        i += 1;
    }
    table
};

const fn is_own(level: Level) -> bool {
    let mut i = 0;
    while i < Level::ALL.len() {
        if Level::ALL[i] as u8 == level as u8 {
            return true;
        }
        i += 1;
    }
    false
}

const fn own_rows() -> usize {
    let (mut i, mut rows) = (0, 0);
    while i < ROWS.len() {
        rows += is_own(ROWS[i].1) as usize;
        i += 1;
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_price_has_one_at_every_level_that_its_kernel_may_have() {
        let priced = |kernel, level| ROWS.iter().any(|row| (row.0, row.1) == (kernel, level));
        let levels = [
            Level::Avx2,
            Level::Avx512,
            Level::Neon,
            Level::Dotprod,
            Level::Simd128,
        ];
        for (kernel, ..) in ROWS.iter().filter(|row| row.1 == Level::Avx2) {
            assert!(priced(kernel, Level::Portable), "{kernel}");
            assert!(levels.iter().all(|&l| priced(kernel, l)), "{kernel}");
        }
    }
}
