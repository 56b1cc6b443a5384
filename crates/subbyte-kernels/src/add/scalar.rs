//! Any code types.

use super::Add;
use crate::{
    Job, KernelFor,
    isa::{Algorithm, Isa},
    memory::view_mut,
};

impl KernelFor<Add> for Add {
    fn pack(add: &Add) -> Self {
        *add
    }
}

impl Algorithm for Add {
    #[inline(always)]
    fn run<I: Isa>(&self, _: I, job: Job<'_>) {
        let output = &mut view_mut::<u8>(job.output)[..self.elements];
        let left = &job.inputs.get::<u8>(0)[..self.elements];
        let right = &job.inputs.get::<u8>(1)[..self.elements];
        for ((to, &left), &right) in output.iter_mut().zip(left).zip(right) {
            let level = self.left.level(left) + self.right.level(right);
            *to = self.code.saturate(level);
        }
    }
}
