use burn::tensor::{Tensor, activation};
use rayon::prelude::*;
use subbyte_num::CodeType;

use super::buffers;
use super::custom::{CustomOp, Output, Primitive, View, apply};
use super::levels::ROUND;
use super::ste::straight_through;
use crate::simd::{SUMS, vectorize};

/// Values that one parallel task handles at least.
const CHUNK: usize = 1 << 14;

/// Learned step size quantization (methods.md 2.3): every value becomes the nearest `scale * level` of `code`, ties to the even
/// level, saturating. `scale` is `[1]`, or has one step for each index of `x`'s first axis. Signed codes need 2 bits.
///
/// Backward: values inside the range (both ends included) pass their gradient; a step's gradient is the sum of
/// `g * (level - x / scale)` inside and `g * level` outside, times `1 / sqrt(N * Qp)` with `N` the values that share the step.
pub fn lsq<const D: usize>(x: Tensor<D>, scale: Tensor<1>, code: CodeType) -> Tensor<D> {
    match (Primitive::of(&x), Primitive::of(&scale)) {
        (Some(x), Some(scale)) => apply(Lsq::new(code), [x, scale]).0,
        _ => generic(x, scale, code),
    }
}

/// [`lsq`] of `max(x, 0)` with unsigned codes: the quantizer saturates at 0 anyway, so only the gradient at 0 differs.
pub fn relu_lsq<const D: usize>(x: Tensor<D>, scale: Tensor<1>, code: CodeType) -> Tensor<D> {
    match (Primitive::of(&x), Primitive::of(&scale)) {
        (Some(x), Some(scale)) => apply(Lsq::new(code).after_relu(), [x, scale]).0,
        _ => generic(activation::relu(x), scale, code),
    }
}

/// The same by tensor operations, for any backend.
fn generic<const D: usize>(x: Tensor<D>, scale: Tensor<1>, code: CodeType) -> Tensor<D> {
    let lsq = Lsq::new(code);
    let [steps] = scale.dims();
    let mut shape = [1; D];
    shape[0] = steps;
    let damping = lsq.damping(x.shape().num_elements() / steps);
    // The scale's value with a damped gradient.
    let scale = straight_through(scale.clone(), scale * damping).reshape(shape);
    let ratio = (x / scale.clone()).clamp(lsq.low, lsq.high);
    straight_through(ratio.clone().round(), ratio) * scale
}

/// The arithmetic, shared with fused operations.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lsq {
    /// Lowest level, `-Qn`.
    low: f32,
    /// Highest level, `Qp`.
    high: f32,
    /// Lowest ratio whose gradient passes.
    open: f32,
}

impl Lsq {
    pub fn new(code: CodeType) -> Self {
        Self {
            low: code.min_level() as f32,
            high: code.max_level() as f32,
            open: code.min_level() as f32,
        }
    }

    /// The same behind a ReLU, for unsigned codes: no gradient passes at 0.
    pub fn after_relu(self) -> Self {
        debug_assert_eq!(self.low, 0.0);
        Self {
            open: f32::from_bits(1),
            ..self
        }
    }

    /// Level of `ratio = x / scale`.
    #[inline(always)]
    pub fn level(self, ratio: f32) -> f32 {
        (ratio.clamp(self.low, self.high) + ROUND) - ROUND
    }

    /// Whether the gradient passes.
    #[inline(always)]
    pub fn inside(self, ratio: f32) -> bool {
        ratio >= self.open && ratio <= self.high
    }

    /// Factor on the gradient of a step that `count` values share.
    pub fn damping(self, count: usize) -> f32 {
        1.0 / (count as f32 * self.high).sqrt()
    }
}

vectorize! {
    pub(super) fn quantize<'a>(lsq: Lsq, x: &'a [f32], scale: f32, out: &'a mut [f32]) -> () {
        for (out, x) in out.iter_mut().zip(x) {
            *out = lsq.level(x / scale) * scale;
        }
    }

    /// Replaces the gradients of one step's quantized values by those of the values; returns the step's undamped gradient.
    fn gradients<'a>(lsq: Lsq, x: &'a [f32], scale: f32, grad: &'a mut [f32]) -> f32 {
        let mut sums = [0.0; SUMS];
        for (x, grad) in x.chunks(SUMS).zip(grad.chunks_mut(SUMS)) {
            for ((sum, x), g) in sums.iter_mut().zip(x).zip(grad) {
                let ratio = x / scale;
                let inside = lsq.inside(ratio);
                *sum += *g * (lsq.level(ratio) - if inside { ratio } else { 0.0 });
                *g = if inside { *g } else { 0.0 };
            }
        }
        sums.iter().sum()
    }
}

impl CustomOp<2> for Lsq {
    type Saved = ();
    const KEEP: [bool; 2] = [true, true];

