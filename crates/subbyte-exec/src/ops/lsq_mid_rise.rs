use burn::tensor::Tensor;
use rayon::prelude::*;
use subbyte_graph::Quantizer;
use subbyte_num::CodeType;

use super::custom::{CustomOp, Output, Primitive, View, apply};
use super::ste::straight_through;

/// Learned step of weights whose levels are odd: every value becomes the nearest `scale * level` of the bipolar codes of `bits` bits,
/// ties to the even code, saturating. `scale` is `[1]`, or has one number for each index of `x`'s first axis.
///
/// Backward: as that of [`super::lsq`] with these levels, `n` in place of `Qp`, of the same form as methods.md 2.3.
pub fn lsq_mid_rise<const D: usize>(x: Tensor<D>, scale: Tensor<1>, bits: u8) -> Tensor<D> {
    match (Primitive::of(&x), Primitive::of(&scale)) {
        (Some(x), Some(scale)) => apply(LsqMidRise { bits }, [x, scale]).0,
        _ => generic(x, scale, bits),
    }
}

/// The same by tensor operations, for any backend.
fn generic<const D: usize>(x: Tensor<D>, scale: Tensor<1>, bits: u8) -> Tensor<D> {
    let op = LsqMidRise { bits };
    let [steps] = scale.dims();
    let mut shape = [1; D];
    shape[0] = steps;
    let damping = op.damping(x.shape().num_elements() / steps);
    let scale = straight_through(scale.clone(), scale * damping).reshape(shape);
    let n = op.n();
    let ratio = (x / scale.clone()).clamp(-n, n);
    let level = ((ratio.clone() + n) * 0.5).round() * 2.0 - n;
    straight_through(level, ratio) * scale
}

#[derive(Clone, Copy, Debug)]
struct LsqMidRise {
    bits: u8,
}

impl LsqMidRise {
    /// The largest level.
    fn n(self) -> f32 {
        CodeType::bipolar(self.bits).max_level() as f32
    }

    /// Factor on the gradient of a scale that `count` values share.
    fn damping(self, count: usize) -> f32 {
        1.0 / (count as f32 * self.n()).sqrt()
    }
}

impl CustomOp<2> for LsqMidRise {
    type Saved = ();
    const KEEP: [bool; 2] = [true, true];

    fn forward(&self, [x, scale]: [View; 2]) -> Output<()> {
        let row = (x.data.len() / scale.data.len()).max(1);
        let quantizer = Quantizer::LsqMidRise { bits: self.bits };
        let rows = x.data.par_chunks(row).zip(scale.data);
        Output {
            data: rows
                .flat_map_iter(|(row, &scale)| {
                    let grid = quantizer.grid(scale);
                    row.iter().map(move |&x| grid.value(grid.code_f32(x)))
                })
                .collect(),
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
        let row = (x.data.len() / scale.data.len()).max(1);
        let quantizer = Quantizer::LsqMidRise { bits: self.bits };
        let (n, damping) = (self.n(), self.damping(row));
        let rows = grad.par_chunks_mut(row).zip(x.data.par_chunks(row));
        let of_scale = rows
            .zip(scale.data)
            .map(|((grad, x), &scale)| {
                let grid = quantizer.grid(scale);
                let mut sum = 0.0;
                for (g, &x) in grad.iter_mut().zip(x) {
                    let ratio = x / scale;
                    let level = grid.code_type().level(grid.code_f32(x)) as f32;
                    let inside = ratio.abs() <= n;
                    sum += f64::from(*g * (level - if inside { ratio } else { 0.0 }));
                    *g = if inside { *g } else { 0.0 };
                }
                sum as f32 * damping
            })
            .collect();
        [Some(std::mem::take(grad)), Some(of_scale)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{assert_close, from_vec, gradients, random, to_vec};

    #[test]
    fn levels_are_odd_and_ends_saturate() {
        let x = from_vec(vec![-9.0, -1.1, -0.9, -0.1, 0.1, 1.1, 9.0], [7]);
        let out = lsq_mid_rise(x, from_vec(vec![0.5], [1]), 2);
        assert_eq!(to_vec(&out), [-1.5, -1.5, -0.5, -0.5, 0.5, 1.5, 1.5]);
    }

    #[test]
    fn gradients_follow_the_closed_form() {
        let x = from_vec(vec![0.3, -1.0, 1.6], [3]).require_grad();
        let scale = from_vec(vec![0.5], [1]).require_grad();
        let g = from_vec(vec![1.0, 2.0, 4.0], [3]);
        let grads = (lsq_mid_rise(x.clone(), scale.clone(), 2) * g)
            .sum()
            .backward();
        assert_eq!(to_vec(&x.grad(&grads).expect("gradient")), [1.0, 2.0, 0.0]);
        // Levels 1, -1 or -3 (a tie, to the even code: 0, which is -3), 3.
        let expected = (1.0 * (1.0 - 0.6) + 2.0 * (-3.0 + 2.0) + 4.0 * 3.0) / 9f32.sqrt();
        assert_close(
            &to_vec(&scale.grad(&grads).expect("gradient")),
            &[expected],
            1e-6,
        );
    }

    #[test]
    fn agrees_with_tensor_operations() {
        for bits in [2, 3, 4, 8] {
            for steps in [vec![0.3], vec![0.1, 0.3, 0.2, 0.5]] {
                let scale = from_vec(steps.clone(), [steps.len()]);
                let x = random([4, 3, 70, 20], 3);
                let fused = gradients(x.clone(), scale.clone(), |x, s| lsq_mid_rise(x, s, bits));
                let plain = gradients(x, scale, |x, s| generic(x, s, bits));
                for (fused, plain) in fused.into_iter().zip(plain) {
                    assert_close(&fused, &plain, 1e-4);
                }
            }
        }
    }
}
