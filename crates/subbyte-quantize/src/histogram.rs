use subbyte_num::Grid;

/// Bins on each side of zero.
const HALF: usize = 4096;

/// Counts of values, streamed in constant memory: whenever a value lies outside, the range doubles and bins merge in pairs.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    /// Bins from `-limit` to `limit`.
    bins: Vec<u64>,
    limit: f64,
    /// Values that are no finite numbers.
    pub broken: usize,
}

impl Histogram {
    pub fn new() -> Self {
        Self {
            bins: vec![0; 2 * HALF],
            limit: 2f64.powi(-20),
            broken: 0,
        }
    }

    /// Counts `values`.
    pub fn extend(&mut self, values: &[f32]) {
        let (mut min, mut max) = (f32::INFINITY, f32::NEG_INFINITY);
        for v in values {
            if v.is_finite() {
                (min, max) = (min.min(*v), max.max(*v));
            } else {
                self.broken += 1;
            }
        }
        if min > max {
            return;
        }
        let reach = f64::from(max.max(-min));
        while reach >= self.limit {
            self.double();
        }
        let scale = (HALF as f64 / self.limit) as f32;
        for v in values.iter().filter(|v| v.is_finite()) {
            let bin = (v * scale).floor() as isize + HALF as isize;
            self.bins[bin.clamp(0, 2 * HALF as isize - 1) as usize] += 1;
        }
    }

    fn double(&mut self) {
        let mut bins = vec![0; 2 * HALF];
        for (i, count) in self.bins.iter().enumerate() {
            bins[(i + HALF) / 2] += count;
        }
        self.bins = bins;
        self.limit *= 2.0;
    }

    /// The magnitude that a share `1 - tail` of the values does not exceed; values below 0 count as 0 if `unsigned`.
    pub fn percentile(&self, tail: f64, unsigned: bool) -> f64 {
        let total: u64 = self.bins.iter().sum();
        let mut left = (total as f64 * tail) as u64;
        for i in (0..HALF).rev() {
            let below = if unsigned { 0 } else { self.bins[HALF - 1 - i] };
            let count = self.bins[HALF + i] + below;
            if count > left {
                return (i + 1) as f64 * self.limit / HALF as f64;
            }
            left -= count;
        }
        0.0
    }

    /// Sum of squared differences between values and their codes' values on `grid`.
    pub fn squared_error(&self, grid: Grid) -> f64 {
        let width = self.limit / HALF as f64;
        let error = |(i, &count): (usize, &u64)| {
            let x = (i as f64 - HALF as f64 + 0.5) * width;
            count as f64 * (x - f64::from(grid.value(grid.code(x)))).powi(2)
        };
        let counted = self
            .bins
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0);
        counted.map(error).sum()
    }
}

#[cfg(test)]
mod tests {
    use subbyte_num::CodeType;

    use super::*;

    #[test]
    fn counts_survive_growing_ranges() {
        let mut histogram = Histogram::new();
        histogram.extend(&[1e-7, -1e-7, 0.0]);
        histogram.extend(&[3.0, -2.0, f32::NAN]);
        histogram.extend(&[100.0]);
        assert_eq!(histogram.broken, 1);
        assert_eq!(histogram.bins.iter().sum::<u64>(), 6);
        assert!((histogram.percentile(0.0, false) - 100.0).abs() < 0.1);
        assert!((histogram.percentile(0.2, false) - 3.0).abs() < 0.1);
    }

    #[test]
    fn errors_are_those_of_the_values_themselves() {
        let values: Vec<f32> = (0..10_000u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 24) as f32 * 4.0 - 1.0)
            .collect();
        let mut histogram = Histogram::new();
        histogram.extend(&values);
        for (code, scale) in [(CodeType::signed(3), 0.5), (CodeType::unsigned(4), 0.2)] {
            let grid = Grid::Nearest { code, scale };
            let exact: f64 = values
                .iter()
                .map(|v| f64::from(v - grid.value(grid.code_f32(*v))).powi(2))
                .sum();
            let found = histogram.squared_error(grid);
            assert!((found / exact - 1.0).abs() < 0.01, "{found} {exact}");
        }
    }
}
