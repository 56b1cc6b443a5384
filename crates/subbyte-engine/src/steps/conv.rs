use subbyte_kernels::{Conv, Finish, Problem, WeightLevels, Window};
use subbyte_model::{Conv2d, NodeId, Pad};

use super::{Draft, Planner};
use crate::PlanError;

/// A convolution, with the requantization behind it.
pub(super) fn draft(
    planner: &Planner<'_, '_>,
    id: NodeId,
    op: &Conv2d,
) -> Result<Draft, PlanError> {
    let weights = planner.weights(&op.weights);
    let (nodes, finish) = planner.finish(id);
    let conv = Conv {
        finish,
        ..problem(planner, id, op, &weights)
    };
    planner.step(nodes, &Problem::Conv(conv))
}

/// The convolution of node `id` making sums.
pub(super) fn problem<'a>(
    planner: &Planner<'_, '_>,
    id: NodeId,
    op: &'a Conv2d,
    weights: &'a WeightLevels,
) -> Conv<'a> {
    let input = planner.input(id, 0);
    let code = planner.code(input);
    Conv {
        input: planner.extent(input),
        channels: op.weights.channels(),
        window: Window {
            kernel: op.kernel,
            stride: op.stride,
            padding: op.padding,
        },
        groups: op.groups,
        code,
        pad: match op.pad {
            Pad::Code(pad) => code.level(pad),
            Pad::Skip => 0,
        },
        weights,
        bias: &op.bias,
        finish: Finish::Sums,
    }
}
