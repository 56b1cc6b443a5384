use burn::tensor::Tensor;

use super::custom::{CustomOp, Output, Primitive, View, apply};
use super::ste::straight_through;

/// Binary mean scaling of weights (methods.md 2.2): `mean |w| * sign(w)` with `sign(0) = +1`; the mean is taken over the
/// tensor or, with `per_channel`, for each index of the first axis. Backward: identity.
pub fn binary_mean<const D: usize>(weight: Tensor<D>, per_channel: bool) -> Tensor<D> {
    match Primitive::of(&weight) {
        Some(weight) => apply(BinaryMean { per_channel }, [weight]).0,
        None => generic(weight, per_channel),
    }
}

/// The same by tensor operations, for any backend.
fn generic<const D: usize>(weight: Tensor<D>, per_channel: bool) -> Tensor<D> {
    let (shape, all) = (weight.dims(), weight.shape().num_elements());
    let channels = if per_channel { shape[0] } else { 1 };
    let rows = weight.clone().reshape([channels, all / channels]);
    let scale = rows.clone().abs().mean_dim(1);
    let sign = rows.greater_equal_elem(0.0).float() * 2.0 - 1.0;
    straight_through((sign * scale).reshape(shape), weight)
}

/// Mean magnitude of each row of `len` values, summed in f64.
pub(crate) fn mean_magnitudes(weight: &[f32], len: usize) -> impl Iterator<Item = f32> {
    weight.chunks_exact(len.max(1)).map(|row| {
        let sum: f64 = row.iter().map(|w| f64::from(w.abs())).sum();
        (sum / row.len() as f64) as f32
    })
}

#[derive(Clone, Copy, Debug)]
struct BinaryMean {
    per_channel: bool,
}

impl CustomOp<1> for BinaryMean {
    type Saved = ();
    const KEEP: [bool; 1] = [false];

    fn forward(&self, [weight]: [View; 1]) -> Output<()> {
        let channels = if self.per_channel { weight.shape[0] } else { 1 };
        let len = weight.data.len() / channels;
        let scales = mean_magnitudes(weight.data, len);
        Output {
            data: weight
                .data
                .chunks_exact(len)
                .zip(scales)
                .flat_map(|(row, scale)| {
                    row.iter()
                        .map(move |w| if *w >= 0.0 { scale } else { -scale })
                })
                .collect(),
            shape: weight.shape.to_vec(),
            saved: (),
        }
    }

    fn backward(
        &self,
        (): (),
        _: [View; 1],
        grad: &mut Vec<f32>,
        _: [bool; 1],
    ) -> [Option<Vec<f32>>; 1] {
        [Some(std::mem::take(grad))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{assert_close, from_vec, random, to_vec};
    use subbyte_num::Grid;

    #[test]
    fn values_are_means_with_signs_of_the_grid() {
        let w = vec![0.5, -0.25, 0.0, -0.0, -3.0, 1.0];
        let out = to_vec(&binary_mean(from_vec(w.clone(), [2, 3]), true));
        for (row, scale) in [0.25, 4.0 / 3.0].into_iter().enumerate() {
            let grid = Grid::Sign { scale };
            for i in row * 3..row * 3 + 3 {
                assert_eq!(out[i], grid.value(grid.code_f32(w[i])));
            }
        }
        let out = to_vec(&binary_mean(from_vec(w, [2, 3]), false));
        assert_close(
            &out,
            &[19.0, -19.0, 19.0, 19.0, -19.0, 19.0].map(|w| w / 24.0),
            1e-6,
        );
    }

    #[test]
    fn agrees_with_tensor_operations_and_passes_gradients_unchanged() {
        for per_channel in [false, true] {
            let run = |f: fn(Tensor<4>, bool) -> Tensor<4>| {
                let w = random([8, 5, 3, 3], 1).require_grad();
                let out = f(w.clone(), per_channel);
                let grads = (out.clone() * random([8, 5, 3, 3], 2)).sum().backward();
                (to_vec(&out), to_vec(&w.grad(&grads).expect("gradient")))
            };
            let (fused, plain) = (run(binary_mean), run(generic));
            assert_close(&fused.0, &plain.0, 1e-6);
            assert_eq!(fused.1, to_vec(&random([8, 5, 3, 3], 2)));
            assert_eq!(plain.1, fused.1);
        }
    }
}
