use std::sync::Arc;

use burn::tensor::{Tensor, module, ops::MaxPoolOptions};
use rayon::prelude::*;
use subbyte_graph::Window;

use super::buffers;
use super::custom::{CustomOp, Output, Primitive, View, apply};
use super::geometry::Windows;

/// Maximum over windows of `x [N][H][W][C]`; padding never wins. Backward: the gradient goes to the first maximum.
pub fn max_pool(x: Tensor<4>, window: Window) -> Tensor<4> {
    match Primitive::of(&x) {
        Some(x) => apply(MaxPool(window), [x]).0,
        None => generic(x, window),
    }
}

/// The same by burn's own pool, for any backend.
fn generic(x: Tensor<4>, window: Window) -> Tensor<4> {
    let [top, left, bottom, right] = window.padding;
    let options = MaxPoolOptions {
        kernel_size: window.kernel,
        stride: window.stride,
        padding: [(top, bottom), (left, right)],
        dilation: [1; 2],
        ceil_mode: false,
    };
    module::max_pool2d(x.permute([0, 3, 1, 2]), options).permute([0, 2, 3, 1])
}

#[derive(Clone, Copy, Debug)]
struct MaxPool(Window);

impl MaxPool {
    fn windows(self, shape: &[usize]) -> Windows {
        Windows::new(shape, self.0.kernel, self.0.stride, self.0.padding)
    }
}

impl CustomOp<1> for MaxPool {
    /// For each output the input pixel of its image that won.
    type Saved = Arc<[u32]>;
    const KEEP: [bool; 1] = [false];

    fn forward(&self, [x]: [View; 1]) -> Output<Self::Saved> {
        let windows = self.windows(x.shape);
        let [rows, cols] = windows.out;
        let c = windows.channels;
        let mut out = vec![f32::NEG_INFINITY; windows.images * rows * cols * c];
        let mut winners = vec![0; out.len()];
        out.par_chunks_exact_mut(rows * cols * c)
            .zip(winners.par_chunks_exact_mut(rows * cols * c))
            .zip(x.data.par_chunks_exact(windows.image_len()))
            .for_each(|((out, winners), x)| {
                let places = out.chunks_exact_mut(c).zip(winners.chunks_exact_mut(c));
                for (place, (out, winners)) in places.enumerate() {
                    for (_, input) in windows.taps(place / cols, place % cols) {
                        let best = out.iter_mut().zip(winners.iter_mut());
                        for ((out, winner), x) in best.zip(&x[input * c..][..c]) {
                            // NaN wins, so that it is seen.
                            if x > out || x.is_nan() {
                                (*out, *winner) = (*x, input as u32);
                            }
                        }
                    }
                }
            });
        Output {
            data: out,
            shape: vec![windows.images, rows, cols, c],
            saved: winners.into(),
        }
    }

    fn backward(
        &self,
        winners: Self::Saved,
        [x]: [View; 1],
        grad: &mut Vec<f32>,
        _: [bool; 1],
    ) -> [Option<Vec<f32>>; 1] {
        let windows = self.windows(x.shape);
        let c = windows.channels;
        let out = windows.out_pixels() * c;
        let mut result = buffers::zeros(windows.images * windows.image_len());
        result
            .par_chunks_exact_mut(windows.image_len())
            .zip(grad.par_chunks_exact(out))
            .zip(winners.par_chunks_exact(out))
            .for_each(|((result, grad), winners)| {
                for (grad, winners) in grad.chunks_exact(c).zip(winners.chunks_exact(c)) {
                    for (channel, (g, winner)) in grad.iter().zip(winners).enumerate() {
                        result[*winner as usize * c + channel] += g;
                    }
                }
            });
        [Some(result)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{assert_close, random, to_vec};

    #[test]
    fn agrees_with_burn() {
        for (kernel, stride, padding) in [
            ([2, 2], [2, 2], [0; 4]),
            ([3, 3], [2, 2], [1; 4]),
            ([3, 2], [1, 2], [1, 0, 0, 1]),
        ] {
            let window = Window {
                kernel,
                stride,
                padding,
            };
            let run = |f: fn(Tensor<4>, Window) -> Tensor<4>| {
                let x = random([3, 8, 9, 5], 1).require_grad();
                let out = f(x.clone(), window);
                let grads = (out.clone() * random(out.dims(), 2)).sum().backward();
                [to_vec(&out), to_vec(&x.grad(&grads).expect("gradient"))]
            };
            for (fused, plain) in run(max_pool).into_iter().zip(run(generic)) {
                assert_close(&fused, &plain, 1e-6);
            }
        }
    }
}
