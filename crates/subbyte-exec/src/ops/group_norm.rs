use burn::tensor::Tensor;
use rayon::prelude::*;

use super::affine;
use super::batch_norm::{gradient_sums, input_gradients};
use super::batch_statistics::BatchStatistics;
use super::buffers;
use super::columns::Columns;
use super::custom::{CustomOp, Output, Primitive, View, apply};

/// Normalizes every image of `x [N][H][W][C]` over all pixels of each of `groups` runs of neighbouring channels to mean 0 and biased
/// variance 1, then `gamma * x + beta` per channel (Wu and He, 1803.08494).
pub fn group_norm(
    x: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    groups: usize,
    eps: f32,
) -> Tensor<4> {
    let all = (
        Primitive::of(&x),
        Primitive::of(&gamma),
        Primitive::of(&beta),
    );
    match all {
        (Some(x), Some(gamma), Some(beta)) => apply(GroupNorm { groups, eps }, [x, gamma, beta]).0,
        _ => generic(x, gamma, beta, groups, eps),
    }
}

/// The same by tensor operations, for any backend.
fn generic(x: Tensor<4>, gamma: Tensor<1>, beta: Tensor<1>, groups: usize, eps: f32) -> Tensor<4> {
    let [n, h, w, c] = x.dims();
    let pixels = x.reshape([n, h * w, groups, c / groups]);
    let mean = |x: Tensor<4>| x.mean_dim(1).mean_dim(3);
    let centred = pixels.clone() - mean(pixels);
    let variance = mean(centred.clone() * centred.clone());
    let normal = (centred / (variance + eps).sqrt()).reshape([n, h, w, c]);
    normal * gamma.reshape([1, 1, 1, c]) + beta.reshape([1, 1, 1, c])
}

#[derive(Clone, Copy, Debug)]
struct GroupNorm {
    groups: usize,
    eps: f32,
}

/// One image's lines `x * scale + shift`, by channel, with what they come from.
struct Lines {
    mean: Vec<f32>,
    /// `1 / sqrt(variance + eps)`.
    inverse: Vec<f32>,
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl GroupNorm {
    /// Mean and variance of every channel's group in `image [pixels][channels]`, first means, then variances.
    fn measure(self, image: &[f32], channels: usize) -> Vec<f32> {
        let statistics = BatchStatistics::measure(image, channels);
        let each = channels / self.groups;
        let mut moments = vec![0.0; 2 * channels];
        for start in (0..channels).step_by(each) {
            let group = start..start + each;
            let average = |sum: f64| sum / each as f64;
            let means = || statistics.mean[group.clone()].iter().map(|&m| f64::from(m));
            let mean = average(means().sum());
            // Within the channels, and between them.
            let spread = means().map(|m| (m - mean) * (m - mean));
            let variances = statistics.variance[group.clone()].iter().zip(spread);
            let variance = average(variances.map(|(&v, s)| f64::from(v) + s).sum());
            moments[group.clone()].fill(mean as f32);
            moments[channels..][group].fill(variance as f32);
        }
        moments
    }

    fn lines(self, moments: &[f32], gamma: &[f32], beta: &[f32]) -> Lines {
        let (mean, variance) = moments.split_at(gamma.len());
        let inverse = variance.iter().map(|v| 1.0 / (v + self.eps).sqrt());
        let inverse: Vec<f32> = inverse.collect();
        let scale: Vec<f32> = gamma.iter().zip(&inverse).map(|(g, i)| g * i).collect();
        let shift = beta.iter().zip(mean.iter().zip(&scale));
        Lines {
            mean: mean.to_vec(),
            shift: shift.map(|(b, (m, s))| b - m * s).collect(),
            inverse,
            scale,
        }
    }

    /// Slopes and offsets of the input's gradient `scale * g + slope * x + offset`, by channel: with the means A of `gamma * g` and B of
    /// `gamma * g * normal x` over the group, it is `inverse * (gamma * g - A - normal x * B)`. `sums` holds each channel's sums of the
    /// gradients `g`, `products` those of `g * (x - mean)`.
    fn back(
        self,
        lines: &Lines,
        gamma: &[f32],
        [sums, products]: &[Vec<f64>; 2],
        pixels: usize,
    ) -> [Vec<f32>; 2] {
        let channels = gamma.len();
        let each = channels / self.groups;
        let count = (each * pixels) as f64;
        let [mut slopes, mut offsets] = [vec![0.0; channels], vec![0.0; channels]];
        for start in (0..channels).step_by(each) {
            let group = start..start + each;
            let weighted = |values: &[f64]| {
                let all = group.clone().map(|c| f64::from(gamma[c]) * values[c]);
                all.sum::<f64>() / count
            };
            let inverse = f64::from(lines.inverse[start]);
            let a = weighted(sums);
            let b = weighted(products) * inverse;
            let slope = -inverse * inverse * b;
            let offset = -inverse * a - slope * f64::from(lines.mean[start]);
            slopes[group.clone()].fill(slope as f32);
            offsets[group].fill(offset as f32);
        }
        [slopes, offsets]
    }
}

impl CustomOp<3> for GroupNorm {
    /// Moments of every image.
    type Saved = Vec<Vec<f32>>;
    const KEEP: [bool; 3] = [true, true, true];

