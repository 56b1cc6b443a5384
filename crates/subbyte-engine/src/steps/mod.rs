//! From nodes to steps: which nodes a step covers, what problem it is, which kernel solves it.

mod arrange;
mod conv;
mod linear;
mod pixel_table;
mod pointwise;
mod pool;
mod requant;

use alloc::{boxed::Box, vec, vec::Vec};
use core::cell::RefCell;

use subbyte_kernels::{
    Extent, Finish, Innermost, Level, Prepared, Problem, Store, WeightLevels, choose,
};
use subbyte_model::{CodeType, Model, Node, NodeId, Op, Requant, Tensor, Weights};

use crate::{PlanError, Step, StepKernel, layout::bytes};

/// Picoseconds of a step from which on a second thread is of use.
const WORTH_SHARING: u64 = 2_000_000;

/// A step without its place in memory.
pub(crate) struct Draft {
    /// Nodes that are computed, at least one; the last one's tensor is made.
    nodes: Vec<NodeId>,
    /// Nodes whose tensors are read.
    pub inputs: Vec<NodeId>,
    /// `None` where the only input already is the tensor.
    pub chosen: Option<Chosen>,
    output_bytes: usize,
}

/// A kernel with its weights packed.
pub(crate) struct Chosen {
    pub prepared: Box<dyn Prepared>,
    kernel: StepKernel,
    operation: &'static str,
    macs: u64,
    /// What the kernel is expected to take.
    picoseconds: u64,
    innermost: Option<Innermost>,
}

impl Draft {
    /// The node whose tensor is made.
    pub fn node(&self) -> NodeId {
        self.nodes[self.nodes.len() - 1]
    }

    /// Parts that `threads` threads may compute at the same time: 1 where sharing costs more than it gains.
    pub fn parts(&self, threads: usize) -> usize {
        match &self.chosen {
            Some(chosen) if chosen.picoseconds >= WORTH_SHARING => {
                threads.clamp(1, chosen.prepared.split().rows)
            }
            _ => 1,
        }
    }

    /// Bytes of the kernel's working space for one part.
    pub fn scratch_bytes(&self) -> usize {
        let chosen = self.chosen.as_ref();
        chosen.map_or(0, |chosen| chosen.prepared.scratch_bytes())
    }

    /// The step as plans show it.
    pub fn describe(&self, model: &Model, threads: usize) -> Step {
        let chosen = self.chosen.as_ref();
        let names = self.nodes.iter().map(|&id| model.nodes[id].name.clone());
        Step {
            nodes: self.nodes.clone(),
            names: names.collect(),
            operation: chosen.map_or("another name", |chosen| chosen.operation),
            kernel: chosen.map(|chosen| chosen.kernel),
            output_bytes: self.output_bytes,
            packed_bytes: chosen.map_or(0, |chosen| chosen.prepared.packed_bytes()),
            scratch_bytes: self.scratch_bytes(),
            parts: self.parts(threads),
            macs: chosen.map_or(0, |chosen| chosen.macs),
            innermost: chosen.and_then(|chosen| chosen.innermost),
        }
    }
}

/// The steps of an analysed model, in order.
pub(crate) fn draft(
    model: &Model,
    tensors: &[Tensor],
    level: Level,
    fuse: bool,
    store: &mut Store<'_>,
) -> Result<Vec<Draft>, PlanError> {
    let mut readers = vec![Vec::new(); model.nodes.len()];
    for (id, node) in model.nodes.iter().enumerate() {
        for &input in &node.inputs {
            readers[input].push(id);
        }
    }
    let planner = Planner {
        model,
        tensors,
        level,
        fuse,
        readers,
        store: RefCell::new(store),
    };
    let mut covered = vec![false; model.nodes.len()];
    let mut drafts = Vec::new();
    for id in 0..model.nodes.len() {
        if covered[id] {
            continue;
        }
        if let Some(draft) = planner.draft(id)? {
            draft.nodes.iter().for_each(|&id| covered[id] = true);
            drafts.push(draft);
        }
    }
    Ok(drafts)
}

/// A model that is being planned.
struct Planner<'m, 's> {
    model: &'m Model,
    tensors: &'m [Tensor],
    level: Level,
    fuse: bool,
    /// For every node the nodes that read it.
    readers: Vec<Vec<NodeId>>,
    /// Where packed weights come from.
    store: RefCell<&'m mut Store<'s>>,
}

