use subbyte_kernels::{Conv, LinearSums, Problem, SumPool};
use subbyte_model::{Kind, Linear, NodeId};

use super::{Draft, Planner};
use crate::PlanError;

/// A fully connected layer, with the requantization behind it. Over codes it is a convolution of one pixel.
pub(super) fn draft(
    planner: &Planner<'_, '_>,
    id: NodeId,
    op: &Linear,
) -> Result<Draft, PlanError> {
    let weights = planner.weights(&op.weights);
    let (nodes, finish) = planner.finish(id);
    let input = planner.input(id, 0);
    let extent = planner.extent(input);
    let problem = match planner.tensors[input].kind {
        Kind::Codes(code) => Problem::Conv(Conv {
            input: extent,
            channels: op.weights.channels(),
            window: SumPool::whole(extent),
            groups: 1,
            code,
            pad: 0,
            weights: &weights,
            bias: &op.bias,
            finish,
        }),
        Kind::Sums { .. } | Kind::Image => Problem::LinearSums(LinearSums {
            features: extent.channels,
            range: planner.tensors[input].range(),
            channels: op.weights.channels(),
            weights: &weights,
            bias: &op.bias,
            finish,
        }),
    };
    planner.step(nodes, &problem)
}
