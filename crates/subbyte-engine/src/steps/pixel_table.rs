use subbyte_kernels::{Conv, Fold, PixelConv, PixelTable, Problem};
use subbyte_model::{NodeId, Op, PixelTable as Table};

use super::{Draft, Planner, conv};
use crate::PlanError;

/// The pixel table; with the convolution behind it and that one's requantization, where a kernel folds them.
pub(super) fn draft(planner: &Planner<'_, '_>, id: NodeId, op: &Table) -> Result<Draft, PlanError> {
    let codes = op.codes.unpack();
    let table = PixelTable {
        input: planner.extent(planner.input(id, 0)),
        depth: op.depth,
        codes: &codes,
    };
    if let Some(folded) = folded(planner, id, table) {
        return Ok(folded);
    }
    planner.step([id].into(), &Problem::PixelTable(table))
}

fn folded(planner: &Planner<'_, '_>, id: NodeId, table: PixelTable<'_>) -> Option<Draft> {
    let follower = planner.follower(id)?;
    let Op::Conv2d(op) = &planner.node(follower).op else {
        return None;
    };
    let weights = planner.weights(&op.weights);
    let (mut nodes, finish) = planner.finish(follower);
    nodes.insert(0, id);
    let conv = Conv {
        finish,
        ..conv::problem(planner, follower, op, &weights)
    };
    let fold = Fold::by(&mut planner.store.borrow_mut(), &table, &conv);
    let fold = fold.as_ref();
    planner.solve(nodes, &Problem::PixelConv(PixelConv { table, conv, fold }))
}
