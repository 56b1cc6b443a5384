//! What tests of operations share.

use std::cell::Cell;

use burn::tensor::{Device, Tensor, TensorData};

/// Seeded values in -1 to 1 on the CPU with a gradient tape.
pub(crate) fn random<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<D> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let len = shape.iter().product();
    let data: Vec<f32> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    })
    .take(len)
    .collect();
    from_vec(data, shape)
}

/// A tensor on the CPU with a gradient tape.
pub(crate) fn from_vec<const D: usize>(data: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(data, shape), &Device::flex().autodiff())
}

/// The numbers of a tensor.
pub(crate) fn to_vec<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor.to_data().try_into_vec().expect("f32 tensor")
}

/// Output of `f` and the gradients of both inputs when the output is weighted by fixed random numbers and summed.
pub(crate) fn gradients<const A: usize, const B: usize, const C: usize>(
    a: Tensor<A>,
    b: Tensor<B>,
    f: impl FnOnce(Tensor<A>, Tensor<B>) -> Tensor<C>,
) -> [Vec<f32>; 3] {
    let (a, b) = (a.require_grad(), b.require_grad());
    let out = f(a.clone(), b.clone());
    let grads = (out.clone() * random(out.dims(), 99)).sum().backward();
    [
        to_vec(&out),
        to_vec(&a.grad(&grads).expect("gradient")),
        to_vec(&b.grad(&grads).expect("gradient")),
    ]
}

/// Fails where the numbers differ by more than `tolerance` of the largest magnitude.
pub(crate) fn assert_close(found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(1e-6f32, |m, v| m.max(v.abs()));
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!(
            (f - e).abs() <= tolerance * largest,
            "element {i}: {f} instead of {e}"
        );
    }
}

thread_local! {
    static OFF: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` as on a backend that custom operations do not know.
pub(crate) fn without_custom_operations<R>(work: impl FnOnce() -> R) -> R {
    OFF.set(true);
    let result = work();
    OFF.set(false);
    result
}

pub(super) fn custom_operations_are_off() -> bool {
    OFF.get()
}
