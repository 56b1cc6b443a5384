//! The levels that weights may have, which a scale makes values of.

use subbyte_num::Minifloat;

use crate::density::rising_levels;

/// Levels of a row of weights, in rising order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Codebook {
    bits: u8,
    levels: Vec<f32>,
    /// Whether the levels are neighbouring whole numbers.
    uniform: bool,
    /// The format whose levels they are, where codes are those of a format.
    format: Option<Minifloat>,
}

impl Codebook {
    /// Signed codes: `-2^(bits-1) ..= 2^(bits-1) - 1`.
    pub fn signed(bits: u8) -> Self {
        let half = 1i32 << (bits - 1);
        Self::of(bits, (-half..half).collect())
    }

    /// Two regions that do not overlap (methods.md 6.3): `bits` bits for magnitudes up to a breakpoint, as many from there on; which
    /// one a weight lies in is a further bit. `ratio` is the largest magnitude over the breakpoint.
    pub fn regions(bits: u8, ratio: f64) -> Self {
        /// Units of a step below the breakpoint; the step above it is rounded to units.
        const UNITS: i32 = 16;
        let steps = (1 << (bits - 1)) - 1;
        let breakpoint = steps * UNITS;
        let step = ((f64::from(breakpoint) * (ratio - 1.0) / f64::from(steps.max(1))).round()
            as i32)
            .clamp(1, i32::from(i16::MAX) / 2 / steps.max(1));
        let magnitudes = (0..=steps).map(|i| i * UNITS);
        let tails = (1..=steps).map(|i| breakpoint + i * step);
        let magnitudes: Vec<i32> = magnitudes.chain(tails).collect();
        let levels = magnitudes.iter().flat_map(|m| [-m, *m]).collect();
        Self::of(bits + 1, levels)
    }

    /// 0 and plus or minus the powers of two up to `largest`, 1, 2 or 4 (methods.md 5).
    pub fn powers_of_two(largest: u8) -> Self {
        let levels = [1, 2, 4].into_iter().filter(|p| *p <= i32::from(largest));
        let levels = levels.flat_map(|p| [-p, p]).chain([0]).collect();
        Self::of(if largest == 1 { 2 } else { 3 }, levels)
    }

    /// The levels and codes of a float format.
    pub fn minifloat(format: Minifloat) -> Self {
        let levels = rising_levels(format);
        Self {
            bits: format.bits(),
            levels: levels.into_iter().map(|level| level as f32).collect(),
            uniform: false,
            format: Some(format),
        }
    }

    fn of(bits: u8, mut levels: Vec<i32>) -> Self {
        levels.sort_unstable();
        levels.dedup();
        assert!(levels.len() <= 1 << bits, "more levels than codes");
        let uniform = levels.windows(2).all(|w| w[1] - w[0] == 1);
        Self {
            bits,
            levels: levels.into_iter().map(|l| l as f32).collect(),
            uniform,
            format: None,
        }
    }

    /// Bits of a code.
    pub fn bits(&self) -> u8 {
        self.bits
    }

    /// The largest level.
    pub fn max(&self) -> f32 {
        self.levels[self.levels.len() - 1]
    }

    /// The level nearest to `x`, the even one, or the lower one of a list, where two are as near.
    pub fn nearest(&self, x: f32) -> f32 {
        if self.uniform {
            return subbyte_num::round_half_even_f32(x).clamp(self.levels[0], self.max());
        }
        if let Some(format) = self.format {
            return format.nearest(x);
        }
        let above = self.levels.partition_point(|l| *l < x);
        match (above.checked_sub(1), self.levels.get(above)) {
            (Some(below), Some(&above)) => {
                let below = self.levels[below];
                if x - below <= above - x { below } else { above }
            }
            (None, _) => self.levels[0],
            (_, None) => self.max(),
        }
    }

    /// The largest level up to `x` and the next one above it; the outermost two beyond the ends.
    pub fn neighbours(&self, x: f32) -> [f32; 2] {
        let above = self.levels.partition_point(|level| *level <= x);
        let above = above.clamp(1, self.levels.len() - 1);
        [self.levels[above - 1], self.levels[above]]
    }

    /// Code of a level.
    pub fn code(&self, level: f32) -> u8 {
        if let Some(format) = self.format {
            return format.code(level);
        }
        self.levels.partition_point(|l| *l < level) as u8
    }

