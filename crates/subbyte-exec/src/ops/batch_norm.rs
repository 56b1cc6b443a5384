use burn::tensor::{Tensor, activation};
use rayon::prelude::*;

use super::affine;
use super::batch_statistics::{BatchStatistics, Lines};
use super::columns::Columns;
use super::custom::{CustomOp, Output, Primitive, View, apply};
use crate::simd::vectorize;

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

#[derive(Clone, Copy, Debug)]
struct BatchNorm {
    eps: f32,
    relu: bool,
}

vectorize! {
    /// Adds the gradients that pass, alone and times the distance from the mean, to two wide rows; `wide` holds scales, shifts
    /// and means.
    pub(super) fn gradient_sums<'a>(
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
    pub(super) fn input_gradients<'a>(
        x: &'a [f32],
        wide: &'a [Vec<f32>; 3],
        back: &'a [Vec<f32>; 2],
        floor: f32,
        grad: &'a mut [f32],
    ) -> () {
        let [scale, shift, _] = wide;
        let [slope, offset] = back;
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
        let saved = BatchStatistics::measure(x.data, gamma.data.len());
        let lines = Lines::new(&saved, gamma.data, beta.data, self.eps);
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
        grad: &mut Vec<f32>,
        _: [bool; 3],
    ) -> [Option<Vec<f32>>; 3] {
        let lines = Lines::new(&saved, gamma.data, beta.data, self.eps);
        let columns = Columns::new(gamma.data.len());
        let floor = affine::floor(self.relu);
        let wide = [&lines.scale, &lines.shift, &saved.mean].map(|values| columns.repeat(values));
        let [sum, products] = columns.sums(grad, |start, grad, [sum, products]| {
            let x = &x.data[start..][..grad.len()];
            gradient_sums(x, grad, &wide, floor, sum, products);
        });

        let back = lines
            .back(&saved, &sum, &products)
            .map(|line| columns.repeat(&line));
        grad.par_chunks_mut(columns.chunk)
            .zip(x.data.par_chunks(columns.chunk))
            .for_each(|(grad, x)| input_gradients(x, &wide, &back, floor, grad));
        let [gamma_grad, beta_grad] = lines.parameter_gradients(&sum, &products);
        [
            Some(std::mem::take(grad)),
            Some(gamma_grad),
            Some(beta_grad),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{assert_close, gradients, random};

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
}
