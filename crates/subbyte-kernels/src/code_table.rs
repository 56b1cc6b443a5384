//! Any function of one code.

use crate::{
    Job, KernelFor,
    isa::{Algorithm, Isa},
    memory::view_mut,
};

/// Codes -> codes by a table.
#[derive(Clone, Copy, Debug)]
pub struct CodeTable<'a> {
    /// Elements of the tensor.
    pub elements: usize,
    /// New code of every old one, at most 256.
    pub table: &'a [u8],
}

pub(crate) struct Lookup {
    elements: usize,
    table: [u8; 256],
}

impl KernelFor<CodeTable<'_>> for Lookup {
    fn pack(problem: &CodeTable<'_>) -> Self {
        let mut table = [0; 256];
        table[..problem.table.len()].copy_from_slice(problem.table);
        Lookup {
            elements: problem.elements,
            table,
        }
    }
}

impl Algorithm for Lookup {
    #[inline(always)]
    fn run<I: Isa>(&self, _: I, job: Job<'_>) {
        let output = &mut view_mut::<u8>(job.output)[..self.elements];
        for (to, &code) in output.iter_mut().zip(job.inputs.get::<u8>(0)) {
            *to = self.table[usize::from(code)];
        }
    }

    fn packed_bytes(&self) -> usize {
        self.table.len()
    }
}
