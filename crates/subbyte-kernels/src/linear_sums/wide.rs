use alloc::{vec, vec::Vec};

use super::LinearSums;
use crate::{
    Job, KernelFor, Store,
    finish::Finisher,
    isa::{Algorithm, Isa, LANES},
    memory::view_mut,
};

/// 32-bit products, [`LANES`] outputs at a time.
pub(crate) struct Wide {
    features: usize,
    /// `[panels][features]`.
    weights: Vec<[i32; LANES]>,
    bias: Vec<[i32; LANES]>,
    finisher: Finisher,
}

impl KernelFor<LinearSums<'_>> for Wide {
    fn pack(linear: &LinearSums<'_>, store: &mut Store<'_>) -> Self {
        let panels = linear.channels.div_ceil(LANES);
        let mut weights = vec![[0; LANES]; panels * linear.features];
        let mut bias = vec![[0; LANES]; panels];
        for channel in 0..linear.channels {
            let (panel, lane) = (channel / LANES, channel % LANES);
            bias[panel][lane] = linear.bias(channel);
        }
        store.fill(&mut weights, |weights| {
            for channel in 0..linear.channels {
                let (panel, lane) = (channel / LANES, channel % LANES);
                let own = &linear.weights[channel * linear.features..][..linear.features];
                for (to, &weight) in weights[panel * linear.features..].iter_mut().zip(own) {
                    to[lane] = weight;
                }
            }
        });
        Wide {
            features: linear.features,
            weights,
            bias,
            finisher: Finisher::new(&linear.finish, linear.channels),
        }
    }
}

impl Algorithm for Wide {
    #[inline(always)]
    fn run<I: Isa>(&self, _: I, job: Job<'_>) {
        let input = &job.inputs.get::<i32>(0)[..self.features];
        let sums = &mut view_mut::<i32>(job.scratch)[..self.finisher.stride()];
        let panels = self.weights.chunks_exact(self.features).zip(&self.bias);
        for ((weights, bias), to) in panels.zip(sums.as_chunks_mut::<LANES>().0) {
            let mut acc = *bias;
            for (&x, weights) in input.iter().zip(weights) {
                for (sum, &weight) in acc.iter_mut().zip(weights) {
                    *sum = sum.wrapping_add(x.wrapping_mul(weight));
                }
            }
            *to = acc;
        }
        self.finisher.write(sums, job.output, 0);
    }

    fn scratch_bytes(&self) -> usize {
        4 * self.finisher.stride()
    }

    fn packed_bytes(&self) -> usize {
        size_of_val(&self.weights[..]) + size_of_val(&self.bias[..]) + self.finisher.packed_bytes()
    }
}
