//! The list of kernels. A line here is all that dispatch, equality test, benchmark and documentation need to know of one.

use alloc::boxed::Box;

use crate::{
    Level, Prepared, Problem, Store, Work, add, code_table, conv, linear_sums, max_pool, mul,
    pixel_conv, pixel_table,
    problem::{Entry, KernelFor},
    rearrange, requant, sum_pool,
};

/// An algorithm for one operation, compiled for several instruction sets.
#[derive(Clone, Copy, Debug)]
pub struct Kernel {
    name: &'static str,
    summary: &'static str,
    levels: &'static [Level],
    entry: Entry,
}

impl Kernel {
    /// Its name, unlike all others.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What it takes, in a few words.
    pub const fn summary(&self) -> &'static str {
        self.summary
    }

    /// Instruction sets that it is compiled for, the lowest first.
    pub const fn levels(&self) -> &'static [Level] {
        self.levels
    }

    /// Name of the operation that it computes.
    pub const fn operation(&self) -> &'static str {
        self.entry.operation()
    }

    /// Whether it can compute `problem`.
    pub fn supports(&self, problem: &Problem<'_>) -> bool {
        self.entry.supports(problem)
    }

    /// The highest of its levels that is not above `limit` and that this processor has.
    pub fn level_within(&self, limit: Level) -> Option<Level> {
        let mut levels = self.levels.iter().rev().copied();
        levels.find(|&level| level <= limit && level.is_available())
    }

    /// The work that it has with a problem that it supports.
    pub fn work(&self, problem: &Problem<'_>) -> Work {
        self.entry.work(problem).unwrap_or_default()
    }

    /// Picoseconds that it takes by the table of prices; by the size of the output where it has no rival there.
    pub fn picoseconds(&self, level: Level, problem: &Problem<'_>) -> u64 {
        let unpriced = || PRICE_OF_A_BYTE * problem.output_bytes() as u64;
        self.work(problem)
            .cost(self.name, level)
            .unwrap_or_else(unpriced)
    }

    /// Packs weights and parameters; `None` where the kernel does not support the problem, is not compiled for the level, or the
    /// processor lacks it.
    pub fn prepare(&self, level: Level, problem: &Problem<'_>) -> Option<Box<dyn Prepared>> {
        self.prepare_by(level, problem, &mut Store::packing())
    }

    /// As [`Kernel::prepare`], with packed weights that go through a store. What a store reads has been written for the same
    /// problem, kernel and level.
    pub fn prepare_by(
        &self,
        level: Level,
        problem: &Problem<'_>,
        store: &mut Store<'_>,
    ) -> Option<Box<dyn Prepared>> {
        if self.levels.contains(&level) {
            self.entry.prepare(level, problem, store)
        } else {
            None
        }
    }
}

/// The kernel for a problem and the level to run it at, where no level may be above `limit`: the cheapest one by the table of
/// prices, or the first line of the registry that supports the problem where there is no choice.
pub fn choose(problem: &Problem<'_>, limit: Level) -> Option<(&'static Kernel, Level)> {
    let candidates = REGISTRY.iter().filter_map(|kernel| {
        let level = kernel.level_within(limit)?;
        kernel.supports(problem).then_some((kernel, level))
    });
    // Of equals the first is taken; what has no price is taken last.
    candidates.min_by_key(|(kernel, level)| {
        let work = kernel.entry.work(problem).unwrap_or_default();
        work.cost(kernel.name, *level).unwrap_or(u64::MAX)
    })
}

