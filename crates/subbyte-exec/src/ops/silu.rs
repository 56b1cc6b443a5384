use burn::tensor::{Tensor, activation};
use rayon::prelude::*;

use super::buffers;
use super::custom::{CustomOp, Output, Primitive, View, apply};
use crate::simd::vectorize;

/// Values that one parallel task handles.
const CHUNK: usize = 1 << 13;

/// `x * sigmoid(x)`.
pub fn silu(x: Tensor<4>) -> Tensor<4> {
    match Primitive::of(&x) {
        Some(x) => apply(Silu, [x]).0,
        None => activation::silu(x),
    }
}

/// Where the exponential neither overflows nor becomes subnormal.
const LARGEST: f32 = 87.0;

/// Added to a small number and taken off again, it leaves the nearest whole number; meanwhile the lowest bits are that number.
const ROUND: f32 = 12_582_912.0;

/// `ln 2` as a number of few bits, whose products with whole numbers are exact, and the rest.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];

/// Coefficients of `(exp(r) - 1 - r) / r^2` for `r` within `ln 2 / 2` of 0, highest power first (Cephes, expf).
const POWERS: [f32; 6] = [
    1.987_569_1e-4,
    1.398_199_9e-3,
    8.333_452e-3,
    4.166_579_6e-2,
    0.166_666_65,
    0.5,
];

/// `exp(x)` to about one unit in the last place, in operations that vectors have.
#[inline(always)]
fn exp(x: f32) -> f32 {
    let x = x.clamp(-LARGEST, LARGEST);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN_2[0] - n * LN_2[1];
    let mut sum = POWERS[0];
    for power in &POWERS[1..] {
        sum = sum * r + power;
    }
    let fraction = sum * r * r + r + 1.0;
    let power_of_two = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
    fraction * power_of_two
}

vectorize! {
    fn forward<'a>(x: &'a [f32], out: &'a mut [f32]) -> () {
        for (out, x) in out.iter_mut().zip(x) {
            *out = x / (1.0 + exp(-x));
        }
    }

    /// Replaces the output's gradients by those of `x`: with s the sigmoid, `s * (1 + x * (1 - s))`.
    fn backward<'a>(x: &'a [f32], grad: &'a mut [f32]) -> () {
        for (grad, x) in grad.iter_mut().zip(x) {
            let s = 1.0 / (1.0 + exp(-x));
            *grad *= s * (1.0 + x * (1.0 - s));
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Silu;

impl CustomOp<1> for Silu {
    type Saved = ();
    const KEEP: [bool; 1] = [true];

    fn forward(&self, [x]: [View; 1]) -> Output<()> {
        let mut out = buffers::take(x.data.len());
        out.par_chunks_mut(CHUNK)
            .zip(x.data.par_chunks(CHUNK))
            .for_each(|(out, x)| forward(x, out));
        Output {
            data: out,
            shape: x.shape.to_vec(),
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
        grad.par_chunks_mut(CHUNK)
            .zip(x.data.par_chunks(CHUNK))
            .for_each(|(grad, x)| backward(x, grad));
        [Some(std::mem::take(grad))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{assert_close, from_vec, random, to_vec};

    #[test]
    fn exponentials_are_exact_to_the_last_places() {
        let mut worst = 0.0f64;
        for i in -87_000..=87_000 {
            let x = i as f32 / 1000.0;
            let exact = f64::from(x).exp();
            worst = worst.max((f64::from(exp(x)) - exact).abs() / exact);
        }
        assert!(worst < 2e-7, "{worst:e}");
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(-1e9) < 1e-37 && exp(1e9).is_finite());
    }

    #[test]
    fn agrees_with_burn() {
        let x = random([2, 70, 9, 11], 1) * 12.0;
        let run = |f: fn(Tensor<4>) -> Tensor<4>| {
            let x = x.clone().detach().require_grad();
            let out = f(x.clone());
            let grads = (out.clone() * random(out.dims(), 2)).sum().backward();
            [to_vec(&out), to_vec(&x.grad(&grads).expect("gradient"))]
        };
        for (fused, plain) in run(silu).into_iter().zip(run(activation::silu)) {
            assert_close(&fused, &plain, 1e-6);
        }
        let ends = from_vec(vec![-1e30, -200.0, 200.0, 1e30], [1, 1, 1, 4]);
        let ends = to_vec(&silu(ends));
        assert!(ends[0].abs() < 1e-3 && ends[1].abs() < 1e-30, "{ends:?}");
        assert_eq!(ends[2..], [200.0, 1e30]);
    }
}
