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

/// Prices as `cargo bench -p subbyte-kernels -- prices` measures them, one class of machines a level.
const TABLE: &[(&str, Level, Prices)] = &include!("prices.in");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_price_has_one_at_every_level_that_its_kernel_may_have() {
        let priced = |kernel, level| TABLE.iter().any(|row| (row.0, row.1) == (kernel, level));
        let levels = [
            Level::Avx2,
            Level::Avx512,
            Level::Neon,
            Level::Dotprod,
            Level::Simd128,
        ];
        for (kernel, ..) in TABLE.iter().filter(|row| row.1 == Level::Avx2) {
            assert!(priced(kernel, Level::Portable), "{kernel}");
            assert!(levels.iter().all(|&l| priced(kernel, l)), "{kernel}");
        }
    }
}
