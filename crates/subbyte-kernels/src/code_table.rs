//! Any function of one code.

use alloc::vec::Vec;

use crate::{
    Job, KernelFor, Store, Work,
    isa::{Algorithm, BYTES, Isa},
    memory::Split,
};

/// Codes -> codes by a table.
#[derive(Clone, Copy, Debug)]
pub struct CodeTable<'a> {
    /// Elements of the tensor.
    pub elements: usize,
    /// New code of every old one, at most 256.
    pub table: &'a [u8],
}

/// Any table.
pub(crate) struct Lookup {
    elements: usize,
    table: [u8; 256],
}

impl KernelFor<CodeTable<'_>> for Lookup {
    fn work(problem: &CodeTable<'_>) -> Work {
        Work {
            outputs: problem.elements.div_ceil(BYTES) as u64,
            ..Work::default()
        }
    }

    fn pack(problem: &CodeTable<'_>, _: &mut Store<'_>) -> Self {
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
    fn run<I: Isa>(&self, isa: I, job: Job<'_>) {
        let own = self.split().range(&job.rows);
        let output = &mut job.output[..own.len()];
        look_up(isa, &self.table, &job.inputs.get::<u8>(0)[own], output);
    }

    fn split(&self) -> Split {
        Split::codes(self.elements)
    }

    fn packed_bytes(&self) -> usize {
        self.table.len()
    }
}

/// The entry of every code.
#[inline(always)]
pub(crate) fn look_up<I: Isa>(isa: I, table: &[u8; 256], codes: &[u8], to: &mut [u8]) {
    let (mut codes, mut to) = (codes, to);
    if I::LOOKUP_EVERY > 0 {
        let (from, codes_left) = codes.as_chunks::<BYTES>();
        let (whole, left) = to.as_chunks_mut::<BYTES>();
        for (to, codes) in whole.iter_mut().zip(from) {
            *to = isa.lookup_every(table, codes, 1);
        }
        (codes, to) = (codes_left, left);
    }
    for (to, &code) in to.iter_mut().zip(codes) {
        *to = table[usize::from(code)];
    }
}

/// Tables that change in few places, such as those that read a stream at low bits: a comparison for every change.
pub(crate) struct Steps {
    elements: usize,
    first: u8,
    /// From which code on the new code is larger, and by how much, modulo 2^8.
    changes: Vec<(u8, u8)>,
}

/// Changes beyond which looking up is faster.
const MAX_CHANGES: usize = 16;

fn changes(table: &[u8]) -> impl Iterator<Item = (u8, u8)> {
    let pairs = (1..=u8::MAX).zip(table.windows(2));
    let changes = pairs.map(|(code, pair)| (code, pair[1].wrapping_sub(pair[0])));
    changes.filter(|&(_, by)| by != 0)
}

impl KernelFor<CodeTable<'_>> for Steps {
    fn supports(problem: &CodeTable<'_>) -> bool {
        changes(problem.table).count() <= MAX_CHANGES
    }

    fn work(problem: &CodeTable<'_>) -> Work {
        let outputs = problem.elements.div_ceil(BYTES);
        Work {
            steps: (outputs * changes(problem.table).count()) as u64,
            outputs: outputs as u64,
            ..Work::default()
        }
    }

    fn pack(problem: &CodeTable<'_>, _: &mut Store<'_>) -> Self {
        Steps {
            elements: problem.elements,
            first: problem.table.first().copied().unwrap_or(0),
            changes: changes(problem.table).collect(),
        }
    }
}

impl Steps {
    #[inline(always)]
    fn codes(&self, codes: &[u8; BYTES]) -> [u8; BYTES] {
        let mut new = [self.first; BYTES];
        for &(from, by) in &self.changes {
            for (new, &code) in new.iter_mut().zip(codes) {
                *new = new.wrapping_add(if code >= from { by } else { 0 });
            }
        }
        new
    }
}

impl Algorithm for Steps {
    #[inline(always)]
    fn run<I: Isa>(&self, _: I, job: Job<'_>) {
        let own = self.split().range(&job.rows);
        let (whole, rest) = job.output[..own.len()].as_chunks_mut::<BYTES>();
        let (codes, last) = job.inputs.get::<u8>(0)[own].as_chunks::<BYTES>();
        for (to, codes) in whole.iter_mut().zip(codes) {
            *to = self.codes(codes);
        }
        if !rest.is_empty() {
            let mut codes = [0; BYTES];
            codes[..last.len()].copy_from_slice(last);
            rest.copy_from_slice(&self.codes(&codes)[..rest.len()]);
        }
    }

    fn split(&self) -> Split {
        Split::codes(self.elements)
    }

    fn packed_bytes(&self) -> usize {
        size_of_val(&self.changes[..])
    }
}