macro_rules! kernels {
    ($($(#[$cfg:meta])? $name:literal: $operation:ident by $algorithm:ty, $levels:ident, $summary:literal;)*) => {
        &[$($(#[$cfg])? Kernel {
            name: $name,
            summary: $summary,
            levels: $levels,
            entry: Entry::$operation {
                supports: |problem| <$algorithm as KernelFor<_>>::supports(problem),
                prepare: |level, problem, store| <$algorithm as KernelFor<_>>::prepare(level, problem, store),
                work: |problem| <$algorithm as KernelFor<_>>::work(problem),
            },
        },)*]
    };
}

/// Picoseconds for a byte of output of kernels that only go over their inputs; a guess.
const PRICE_OF_A_BYTE: u64 = 40;

/// Compiled for every level.
const ALL: &[Level] = Level::ALL;
/// Compiled for the levels that do not look up whole vectors of bytes in tables of 256.
#[cfg(target_arch = "x86_64")]
const BELOW_AVX512: &[Level] = &[Level::Portable, Level::Avx2];
#[cfg(not(target_arch = "x86_64"))]
const BELOW_AVX512: &[Level] = ALL;
/// Compiled once, where wider vectors gain nothing.
const ONE: &[Level] = &[Level::ALL[0]];

/// All kernels; those of an operation in order of preference. On wasm32, where the size of a module counts, tables are left
/// out whose look-ups take more than one instruction: of 64 entries, and without SIMD128 of 16 ones. Others are always cheaper. So
/// they are than counting ones by SIMD128, which counts those of bytes, and Winograd's algorithm would be too large.
/// So is what computes faster by much more code.
pub static REGISTRY: &[Kernel] = kernels! {
    "add-unit": Add by add::Unit, ALL, "code types of step 1";
    "add-scalar": Add by add::Add, ONE, "any code types";
    "channels": Channels by rearrange::Copy, ONE, "any";
    "code-table-steps": CodeTable by code_table::Steps, BELOW_AVX512, "tables of few changes";
    "code-table": CodeTable by code_table::Lookup, ALL, "any";
    "conv-depthwise": Conv by conv::Depthwise, ALL, "depthwise, levels and weights of 16 bits";
    #[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
    "conv-popcount": Conv by conv::LowBit<conv::Popcount>, ALL, "one group, weights of 1 bit, codes of 1 or 2";
    #[cfg(not(target_arch = "wasm32"))]
    "conv-table64": Conv by conv::LowBit<conv::Table<64>>, ALL, "one group, weights of 1 to 3 bits, codes of few";
    #[cfg(not(target_arch = "wasm32"))]
    "conv-pixels64": Conv by conv::Pixels<64>, ALL, "one group, weights and codes of few bits, few output channels";
    #[cfg(not(all(target_arch = "wasm32", not(target_feature = "simd128"))))]
    "conv-pixels16": Conv by conv::Pixels<16>, ALL, "one group, weights and codes of few bits, few output channels";
    #[cfg(not(all(target_arch = "wasm32", not(target_feature = "simd128"))))]
    "conv-table16": Conv by conv::LowBit<conv::Table<16>>, ALL, "one group, weights of 1 or 2 bits, codes of few";
    #[cfg(not(target_arch = "wasm32"))]
    "conv-winograd8": Conv by conv::Winograd8, ALL, "3x3 of stride 1, one group, weights and codes of few bits";
    "conv-dot8": Conv by conv::Dot8, ALL, "one group, weights of 8 bits";
    "conv-dot": Conv by conv::Dot, ALL, "levels and weights of 16 bits";
    "conv-scalar": Conv by conv::Scalar, ONE, "any";
    "flatten": Flatten by rearrange::Flatten, ONE, "any";
    "linear-sums-dot": LinearSums by linear_sums::Dot, ALL, "inputs and weights of 16 bits";
    "linear-sums-wide": LinearSums by linear_sums::Wide, ALL, "any";
    "max-pool": MaxPool by max_pool::MaxPool, ALL, "any";
    "product": Mul by mul::Product, ALL, "any";
    "pixel-conv-few": PixelConv by pixel_conv::Few, ALL, "one group, table entries of a byte, few different vectors of codes";
    "pixel-conv-bytes": PixelConv by pixel_conv::Bytes, ALL, "one group, table entries of a byte";
    "pixel-conv-words": PixelConv by pixel_conv::Words, ALL, "one group, table entries of 16 bits";
    #[cfg(not(target_arch = "wasm32"))]
    "pixel-table-values": PixelTable by pixel_table::Values, ALL, "one table of one code a value";
    "pixel-table": PixelTable by pixel_table::Gather, ONE, "any";
    "requant": Requant by requant::Direct, ALL, "any";
    "slice": Slice by rearrange::Slice, ONE, "any";
    "sum-pool": SumPool by sum_pool::Pool, ALL, "any";
    "upsample": Upsample by rearrange::Upsample, ONE, "any";
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_levels_ascend_from_the_lowest() {
        for (i, kernel) in REGISTRY.iter().enumerate() {
            assert!(REGISTRY[..i].iter().all(|k| k.name != kernel.name));
            assert_eq!(kernel.levels.first(), Level::ALL.first());
            assert!(kernel.levels.is_sorted());
        }
    }
}
