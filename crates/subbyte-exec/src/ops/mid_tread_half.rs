use burn::tensor::Tensor;
use rayon::prelude::*;
use subbyte_num::Grid;

use super::buffers;
use super::custom::{CustomOp, Output, Primitive, View, apply};
use super::ste::straight_through;

/// Values that one parallel task handles.
const CHUNK: usize = 1 << 14;

/// Linear mid-tread half quantizer (methods.md 2.1): `floor(clamp(x, 0, max) * n / max + 1/2) * max / n`, ties upwards.
/// Backward: the gradient passes where `0 < x < max`, strictly.
pub fn mid_tread_half<const D: usize>(x: Tensor<D>, bits: u8, max: f32) -> Tensor<D> {
    match Primitive::of(&x) {
        Some(x) => apply(MidTreadHalf { bits, max }, [x]).0,
        None => generic(x, bits, max),
    }
}

/// The same by tensor operations, for any backend.
fn generic<const D: usize>(x: Tensor<D>, bits: u8, max: f32) -> Tensor<D> {
    let n = ((1u32 << bits) - 1) as f32;
    let levels = (x.clone().clamp(0.0, max) * (n / max) + 0.5).floor();
    let outside = x
        .clone()
        .lower_equal_elem(0.0)
        .bool_or(x.clone().greater_equal_elem(max));
    straight_through(levels * (max / n), x.mask_fill(outside, 0.0))
}

#[derive(Clone, Copy, Debug)]
struct MidTreadHalf {
    bits: u8,
    max: f32,
}

impl CustomOp<1> for MidTreadHalf {
    type Saved = ();
    const KEEP: [bool; 1] = [true];

    fn forward(&self, [x]: [View; 1]) -> Output<()> {
        let grid = Grid::MidTreadHalf {
            bits: self.bits,
            max: self.max,
        };
        let values: Vec<f32> = (0..=grid.code_type().max_code())
            .map(|code| grid.value(code))
            .collect();
        let mut out = buffers::take(x.data.len());
        out.par_chunks_mut(CHUNK)
            .zip(x.data.par_chunks(CHUNK))
            .for_each(|(out, x)| {
                for (out, x) in out.iter_mut().zip(x) {
                    *out = values[usize::from(grid.code_f32(*x))];
                }
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
        [x]: [View; 1],
        grad: &mut Vec<f32>,
        _: [bool; 1],
    ) -> [Option<Vec<f32>>; 1] {
        grad.par_chunks_mut(CHUNK)
            .zip(x.data.par_chunks(CHUNK))
            .for_each(|(grad, x)| {
                for (grad, x) in grad.iter_mut().zip(x) {
                    let passes = *x > 0.0 && *x < self.max;
                    *grad = if passes { *grad } else { 0.0 };
                }
            });
        [Some(std::mem::take(grad))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{assert_close, from_vec, to_vec};

    #[test]
    fn forward_is_the_grid_and_backward_the_open_interval() {
        for bits in 1..=8 {
            let max = 2.0;
            let grid = Grid::MidTreadHalf { bits, max };
            let n = f32::from(grid.code_type().max_code());
            let probes: Vec<f32> = (-3..=2 * n as i32 + 3)
                .map(|half| half as f32 * max / n / 2.0)
                .flat_map(|x| [x.next_down(), x, x.next_up()])
                .collect();
            let x = from_vec(probes.clone(), [probes.len()]).require_grad();
            let out = mid_tread_half(x.clone(), bits, max);
            let grad = to_vec(&x.grad(&out.clone().sum().backward()).expect("gradient"));
            for ((x, out), grad) in probes.into_iter().zip(to_vec(&out)).zip(grad) {
                assert_eq!(out, grid.value(grid.code_f32(x)), "{bits} bits at {x}");
                assert_eq!(grad, f32::from(x > 0.0 && x < max), "{bits} bits at {x}");
            }
        }
    }

    #[test]
    fn agrees_with_tensor_operations_away_from_ties() {
        let values: Vec<f32> = (0..1000).map(|i| i as f32 * 0.003 - 0.5013).collect();
        let run = |f: fn(Tensor<1>, u8, f32) -> Tensor<1>| {
            let x = from_vec(values.clone(), [values.len()]).require_grad();
            let out = f(x.clone(), 2, 2.0);
            let grads = out.clone().powi_scalar(2).sum().backward();
            [to_vec(&out), to_vec(&x.grad(&grads).expect("gradient"))]
        };
        for (fused, plain) in run(mid_tread_half).into_iter().zip(run(generic)) {
            assert_close(&fused, &plain, 1e-6);
        }
    }
}
