use crate::{
    Extent, Job, KernelFor, Store,
    isa::{Algorithm, Isa},
    memory::Split,
};

/// Codes -> every `step`-th one of `start..end` along channels, height and width.
#[derive(Clone, Copy, Debug)]
pub struct Slice {
    /// Size of the input.
    pub input: Extent,
    /// First index along each axis.
    pub start: [usize; 3],
    /// One past the last index along each axis.
    pub end: [usize; 3],
    /// Distance between kept indices, at least 1.
    pub step: [usize; 3],
}

impl Slice {
    /// Size of the output.
    pub fn output(&self) -> Extent {
        let len = |axis: usize| (self.end[axis] - self.start[axis]).div_ceil(self.step[axis]);
        Extent::new(len(0), len(1), len(2))
    }
}

impl KernelFor<Slice> for Slice {
    fn pack(slice: &Slice, _: &mut Store<'_>) -> Self {
        *slice
    }
}

impl Algorithm for Slice {
    #[inline(always)]
    fn run<I: Isa>(&self, _: I, job: Job<'_>) {
        let extent = self.output();
        let [first, top, left] = self.start;
        let input = job.inputs.get::<u8>(0);
        let pixels = job.output.chunks_exact_mut(extent.channels);
        for (i, to) in job.rows.zip(pixels) {
            let y = top + i / extent.width * self.step[1];
            let x = left + i % extent.width * self.step[2];
            let from = &input[self.input.index(first, y, x)..][..self.end[0] - first];
            if self.step[0] == 1 {
                super::copy(to, from);
            } else {
                for (to, &code) in to.iter_mut().zip(from.iter().step_by(self.step[0])) {
                    *to = code;
                }
            }
        }
    }

    fn split(&self) -> Split {
        let extent = self.output();
        Split::pixels(extent.pixels(), extent.channels)
    }
}
