use burn::tensor::Tensor;
use rayon::prelude::*;
use subbyte_num::CodeType;

use super::affine::line;
use super::batch_norm::batch_norm;
use super::batch_statistics::{BatchStatistics, Lines};
use super::buffers;
use super::columns::Columns;
use super::custom::{CustomOp, Output, Primitive, View, apply};
use super::lsq::{Lsq, lsq, relu_lsq};
use crate::simd::vectorize;

/// Batch norm by the batch's own statistics, the ReLU if `relu` (unsigned codes only), and learned step quantization with one
/// step `[1]`, as [`batch_norm`] and [`lsq`] do them one after another. Only the input is kept for backward.
pub fn batch_norm_lsq(
    x: Tensor<4>,
    [gamma, beta, scale]: [Tensor<1>; 3],
    eps: f32,
    relu: bool,
    code: CodeType,
) -> (Tensor<4>, BatchStatistics) {
    let all = (
        Primitive::of(&x),
        Primitive::of(&gamma),
        Primitive::of(&beta),
        Primitive::of(&scale),
    );
    if let (Some(x), Some(gamma), Some(beta), Some(scale)) = all {
        let lsq = Lsq::new(code);
        let op = BatchNormLsq {
            eps,
            lsq: if relu { lsq.after_relu() } else { lsq },
        };
        return apply(op, [x, gamma, beta, scale]);
    }
    let (out, statistics) = batch_norm(x, gamma, beta, eps, false);
    let quantize = if relu { relu_lsq } else { lsq };
    (quantize(out, scale, code), statistics)
}

#[derive(Clone, Copy, Debug)]
struct BatchNormLsq {
    eps: f32,
    lsq: Lsq,
}

vectorize! {
    /// Quantizes `x * scale + shift` over wide rows.
    fn forward<'a>(lsq: Lsq, x: &'a [f32], wide: &'a [Vec<f32>; 3], step: f32, out: &'a mut [f32]) -> () {
        let [scale, shift, _] = wide;
        for (out, x) in out.chunks_mut(scale.len()).zip(x.chunks(scale.len())) {
            for (((out, x), scale), shift) in out.iter_mut().zip(x).zip(scale).zip(shift) {
                *out = lsq.level(line(*x, *scale, *shift) / step) * step;
            }
        }
    }

    /// Adds to three wide rows: the gradients that pass, the same times the distance from the mean, and the step's gradients.
    fn gradient_sums<'a>(
        lsq: Lsq,
        x: &'a [f32],
        grad: &'a [f32],
        wide: &'a [Vec<f32>; 3],
        step: f32,
        sums: &'a mut [Vec<f32>; 3],
    ) -> () {
        let [scale, shift, mean] = wide;
        let [sum, products, steps] = sums;
        for (grad, x) in grad.chunks(scale.len()).zip(x.chunks(scale.len())) {
            let n = grad.len();
            let (x, mean, scale, shift) = (&x[..n], &mean[..n], &scale[..n], &shift[..n]);
            let (sum, products, steps) = (&mut sum[..n], &mut products[..n], &mut steps[..n]);
            for i in 0..n {
                let ratio = line(x[i], scale[i], shift[i]) / step;
                let inside = lsq.inside(ratio);
                let g = if inside { grad[i] } else { 0.0 };
                sum[i] += g;
                products[i] += g * (x[i] - mean[i]);
                steps[i] += grad[i] * (lsq.level(ratio) - if inside { ratio } else { 0.0 });
            }
        }
    }

    /// Replaces the output's gradients by `scale * g + slope * x + offset`, with `g` the gradient that passes.
    fn input_gradients<'a>(
        lsq: Lsq,
        x: &'a [f32],
        wide: &'a [Vec<f32>; 3],
        back: &'a [Vec<f32>; 2],
        step: f32,
        grad: &'a mut [f32],
    ) -> () {
        let [scale, shift, _] = wide;
        let [slope, offset] = back;
        for (grad, x) in grad.chunks_mut(scale.len()).zip(x.chunks(scale.len())) {
            let n = grad.len();
            let (x, scale, shift) = (&x[..n], &scale[..n], &shift[..n]);
            let (slope, offset) = (&slope[..n], &offset[..n]);
            for i in 0..n {
                let inside = lsq.inside(line(x[i], scale[i], shift[i]) / step);
                let g = if inside { grad[i] } else { 0.0 };
                grad[i] = scale[i] * g + line(x[i], slope[i], offset[i]);
            }
        }
    }
}

