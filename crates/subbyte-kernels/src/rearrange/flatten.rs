use crate::{
    Extent, Job, KernelFor, Store,
    isa::{Algorithm, Isa},
};

/// Codes -> the same codes with the channel slowest and the width fastest.
#[derive(Clone, Copy, Debug)]
pub struct Flatten {
    /// Size of the input.
    pub input: Extent,
}

impl KernelFor<Flatten> for Flatten {
    fn pack(flatten: &Flatten, _: &mut Store<'_>) -> Self {
        *flatten
    }
}

impl Algorithm for Flatten {
    #[inline(always)]
    fn run<I: Isa>(&self, _: I, job: Job<'_>) {
        let pixels = self.input.pixels();
        let input = job.inputs.get::<u8>(0).chunks_exact(self.input.channels);
        for (i, pixel) in input.take(pixels).enumerate() {
            for (plane, &code) in job.output.chunks_exact_mut(pixels).zip(pixel) {
                plane[i] = code;
            }
        }
    }
}
