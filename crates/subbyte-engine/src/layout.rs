use alloc::{vec, vec::Vec};

use subbyte_kernels::{Block, Region};
use subbyte_model::{Kind, NodeId, Tensor};

use crate::{
    memory::{Demand, lay_out},
    run::{Content, Place, Work},
    steps::Draft,
};

/// Where the tensors and the working space of all steps lie.
pub(crate) struct Layout<'a> {
    tensors: &'a [Tensor],
    /// For every node the demand that its tensor is, if it is in memory at all.
    demands: Vec<Option<usize>>,
    /// For every step the demand that its working space is.
    scratch: Vec<usize>,
    regions: Vec<Region>,
    /// Blocks of the arena.
    pub blocks: usize,
}

impl<'a> Layout<'a> {
    pub fn new(tensors: &'a [Tensor], drafts: &[Draft], threads: usize) -> Self {
        let mut demands = Demands::default();
        let mut of_node = vec![None; tensors.len()];
        let mut scratch = Vec::with_capacity(drafts.len());
        of_node[0] = Some(demands.add(bytes(&tensors[0]), 0));
        for (step, draft) in drafts.iter().enumerate() {
            for &input in &draft.inputs {
                demands.keep(of_node[input], step);
            }
            let node = draft.node();
            of_node[node] = match &draft.chosen {
                Some(_) => Some(demands.add(bytes(&tensors[node]), step)),
                None => draft.inputs.first().and_then(|&input| of_node[input]),
            };
            // Every part has whole blocks of its own.
            let blocks = draft.parts(threads) * Block::covering(draft.scratch_bytes());
            scratch.push(demands.add(blocks * Block::BYTES, step));
        }
        // The logits are read after the last step.
        demands.keep(of_node[tensors.len() - 1], drafts.len());
        let (regions, blocks) = lay_out(&demands.list);
        Self {
            tensors,
            demands: of_node,
            scratch,
            regions,
            blocks,
        }
    }

    /// Where the tensor of a node lies.
    ///
    /// # Panics
    /// If the node's tensor is never in memory.
    pub fn place(&self, node: NodeId) -> Place {
        let demand = self.demands[node].expect("steps read and make tensors in memory");
        let tensor = &self.tensors[node];
        Place {
            region: self.regions[demand],
            elements: tensor.shape.len(),
            content: match tensor.kind {
                Kind::Image => Content::Image,
                Kind::Codes(_) => Content::Codes,
                Kind::Sums { .. } => Content::Sums,
            },
        }
    }

    /// The steps, each with its places.
    pub fn work(&self, drafts: Vec<Draft>, threads: usize) -> Vec<Work> {
        let steps = drafts.into_iter().zip(&self.scratch);
        let work = steps.map(|(draft, &scratch)| Work {
            node: draft.node(),
            inputs: draft.inputs.iter().map(|&i| self.place(i).region).collect(),
            output: self.place(draft.node()),
            scratch: self.regions[scratch],
            parts: draft.parts(threads),
            kernel: draft.chosen.map(|chosen| chosen.prepared),
        });
        work.collect()
    }
}

#[derive(Default)]
struct Demands {
    list: Vec<Demand>,
}

impl Demands {
    /// Demands memory in a step.
    fn add(&mut self, bytes: usize, step: usize) -> usize {
        self.list.push(Demand {
            blocks: Block::covering(bytes),
            alive: step..=step,
        });
        self.list.len() - 1
    }

    /// Keeps a demand alive up to a step.
    fn keep(&mut self, demand: Option<usize>, step: usize) {
        if let Some(demand) = demand.and_then(|i| self.list.get_mut(i)) {
            demand.alive = *demand.alive.start()..=step;
        }
    }
}

/// Bytes of a tensor.
pub(crate) fn bytes(tensor: &Tensor) -> usize {
    match tensor.kind {
        Kind::Image | Kind::Codes(_) => tensor.shape.len(),
        Kind::Sums { .. } => 4 * tensor.shape.len(),
    }
}