impl CustomOp<4> for BatchNormLsq {
    type Saved = BatchStatistics;
    const KEEP: [bool; 4] = [true; 4];

    fn forward(&self, [x, gamma, beta, step]: [View; 4]) -> Output<BatchStatistics> {
        let saved = BatchStatistics::measure(x.data, gamma.data.len());
        let lines = Lines::new(&saved, gamma.data, beta.data, self.eps);
        let columns = Columns::new(gamma.data.len());
        let wide = [&lines.scale, &lines.shift, &saved.mean].map(|v| columns.repeat(v));
        let mut out = buffers::take(x.data.len());
        out.par_chunks_mut(columns.chunk)
            .zip(x.data.par_chunks(columns.chunk))
            .for_each(|(out, x)| forward(self.lsq, x, &wide, step.data[0], out));
        Output {
            data: out,
            shape: x.shape.to_vec(),
            saved,
        }
    }

    fn backward(
        &self,
        saved: BatchStatistics,
        [x, gamma, beta, step]: [View; 4],
        grad: &mut Vec<f32>,
        _: [bool; 4],
    ) -> [Option<Vec<f32>>; 4] {
        let step = step.data[0];
        let lines = Lines::new(&saved, gamma.data, beta.data, self.eps);
        let columns = Columns::new(gamma.data.len());
        let wide = [&lines.scale, &lines.shift, &saved.mean].map(|v| columns.repeat(v));
        let [sum, products, steps] = columns.sums(grad, |start, grad, sums| {
            let x = &x.data[start..][..grad.len()];
            gradient_sums(self.lsq, x, grad, &wide, step, sums);
        });
        let back = lines.back(&saved, &sum, &products);
        let back = back.map(|line| columns.repeat(&line));
        grad.par_chunks_mut(columns.chunk)
            .zip(x.data.par_chunks(columns.chunk))
            .for_each(|(grad, x)| input_gradients(self.lsq, x, &wide, &back, step, grad));
        let [gamma_grad, beta_grad] = lines.parameter_gradients(&sum, &products);
        let step_grad = steps.iter().sum::<f64>() as f32 * self.lsq.damping(x.data.len());
        [
            Some(std::mem::take(grad)),
            Some(gamma_grad),
            Some(beta_grad),
            Some(vec![step_grad]),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{assert_close, from_vec, gradients, random};
    use burn::tensor::activation;

    #[test]
    fn agrees_with_its_parts() {
        for (relu, code, channels) in [
            (true, CodeType::unsigned(2), 16),
            (false, CodeType::signed(8), 16),
            (false, CodeType::signed(2), 300),
            (true, CodeType::unsigned(4), 3),
        ] {
            let x = random([5, 7, 6, channels], 1) * 3.0 + 2.0;
            let (gamma, beta) = (random([channels], 2), random([channels], 3));
            let scale = from_vec(vec![0.21], [1]);
            let parts = |x, [gamma, beta, scale]: [Tensor<1>; 3]| {
                let (out, statistics) = batch_norm(x, gamma, beta, 1e-5, false);
                let out = if relu { activation::relu(out) } else { out };
                (lsq(out, scale, code), statistics)
            };
            let fused = |x, parameters| batch_norm_lsq(x, parameters, 1e-5, relu, code);
            // Each parameter in turn stands for the second differentiated input.
            for which in 0..3 {
                let all = [gamma.clone(), beta.clone(), scale.clone()];
                let with = |v: Tensor<1>| {
                    let mut all = all.clone();
                    all[which] = v;
                    all
                };
                let start = x.clone().detach();
                let a = gradients(start.clone(), all[which].clone(), |x, v| {
                    fused(x, with(v)).0
                });
                let b = gradients(start, all[which].clone(), |x, v| parts(x, with(v)).0);
                assert_eq!(a[0], b[0], "forward");
                assert_close(&a[1], &b[1], 1e-4);
                assert_close(&a[2], &b[2], 1e-4);
            }
            let all = [gamma, beta, scale];
            assert_eq!(fused(x.clone(), all.clone()).1, parts(x, all).1);
        }
    }
}
