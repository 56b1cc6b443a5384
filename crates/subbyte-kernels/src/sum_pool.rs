//! Sum of levels over a window: average pools before their requantization.

use subbyte_num::CodeType;

use crate::{
    Extent, Finish, Job, KernelFor, Store, Window,
    finish::Finisher,
    isa::{Algorithm, Isa},
    memory::{Split, view_mut},
};

/// Codes -> sums or codes: levels are added over the window; padding adds nothing.
#[derive(Clone, Copy, Debug)]
pub struct SumPool<'a> {
    /// Size of the input.
    pub input: Extent,
    /// Codes of the input.
    pub code: CodeType,
    /// The window.
    pub window: Window,
    /// How the sums leave.
    pub finish: Finish<'a>,
}

impl SumPool<'_> {
    /// The window that covers all of an input.
    pub const fn whole(input: Extent) -> Window {
        Window {
            kernel: [input.height, input.width],
            stride: [1, 1],
            padding: [0; 4],
        }
    }

    /// Size of the output.
    pub const fn output(&self) -> Extent {
        let [height, width] = self.window.output(self.input);
        Extent::new(self.input.channels, height, width)
    }
}

pub(crate) struct Pool {
    input: Extent,
    output: Extent,
    code: CodeType,
    window: Window,
    finisher: Finisher,
}

impl KernelFor<SumPool<'_>> for Pool {
    fn pack(pool: &SumPool<'_>, _: &mut Store<'_>) -> Self {
        Pool {
            input: pool.input,
            output: pool.output(),
            code: pool.code,
            window: pool.window,
            finisher: Finisher::new(&pool.finish, pool.input.channels),
        }
    }
}

impl Algorithm for Pool {
    #[inline(always)]
    fn run<I: Isa>(&self, _: I, job: Job<'_>) {
        let channels = self.input.channels;
        let input = job.inputs.get::<u8>(0);
        let sums = &mut view_mut::<i32>(job.scratch)[..self.finisher.stride()];
        let (step, offset) = (i32::from(self.code.step), i32::from(self.code.offset));
        for y in job.rows.clone() {
            let rows = self.window.rows(self.input, y);
            for x in 0..self.output.width {
                let columns = self.window.columns(self.input, x);
                // Codes are added first; their levels' sum follows from the number of taps.
                sums.fill(0);
                for y in rows.clone() {
                    let run =
                        &input[self.input.index(0, y, columns.start)..][..columns.len() * channels];
                    for pixel in run.chunks_exact(channels) {
                        for (sum, &code) in sums.iter_mut().zip(pixel) {
                            *sum = sum.wrapping_add(i32::from(code));
                        }
                    }
                }
                let offsets = offset.wrapping_mul((rows.len() * columns.len()) as i32);
                for sum in sums.iter_mut() {
                    *sum = sum.wrapping_mul(step).wrapping_add(offsets);
                }
                let pixel = (y - job.rows.start) * self.output.width + x;
                self.finisher.write(sums, job.output, pixel);
            }
        }
    }

    fn scratch_bytes(&self) -> usize {
        4 * self.finisher.stride()
    }

    fn packed_bytes(&self) -> usize {
        self.finisher.packed_bytes()
    }

    fn split(&self) -> Split {
        Split::rows(self.output, self.finisher.element_bytes())
    }
}