    /// Level of every code; codes beyond the last level repeat it.
    pub fn entries(&self) -> Vec<f32> {
        if let Some(format) = self.format {
            return format.levels().map(|level| level + 0.0).collect();
        }
        let mut entries = self.levels.clone();
        entries.resize(1 << self.bits, self.max());
        entries
    }
}

/// Scales that are tried between the one that reaches the largest weight and a fifth of it.
const TRIALS: usize = 80;

/// The scale that gives the weights in `rows`, which share it, the least squared error on a codebook, each weight's error counted by
/// `importance`.
pub(crate) fn best_scale(rows: &[&[f32]], importance: &[f32], codebook: &Codebook) -> f32 {
    let all = rows.iter().flat_map(|row| row.iter());
    let largest = all.fold(0f32, |max, w| max.max(w.abs()));
    if largest == 0.0 {
        return 1.0;
    }
    let whole = largest / codebook.max();
    let error = |scale: f32| -> f64 {
        let by = 1.0 / scale;
        let row = |row: &&[f32]| -> f64 {
            let each = row.iter().zip(importance);
            let each =
                each.map(|(w, weight)| weight * (w - scale * codebook.nearest(w * by)).powi(2));
            each.sum::<f32>().into()
        };
        rows.iter().map(row).sum()
    };
    let trials = (0..=TRIALS).map(|i| whole * 0.2f32.powf(i as f32 / TRIALS as f32));
    let trials = trials.map(|scale| (error(scale), scale));
    trials
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .expect("several")
        .1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_those_of_the_methods() {
        assert_eq!(Codebook::signed(2).entries(), [-2.0, -1.0, 0.0, 1.0]);
        let powers = Codebook::powers_of_two(4);
        assert_eq!(
            powers.entries(),
            [-4.0, -2.0, -1.0, 0.0, 1.0, 2.0, 4.0, 4.0]
        );
        assert_eq!(
            [2.9, 3.0, 3.1, -0.6].map(|x| powers.nearest(x)),
            [2.0, 2.0, 4.0, -1.0]
        );
        // A breakpoint at a third of the range: the outer steps are twice as wide.
        let regions = Codebook::regions(4, 3.0);
        assert_eq!((regions.bits(), regions.max()), (5, 336.0));
        assert_eq!(regions.levels.len(), 29);
        assert_eq!([20.0, 130.0].map(|x| regions.nearest(x)), [16.0, 144.0]);
    }

    #[test]
    fn every_level_has_a_code_that_means_it() {
        let books = [
            Codebook::signed(3),
            Codebook::regions(2, 2.5),
            Codebook::regions(3, 4.2),
            Codebook::powers_of_two(1),
            Codebook::powers_of_two(2),
            Codebook::minifloat(Minifloat::E2M1),
            Codebook::minifloat(Minifloat::OCP_E5M2),
        ];
        for book in books {
            for level in &book.levels {
                let code = book.code(*level);
                assert_eq!(book.entries()[usize::from(code)], *level);
                assert_eq!(book.nearest(*level), *level);
            }
        }
    }

    #[test]
    fn every_number_has_a_level_on_either_side() {
        for book in [Codebook::minifloat(Minifloat::E2M1), Codebook::signed(4)] {
            for i in -200..200 {
                let x = i as f32 * 0.1;
                let [below, above] = book.neighbours(x);
                let nearest = book.nearest(x);
                assert!(nearest == below || nearest == above, "{x}");
                let inside = x >= book.levels[0] && x < book.max();
                assert_eq!(below <= x && x < above, inside, "{x}");
                assert_eq!(
                    book.levels
                        .iter()
                        .filter(|l| **l > below && **l < above)
                        .count(),
                    0
                );
            }
        }
    }

    #[test]
    fn the_best_scale_clips_outliers_of_few_bits_only() {
        let mut row: Vec<f32> = (0..200).map(|i| (i as f32 * 0.37).sin()).collect();
        row.push(3.0);
        let importance = vec![1.0; row.len()];
        let reach = |bits| {
            let book = Codebook::signed(bits);
            best_scale(&[&row], &importance, &book) * book.max()
        };
        assert!(reach(3) < 1.5);
        assert!(reach(8) > 2.9);
        let mut only_outlier = vec![0.0; row.len()];
        *only_outlier.last_mut().unwrap() = 1.0;
        let book = Codebook::signed(3);
        let scale = best_scale(&[&row], &only_outlier, &book);
        assert!((scale * book.nearest(3.0 / scale) - 3.0).abs() < 0.05);
    }
}