    fn forward(&self, [x, scale]: [View; 2]) -> Output<()> {
        let run = (x.data.len() / scale.data.len()).max(1);
        let mut out = buffers::take(x.data.len());
        out.par_chunks_mut(run)
            .zip(x.data.par_chunks(run))
            .zip(scale.data)
            .with_min_len((CHUNK / run).max(1))
            .for_each(|((out, x), &scale)| {
                out.par_chunks_mut(CHUNK)
                    .zip(x.par_chunks(CHUNK))
                    .for_each(|(out, x)| quantize(*self, x, scale, out));
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
        [x, scale]: [View; 2],
        grad: &mut Vec<f32>,
        _: [bool; 2],
    ) -> [Option<Vec<f32>>; 2] {
        let run = (x.data.len() / scale.data.len()).max(1);
        let damping = self.damping(run);
        let scale_grad = grad
            .par_chunks_mut(run)
            .zip(x.data.par_chunks(run))
            .zip(scale.data)
            .with_min_len((CHUNK / run).max(1))
            .map(|((grad, x), &scale)| {
                // Collected in order, so that the sum does not depend on the threads.
                let parts: Vec<f32> = grad
                    .par_chunks_mut(CHUNK)
                    .zip(x.par_chunks(CHUNK))
                    .map(|(grad, x)| gradients(*self, x, scale, grad))
                    .collect();
                let sum: f64 = parts.into_iter().map(f64::from).sum();
                sum as f32 * damping
            })
            .collect();
        [Some(std::mem::take(grad)), Some(scale_grad)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{assert_close, from_vec, gradients, random, to_vec};
    use subbyte_num::Grid;

    /// Values around every tie, every level and both ends, as exactly representable as the scale allows.
    fn probes(code: CodeType, scale: f32) -> Vec<f32> {
        let (low, high) = (code.min_level() - 2, code.max_level() + 2);
        (2 * low..=2 * high)
            .map(|half| scale * half as f32 / 2.0)
            .flat_map(|x| [x.next_down(), x, x.next_up()])
            .chain([0.0, -0.0, 1e30, -1e30, f32::INFINITY, f32::NEG_INFINITY])
            .collect()
    }

    #[test]
    fn forward_is_the_grid_of_subbyte_num() {
        for bits in 1..=8 {
            for code in [CodeType::unsigned(bits), CodeType::signed(bits.max(2))] {
                for scale in [1.0, 0.25, 0.37, 1.7e-3] {
                    let grid = Grid::Nearest { code, scale };
                    let probes = probes(code, scale);
                    let x = from_vec(probes.clone(), [probes.len()]);
                    let out = to_vec(&lsq(x, from_vec(vec![scale], [1]), code));
                    for (x, out) in probes.into_iter().zip(out) {
                        assert_eq!(out, grid.value(grid.code_f32(x)), "{grid:?} at {x}");
                    }
                }
            }
        }
    }

    #[test]
    fn gradients_follow_the_closed_form() {
        let code = CodeType::signed(2);
        // Inside, at both ends, below, above.
        let x = from_vec(vec![0.3, -1.0, 0.5, -1.2, 0.7], [5]).require_grad();
        let scale = from_vec(vec![0.5], [1]).require_grad();
        let g = from_vec(vec![1.0, 2.0, 4.0, 8.0, 16.0], [5]);
        let grads = (lsq(x.clone(), scale.clone(), code) * g).sum().backward();
        assert_eq!(
            to_vec(&x.grad(&grads).expect("gradient")),
            [1.0, 2.0, 4.0, 0.0, 0.0]
        );
        let expected = (1.0 * (1.0 - 0.6) + 8.0 * -2.0 + 16.0 * 1.0) / 5f32.sqrt();
        assert_close(
            &to_vec(&scale.grad(&grads).expect("gradient")),
            &[expected],
            1e-6,
        );
    }

    #[test]
    fn agrees_with_tensor_operations() {
        for code in [
            CodeType::unsigned(1),
            CodeType::unsigned(2),
            CodeType::signed(2),
            CodeType::signed(8),
        ] {
            for steps in [vec![0.3], vec![0.1, 0.3, 0.2, 0.5]] {
                let scale = from_vec(steps.clone(), [steps.len()]);
                let x = random([4, 3, 70, 200], 3);
                let fused = gradients(x.clone(), scale.clone(), |x, s| lsq(x, s, code));
                let plain = gradients(x, scale, |x, s| generic(x, s, code));
                for (fused, plain) in fused.into_iter().zip(plain) {
                    assert_close(&fused, &plain, 1e-4);
                }
            }
        }
    }

    #[test]
    fn behind_a_relu_is_the_relu_and_the_quantizer() {
        let code = CodeType::unsigned(2);
        let x = (random([4, 3, 70, 200], 3) * 4.0).round() * 0.25;
        let scale = from_vec(vec![0.2], [1]);
        let fused = gradients(x.clone().detach(), scale.clone(), |x, s| {
            relu_lsq(x, s, code)
        });
        let plain = gradients(x.detach(), scale, |x, s| lsq(activation::relu(x), s, code));
        assert_eq!(fused, plain);
    }

    #[test]
    fn a_shared_scale_sums_the_gradients_of_its_users() {
        let code = CodeType::unsigned(2);
        let (a, b) = (random([1, 2, 3, 4], 1), random([1, 2, 3, 4], 2));
        let grad = |users: &[&Tensor<4>]| {
            let scale = from_vec(vec![0.3], [1]).require_grad();
            let quantized = users.iter().map(|x| lsq((*x).clone(), scale.clone(), code));
            let sum = quantized.map(Tensor::sum).reduce(|a, b| a + b);
            let grads = sum.expect("users").backward();
            to_vec(&scale.grad(&grads).expect("gradient"))[0]
        };
        assert_close(&[grad(&[&a, &b])], &[grad(&[&a]) + grad(&[&b])], 1e-6);
    }
}
