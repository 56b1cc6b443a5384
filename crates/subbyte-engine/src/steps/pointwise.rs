use subbyte_kernels::{Add, CodeTable, Mul, Problem};
use subbyte_model::{CodeType, NodeId};

use super::{Draft, Planner};
use crate::PlanError;

pub(super) fn add(
    planner: &Planner<'_, '_>,
    id: NodeId,
    code: CodeType,
) -> Result<Draft, PlanError> {
    let problem = Add {
        elements: planner.extent(id).elements(),
        left: planner.code(planner.input(id, 0)),
        right: planner.code(planner.input(id, 1)),
        code,
    };
    planner.step([id].into(), &Problem::Add(problem))
}

/// A product, with the requantization behind it.
pub(super) fn mul(planner: &Planner<'_, '_>, id: NodeId) -> Result<Draft, PlanError> {
    let (left, right) = (planner.input(id, 0), planner.input(id, 1));
    let (nodes, finish) = planner.finish(id);
    let problem = Mul {
        left: planner.extent(left),
        right: planner.extent(right),
        left_code: planner.code(left),
        right_code: planner.code(right),
        finish,
    };
    planner.step(nodes, &Problem::Mul(problem))
}

pub(super) fn code_table(
    planner: &Planner<'_, '_>,
    id: NodeId,
    table: &[u8],
) -> Result<Draft, PlanError> {
    let elements = planner.extent(id).elements();
    planner.step(
        [id].into(),
        &Problem::CodeTable(CodeTable { elements, table }),
    )
}
