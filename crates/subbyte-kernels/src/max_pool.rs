//! Largest code of a window.

use crate::{
    Extent, Job, KernelFor, Store, Window,
    isa::{Algorithm, BYTES, Isa},
    memory::{Split, view_mut},
};

/// Codes -> codes of the same type; padding never wins.
#[derive(Clone, Copy, Debug)]
pub struct MaxPool {
    /// Size of the input.
    pub input: Extent,
    /// The window.
    pub window: Window,
}

impl MaxPool {
    /// Size of the output.
    pub const fn output(&self) -> Extent {
        let [height, width] = self.window.output(self.input);
        Extent::new(self.input.channels, height, width)
    }
}

impl KernelFor<MaxPool> for MaxPool {
    fn pack(pool: &MaxPool, _: &mut Store<'_>) -> Self {
        *pool
    }
}

impl Algorithm for MaxPool {
    #[inline(always)]
    fn run<I: Isa>(&self, _: I, job: Job<'_>) {
        let (extent, channels) = (self.output(), self.input.channels);
        let input = job.inputs.get::<u8>(0);
        let len = self.input.row();
        // The largest codes of the window's rows, for every column; those of a window are found among them.
        let tallest = &mut view_mut::<u8>(job.scratch)[..len];
        for (y, row) in job.rows.zip(job.output.chunks_exact_mut(extent.row())) {
            let rows = self.window.rows(self.input, y);
            let seen = &input[rows.start * len..rows.end * len];
            largest(seen, len, tallest);
            for (x, to) in row.chunks_exact_mut(channels).enumerate() {
                let columns = self.window.columns(self.input, x);
                let seen = &tallest[columns.start * channels..columns.end * channels];
                largest(seen, channels, to);
            }
        }
    }

    fn scratch_bytes(&self) -> usize {
        self.input.row()
    }

    fn split(&self) -> Split {
        Split::rows(self.output(), 1)
    }
}

/// The largest of each code in parts of `len` codes, `to` being as long: 0, the smallest one, where there is no part. Codes rise with
/// their levels.
#[inline(always)]
fn largest(parts: &[u8], len: usize, to: &mut [u8]) {
    let (whole, rest) = to.as_chunks_mut::<BYTES>();
    let beyond = whole.len() * BYTES;
    for (i, to) in whole.iter_mut().enumerate() {
        let mut largest = [0; BYTES];
        let mut at = i * BYTES;
        // Not by `chunks_exact`, which would divide for every few codes.
        while let Some(codes) = parts.get(at..at + BYTES) {
            for (largest, &code) in largest.iter_mut().zip(codes) {
                *largest = code.max(*largest);
            }
            at += len;
        }
        *to = largest;
    }
    if rest.is_empty() {
        return;
    }
    rest.fill(0);
    for part in parts.chunks_exact(len) {
        for (to, &code) in rest.iter_mut().zip(&part[beyond..]) {
            *to = code.max(*to);
        }
    }
}
