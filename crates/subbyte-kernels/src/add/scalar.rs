//! Any code types.

use super::Add;
use crate::{
    Job, KernelFor, Store,
    isa::{Algorithm, Isa},
    memory::Split,
};

impl KernelFor<Add> for Add {
    fn pack(add: &Add, _: &mut Store<'_>) -> Self {
        *add
    }
}

impl Algorithm for Add {
    #[inline(always)]
    fn run<I: Isa>(&self, _: I, job: Job<'_>) {
        let own = self.split().range(&job.rows);
        let output = &mut job.output[..own.len()];
        let left = &job.inputs.get::<u8>(0)[own.clone()];
        let right = &job.inputs.get::<u8>(1)[own];
        for ((to, &left), &right) in output.iter_mut().zip(left).zip(right) {
            let level = self.left.level(left) + self.right.level(right);
            *to = self.code.saturate(level);
        }
    }

    fn split(&self) -> Split {
        Split::codes(self.elements)
    }
}
