use alloc::{vec, vec::Vec};
use core::ops::{Deref, RangeInclusive};

use crate::{
    Store,
    conv::{FewLevels, MAX_LEVELS, transformed_bits},
};

/// The weight levels of a layer, `[out][inputs of an output]`, with what kernels ask of all of them before one is chosen, so that
/// they are gone through once.
#[derive(Clone, Debug)]
pub struct WeightLevels {
    levels: Vec<i32>,
    range: (i32, i32),
    sums: Vec<Sums>,
    few: Option<FewLevels>,
    transformed_bits: Option<u32>,
}

/// Sums of the weights of an output channel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sums {
    /// Of those below 0.
    pub negative: i64,
    /// Of those above 0.
    pub positive: i64,
}

impl Sums {
    /// Sum of all.
    pub fn total(self) -> i64 {
        self.negative + self.positive
    }

    /// Sum of all without their signs.
    pub fn magnitude(self) -> i64 {
        self.positive - self.negative
    }
}

/// Levels that models have: products of two numbers of 16 bits.
const LEVELS: RangeInclusive<i64> = -(1 << 30)..=1 << 30;

/// The largest magnitude of sums that is told apart: more than sums of products of 32 bits can have.
const MAX_SUM: i64 = 1 << 33;

/// Where the summary of a layer, which begins with its range, has the number of distinct levels and then these; 0 where there are
/// many.
const FEW: usize = 2;

/// Where it has the bits of transformed weights; -1 where these are too many.
const TRANSFORMED: usize = FEW + 1 + MAX_LEVELS;

/// Where it has the negative and the positive sum of every channel.
const SUMS: usize = TRANSFORMED + 1;

/// Finds what kernels ask of all weights.
fn summarise(levels: &[i32], channels: usize, found: &mut [i64]) {
    let own = levels.len() / channels;
    assert!(own > 0 && own * channels == levels.len());
    let (mut least, mut most) = (i32::MAX, i32::MIN);
    let sums = found[SUMS..].as_chunks_mut::<2>().0;
    for (sums, own) in sums.iter_mut().zip(levels.chunks_exact(own)) {
        let (mut total, mut magnitude) = (0i64, 0i64);
        for &w in own {
            (least, most) = (least.min(w), most.max(w));
            total += i64::from(w);
            magnitude += i64::from(w.unsigned_abs());
        }
        let (negative, positive) = ((total - magnitude) / 2, (total + magnitude) / 2);
        *sums = [negative.max(-MAX_SUM), positive.min(MAX_SUM)];
    }
    [found[0], found[1]] = [least.into(), most.into()];
    if let Some(few) = FewLevels::among(levels, (least, most)) {
        let few = few.levels();
        found[FEW] = few.len() as i64;
        for (to, &level) in found[FEW + 1..].iter_mut().zip(few) {
            *to = level.into();
        }
    }
    let bits = transformed_bits(levels, channels, (least, most));
    found[TRANSFORMED] = bits.map_or(-1, i64::from);
}

/// The distinct levels in a summary.
fn few(found: &[i64]) -> &[i64] {
    let count = found[FEW].clamp(0, MAX_LEVELS as i64) as usize;
    &found[FEW + 1..][..count]
}

/// Whether weights can have such a summary.
fn is_summary(found: &[i64]) -> bool {
    let range = (found[0], found[1]);
    let few = few(found);
    let ends_fit = few.is_empty() || (few[0], few[few.len() - 1]) == range;
    let (sums, _) = found[SUMS..].as_chunks::<2>();
    LEVELS.contains(&range.0)
        && (range.0..=*LEVELS.end()).contains(&range.1)
        && found[FEW] == few.len() as i64
        && few.is_sorted_by(|a, b| a < b)
        && ends_fit
        && (-1..=32).contains(&found[TRANSFORMED])
        && sums.iter().all(|[negative, positive]| {
            (-MAX_SUM..=0).contains(negative) && (0..=MAX_SUM).contains(positive)
        })
}

impl WeightLevels {
    /// Takes the levels of a layer of `channels` output channels.
    ///
    /// # Panics
    /// If there are no levels, or not equally many for every channel.
    pub fn new(levels: Vec<i32>, channels: usize) -> Self {
        Self::by(&mut Store::packing(), channels, || levels)
    }

    /// As [`WeightLevels::new`] with what is found of all weights through a store. Where that one reads, there are no levels, and
    /// none is needed.
    ///
    /// # Panics
    /// If there are no levels, or not equally many for every channel.
    pub fn by(store: &mut Store<'_>, channels: usize, levels: impl FnOnce() -> Vec<i32>) -> Self {
        let mut all = Vec::new();
        let mut found = vec![0; SUMS + 2 * channels];
        store.fill(&mut found, |found| {
            all = levels();
            summarise(&all, channels, found);
        });
        store.check(&mut found, is_summary);
        let range = (found[0] as i32, found[1] as i32);
        let few: Vec<i32> = few(&found).iter().map(|&level| level as i32).collect();
        let sums = found[SUMS..].as_chunks::<2>().0.iter();
        Self {
            levels: all,
            range,
            sums: sums
                .map(|&[negative, positive]| Sums { negative, positive })
                .collect(),
            few: FewLevels::among(&few, range),
            transformed_bits: u32::try_from(found[TRANSFORMED]).ok(),
        }
    }

    /// The smallest and the largest level.
    pub fn range(&self) -> (i32, i32) {
        self.range
    }

    /// Sums of every output channel.
    pub(crate) fn sums(&self) -> &[Sums] {
        &self.sums
    }

    /// The distinct levels; `None` where there are many.
    pub(crate) fn few(&self) -> Option<&FewLevels> {
        self.few.as_ref()
    }

    /// Bits beside the sign of the weights that Winograd's algorithm multiplies with, were the kernels 3x3 in one group; `None` where
    /// these are too many.
    pub fn transformed_bits(&self) -> Option<u32> {
        self.transformed_bits
    }

    /// The largest sum of the magnitudes of an output channel's weights.
    pub(crate) fn widest(&self) -> i64 {
        let sums = self.sums.iter().map(|sums| sums.magnitude());
        sums.max().unwrap_or(0)
    }

    /// Whether all fit 16 bits.
    pub(crate) fn fit_16_bits(&self) -> bool {
        [self.range.0, self.range.1]
            .iter()
            .all(|&w| i16::try_from(w).is_ok())
    }
}

impl Deref for WeightLevels {
    type Target = [i32];

    fn deref(&self) -> &[i32] {
        &self.levels
    }
}
