use alloc::boxed::Box;
use core::fmt;

use subbyte_kernels::{
    Block, Job, Prepared, Region,
    memory::{view, view_mut},
};
use subbyte_model::NodeId;

use crate::{Plan, RunError};

/// The memory of one run. Make it with [`Plan::arena`]; use it for any number of runs, one at a time.
#[derive(Clone)]
pub struct Arena {
    pub(crate) blocks: Box<[Block]>,
}

impl Arena {
    /// Size in bytes.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.blocks)
    }
}

impl fmt::Debug for Arena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Arena({} bytes)", self.bytes())
    }
}

/// A node's tensor during a run, `[height][width][channels]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observed<'a> {
    /// The image.
    Image(&'a [u8]),
    /// Codes.
    Codes(&'a [u8]),
    /// Sums.
    Sums(&'a [i32]),
}

/// Where a tensor lies and what it holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub region: Region,
    pub elements: usize,
    pub content: Content,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Image,
    Codes,
    Sums,
}

/// What a run does in one step.
pub(crate) struct Work {
    /// The node whose tensor is made.
    pub node: NodeId,
    /// `None` where the tensor is there already.
    pub kernel: Option<Box<dyn Prepared>>,
    pub inputs: Box<[Region]>,
    pub output: Place,
    pub scratch: Region,
    /// Parts that threads may compute at the same time.
    pub parts: usize,
}

impl Place {
    fn observe<'a>(&self, arena: &'a [Block]) -> Observed<'a> {
        let blocks = &arena[self.region.start..self.region.end()];
        match self.content {
            Content::Image => Observed::Image(&view(blocks)[..self.elements]),
            Content::Codes => Observed::Codes(&view(blocks)[..self.elements]),
            Content::Sums => Observed::Sums(&view(blocks)[..self.elements]),
        }
    }
}

/// Computes a job on this thread.
pub(crate) fn alone(work: &Work, kernel: &dyn Prepared, job: Job<'_>) {
    debug_assert!(work.scratch.len >= work.parts * Block::covering(kernel.scratch_bytes()));
    kernel.run(job);
}

impl Plan {
    /// The integer logits of `image`, u8 `[height][width][colours]`. Allocates nothing.
    ///
    /// # Errors
    /// If the image or the arena has the wrong size.
    pub fn run<'a>(&self, arena: &'a mut Arena, image: &[u8]) -> Result<&'a [i32], RunError> {
        self.observe(arena, image, &mut |_, _| {})
    }

    /// As [`Plan::run`], and shows each tensor when it is made. A plan made with [`Options::fuse`](crate::Options::fuse) off
    /// shows every node's; otherwise those of nodes that a step computes on the way to another's are left out.
    ///
    /// # Errors
    /// If the image or the arena has the wrong size.
    pub fn observe<'a>(
        &self,
        arena: &'a mut Arena,
        image: &[u8],
        show: &mut dyn FnMut(NodeId, Observed<'_>),
    ) -> Result<&'a [i32], RunError> {
        self.check(arena, image)?;
        Ok(self.execute(&mut arena.blocks, image, &mut alone, show))
    }

    pub(crate) fn check(&self, arena: &Arena, image: &[u8]) -> Result<(), RunError> {
        if image.len() != self.image_bytes() {
            return Err(RunError::ImageSize {
                expected: self.image_bytes(),
                found: image.len(),
            });
        }
        if arena.bytes() < self.arena_bytes() {
            return Err(RunError::ArenaSize {
                expected: self.arena_bytes(),
                found: arena.bytes(),
            });
        }
        Ok(())
    }

    /// Runs on an image and an arena of the right sizes; `compute` gets every job.
    pub(crate) fn execute<'a>(
        &self,
        arena: &'a mut [Block],
        image: &[u8],
        compute: &mut dyn FnMut(&Work, &dyn Prepared, Job<'_>),
        show: &mut dyn FnMut(NodeId, Observed<'_>),
    ) -> &'a [i32] {
        let input = self.image.region;
        view_mut(&mut arena[input.start..input.end()])[..image.len()].copy_from_slice(image);
        show(0, self.image.observe(arena));
        for work in &self.work {
            if let Some(kernel) = &work.kernel {
                let (output, rows) = (work.output.region, kernel.split().rows);
                let job = Job::new(arena, &work.inputs, output, work.scratch, rows);
                compute(work, &**kernel, job);
            }
            show(work.node, work.output.observe(arena));
        }
        match self.logits.observe(arena) {
            Observed::Sums(logits) => logits,
            _ => unreachable!("the last node of a valid model makes sums"),
        }
    }
}
