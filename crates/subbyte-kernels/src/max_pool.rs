//! Largest code of a window.

use crate::{
    Extent, Job, KernelFor, Store, Window,
    isa::{Algorithm, BYTES, Isa},
    memory::Split,
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
        for (y, row) in job.rows.zip(job.output.chunks_exact_mut(extent.row())) {
            let rows = self.window.rows(self.input, y);
            for (x, to) in row.chunks_exact_mut(channels).enumerate() {
                let columns = self.window.columns(self.input, x);
                // Codes rise with their levels, and 0 is the smallest one.
                let (whole, rest) = to.as_chunks_mut::<BYTES>();
                let beyond = whole.len() * BYTES;
                for (i, to) in whole.iter_mut().enumerate() {
                    let mut largest = [0; BYTES];
                    for y in rows.clone() {
                        let first = self.input.index(i * BYTES, y, columns.start);
                        // A pixel's channels from the vector's first on are followed by those of the next pixel before it.
                        let pixels = input[first..].chunks(channels).take(columns.len());
                        for pixel in pixels {
                            let codes: &[u8; BYTES] = pixel.first_chunk().expect("whole vectors");
                            for (largest, &code) in largest.iter_mut().zip(codes) {
                                *largest = code.max(*largest);
                            }
                        }
                    }
                    *to = largest;
                }
                rest.fill(0);
                for y in rows.clone() {
                    let first = self.input.index(beyond, y, columns.start);
                    let pixels = input[first..].chunks(channels).take(columns.len());
                    for pixel in pixels {
                        for (to, &code) in rest.iter_mut().zip(pixel) {
                            *to = code.max(*to);
                        }
                    }
                }
            }
        }
    }

    fn split(&self) -> Split {
        Split::rows(self.output(), 1)
    }
}
