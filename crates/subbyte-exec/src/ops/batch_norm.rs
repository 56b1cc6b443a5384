use burn::tensor::{Tensor, activation};
use rayon::prelude::*;

use super::affine;
use super::columns::Columns;
use super::custom::{CustomOp, Output, Primitive, View, apply};
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
}

/// Batch norm of `x [N][H][W][C]` by the batch's own mean and biased variance, then the ReLU if `relu`. The statistics carry no
/// gradient.
pub fn batch_norm(
    x: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    eps: f32,
    relu: bool,
) -> (Tensor<4>, BatchStatistics) {
    let all = (
        Primitive::of(&x),
        Primitive::of(&gamma),
        Primitive::of(&beta),
    );
    match all {
        (Some(x), Some(gamma), Some(beta)) => apply(BatchNorm { eps, relu }, [x, gamma, beta]),
        _ => generic(x, gamma, beta, eps, relu),
    }
}

/// The same by tensor operations, for any backend.
fn generic(
    x: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    eps: f32,
    relu: bool,
) -> (Tensor<4>, BatchStatistics) {
    let [n, h, w, c] = x.dims();
    let rows = x.reshape([n * h * w, c]);
    let mean = rows.clone().mean_dim(0);
    let centred = rows - mean.clone();
    let variance = (centred.clone() * centred.clone()).mean_dim(0);
    let normal = centred / (variance.clone() + eps).sqrt();
    let out = normal * gamma.reshape([1, c]) + beta.reshape([1, c]);
    let out = if relu { activation::relu(out) } else { out };
    let numbers = |tensor: Tensor<2>| tensor.into_data().iter::<f32>().collect();
    let statistics = BatchStatistics {
        mean: numbers(mean),
        variance: numbers(variance),
        count: n * h * w,
    };
    (out.reshape([n, h, w, c]), statistics)
}

/// Statistics of `[rows][channels]`. Distances are taken from the first row, so that a large mean costs no precision.
fn statistics(x: &[f32], channels: usize) -> BatchStatistics {
    let columns = Columns::new(channels);
    let shift = columns.repeat(&x[..channels]);
    let [sum, squares] = columns.sums(x, |_, rows, [sum, squares]| {
        moments(rows, &shift, sum, squares);
    });
    let count = x.len() / channels;
    let mean = |c: usize| sum[c] / count as f64;
    let variance = |c: usize| (squares[c] / count as f64 - mean(c) * mean(c)).max(0.0);
    BatchStatistics {
        mean: (0..channels)
            .map(|c| (mean(c) + f64::from(shift[c])) as f32)
            .collect(),
        variance: (0..channels).map(|c| variance(c) as f32).collect(),
        count,
    }
}

#[derive(Clone, Copy, Debug)]
struct BatchNorm {
    eps: f32,
    relu: bool,
}

/// Batch norm of every channel as `x * scale + shift`.
struct Lines {
    /// `1 / sqrt(variance + eps)`.
    inverse: Vec<f32>,
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl BatchNorm {
    fn lines(self, statistics: &BatchStatistics, gamma: &[f32], beta: &[f32]) -> Lines {
        let variances = statistics.variance.iter();
        let inverse: Vec<f32> = variances.map(|v| 1.0 / (v + self.eps).sqrt()).collect();
        let scale: Vec<f32> = gamma.iter().zip(&inverse).map(|(g, i)| g * i).collect();
        let means = statistics.mean.iter().zip(&scale);
        let shift = beta.iter().zip(means).map(|(b, (m, s))| b - m * s);
        Lines {
            shift: shift.collect(),
            inverse,
            scale,
        }
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

    /// Adds the gradients that pass, alone and times the distance from the mean, to two wide rows; `wide` holds scales, shifts
    /// and means.
    fn gradient_sums<'a>(
        x: &'a [f32],
        grad: &'a [f32],
        wide: &'a [Vec<f32>; 3],
        floor: f32,
        sum: &'a mut [f32],
        products: &'a mut [f32],
    ) -> () {
        let [scale, shift, mean] = wide;
        for (grad, x) in grad.chunks(scale.len()).zip(x.chunks(scale.len())) {
            let n = grad.len();
            let (x, mean, scale, shift) = (&x[..n], &mean[..n], &scale[..n], &shift[..n]);
            let (sum, products) = (&mut sum[..n], &mut products[..n]);
            for i in 0..n {
                let passes = affine::line(x[i], scale[i], shift[i]) > floor;
                let g = if passes { grad[i] } else { 0.0 };
                sum[i] += g;
                products[i] += g * (x[i] - mean[i]);
            }
        }
    }

    /// Replaces the output's gradients by `scale * g + slope * x + offset`, with `g` the gradient that passes.
    fn input_gradients<'a>(
        x: &'a [f32],
        wide: &'a [Vec<f32>; 3],
        lines: &'a [Vec<f32>; 2],
        floor: f32,
        grad: &'a mut [f32],
    ) -> () {
        let [scale, shift, _] = wide;
        let [slope, offset] = lines;
        for (grad, x) in grad.chunks_mut(scale.len()).zip(x.chunks(scale.len())) {
            let n = grad.len();
            let (x, scale, shift) = (&x[..n], &scale[..n], &shift[..n]);
            let (slope, offset) = (&slope[..n], &offset[..n]);
            for i in 0..n {
                let passes = affine::line(x[i], scale[i], shift[i]) > floor;
                let g = if passes { grad[i] } else { 0.0 };
                grad[i] = scale[i] * g + affine::line(x[i], slope[i], offset[i]);
            }
        }
    }
}

