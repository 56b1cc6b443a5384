//! Requantization as a step of its own, where it could not be part of the step that makes the sums.

use crate::{
    Finish, Job, KernelFor, Store,
    finish::Finisher,
    isa::{Algorithm, Isa},
    memory::{Split, view_mut},
};

/// Sums -> codes.
#[derive(Clone, Copy, Debug)]
pub struct Requant<'a> {
    /// Pixels.
    pub pixels: usize,
    /// Channels.
    pub channels: usize,
    /// How codes are made.
    pub finish: Finish<'a>,
}

pub(crate) struct Direct {
    pixels: usize,
    channels: usize,
    finisher: Finisher,
}

impl KernelFor<Requant<'_>> for Direct {
    fn pack(requant: &Requant<'_>, _: &mut Store<'_>) -> Self {
        Direct {
            pixels: requant.pixels,
            channels: requant.channels,
            finisher: Finisher::new(&requant.finish, requant.channels),
        }
    }
}

impl Algorithm for Direct {
    #[inline(always)]
    fn run<I: Isa>(&self, _: I, job: Job<'_>) {
        let own = job.rows.start * self.channels..job.rows.end * self.channels;
        let input = &job.inputs.get::<i32>(0)[own];
        let sums = &mut view_mut::<i32>(job.scratch)[..self.finisher.stride()];
        for (i, pixel) in input.chunks_exact(self.channels).enumerate() {
            sums[..self.channels].copy_from_slice(pixel);
            self.finisher.write(sums, job.output, i);
        }
    }

    fn scratch_bytes(&self) -> usize {
        4 * self.finisher.stride()
    }

    fn packed_bytes(&self) -> usize {
        self.finisher.packed_bytes()
    }

    fn split(&self) -> Split {
        Split::pixels(self.pixels, self.channels * self.finisher.element_bytes())
    }
}
