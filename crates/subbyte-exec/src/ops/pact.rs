use burn::tensor::Tensor;
use rayon::prelude::*;
use subbyte_num::CodeType;

use super::buffers;
use super::custom::{CustomOp, Output, Primitive, View, apply};
use super::lsq::{Lsq, quantize};
use super::ste::straight_through;

/// Values that one parallel task handles.
const CHUNK: usize = 1 << 14;

/// PACT (methods.md 2.3): `clamp(x, 0, clip)` on the `n + 1` equidistant values of the unsigned `code`, ties to the even level.
/// `clip` is `[1]`.
///
/// Backward: values from 0 to below `clip` pass their gradient; the gradient of `clip` is the sum of those of all values from `clip`
/// up.
pub fn pact<const D: usize>(x: Tensor<D>, clip: Tensor<1>, code: CodeType) -> Tensor<D> {
    match (Primitive::of(&x), Primitive::of(&clip)) {
        (Some(x), Some(clip)) => apply(Pact::new(code), [x, clip]).0,
        _ => generic(x, clip, code),
    }
}

/// The same by tensor operations, for any backend.
fn generic<const D: usize>(x: Tensor<D>, clip: Tensor<1>, code: CodeType) -> Tensor<D> {
    let n = f32::from(code.max_code());
    let scale = (clip.clone().detach() / n).reshape([1; D]);
    let clip = clip.reshape([1; D]);
    let levels = (x.clone().detach() / scale.clone()).clamp(0.0, n).round();
    let above = x
        .clone()
        .greater_equal(clip.clone().detach().expand(x.dims()));
    let below = x.clone().lower_elem(0.0);
    let passing = x.mask_fill(below.bool_or(above.clone()), 0.0);
    straight_through(levels * scale, passing + above.float() * clip)
}

#[derive(Clone, Copy, Debug)]
struct Pact {
    grid: Lsq,
    /// Largest code.
    n: f32,
}

impl Pact {
    fn new(code: CodeType) -> Self {
        Self {
            grid: Lsq::new(code),
            n: f32::from(code.max_code()),
        }
    }
}

impl CustomOp<2> for Pact {
    type Saved = ();
    const KEEP: [bool; 2] = [true, true];

    fn forward(&self, [x, clip]: [View; 2]) -> Output<()> {
        let scale = clip.data[0] / self.n;
        let mut out = buffers::take(x.data.len());
        out.par_chunks_mut(CHUNK)
            .zip(x.data.par_chunks(CHUNK))
            .for_each(|(out, x)| quantize(self.grid, x, scale, out));
        Output {
            data: out,
            shape: x.shape.to_vec(),
            saved: (),
        }
    }

    fn backward(
        &self,
        (): (),
        [x, clip]: [View; 2],
        grad: &mut Vec<f32>,
        _: [bool; 2],
    ) -> [Option<Vec<f32>>; 2] {
        let clip = clip.data[0];
        // Collected in order, so that the sum does not depend on the threads.
        let parts: Vec<f64> = grad
            .par_chunks_mut(CHUNK)
            .zip(x.data.par_chunks(CHUNK))
            .map(|(grad, x)| {
                let mut sum = 0.0;
                for (grad, x) in grad.iter_mut().zip(x) {
                    sum += if *x >= clip { f64::from(*grad) } else { 0.0 };
                    *grad = if *x >= 0.0 && *x < clip { *grad } else { 0.0 };
                }
                sum
            })
            .collect();
        let clip_grad = parts.into_iter().sum::<f64>() as f32;
        [Some(std::mem::take(grad)), Some(vec![clip_grad])]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{assert_close, from_vec, gradients, random, to_vec};
    use subbyte_graph::Quantizer;

    #[test]
    fn forward_is_the_grid_of_the_quantizer() {
        for bits in 1..=8 {
            let quantizer = Quantizer::Pact { bits };
            let code = quantizer.code_type();
            for clip in [1.0, 2.5, 0.37, 1.7e-3] {
                let grid = quantizer.grid(clip);
                let scale = clip / f32::from(code.max_code());
                // Around every tie, every level and both ends.
                let probes: Vec<f32> = (-4..=2 * code.max_level() + 4)
                    .map(|half| scale * half as f32 / 2.0)
                    .flat_map(|x| [x.next_down(), x, x.next_up()])
                    .chain([0.0, -0.0, 1e30, -1e30, f32::INFINITY, f32::NEG_INFINITY])
                    .collect();
                let x = from_vec(probes.clone(), [probes.len()]);
                let out = to_vec(&pact(x, from_vec(vec![clip], [1]), code));
                for (x, out) in probes.into_iter().zip(out) {
                    assert_eq!(out, grid.value(grid.code_f32(x)), "{grid:?} at {x}");
                }
            }
        }
    }

    #[test]
    fn gradients_follow_the_closed_form() {
        let code = CodeType::unsigned(2);
        // Inside, at both ends, below, above.
        let x = from_vec(vec![0.3, 0.0, 1.5, -0.2, 7.0], [5]).require_grad();
        let clip = from_vec(vec![1.5], [1]).require_grad();
        let g = from_vec(vec![1.0, 2.0, 4.0, 8.0, 16.0], [5]);
        let grads = (pact(x.clone(), clip.clone(), code) * g).sum().backward();
        assert_eq!(
            to_vec(&x.grad(&grads).expect("gradient")),
            [1.0, 2.0, 0.0, 0.0, 0.0]
        );
        assert_eq!(to_vec(&clip.grad(&grads).expect("gradient")), [20.0]);
    }

    #[test]
    fn agrees_with_tensor_operations() {
        for bits in [1, 2, 8] {
            let code = CodeType::unsigned(bits);
            let clip = from_vec(vec![0.7], [1]);
            let x = random([4, 3, 70, 200], 3);
            let fused = gradients(x.clone(), clip.clone(), |x, c| pact(x, c, code));
            let plain = gradients(x, clip, |x, c| generic(x, c, code));
            for (fused, plain) in fused.into_iter().zip(plain) {
                assert_close(&fused, &plain, 1e-4);
            }
        }
    }
}
