use burn::tensor::Tensor;
use rayon::prelude::*;

use super::buffers;
use super::custom::{CustomOp, Output, Primitive, View, apply};

/// Values that one parallel task handles.
const CHUNK: usize = 1 << 14;

/// Sum of two activations of one shape.
pub fn add(a: Tensor<4>, b: Tensor<4>) -> Tensor<4> {
    match (Primitive::of(&a), Primitive::of(&b)) {
        (Some(a), Some(b)) => apply(Add, [a, b]).0,
        _ => a + b,
    }
}

#[derive(Clone, Copy, Debug)]
struct Add;

impl CustomOp<2> for Add {
    type Saved = ();
    const KEEP: [bool; 2] = [false, false];

    fn forward(&self, [a, b]: [View; 2]) -> Output<()> {
        let mut out = buffers::take(a.data.len());
        out.par_chunks_mut(CHUNK)
            .zip(a.data.par_chunks(CHUNK))
            .zip(b.data.par_chunks(CHUNK))
            .for_each(|((out, a), b)| {
                for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
                    *out = a + b;
                }
            });
        Output {
            data: out,
            shape: a.shape.to_vec(),
            saved: (),
        }
    }

    fn backward(
        &self,
        (): (),
        _: [View; 2],
        grad: &mut Vec<f32>,
        wanted: [bool; 2],
    ) -> [Option<Vec<f32>>; 2] {
        // Each side gets a buffer of its own, which the operation before may overwrite.
        let first = (wanted == [true, true]).then(|| {
            let mut copy = buffers::take(grad.len());
            copy.par_chunks_mut(CHUNK)
                .zip(grad.par_chunks(CHUNK))
                .for_each(|(copy, grad)| copy.copy_from_slice(grad));
            copy
        });
        let other = Some(std::mem::take(grad));
        match wanted {
            [_, true] => [first, other],
            _ => [other, None],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{gradients, random, to_vec};

    #[test]
    fn both_sides_get_the_gradient() {
        let (a, b) = (random([2, 3, 5, 7], 1), random([2, 3, 5, 7], 2));
        let fused = gradients(a.clone(), b.clone(), add);
        assert_eq!(fused, gradients(a.clone(), b.clone(), |a, b| a + b));
        for swap in [false, true] {
            let tracked = a.clone().require_grad();
            let out = match swap {
                true => add(b.clone(), tracked.clone()),
                false => add(tracked.clone(), b.clone()),
            };
            let grads = out.sum().backward();
            let grad = tracked.grad(&grads).expect("gradient");
            assert_eq!(to_vec(&grad), vec![1.0; 2 * 3 * 5 * 7]);
        }
    }
}
