//! Largest code of a window.

use crate::{
    Extent, Job, KernelFor, Window,
    isa::{Algorithm, Isa},
    memory::view_mut,
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
    fn pack(pool: &MaxPool) -> Self {
        *pool
    }
}

impl Algorithm for MaxPool {
    #[inline(always)]
    fn run<I: Isa>(&self, _: I, job: Job<'_>) {
        let (extent, channels) = (self.output(), self.input.channels);
        let input = job.inputs.get::<u8>(0);
        let output = &mut view_mut::<u8>(job.output)[..extent.elements()];
        for (y, row) in output.chunks_exact_mut(extent.row()).enumerate() {
            for (x, to) in row.chunks_exact_mut(channels).enumerate() {
                // Codes rise with their levels, and 0 is the smallest one.
                to.fill(0);
                let columns = self.window.columns(self.input, x);
                for y in self.window.rows(self.input, y) {
                    let run =
                        &input[self.input.index(0, y, columns.start)..][..columns.len() * channels];
                    for pixel in run.chunks_exact(channels) {
                        for (to, &code) in to.iter_mut().zip(pixel) {
                            *to = code.max(*to);
                        }
                    }
                }
            }
        }
    }
}
