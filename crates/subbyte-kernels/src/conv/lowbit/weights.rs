use alloc::{vec, vec::Vec};

use crate::Conv;

/// Levels of weights beyond this are too many for any family.
pub(crate) const MAX_LEVELS: usize = 16;

/// Levels further apart make sums of more than 16 bits.
const MAX_SPAN: usize = 1 << 17;

/// The distinct levels of a layer's weights.
#[derive(Clone, Debug)]
pub(crate) struct Weights {
    /// Ascending.
    levels: Vec<i32>,
    /// Greatest common divisor of their differences; 1 for a single level.
    pub unit: i32,
    /// The position of every level, from the smallest one on.
    places: Vec<u8>,
}

impl Weights {
    /// Those of a convolution; `None` where there are too many, or where they lie too far apart.
    pub fn of<'a>(conv: &Conv<'a>) -> Option<&'a Self> {
        conv.weights.few()
    }

    /// The distinct ones of `weights` within `range`, to which both ends belong; `None` where there are too many, or where they lie
    /// too far apart.
    pub fn among(weights: &[i32], (least, most): (i32, i32)) -> Option<Self> {
        let span = usize::try_from(i64::from(most) - i64::from(least)).ok()?;
        if span > MAX_SPAN || weights.is_empty() {
            return None;
        }
        let mut places = vec![0; span + 1];
        for &weight in weights {
            *places.get_mut((weight - least) as usize)? = 1;
        }
        let (mut levels, mut unit) = (Vec::new(), 0);
        for (place, distance) in places.iter_mut().zip(0..).filter(|(used, _)| **used == 1) {
            if levels.len() == MAX_LEVELS {
                return None;
            }
            *place = levels.len() as u8;
            levels.push(least + distance);
            unit = greatest_common_divisor(unit, i64::from(distance));
        }
        let weights = Self {
            levels,
            unit: unit.max(1) as i32,
            places,
        };
        (weights.largest() <= i64::from(u8::MAX)).then_some(weights)
    }

    /// The levels, ascending.
    pub fn levels(&self) -> &[i32] {
        &self.levels
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
    /// If it lies outside their range.
    pub fn index(&self, weight: i32) -> u8 {
        self.places[(weight - self.least()) as usize]
    }

    /// `u` of the level at a position, seen from the level `pivot`; 0 beyond the last.
    pub fn u(&self, index: u8, pivot: i32) -> i32 {
        match self.levels.get(usize::from(index)) {
            Some(level) => (level - pivot) / self.unit,
            None => 0,
        }
    }

    /// 0 where it is a level, so that products keep their signs, else the smallest level.
    pub fn pivot(&self) -> i32 {
        match self.levels.contains(&0) {
            true => 0,
            false => self.least(),
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