impl<'m> Planner<'m, '_> {
    /// The step that begins with node `id`; none for the image.
    fn draft(&self, id: NodeId) -> Result<Option<Draft>, PlanError> {
        let draft = match &self.node(id).op {
            Op::Image => return Ok(None),
            Op::PixelTable(table) => pixel_table::draft(self, id, table),
            Op::Conv2d(op) => conv::draft(self, id, op),
            Op::Linear(op) => linear::draft(self, id, op),
            Op::Add { code } => pointwise::add(self, id, *code),
            Op::Mul => pointwise::mul(self, id),
            Op::CodeTable { table, .. } => pointwise::code_table(self, id, table),
            Op::MaxPool(window) => pool::max(self, id, window),
            Op::AvgPool(window) => pool::average(self, id, Some(window)),
            Op::GlobalAvgPool => pool::average(self, id, None),
            Op::Concat => arrange::concat(self, id),
            Op::Slice { start, end, step } => arrange::slice(self, id, *start, *end, *step),
            Op::PadChannels {
                before,
                after,
                code,
            } => arrange::pad_channels(self, id, *before, *after, *code),
            Op::Flatten => arrange::flatten(self, id),
            Op::Upsample {
                vertical,
                horizontal,
            } => arrange::upsample(self, id, [*vertical, *horizontal]),
            Op::Requant(op) => requant::draft(self, id, op),
            Op::Output { .. } => Ok(self.another_name(id)),
        };
        draft.map(Some)
    }

    fn node(&self, id: NodeId) -> &'m Node {
        &self.model.nodes[id]
    }

    /// Input `i` of a node.
    fn input(&self, id: NodeId, i: usize) -> NodeId {
        self.node(id).inputs[i]
    }

    /// Size of a node's tensor.
    fn extent(&self, id: NodeId) -> Extent {
        let shape = self.tensors[id].shape;
        Extent::new(shape.channels, shape.height, shape.width)
    }

    /// Code type of a node's tensor.
    ///
    /// # Panics
    /// If it holds sums; analysis has checked what operations read.
    fn code(&self, id: NodeId) -> CodeType {
        self.tensors[id]
            .code()
            .expect("the kinds of inputs were checked")
    }

    /// The node that may join the step of `id`: the only one that reads it.
    fn follower(&self, id: NodeId) -> Option<NodeId> {
        match self.readers[id][..] {
            [reader] if self.fuse => Some(reader),
            _ => None,
        }
    }

    /// How the sums of node `id` leave its step: as codes where a requantization is all that reads them. With the nodes that
    /// the step covers from `id` on.
    fn finish(&self, id: NodeId) -> (Vec<NodeId>, Finish<'m>) {
        if let Some(follower) = self.follower(id)
            && let Op::Requant(op) = &self.node(follower).op
        {
            return (vec![id, follower], finish(op));
        }
        (vec![id], Finish::Sums)
    }

    /// The model's weights in the kernels' words.
    fn weights(&self, weights: &Weights) -> WeightLevels {
        let store = &mut self.store.borrow_mut();
        WeightLevels::by(store, weights.channels(), || weights.levels())
    }

    /// A step that covers `nodes`, reads the inputs of the first one and solves `problem`.
    fn step(&self, nodes: Vec<NodeId>, problem: &Problem<'_>) -> Result<Draft, PlanError> {
        let first = nodes[0];
        self.solve(nodes, problem)
            .ok_or_else(|| PlanError::NoKernel {
                node: self.node(first).name.clone(),
                operation: problem.operation(),
            })
    }

    /// As [`Planner::step`], where a kernel for the problem exists.
    fn solve(&self, nodes: Vec<NodeId>, problem: &Problem<'_>) -> Option<Draft> {
        let (kernel, level) = choose(problem, self.level)?;
        let mut store = self.store.borrow_mut();
        store.expect(kernel.name());
        let chosen = Chosen {
            prepared: kernel.prepare_by(level, problem, &mut store)?,
            kernel: StepKernel {
                name: kernel.name(),
                level,
            },
            operation: problem.operation(),
            macs: problem.macs(),
            picoseconds: kernel.picoseconds(level, problem),
            innermost: kernel.innermost(problem),
        };
        let (first, last) = (nodes[0], nodes[nodes.len() - 1]);
        debug_assert_eq!(problem.output_bytes(), bytes(&self.tensors[last]));
        Some(Draft {
            inputs: self.node(first).inputs.clone(),
            output_bytes: problem.output_bytes(),
            chosen: Some(chosen),
            nodes,
        })
    }

    /// A step without work: the tensor of `id` is that of its only input.
    fn another_name(&self, id: NodeId) -> Draft {
        Draft {
            nodes: vec![id],
            inputs: self.node(id).inputs.clone(),
            chosen: None,
            output_bytes: 0,
        }
    }
}

/// The model's requantization in the kernels' words.
fn finish(op: &Requant) -> Finish<'_> {
    match op {
        Requant::Thresholds {
            code,
            thresholds,
            descending,
        } => Finish::Thresholds {
            max_code: code.max_code(),
            thresholds,
            descending,
        },
        Requant::MulShift { code, channels } => Finish::MulShift {
            max_code: code.max_code(),
            channels,
        },
    }
}
