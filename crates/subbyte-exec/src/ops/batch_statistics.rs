use super::columns::Columns;
use crate::simd::vectorize;

/// Mean and biased variance of each channel over one batch.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchStatistics {
    /// Mean of each channel.
    pub mean: Vec<f32>,
    /// Mean squared distance from the mean.
    pub variance: Vec<f32>,
    /// Values of a channel that were measured.
    pub count: usize,
}

impl BatchStatistics {
    /// Variance with the divisor `count - 1`, which running statistics keep.
    pub fn unbiased_variance(&self) -> Vec<f32> {
        let factor = self.count as f32 / self.count.saturating_sub(1).max(1) as f32;
        self.variance.iter().map(|v| v * factor).collect()
    }

    /// Statistics of `[rows][channels]`. Distances are taken from the first row, so that a large mean costs no precision.
    pub(super) fn measure(x: &[f32], channels: usize) -> Self {
        let columns = Columns::new(channels);
        let shift = columns.repeat(&x[..channels]);
        let [sum, squares] = columns.sums(x, |_, rows, [sum, squares]| {
            moments(rows, &shift, sum, squares);
        });
        let count = x.len() / channels;
        let mean = |c: usize| sum[c] / count as f64;
        let variance = |c: usize| (squares[c] / count as f64 - mean(c) * mean(c)).max(0.0);
        Self {
            mean: (0..channels)
                .map(|c| (mean(c) + f64::from(shift[c])) as f32)
                .collect(),
            variance: (0..channels).map(|c| variance(c) as f32).collect(),
            count,
        }
    }
}

/// Batch norm of every channel as `x * scale + shift`.
pub(super) struct Lines {
    /// `1 / sqrt(variance + eps)`.
    inverse: Vec<f32>,
    pub scale: Vec<f32>,
    pub shift: Vec<f32>,
}

impl Lines {
    pub fn new(statistics: &BatchStatistics, gamma: &[f32], beta: &[f32], eps: f32) -> Self {
        let variances = statistics.variance.iter();
        let inverse: Vec<f32> = variances.map(|v| 1.0 / (v + eps).sqrt()).collect();
        let scale: Vec<f32> = gamma.iter().zip(&inverse).map(|(g, i)| g * i).collect();
        let means = statistics.mean.iter().zip(&scale);
        let shift = beta.iter().zip(means).map(|(b, (m, s))| b - m * s);
        Self {
            shift: shift.collect(),
            inverse,
            scale,
        }
    }

    /// The input's gradient is `scale * g + slope * x + offset`; slopes and offsets of all channels. `sums` holds the sums of the
    /// gradients `g`, `products` those of `g * (x - mean)`.
    ///
    /// With m = sum / count and p = product / count: dx = scale * (g - m - (x - mean) * inverse^2 * p).
    pub fn back(
        &self,
        statistics: &BatchStatistics,
        sums: &[f64],
        products: &[f64],
    ) -> [Vec<f32>; 2] {
        let count = statistics.count as f64;
        let channels = 0..self.scale.len();
        let slope = |c: usize| {
            let normal = self.inverse[c] * self.inverse[c] * (products[c] / count) as f32;
            -self.scale[c] * normal
        };
        let offset =
            |c: usize| -self.scale[c] * (sums[c] / count) as f32 - slope(c) * statistics.mean[c];
        [
            channels.clone().map(slope).collect(),
            channels.map(offset).collect(),
        ]
    }

    /// Gradients of gamma and beta from the same sums.
    pub fn parameter_gradients(&self, sums: &[f64], products: &[f64]) -> [Vec<f32>; 2] {
        let normal = products.iter().zip(&self.inverse);
        [
            normal.map(|(p, i)| (p * f64::from(*i)) as f32).collect(),
            sums.iter().map(|sum| *sum as f32).collect(),
        ]
    }
}

vectorize! {
    /// Adds distances from `shift` and their squares to two wide rows.
    fn moments<'a>(x: &'a [f32], shift: &'a [f32], sum: &'a mut [f32], squares: &'a mut [f32]) -> () {
        for row in x.chunks(shift.len()) {
            let n = row.len();
            let (shift, sum, squares) = (&shift[..n], &mut sum[..n], &mut squares[..n]);
            for i in 0..n {
                let distance = row[i] - shift[i];
                sum[i] += distance;
                squares[i] += distance * distance;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_mean_costs_no_precision() {
        let x: Vec<f32> = (0..4096).map(|i| 10_000.0 + (i % 2) as f32).collect();
        let found = BatchStatistics::measure(&x, 1);
        assert_eq!(found.mean, [10_000.5]);
        assert_eq!(found.variance, [0.25]);
    }
}
