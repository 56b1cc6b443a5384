use alloc::vec::Vec;
use core::ops::Deref;

use crate::conv::FewLevels;

/// The weight levels of a layer, `[out][inputs of an output]`, with what kernels ask of all of them before one is chosen, so that
/// they are gone through once.
#[derive(Clone, Debug)]
pub struct WeightLevels {
    levels: Vec<i32>,
    range: (i32, i32),
    sums: Vec<Sums>,
    few: Option<FewLevels>,
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

impl WeightLevels {
    /// Takes the levels of a layer of `channels` output channels.
    ///
    /// # Panics
    /// If there are no levels, or not equally many for every channel.
    pub fn new(levels: Vec<i32>, channels: usize) -> Self {
        let own = levels.len() / channels;
        assert!(own > 0 && own * channels == levels.len());
        let (mut least, mut most) = (i32::MAX, i32::MIN);
        let sums = levels.chunks_exact(own).map(|own| {
            least = own.iter().fold(least, |least, &w| least.min(w));
            most = own.iter().fold(most, |most, &w| most.max(w));
            let total: i64 = own.iter().map(|&w| i64::from(w)).sum();
            let magnitude: i64 = own.iter().map(|&w| i64::from(w.unsigned_abs())).sum();
            Sums {
                negative: (total - magnitude) / 2,
                positive: (total + magnitude) / 2,
            }
        });
        let sums = sums.collect();
        let range = (least, most);
        Self {
            range,
            sums,
            few: FewLevels::among(&levels, range),
            levels,
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