    fn forward(&self, [x, gamma, beta]: [View; 3]) -> Output<Self::Saved> {
        let channels = gamma.data.len();
        let image = (x.data.len() / x.shape[0].max(1)).max(1);
        let mut out = buffers::take(x.data.len());
        let saved = out
            .par_chunks_mut(image)
            .zip(x.data.par_chunks(image))
            .map(|(out, x)| {
                let moments = self.measure(x, channels);
                let lines = self.lines(&moments, gamma.data, beta.data);
                affine::forward_into(x, &lines.scale, &lines.shift, false, out);
                moments
            })
            .collect();
        Output {
            data: out,
            shape: x.shape.to_vec(),
            saved,
        }
    }

    fn backward(
        &self,
        saved: Self::Saved,
        [x, gamma, beta]: [View; 3],
        grad: &mut Vec<f32>,
        _: [bool; 3],
    ) -> [Option<Vec<f32>>; 3] {
        let channels = gamma.data.len();
        let columns = Columns::new(channels);
        let image = (x.data.len() / x.shape[0].max(1)).max(1);
        let floor = affine::floor(false);
        let parameters: Vec<[Vec<f32>; 2]> = grad
            .par_chunks_mut(image)
            .zip(x.data.par_chunks(image))
            .zip(&saved)
            .map(|((grad, x), moments)| {
                let lines = self.lines(moments, gamma.data, beta.data);
                let wide =
                    [&lines.scale, &lines.shift, &lines.mean].map(|line| columns.repeat(line));
                let sums = columns.sums(grad, |start, grad, [sum, products]| {
                    let x = &x[start..][..grad.len()];
                    gradient_sums(x, grad, &wide, floor, sum, products);
                });
                let back = self.back(&lines, gamma.data, &sums, image / channels);
                let back = back.map(|line| columns.repeat(&line));
                grad.par_chunks_mut(columns.chunk)
                    .zip(x.par_chunks(columns.chunk))
                    .for_each(|(grad, x)| input_gradients(x, &wide, &back, floor, grad));
                let [sums, products] = sums;
                let products = products.iter().zip(&lines.inverse);
                [
                    products.map(|(p, i)| (p * f64::from(*i)) as f32).collect(),
                    sums.iter().map(|s| *s as f32).collect(),
                ]
            })
            .collect();
        let [mut gamma_grad, mut beta_grad] = [vec![0.0; channels], vec![0.0; channels]];
        for [gamma, beta] in parameters {
            for (total, part) in [(&mut gamma_grad, gamma), (&mut beta_grad, beta)] {
                total.iter_mut().zip(part).for_each(|(t, p)| *t += p);
            }
        }
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
        for (groups, channels) in [(1, 16), (4, 16), (16, 16), (3, 6), (32, 320)] {
            let x = random([3, 7, 6, channels], 1) * 3.0 + 10.0;
            let (gamma, beta) = (random([channels], 2), random([channels], 3));
            for swap in [false, true] {
                type Norm = fn(Tensor<4>, Tensor<1>, Tensor<1>, usize, f32) -> Tensor<4>;
                let run = |f: Norm| {
                    gradients(x.clone().detach(), gamma.clone(), |x, v| {
                        let (gamma, beta) = if swap {
                            (beta.clone(), v)
                        } else {
                            (v, beta.clone())
                        };
                        f(x, gamma, beta, groups, 1e-5)
                    })
                };
                for (fused, plain) in run(group_norm).into_iter().zip(run(generic)) {
                    assert_close(&fused, &plain, 2e-4);
                }
            }
        }
    }
}
