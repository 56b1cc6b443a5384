use rayon::prelude::*;
use subbyte_num::Minifloat;

/// Bits of f32 that a bin's number drops: 32 bins are left for each power of two.
const DROPPED: u32 = 18;
/// Bins of each sign.
const HALF: usize = 1 << (31 - DROPPED);

/// How values are distributed, streamed in constant memory: a bin for every 32nd of a power of two and each sign, in which values
/// count as spread evenly. Of the bins some 2,048 are ever used, those of the 32 powers of two below the largest value.
#[derive(Clone, Debug)]
pub(crate) struct Density {
    /// Mass of negative and of positive values, by the top bits of their magnitude.
    bins: [Vec<f64>; 2],
    /// The least and the largest value.
    range: [f32; 2],
    /// Values that are no finite numbers.
    pub broken: usize,
}

impl Density {
    pub fn new() -> Self {
        Self {
            bins: [0, 1].map(|_| vec![0.0; HALF]),
            range: [f32::INFINITY, f32::NEG_INFINITY],
            broken: 0,
        }
    }

    /// Counts `values`, each with the mass of its place in `mass`, which is repeated.
    pub fn extend(&mut self, values: &[f32], mass: &[f32]) {
        let [mut min, mut max] = self.range;
        for (&v, &mass) in values.iter().zip(mass.iter().cycle()) {
            if !v.is_finite() {
                self.broken += 1;
                continue;
            }
            (min, max) = (min.min(v), max.max(v));
            let bin = (v.abs().to_bits() >> DROPPED) as usize;
            self.bins[usize::from(v > 0.0)][bin] += f64::from(mass);
        }
        self.range = [min, max];
    }

    /// The least and the largest value; zeros where there is none.
    pub fn range(&self) -> [f32; 2] {
        match self.range[0] <= self.range[1] {
            true => self.range,
            false => [0.0; 2],
        }
    }

    /// Whether all values are zero.
    pub fn is_zero(&self) -> bool {
        self.range() == [0.0; 2]
    }

    /// The bins that have mass, in rising order, cut at the least and the largest value.
    pub fn pieces(&self) -> Vec<Piece> {
        let [min, max] = self.range().map(f64::from);
        let edge = |bin: usize| f64::from(f32::from_bits((bin as u32) << DROPPED));
        let [negative, positive] = &self.bins;
        let of = |bins: &Vec<f64>, bin: usize, sign: f64| {
            let [a, b] = [bin, bin + 1].map(|bin| (sign * edge(bin)).clamp(min, max));
            (bins[bin] > 0.0).then(|| Piece {
                low: a.min(b),
                high: a.max(b),
                mass: bins[bin],
            })
        };
        let below = (0..HALF - 1)
            .rev()
            .filter_map(|bin| of(negative, bin, -1.0));
        let above = (0..HALF - 1).filter_map(|bin| of(positive, bin, 1.0));
        below.chain(above).collect()
    }
}

/// Mass that is spread evenly from `low` to `high`, or lies at one point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Piece {
    pub low: f64,
    pub high: f64,
    pub mass: f64,
}

/// The pieces of single values, in rising order.
pub(crate) fn points(values: &[f32], mass: &[f32]) -> Vec<Piece> {
    let point = |(&v, &mass): (&f32, &f32)| Piece {
        low: v.into(),
        high: v.into(),
        mass: mass.into(),
    };
    let mut points: Vec<Piece> = values.iter().zip(mass.iter().cycle()).map(point).collect();
    points.par_sort_unstable_by(|a, b| a.low.total_cmp(&b.low));
    points
}

/// The levels of a format, rising, zero once.
pub(crate) fn rising_levels(format: Minifloat) -> Vec<f64> {
    let mut levels: Vec<f64> = format
        .levels()
        .map(|level| f64::from(level) + 0.0)
        .collect();
    levels.sort_by(f64::total_cmp);
    levels.dedup();
    levels
}

