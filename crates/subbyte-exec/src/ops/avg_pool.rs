use burn::tensor::{Tensor, module, ops::AvgPoolOptions};
use rayon::prelude::*;
use subbyte_graph::Window;

use super::buffers;
use super::custom::{CustomOp, Output, Primitive, View, apply};
use super::geometry::Windows;

/// Mean over windows of `x [N][H][W][C]`; padding counts as zeros.
pub fn avg_pool(x: Tensor<4>, window: Window) -> Tensor<4> {
    pool(x, window, false)
}

/// Mean over those pixels of windows of `x [N][H][W][C]` that are no padding.
pub fn avg_pool_inside(x: Tensor<4>, window: Window) -> Tensor<4> {
    pool(x, window, true)
}

fn pool(x: Tensor<4>, window: Window, inside: bool) -> Tensor<4> {
    match Primitive::of(&x) {
        Some(x) => apply(AvgPool { window, inside }, [x]).0,
        None => generic(x, window, inside),
    }
}

/// Mean over height and width: `[N][H][W][C]` -> `[N][1][1][C]`.
pub fn global_avg_pool(x: Tensor<4>) -> Tensor<4> {
    let [_, height, width, _] = x.dims();
    let window = Window {
        kernel: [height, width],
        stride: [1, 1],
        padding: [0; 4],
    };
    avg_pool(x, window)
}

/// The same by burn's own pool, for any backend.
fn generic(x: Tensor<4>, window: Window, inside: bool) -> Tensor<4> {
    let [top, left, bottom, right] = window.padding;
    let options = AvgPoolOptions {
        kernel_size: window.kernel,
        stride: window.stride,
        padding: [(top, bottom), (left, right)],
        count_include_pad: !inside,
        ceil_mode: false,
    };
    module::avg_pool2d(x.permute([0, 3, 1, 2]), options).permute([0, 2, 3, 1])
}

#[derive(Clone, Copy, Debug)]
struct AvgPool {
    window: Window,
    /// Whether padding does not count.
    inside: bool,
}

impl AvgPool {
    fn windows(self, shape: &[usize]) -> Windows {
        Windows::new(
            shape,
            self.window.kernel,
            self.window.stride,
            self.window.padding,
        )
    }

    /// Pixels that the window of an output pixel averages over.
    fn area(self, windows: &Windows, row: usize, col: usize) -> f32 {
        let pixels = match self.inside {
            true => windows.taps(row, col).count(),
            false => self.window.kernel[0] * self.window.kernel[1],
        };
        pixels as f32
    }
}

impl CustomOp<1> for AvgPool {
    type Saved = ();
    const KEEP: [bool; 1] = [false];

    fn forward(&self, [x]: [View; 1]) -> Output<()> {
        let windows = self.windows(x.shape);
        let [rows, cols] = windows.out;
        let c = windows.channels;
        let mut out = vec![0.0; windows.images * rows * cols * c];
        out.par_chunks_exact_mut(rows * cols * c)
            .zip(x.data.par_chunks_exact(windows.image_len()))
            .for_each(|(out, x)| {
                for (place, out) in out.chunks_exact_mut(c).enumerate() {
                    let area = self.area(&windows, place / cols, place % cols);
                    for (_, input) in windows.taps(place / cols, place % cols) {
                        for (out, x) in out.iter_mut().zip(&x[input * c..][..c]) {
                            *out += x;
                        }
                    }
                    for out in out {
                        *out /= area;
                    }
                }
            });
        Output {
            data: out,
            shape: vec![windows.images, rows, cols, c],
            saved: (),
        }
    }

    fn backward(
        &self,
        (): (),
        [x]: [View; 1],
        grad: &mut Vec<f32>,
        _: [bool; 1],
    ) -> [Option<Vec<f32>>; 1] {
        let windows = self.windows(x.shape);
        let cols = windows.out[1];
        let c = windows.channels;
        let mut result = buffers::zeros(windows.images * windows.image_len());
        result
            .par_chunks_exact_mut(windows.image_len())
            .zip(grad.par_chunks_exact(windows.out_pixels() * c))
            .for_each(|(result, grad)| {
                for (place, grad) in grad.chunks_exact(c).enumerate() {
                    let area = self.area(&windows, place / cols, place % cols);
                    for (_, input) in windows.taps(place / cols, place % cols) {
                        for (r, g) in result[input * c..][..c].iter_mut().zip(grad) {
                            *r += g / area;
                        }
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
            ([8, 9], [1, 1], [0; 4]),
        ] {
            let window = Window {
                kernel,
                stride,
                padding,
            };
            for inside in [false, true] {
                let run = |f: fn(Tensor<4>, Window, bool) -> Tensor<4>| {
                    let x = random([3, 8, 9, 5], 1).require_grad();
                    let out = f(x.clone(), window, inside);
                    let grads = (out.clone() * random(out.dims(), 2)).sum().backward();
                    [to_vec(&out), to_vec(&x.grad(&grads).expect("gradient"))]
                };
                for (fused, plain) in run(pool).into_iter().zip(run(generic)) {
                    assert_close(&fused, &plain, 1e-6);
                }
            }
        }
    }
}
