use burn::tensor::Tensor;
use rayon::prelude::*;

use super::buffers;
use super::columns::Columns;
use super::custom::{CustomOp, Output, Primitive, View, apply};
use crate::simd::vectorize;

/// Sum of `x [N][H][W][C]` and a tensor that is spread over it.
pub fn add_spread(x: Tensor<4>, by: Tensor<4>) -> Tensor<4> {
    spread(x, by, false)
}

/// Product of `x [N][H][W][C]` and a tensor that is spread over it.
pub fn mul_spread(x: Tensor<4>, by: Tensor<4>) -> Tensor<4> {
    spread(x, by, true)
}

fn spread(x: Tensor<4>, by: Tensor<4>, multiply: bool) -> Tensor<4> {
    let [n, height, width, channels] = x.dims();
    // A vector for each image is fused; other shapes are rare and small.
    let fits = by.dims() == [n, 1, 1, channels] && height * width > 1;
    match (Primitive::of(&x), Primitive::of(&by)) {
        (Some(x), Some(by)) if fits => apply(Spread { multiply }, [x, by]).0,
        _ if multiply => x * by,
        _ => x + by,
    }
}

vectorize! {
    fn add<'a>(x: &'a [f32], by: &'a [f32], out: &'a mut [f32]) -> () {
        for (out, x) in out.chunks_mut(by.len()).zip(x.chunks(by.len())) {
            for ((out, x), by) in out.iter_mut().zip(x).zip(by) {
                *out = x + by;
            }
        }
    }

    fn mul<'a>(x: &'a [f32], by: &'a [f32], out: &'a mut [f32]) -> () {
        for (out, x) in out.chunks_mut(by.len()).zip(x.chunks(by.len())) {
            for ((out, x), by) in out.iter_mut().zip(x).zip(by) {
                *out = x * by;
            }
        }
    }

    fn mul_in_place<'a>(grad: &'a mut [f32], by: &'a [f32]) -> () {
        for grad in grad.chunks_mut(by.len()) {
            for (grad, by) in grad.iter_mut().zip(by) {
                *grad *= by;
            }
        }
    }

    /// Adds rows to a wide row.
    fn sums<'a>(grad: &'a [f32], sum: &'a mut [f32]) -> () {
        for grad in grad.chunks(sum.len()) {
            for (sum, grad) in sum.iter_mut().zip(grad) {
                *sum += grad;
            }
        }
    }

    /// Adds products of rows to a wide row.
    fn products<'a>(grad: &'a [f32], x: &'a [f32], sum: &'a mut [f32]) -> () {
        for (grad, x) in grad.chunks(sum.len()).zip(x.chunks(sum.len())) {
            for ((sum, grad), x) in sum.iter_mut().zip(grad).zip(x) {
                *sum += grad * x;
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Spread {
    multiply: bool,
}

impl CustomOp<2> for Spread {
    type Saved = ();
    const KEEP: [bool; 2] = [true, true];

    fn forward(&self, [x, by]: [View; 2]) -> Output<()> {
        let channels = by.shape[3];
        let columns = Columns::new(channels);
        let image = x.shape[1] * x.shape[2] * channels;
        let mut out = buffers::take(x.data.len());
        out.par_chunks_mut(image)
            .zip(x.data.par_chunks(image))
            .zip(by.data.par_chunks(channels))
            .for_each(|((out, x), by)| {
                let by = columns.repeat(by);
                out.par_chunks_mut(columns.chunk)
                    .zip(x.par_chunks(columns.chunk))
                    .for_each(|(out, x)| match self.multiply {
                        true => mul(x, &by, out),
                        false => add(x, &by, out),
                    });
            });
        Output {
            data: out,
            shape: x.shape.to_vec(),
            saved: (),
        }
    }

    fn backward(
        &self,
        (): (),
        [x, by]: [View; 2],
        grad: &mut Vec<f32>,
        [_, wanted]: [bool; 2],
    ) -> [Option<Vec<f32>>; 2] {
        let channels = by.shape[3];
        let columns = Columns::new(channels);
        let image = x.shape[1] * x.shape[2] * channels;
        let mut by_grad = vec![0.0; by.data.len()];
        if wanted {
            by_grad
                .par_chunks_mut(channels)
                .zip(grad.par_chunks(image))
                .zip(x.data.par_chunks(image))
                .for_each(|((by_grad, grad), x)| {
                    let [sum] = columns.sums(grad, |start, grad, [sum]| match self.multiply {
                        true => products(grad, &x[start..][..grad.len()], sum),
                        false => sums(grad, sum),
                    });
                    for (by_grad, sum) in by_grad.iter_mut().zip(sum) {
                        *by_grad = sum as f32;
                    }
                });
        }
        if self.multiply {
            grad.par_chunks_mut(image)
                .zip(by.data.par_chunks(channels))
                .for_each(|(grad, by)| {
                    let by = columns.repeat(by);
                    grad.par_chunks_mut(columns.chunk)
                        .for_each(|grad| mul_in_place(grad, &by));
                });
        }
        [Some(std::mem::take(grad)), wanted.then_some(by_grad)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{assert_close, gradients, random};

    #[test]
    fn agrees_with_tensor_operations() {
        for channels in [1, 3, 32, 300] {
            let (x, by) = (
                random([3, 5, 7, channels], 1),
                random([3, 1, 1, channels], 2),
            );
            let sum =
                |f: fn(Tensor<4>, Tensor<4>) -> Tensor<4>| gradients(x.clone(), by.clone(), f);
            for (fused, plain) in [
                (sum(add_spread), sum(|x, by| x + by)),
                (sum(mul_spread), sum(|x, by| x * by)),
            ] {
                for (fused, plain) in fused.into_iter().zip(plain) {
                    assert_close(&fused, &plain, 1e-5);
                }
            }
        }
        // Axes of length 1 elsewhere.
        let (x, by) = (random([2, 3, 4, 5], 1), random([2, 1, 1, 1], 2));
        let fused = gradients(x.clone(), by.clone(), mul_spread);
        let plain = gradients(x, by, |x, by| x * by);
        for (fused, plain) in fused.into_iter().zip(plain) {
            assert_close(&fused, &plain, 1e-5);
        }
    }
}
