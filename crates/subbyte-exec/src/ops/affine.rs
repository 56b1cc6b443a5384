use burn::tensor::{Tensor, activation};
use rayon::prelude::*;

use super::buffers;
use super::columns::Columns;
use super::custom::{CustomOp, Output, Primitive, View, apply};
use crate::simd::vectorize;

/// `x * scale + shift` per channel of `x [N][H][W][C]`, then the ReLU if `relu`: a batch norm with fixed statistics.
pub fn affine(x: Tensor<4>, scale: Tensor<1>, shift: Tensor<1>, relu: bool) -> Tensor<4> {
    let all = (
        Primitive::of(&x),
        Primitive::of(&scale),
        Primitive::of(&shift),
    );
    match all {
        (Some(x), Some(scale), Some(shift)) => apply(Affine { relu }, [x, scale, shift]).0,
        _ => generic(x, scale, shift, relu),
    }
}

/// The same by tensor operations, for any backend.
fn generic(x: Tensor<4>, scale: Tensor<1>, shift: Tensor<1>, relu: bool) -> Tensor<4> {
    let [channels] = scale.dims();
    let row = [1, 1, 1, channels];
    let out = x * scale.reshape(row) + shift.reshape(row);
    if relu { activation::relu(out) } else { out }
}

/// The forward pass on slices.
pub(super) fn forward(x: &[f32], scale: &[f32], shift: &[f32], relu: bool) -> Vec<f32> {
    let mut out = buffers::take(x.len());
    forward_into(x, scale, shift, relu, &mut out);
    out
}

/// [`forward`] into `out`, which is as long as `x`.
pub(super) fn forward_into(x: &[f32], scale: &[f32], shift: &[f32], relu: bool, out: &mut [f32]) {
    let columns = Columns::new(scale.len());
    let (scale, shift) = (columns.repeat(scale), columns.repeat(shift));
    let floor = floor(relu);
    out.par_chunks_mut(columns.chunk)
        .zip(x.par_chunks(columns.chunk))
        .for_each(|(out, x)| lines(x, &scale, &shift, floor, out));
}

/// Outputs below this are cut, and their gradients with them.
pub(super) fn floor(relu: bool) -> f32 {
    if relu { 0.0 } else { f32::NEG_INFINITY }
}

/// One channel's line, as forward and backward both compute it.
#[inline(always)]
pub(super) fn line(x: f32, scale: f32, shift: f32) -> f32 {
    x * scale + shift
}

vectorize! {
    /// `out = max(x * scale + shift, floor)` over wide rows.
    fn lines<'a>(x: &'a [f32], scale: &'a [f32], shift: &'a [f32], floor: f32, out: &'a mut [f32]) -> () {
        for (out, x) in out.chunks_mut(scale.len()).zip(x.chunks(scale.len())) {
            for (((out, x), scale), shift) in out.iter_mut().zip(x).zip(scale).zip(shift) {
                *out = line(*x, *scale, *shift).max(floor);
            }
        }
    }

    /// Adds the gradients that pass, times `x` and alone, to two wide rows.
    fn line_sums<'a>(
        x: &'a [f32],
        grad: &'a [f32],
        scale: &'a [f32],
        shift: &'a [f32],
        floor: f32,
        products: &'a mut [f32],
        sums: &'a mut [f32],
    ) -> () {
        for (grad, x) in grad.chunks(scale.len()).zip(x.chunks(scale.len())) {
            let n = grad.len();
            let (x, scale, shift) = (&x[..n], &scale[..n], &shift[..n]);
            let (products, sums) = (&mut products[..n], &mut sums[..n]);
            for i in 0..n {
                let passes = line(x[i], scale[i], shift[i]) > floor;
                let g = if passes { grad[i] } else { 0.0 };
                products[i] += g * x[i];
                sums[i] += g;
            }
        }
    }

    /// Replaces the output's gradients by those of `x`.
    fn line_grads<'a>(x: &'a [f32], scale: &'a [f32], shift: &'a [f32], floor: f32, grad: &'a mut [f32]) -> () {
        for (grad, x) in grad.chunks_mut(scale.len()).zip(x.chunks(scale.len())) {
            for (((g, x), scale), shift) in grad.iter_mut().zip(x).zip(scale).zip(shift) {
                let passes = line(*x, *scale, *shift) > floor;
                *g = if passes { *g * scale } else { 0.0 };
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Affine {
    relu: bool,
}

impl CustomOp<3> for Affine {
    type Saved = ();
    const KEEP: [bool; 3] = [true, true, true];

    fn forward(&self, [x, scale, shift]: [View; 3]) -> Output<()> {
        Output {
            data: forward(x.data, scale.data, shift.data, self.relu),
            shape: x.shape.to_vec(),
            saved: (),
        }
    }

    fn backward(
        &self,
        (): (),
        [x, scale, shift]: [View; 3],
        grad: &mut Vec<f32>,
        _: [bool; 3],
    ) -> [Option<Vec<f32>>; 3] {
        let columns = Columns::new(scale.data.len());
        let (scale, shift) = (columns.repeat(scale.data), columns.repeat(shift.data));
        let floor = floor(self.relu);
        let [products, sums] = columns.sums(grad, |start, grad, [products, sums]| {
            let x = &x.data[start..][..grad.len()];
            line_sums(x, grad, &scale, &shift, floor, products, sums);
        });
        grad.par_chunks_mut(columns.chunk)
            .zip(x.data.par_chunks(columns.chunk))
            .for_each(|(grad, x)| line_grads(x, &scale, &shift, floor, grad));
        let narrow = |values: Vec<f64>| values.into_iter().map(|v| v as f32).collect();
        [
            Some(std::mem::take(grad)),
            Some(narrow(products)),
            Some(narrow(sums)),
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
            let (x, scale) = (random([3, 7, 5, channels], 1), random([channels], 2));
            for swap in [false, true] {
                let other = random([channels], 3);
                let run = |f: fn(Tensor<4>, Tensor<1>, Tensor<1>, bool) -> Tensor<4>| {
                    gradients(x.clone(), scale.clone(), |x, v| {
                        let (a, b) = if swap {
                            (other.clone(), v)
                        } else {
                            (v, other.clone())
                        };
                        f(x, a, b, relu)
                    })
                };
                for (fused, plain) in run(affine).into_iter().zip(run(generic)) {
                    assert_close(&fused, &plain, 1e-5);
                }
            }
        }
    }
}