impl CustomOp<3> for BatchNorm {
    type Saved = BatchStatistics;
    const KEEP: [bool; 3] = [true, true, true];

    fn forward(&self, [x, gamma, beta]: [View; 3]) -> Output<BatchStatistics> {
        let saved = statistics(x.data, gamma.data.len());
        let lines = self.lines(&saved, gamma.data, beta.data);
        Output {
            data: affine::forward(x.data, &lines.scale, &lines.shift, self.relu),
            shape: x.shape.to_vec(),
            saved,
        }
    }

    fn backward(
        &self,
        saved: BatchStatistics,
        [x, gamma, beta]: [View; 3],
        mut grad: Vec<f32>,
        _: [bool; 3],
    ) -> [Option<Vec<f32>>; 3] {
        let Lines {
            inverse,
            scale,
            shift,
        } = self.lines(&saved, gamma.data, beta.data);
        let columns = Columns::new(gamma.data.len());
        let floor = affine::floor(self.relu);
        let wide = [&scale, &shift, &saved.mean].map(|values| columns.repeat(values));
        let [sum, products] = columns.sums(&grad, |start, grad, [sum, products]| {
            let x = &x.data[start..][..grad.len()];
            gradient_sums(x, grad, &wide, floor, sum, products);
        });

        // With m = sum / count and p = sum of g * (x - mean) / count:
        // dx = scale * (g - m - (x - mean) * inverse^2 * p), a line in x beside g.
        let count = saved.count as f64;
        let channels = 0..columns.channels;
        let slope: Vec<f32> = channels
            .clone()
            .map(|c| -scale[c] * inverse[c] * inverse[c] * (products[c] / count) as f32)
            .collect();
        let offset: Vec<f32> = channels
            .clone()
            .map(|c| -scale[c] * (sum[c] / count) as f32 - slope[c] * saved.mean[c])
            .collect();
        let lines = [slope, offset].map(|values| columns.repeat(&values));
        grad.par_chunks_mut(columns.chunk)
            .zip(x.data.par_chunks(columns.chunk))
            .for_each(|(grad, x)| input_gradients(x, &wide, &lines, floor, grad));
        let gamma_grad = channels
            .map(|c| (products[c] * f64::from(inverse[c])) as f32)
            .collect();
        let beta_grad = sum.into_iter().map(|v| v as f32).collect();
        [Some(grad), Some(gamma_grad), Some(beta_grad)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{assert_close, from_vec, gradients, random};

    #[test]
    fn agrees_with_tensor_operations() {
        for (relu, channels) in [(false, 16), (true, 16), (true, 3), (true, 300)] {
            let x = random([5, 7, 6, channels], 1) * 3.0 + 10.0;
            let (gamma, beta) = (random([channels], 2), random([channels], 3));
            for swap in [false, true] {
                type Norm =
                    fn(Tensor<4>, Tensor<1>, Tensor<1>, f32, bool) -> (Tensor<4>, BatchStatistics);
                let run = |f: Norm| {
                    let mut statistics = None;
                    let out = gradients(x.clone().detach(), gamma.clone(), |x, v| {
                        let (gamma, beta) = if swap {
                            (beta.clone(), v)
                        } else {
                            (v, beta.clone())
                        };
                        let (out, measured) = f(x, gamma, beta, 1e-5, relu);
                        statistics = Some(measured);
                        out
                    });
                    (out, statistics.expect("statistics"))
                };
                let (fused, plain) = (run(batch_norm), run(generic));
                assert_eq!(fused.1.count, plain.1.count);
                assert_close(&fused.1.mean, &plain.1.mean, 1e-5);
                assert_close(&fused.1.variance, &plain.1.variance, 1e-5);
                for (fused, plain) in fused.0.into_iter().zip(plain.0) {
                    assert_close(&fused, &plain, 1e-4);
                }
            }
        }
    }

    #[test]
    fn a_large_mean_costs_no_precision() {
        let x: Vec<f32> = (0..4096).map(|i| 10_000.0 + (i % 2) as f32).collect();
        let (ones, zeros) = (from_vec(vec![1.0], [1]), from_vec(vec![0.0], [1]));
        let (_, found) = batch_norm(from_vec(x, [4, 32, 32, 1]), ones, zeros, 1e-5, false);
        assert_eq!(found.mean, [10_000.5]);
        assert_eq!(found.variance, [0.25]);
    }
}