/// Sum of squared differences between values, pieces in rising order, and the nearest of `offset + unit * level`.
pub(crate) fn squared_error(pieces: &[Piece], levels: &[f64], unit: f64, offset: f64) -> f64 {
    let value = |k: usize| offset + unit * levels[k];
    let border = |k: usize| match k + 1 < levels.len() {
        true => (value(k) + value(k + 1)) / 2.0,
        false => f64::INFINITY,
    };
    let mut k = 0;
    let mut sum = 0.0;
    for piece in pieces {
        while border(k) <= piece.low {
            k += 1;
        }
        let width = piece.high - piece.low;
        if width <= 0.0 {
            sum += piece.mass * (piece.low - value(k)).powi(2);
            continue;
        }
        let mut from = piece.low;
        loop {
            let to = border(k).min(piece.high);
            let [a, b] = [from, to].map(|x| x - value(k));
            sum += piece.mass / width * (b - a) * (a * a + a * b + b * b) / 3.0;
            if to >= piece.high {
                break;
            }
            from = to;
            k += 1;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use subbyte_num::MinifloatGrid;

    use super::*;

    fn noise(len: usize) -> Vec<f32> {
        let value = |i: u64| {
            let mixed = (i + 5).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mixed = (mixed ^ mixed >> 31).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            ((mixed >> 40) as f32 / (1 << 23) as f32 - 1.0).powi(3)
        };
        (0..len as u64).map(value).collect()
    }

    #[test]
    fn errors_are_those_of_the_values_themselves() {
        let values = noise(20_000);
        let mut density = Density::new();
        for part in values.chunks(700) {
            density.extend(part, &[1.0]);
        }
        let (pieces, exact) = (density.pieces(), points(&values, &[1.0]));
        assert!(pieces.len() <= 2048, "{}", pieces.len());
        for name in ["e2m1", "e3m0", "e1m2", "e4m3", "e1m6", "ue2m2"] {
            let format: Minifloat = name.parse().unwrap();
            let levels = rising_levels(format);
            for (clip, offset) in [(0.4f32, 0.0f32), (1.0, 0.0), (1.1, -0.1)] {
                let grid = MinifloatGrid {
                    format,
                    clip,
                    offset,
                };
                let each = values
                    .iter()
                    .map(|x| f64::from(x - grid.nearest(*x)).powi(2));
                let true_error: f64 = each.sum();
                let error = |pieces: &[Piece]| {
                    squared_error(pieces, &levels, grid.unit().into(), offset.into())
                };
                assert!((error(&exact) / true_error - 1.0).abs() < 1e-4, "{grid:?}");
                assert!((error(&pieces) / true_error - 1.0).abs() < 0.04, "{grid:?}");
            }
        }
    }

    #[test]
    fn mass_counts_as_often_as_it_says() {
        let (values, mass) = ([0.3, -0.7, 1.0], [2.0, 0.0, 1.0]);
        let mut twice = Density::new();
        twice.extend(&values, &mass);
        let mut plain = Density::new();
        plain.extend(&[0.3, 0.3, 1.0, -0.7], &[1.0, 1.0, 1.0, 0.0]);
        let error = |pieces: &[Piece]| squared_error(pieces, &[-1.0, 0.0, 1.0], 1.0, 0.0);
        assert!((error(&twice.pieces()) - error(&plain.pieces())).abs() < 1e-9);
        assert!((error(&points(&values, &mass)) - 0.18).abs() < 1e-6);
        assert_eq!(twice.range(), [-0.7, 1.0]);
    }

    #[test]
    fn numbers_that_are_none_are_counted_apart() {
        let mut density = Density::new();
        assert!(density.is_zero());
        density.extend(&[f32::NAN, 0.0, f32::INFINITY], &[1.0]);
        assert!(density.is_zero());
        assert_eq!(density.broken, 2);
    }
}
