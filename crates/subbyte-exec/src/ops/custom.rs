//! Plumbing of custom operations: an operation is its arithmetic on slices; everything about burn is here.

use std::fmt::Debug;

use super::buffers;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{Shape, Tensor, TensorData};
use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::{base::Checkpointer, strategy::NoCheckpointing};
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind};
use burn_flex::{Flex, FlexTensor};

/// A tensor's numbers, row-major, and its shape. The numbers are missing in backward where the operation does not keep them.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub data: &'a [f32],
    pub shape: &'a [usize],
}

/// What a forward pass makes: the output and what backward needs beside the inputs.
pub(crate) struct Output<S> {
    pub data: Vec<f32>,
    pub shape: Vec<usize>,
    pub saved: S,
}

/// A differentiable operation of `N` inputs on the CPU.
pub(crate) trait CustomOp<const N: usize>: Clone + Debug + Send + 'static {
    /// What forward leaves for backward beside the inputs.
    type Saved: Clone + Debug + Send + 'static;
    /// Which inputs backward reads; the others are freed.
    const KEEP: [bool; N];

    fn forward(&self, inputs: [View; N]) -> Output<Self::Saved>;

    /// Gradients of the inputs that are `wanted`; `grad` is the output's gradient, which may be taken as a buffer.
    fn backward(
        &self,
        saved: Self::Saved,
        inputs: [View; N],
        grad: &mut Vec<f32>,
        wanted: [bool; N],
    ) -> [Option<Vec<f32>>; N];
}

/// A tensor of the CPU backend on a gradient tape.
type AutodiffTensor = FloatTensor<Autodiff<Flex>>;

/// An f32 tensor of the CPU backend, of any rank, with or without a gradient tape.
pub(crate) enum Primitive {
    Plain(FlexTensor),
    Tracked(AutodiffTensor),
}

impl Primitive {
    /// The tensor's primitive, or nothing where it lives on another backend.
    pub fn of<const D: usize>(tensor: &Tensor<D>) -> Option<Self> {
        #[cfg(test)]
        if super::testing::custom_operations_are_off() {
            return None;
        }
        if tensor.device().is_autodiff() {
            let tracked = tensor.clone().try_into_primitive::<Autodiff<Flex>>();
            tracked.ok().map(Self::Tracked)
        } else {
            let plain = tensor.clone().try_into_primitive::<Flex>();
            plain.ok().map(Self::Plain)
        }
    }

    fn flex(&self) -> FlexTensor {
        match self {
            Self::Plain(tensor) => tensor.to_contiguous(),
            Self::Tracked(tensor) => tensor.primitive().to_contiguous(),
        }
    }

    fn tracked(self) -> AutodiffTensor {
        match self {
            Self::Plain(tensor) => AutodiffTensor::new(tensor),
            Self::Tracked(tensor) => tensor,
        }
    }
}

/// Keeps the memory of an activation that is no longer needed, where it is on no tape.
pub(crate) fn recycle(tensor: Tensor<4>) {
    if !tensor.is_autodiff()
        && let Ok(tensor) = tensor.try_into_primitive::<Flex>()
    {
        buffers::reclaim(tensor);
    }
}

/// Runs `op` and records its backward pass; also returns what forward saved.
pub(crate) fn apply<const N: usize, const D: usize, O: CustomOp<N>>(
    op: O,
    inputs: [Primitive; N],
) -> (Tensor<D>, O::Saved) {
    let values = inputs.each_ref().map(Primitive::flex);
    let shapes = values.each_ref().map(|v| v.layout().shape().clone());
    let Output { data, shape, saved } =
        op.forward(std::array::from_fn(|i| view(&values[i], &shapes[i])));
    let output = tensor(data, Shape::from(shape));
    if inputs
        .iter()
        .all(|input| matches!(input, Primitive::Plain(_)))
    {
        return (Tensor::from_primitive::<Flex>(output), saved);
    }
    let guards = inputs.map(|input| input.tracked().into_parts().1);
    let prepared = Step(op)
        .prepare::<NoCheckpointing>(guards)
        .compute_bound()
        .stateful();
    let output = match prepared {
        OpsKind::Tracked(prepared) => {
            let mut keep = O::KEEP.into_iter();
            let state = State {
                saved: saved.clone(),
                values: values.map(|value| keep.next().unwrap_or(false).then_some(value)),
                shapes,
            };
            prepared.finish(state, output)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    };
    (Tensor::from_primitive::<Autodiff<Flex>>(output), saved)
}

fn view<'a>(tensor: &'a FlexTensor, shape: &'a Shape) -> View<'a> {
    View {
        data: tensor.as_slice().expect("contiguous f32 tensor"),
        shape: shape.as_slice(),
    }
}

fn tensor(data: Vec<f32>, shape: Shape) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(data, shape))
}

#[derive(Clone, Debug)]
struct State<S, const N: usize> {
    saved: S,
    values: [Option<FlexTensor>; N],
    shapes: [Shape; N],
}

#[derive(Debug)]
struct Step<O>(O);

impl<const N: usize, O: CustomOp<N>> Backward<Flex, N> for Step<O> {
    type State = State<O::Saved, N>;

    fn backward(self, ops: Ops<Self::State, N>, grads: &mut Gradients, _: &mut Checkpointer) {
        let State {
            saved,
            values,
            shapes,
        } = ops.state;
        let mut grad = grads
            .consume::<Flex>(&ops.node)
            .into_data()
            .try_into_vec()
            .expect("f32 gradient");
        let inputs = std::array::from_fn(|i| match &values[i] {
            Some(value) => view(value, &shapes[i]),
            None => View {
                data: &[],
                shape: shapes[i].as_slice(),
            },
        });
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let results = self.0.backward(saved, inputs, &mut grad, wanted);
        buffers::give(grad);
        values.into_iter().flatten().for_each(buffers::reclaim);
        for ((parent, result), shape) in ops.parents.into_iter().zip(results).zip(shapes) {
            if let (Some(parent), Some(result)) = (parent, result) {
                grads.register::<Flex>(parent.id, tensor(result, shape));
            }
        }
    }
}
