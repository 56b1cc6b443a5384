use crate::{
    Extent, Job, KernelFor, Store,
    isa::{Algorithm, Isa},
    memory::Split,
};

/// Codes -> nearest-neighbour resize by whole factors.
#[derive(Clone, Copy, Debug)]
pub struct Upsample {
    /// Size of the input.
    pub input: Extent,
    /// Vertical and horizontal factor, at least 1.
    pub factor: [usize; 2],
}

impl Upsample {
    /// Size of the output.
    pub const fn output(&self) -> Extent {
        Extent::new(
            self.input.channels,
            self.input.height * self.factor[0],
            self.input.width * self.factor[1],
        )
    }
}

impl KernelFor<Upsample> for Upsample {
    fn pack(upsample: &Upsample, _: &mut Store<'_>) -> Self {
        *upsample
    }
}

impl Algorithm for Upsample {
    #[inline(always)]
    fn run<I: Isa>(&self, _: I, job: Job<'_>) {
        let (extent, channels) = (self.output(), self.input.channels);
        let input = job.inputs.get::<u8>(0);
        for (y, row) in job.rows.zip(job.output.chunks_exact_mut(extent.row())) {
            let from = &input[y / self.factor[0] * self.input.row()..][..self.input.row()];
            let spread = row.chunks_exact_mut(self.factor[1] * channels);
            for (to, pixel) in spread.zip(from.chunks_exact(channels)) {
                to.chunks_exact_mut(channels)
                    .for_each(|to| to.copy_from_slice(pixel));
            }
        }
    }

    fn split(&self) -> Split {
        Split::rows(self.output(), 1)
    }
}
