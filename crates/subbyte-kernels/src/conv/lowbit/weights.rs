use alloc::vec::Vec;

use crate::Conv;

/// Levels of weights beyond this are too many for any family.
const MAX_LEVELS: usize = 16;

/// The distinct levels of a convolution's weights.
pub(crate) struct Weights {
    /// Ascending.
    levels: Vec<i32>,
    /// Greatest common divisor of their differences; 1 for a single level.
    pub unit: i32,
}

impl Weights {
    /// Levels of the weights; `None` where there are too many, or where they lie too far apart.
    pub fn of(conv: &Conv<'_>) -> Option<Self> {
        let mut levels = Vec::new();
        for &weight in conv.weights {
            if let Err(place) = levels.binary_search(&weight) {
                if levels.len() == MAX_LEVELS {
                    return None;
                }
                levels.insert(place, weight);
            }
        }
        let least = *levels.first()?;
        let differences = levels.iter().map(|&l| i64::from(l) - i64::from(least));
        let unit = differences.fold(0, greatest_common_divisor).max(1);
        let weights = Self {
            levels,
            unit: i32::try_from(unit).ok()?,
        };
        (weights.largest() <= i64::from(u8::MAX)).then_some(weights)
    }

    /// The smallest level, whose `u` is 0.
    pub fn least(&self) -> i32 {
        self.levels[0]
    }

    /// Bits that tell all levels apart.
    pub fn bits(&self) -> u32 {
        self.levels.len().next_power_of_two().ilog2().max(1)
    }

    /// Position of a weight among the levels.
    ///
    /// # Panics
    /// If it is none of them.
    pub fn index(&self, weight: i32) -> u8 {
        let index = self.levels.binary_search(&weight);
        index.expect("one of the convolution's weights") as u8
    }

    /// `u` of the level at a position; 0 beyond the last.
    pub fn u(&self, index: u8) -> u8 {
        match self.levels.get(usize::from(index)) {
            Some(level) => ((level - self.least()) / self.unit) as u8,
            None => 0,
        }
    }

    /// The level at a position; `None` beyond the last.
    pub fn level(&self, index: u8) -> Option<i32> {
        self.levels.get(usize::from(index)).copied()
    }

    /// The smallest and the largest level.
    pub fn range(&self) -> (i32, i32) {
        (self.levels[0], self.levels[self.levels.len() - 1])
    }

    /// Greatest common divisor of all levels; 1 where all are 0.
    pub fn common_divisor(&self) -> i32 {
        let levels = self.levels.iter().map(|&level| i64::from(level).abs());
        levels.fold(0, greatest_common_divisor).max(1) as i32
    }

    /// The largest `u`.
    pub fn largest(&self) -> i64 {
        let last = i64::from(self.levels[self.levels.len() - 1]);
        (last - i64::from(self.least())) / i64::from(self.unit)
    }
}

fn greatest_common_divisor(a: i64, b: i64) -> i64 {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}
