use alloc::vec::Vec;

use subbyte_kernels::{Channels, Flatten, Part, Problem, Slice, Upsample};
use subbyte_model::NodeId;

use super::{Draft, Planner};
use crate::PlanError;

pub(super) fn concat(planner: &Planner<'_, '_>, id: NodeId) -> Result<Draft, PlanError> {
    let inputs = planner.node(id).inputs.iter();
    let parts: Vec<Part> = inputs
        .map(|&input| Part::Input(planner.extent(input).channels))
        .collect();
    channels(planner, id, &parts)
}

pub(super) fn pad_channels(
    planner: &Planner<'_, '_>,
    id: NodeId,
    before: usize,
    after: usize,
    code: u8,
) -> Result<Draft, PlanError> {
    let inside = planner.extent(planner.input(id, 0)).channels;
    let parts = [
        Part::Constant(before, code),
        Part::Input(inside),
        Part::Constant(after, code),
    ];
    channels(planner, id, &parts)
}

fn channels(planner: &Planner<'_, '_>, id: NodeId, parts: &[Part]) -> Result<Draft, PlanError> {
    let problem = Channels {
        pixels: planner.extent(id).pixels(),
        parts,
    };
    planner.step([id].into(), &Problem::Channels(problem))
}

pub(super) fn slice(
    planner: &Planner<'_, '_>,
    id: NodeId,
    start: [usize; 3],
    end: [usize; 3],
    step: [usize; 3],
) -> Result<Draft, PlanError> {
    let input = planner.extent(planner.input(id, 0));
    let problem = Slice {
        input,
        start,
        end,
        step,
    };
    planner.step([id].into(), &Problem::Slice(problem))
}

/// Memory already has the channel slowest where there is one channel or one pixel.
pub(super) fn flatten(planner: &Planner<'_, '_>, id: NodeId) -> Result<Draft, PlanError> {
    let input = planner.extent(planner.input(id, 0));
    if input.channels == 1 || input.pixels() == 1 {
        return Ok(planner.another_name(id));
    }
    planner.step([id].into(), &Problem::Flatten(Flatten { input }))
}

pub(super) fn upsample(
    planner: &Planner<'_, '_>,
    id: NodeId,
    factor: [usize; 2],
) -> Result<Draft, PlanError> {
    let input = planner.extent(planner.input(id, 0));
    planner.step([id].into(), &Problem::Upsample(Upsample { input, factor }))
}
