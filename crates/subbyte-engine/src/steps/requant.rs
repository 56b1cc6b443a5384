use subbyte_kernels::{Problem, Requant};
use subbyte_model::{NodeId, Requant as Op};

use super::{Draft, Planner, finish};
use crate::PlanError;

/// A requantization on its own, of sums that others read too.
pub(super) fn draft(planner: &Planner<'_, '_>, id: NodeId, op: &Op) -> Result<Draft, PlanError> {
    let extent = planner.extent(id);
    let problem = Requant {
        pixels: extent.pixels(),
        channels: extent.channels,
        finish: finish(op),
    };
    planner.step([id].into(), &Problem::Requant(problem))
}
