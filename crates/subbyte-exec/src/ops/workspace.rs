//! Integers that a thread works with while it is busy with an image, kept for the next one.

use std::cell::RefCell;
use std::sync::LazyLock;

use subbyte_kernels::{
    Level,
    products::{Pair, PairRow, Quad},
};

/// Buffers of one thread; what they hold is arbitrary.
#[derive(Default)]
pub(super) struct Workspace {
    pub bytes: Vec<u8>,
    pub quads: Vec<Quad>,
    pub pairs: Vec<Pair>,
    pub gradients: Vec<i16>,
    pub rows: Vec<PairRow>,
    pub sums: Vec<i32>,
    pub outer_sums: Vec<i32>,
}

impl AsMut<Vec<Quad>> for Workspace {
    fn as_mut(&mut self) -> &mut Vec<Quad> {
        &mut self.quads
    }
}

impl AsMut<Vec<Pair>> for Workspace {
    fn as_mut(&mut self) -> &mut Vec<Pair> {
        &mut self.pairs
    }
}

/// Gives `work` this thread's buffers. `work` must not start parallel work or ask for them again.
pub(super) fn with_workspace<R>(work: impl FnOnce(&mut Workspace) -> R) -> R {
    thread_local! {
        static WORKSPACE: RefCell<Workspace> = RefCell::default();
    }
    WORKSPACE.with_borrow_mut(work)
}

/// The instruction set of integer products: the best of this processor, or the one that `SUBBYTE_ISA` names where that can be used.
pub(super) fn level() -> Level {
    static LEVEL: LazyLock<Level> =
        LazyLock::new(|| Level::resolve(None).unwrap_or_else(|_| Level::best()));
    *LEVEL
}
