//! Code types of step 1: one addition and a clamp in 16 bits.

use super::Add;
use crate::{
    Job, KernelFor, Store,
    isa::{Algorithm, Isa},
    memory::Split,
};

pub(crate) struct Unit {
    elements: usize,
    offset: i16,
    max_code: i16,
}

/// What the offsets of all three add to the sum of two codes.
fn offset(add: &Add) -> i32 {
    i32::from(add.left.offset) + i32::from(add.right.offset) - i32::from(add.code.offset)
}

impl KernelFor<Add> for Unit {
    /// Steps of 1, with sums that fit 16 bits.
    fn supports(add: &Add) -> bool {
        [add.left, add.right, add.code].iter().all(|c| c.step == 1) && offset(add).abs() < 1 << 14
    }

    fn pack(add: &Add, _: &mut Store<'_>) -> Self {
        Unit {
            elements: add.elements,
            offset: offset(add) as i16,
            max_code: i16::from(add.code.max_code()),
        }
    }
}

impl Algorithm for Unit {
    #[inline(always)]
    fn run<I: Isa>(&self, _: I, job: Job<'_>) {
        let own = self.split().range(&job.rows);
        let output = &mut job.output[..own.len()];
        let left = &job.inputs.get::<u8>(0)[own.clone()];
        let right = &job.inputs.get::<u8>(1)[own];
        for ((to, &left), &right) in output.iter_mut().zip(left).zip(right) {
            let sum = i16::from(left) + i16::from(right);
            *to = sum.wrapping_add(self.offset).clamp(0, self.max_code) as u8;
        }
    }

    fn split(&self) -> Split {
        Split::codes(self.elements)
    }
}
