use burn::tensor::Tensor;
use subbyte_graph::{Quantizer, squash};

use super::custom::{CustomOp, Output, Primitive, View, apply};
use super::ste::straight_through;

/// DoReFa of weights (methods.md 2.3): `t = tanh(w) / max |tanh(w)|` becomes the nearest of the `2^bits` equidistant values from -1 to
/// 1, ties to the even code. Backward: the gradient of `t`, in which the maximum counts as a constant.
pub fn dorefa_weight<const D: usize>(weight: Tensor<D>, bits: u8) -> Tensor<D> {
    match Primitive::of(&weight) {
        Some(weight) => apply(DorefaWeight { bits }, [weight]).0,
        None => generic(weight, bits),
    }
}

/// The same by tensor operations, for any backend.
fn generic<const D: usize>(weight: Tensor<D>, bits: u8) -> Tensor<D> {
    let n = ((1u32 << bits) - 1) as f32;
    let t = weight.tanh();
    let largest = t.clone().detach().abs().max().clamp_min(f32::MIN_POSITIVE);
    let t = t / largest.reshape([1; D]);
    let codes = ((t.clone().detach() + 1.0) * (n / 2.0)).round();
    straight_through(codes * (2.0 / n) - 1.0, t)
}

#[derive(Clone, Copy, Debug)]
struct DorefaWeight {
    bits: u8,
}

impl CustomOp<1> for DorefaWeight {
    type Saved = ();
    const KEEP: [bool; 1] = [true];

    fn forward(&self, [weight]: [View; 1]) -> Output<()> {
        let quantizer = Quantizer::DorefaWeight { bits: self.bits };
        let grid = quantizer.grid(1.0);
        let (squashed, _) = squash(weight.data);
        Output {
            data: squashed
                .iter()
                .map(|&t| grid.value(grid.code_f32(t)))
                .collect(),
            shape: weight.shape.to_vec(),
            saved: (),
        }
    }

    fn backward(
        &self,
        (): (),
        [weight]: [View; 1],
        grad: &mut Vec<f32>,
        _: [bool; 1],
    ) -> [Option<Vec<f32>>; 1] {
        let (squashed, largest) = squash(weight.data);
        for (grad, t) in grad.iter_mut().zip(squashed) {
            let tanh = t * largest;
            *grad *= (1.0 - tanh * tanh) / largest;
        }
        [Some(std::mem::take(grad))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{assert_close, from_vec, random, to_vec};

    #[test]
    fn weights_become_odd_multiples_of_one_nth_and_the_largest_becomes_one() {
        for bits in 2..=8 {
            let w = random([16, 9, 3, 3], u64::from(bits));
            let out = to_vec(&dorefa_weight(w.clone(), bits));
            let n = ((1u32 << bits) - 1) as f32;
            let largest = to_vec(&w).into_iter().fold(0f32, |m, w| m.max(w.abs()));
            for (w, out) in to_vec(&w).into_iter().zip(out) {
                let level = (out * n).round();
                assert!((out * n - level).abs() < 1e-3 && level as i32 % 2 != 0);
                let t = w.tanh() / largest.tanh();
                assert!(
                    (out - t).abs() <= 1.0 / n + 1e-5,
                    "{bits} bits: {w} to {out}"
                );
            }
        }
    }

    #[test]
    fn the_gradient_is_that_of_the_squashed_weight() {
        let w = vec![-0.5, 0.0, 0.1, 2.0];
        let x = from_vec(w.clone(), [4]).require_grad();
        let grads = dorefa_weight(x.clone(), 2).sum().backward();
        let expected: Vec<f32> = w
            .iter()
            .map(|w| (1.0 - w.tanh().powi(2)) / 2f32.tanh())
            .collect();
        assert_close(&to_vec(&x.grad(&grads).expect("gradient")), &expected, 1e-5);
    }

    #[test]
    fn agrees_with_tensor_operations_away_from_ties() {
        // No weight of this seed lies so near a tie that the two hyperbolic tangents fall on different sides.
        for bits in [2, 3, 4] {
            let run = |f: fn(Tensor<4>, u8) -> Tensor<4>| {
                let w = random([8, 5, 3, 3], 1).require_grad();
                let out = f(w.clone(), bits);
                let grads = (out.clone() * random([8, 5, 3, 3], 2)).sum().backward();
                [to_vec(&out), to_vec(&w.grad(&grads).expect("gradient"))]
            };
            for (fused, plain) in run(dorefa_weight).into_iter().zip(run(generic)) {
                assert_close(&fused, &plain, 1e-5);
            }
        }
    }
}
