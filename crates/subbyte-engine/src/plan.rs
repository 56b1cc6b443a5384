use alloc::{string::String, vec::Vec};
use core::{fmt, num::NonZeroUsize};

use subbyte_kernels::{Block, Innermost, Level, Store};
use subbyte_model::{Model, NodeId};

use crate::{
    Arena, PlanError,
    layout::Layout,
    run::{Place, Work},
    steps,
};

/// How a plan is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The highest instruction set to use; `None` for the one that `SUBBYTE_ISA` names, else the best of this processor.
    pub level: Option<Level>,
    /// Whether one step may compute several nodes. Off, every node's tensor can be observed. The logits are the same.
    pub fuse: bool,
    /// Threads among which a step may be shared, by those runs that are given as many; each brings the kernels' working space once
    /// more. The logits are the same.
    pub threads: NonZeroUsize,
    /// Most bytes that the packed weights and one arena may take together; `None` for no limit. Every further thread of a batch
    /// brings an arena more.
    pub memory: Option<usize>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            level: None,
            fuse: true,
            threads: NonZeroUsize::MIN,
            memory: None,
        }
    }
}

/// A model prepared for one processor. Shared by any number of threads, each with its own [`Arena`].
pub struct Plan {
    level: Level,
    steps: Vec<Step>,
    blocks: usize,
    pub(crate) image: Place,
    pub(crate) logits: Place,
    /// One for every step.
    pub(crate) work: Vec<Work>,
}

/// One step of a plan, for those who show plans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The nodes that the step computes; the last one's tensor is made.
    pub nodes: Vec<NodeId>,
    /// Their names.
    pub names: Vec<String>,
    /// What is computed.
    pub operation: &'static str,
    /// What computes it; `None` where the tensor is there already, under another node's name.
    pub kernel: Option<StepKernel>,
    /// Bytes of the tensor that is made.
    pub output_bytes: usize,
    /// Bytes of packed weights and tables.
    pub packed_bytes: usize,
    /// Bytes of the kernel's working space, for each part.
    pub scratch_bytes: usize,
    /// Parts that threads may compute at the same time.
    pub parts: usize,
    /// Multiply-adds of the model that the step stands for.
    pub macs: u64,
    /// The innermost steps of the kernel, by which it can be compared with what the machine could do; `None` where its loop has
    /// no [`Mix`](crate::Mix).
    pub innermost: Option<Innermost>,
}

/// The kernel of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepKernel {
    /// Its name in the registry of kernels.
    pub name: &'static str,
    /// The instruction set that it runs on.
    pub level: Level,
}

impl Plan {
    /// Prepares a model.
    ///
    /// # Errors
    /// If the model is not valid, the instruction set unknown or not there, or the memory too small.
    pub fn new(model: &Model, options: Options) -> Result<Self, PlanError> {
        let level = Level::resolve(options.level).map_err(PlanError::Level)?;
        Self::by(&mut Store::packing(), model, level, options)
    }

    /// Prepares a model with packed weights that go through a store.
    pub(crate) fn by(
        store: &mut Store<'_>,
        model: &Model,
        level: Level,
        options: Options,
    ) -> Result<Self, PlanError> {
        let tensors = model.analyse().map_err(PlanError::Model)?;
        let drafts = steps::draft(model, &tensors, level, options.fuse, store)?;
        let threads = options.threads.get();
        let layout = Layout::new(&tensors, &drafts, threads);
        let plan = Self {
            level,
            steps: drafts.iter().map(|d| d.describe(model, threads)).collect(),
            blocks: layout.blocks,
            image: layout.place(0),
            logits: layout.place(tensors.len() - 1),
            work: layout.work(drafts, threads),
        };
        let needed = plan.packed_bytes() + plan.arena_bytes();
        match options.memory {
            Some(given) if given < needed => Err(PlanError::Memory { needed, given }),
            _ => Ok(plan),
        }
    }

    /// The instruction set that no kernel of the plan goes beyond.
    pub fn level(&self) -> Level {
        self.level
    }

    /// The steps, in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Bytes of the image, height * width * colours.
    pub fn image_bytes(&self) -> usize {
        self.image.elements
    }

    /// Number of logits.
    pub fn classes(&self) -> usize {
        self.logits.elements
    }

    /// Bytes of packed weights and tables, which all runs share.
    pub fn packed_bytes(&self) -> usize {
        self.steps.iter().map(|step| step.packed_bytes).sum()
    }

    /// Bytes of memory that a run needs, exactly.
    pub fn arena_bytes(&self) -> usize {
        self.blocks * Block::BYTES
    }

    /// Memory for runs.
    pub fn arena(&self) -> Arena {
        Arena {
            blocks: Block::zeros(self.blocks),
        }
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("level", &self.level)
            .field("arena_bytes", &self.arena_bytes())
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}
