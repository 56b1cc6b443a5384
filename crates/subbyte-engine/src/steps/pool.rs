use subbyte_kernels::{MaxPool, Problem, SumPool, Window};
use subbyte_model::{NodeId, Window as PoolWindow};

use super::{Draft, Planner};
use crate::PlanError;

fn window(window: &PoolWindow) -> Window {
    Window {
        kernel: window.kernel,
        stride: window.stride,
        padding: window.padding,
    }
}

pub(super) fn max(
    planner: &Planner<'_, '_>,
    id: NodeId,
    over: &PoolWindow,
) -> Result<Draft, PlanError> {
    let problem = MaxPool {
        input: planner.extent(planner.input(id, 0)),
        window: window(over),
    };
    planner.step([id].into(), &Problem::MaxPool(problem))
}

/// An average pool over a window or, without one, over the whole image; with the requantization behind it.
pub(super) fn average(
    planner: &Planner<'_, '_>,
    id: NodeId,
    over: Option<&PoolWindow>,
) -> Result<Draft, PlanError> {
    let input = planner.input(id, 0);
    let extent = planner.extent(input);
    let (nodes, finish) = planner.finish(id);
    let problem = SumPool {
        input: extent,
        code: planner.code(input),
        window: over.map_or_else(|| SumPool::whole(extent), window),
        finish,
    };
    planner.step(nodes, &Problem::SumPool(problem))
}
