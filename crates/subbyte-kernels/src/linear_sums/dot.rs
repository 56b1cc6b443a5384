use alloc::{vec, vec::Vec};

use super::LinearSums;
use crate::{
    Job, KernelFor, Store,
    finish::Finisher,
    isa::{Algorithm, Isa, LANES},
    memory::{Block, view_mut},
};

/// 16-bit dot products, [`LANES`] outputs at a time.
pub(crate) struct Dot {
    features: usize,
    /// Pairs of features, the last one filled up with a weight of 0.
    pairs: usize,
    /// `[panels][pairs]`, each [`LANES`] outputs times two features.
    weights: Vec<[i16; 2 * LANES]>,
    bias: Vec<[i32; LANES]>,
    finisher: Finisher,
}

impl KernelFor<LinearSums<'_>> for Dot {
    /// Input sums and weights of 16 bits.
    fn supports(linear: &LinearSums<'_>) -> bool {
        let fits = |x: i32| i16::try_from(x).is_ok();
        fits(linear.range.0) && fits(linear.range.1) && linear.weights.fit_16_bits()
    }

    fn pack(linear: &LinearSums<'_>, store: &mut Store<'_>) -> Self {
        let panels = linear.channels.div_ceil(LANES);
        let pairs = linear.features.div_ceil(2);
        let mut weights = vec![[0; 2 * LANES]; panels * pairs];
        let mut bias = vec![[0; LANES]; panels];
        for channel in 0..linear.channels {
            let (panel, lane) = (channel / LANES, channel % LANES);
            bias[panel][lane] = linear.bias(channel);
        }
        store.fill(&mut weights, |weights| {
            for channel in 0..linear.channels {
                let (panel, lane) = (channel / LANES, channel % LANES);
                let own = &linear.weights[channel * linear.features..][..linear.features];
                for (i, &weight) in own.iter().enumerate() {
                    weights[panel * pairs + i / 2][2 * lane + i % 2] = weight as i16;
                }
            }
        });
        Dot {
            features: linear.features,
            pairs,
            weights,
            bias,
            finisher: Finisher::new(&linear.finish, linear.channels),
        }
    }
}

impl Dot {
    /// Blocks of the input as 16-bit integers.
    fn narrow_blocks(&self) -> usize {
        Block::covering(4 * self.pairs)
    }
}

impl Algorithm for Dot {
    #[inline(always)]
    fn run<I: Isa>(&self, isa: I, job: Job<'_>) {
        let input = &job.inputs.get::<i32>(0)[..self.features];
        let (narrow, sums) = job.scratch.split_at_mut(self.narrow_blocks());
        let narrow = &mut view_mut::<i16>(narrow)[..2 * self.pairs];
        // The element that fills up the last pair meets a weight of 0.
        for (to, &sum) in narrow.iter_mut().zip(input) {
            *to = sum as i16;
        }
        let narrow = narrow.as_chunks::<2>().0;
        let sums = &mut view_mut::<i32>(sums)[..self.finisher.stride()];
        let panels = self.weights.chunks_exact(self.pairs).zip(&self.bias);
        for ((weights, bias), to) in panels.zip(sums.as_chunks_mut::<LANES>().0) {
            let mut acc = isa.load(bias);
            for (&x, weights) in narrow.iter().zip(weights) {
                acc = isa.dot(acc, x, weights);
            }
            isa.store(acc, to);
        }
        self.finisher.write(sums, job.output, 0);
    }

    fn scratch_bytes(&self) -> usize {
        self.narrow_blocks() * Block::BYTES + 4 * self.finisher.stride()
    }

    fn packed_bytes(&self) -> usize {
        size_of_val(&self.weights[..]) + size_of_val(&self.bias[..]) + self.finisher.packed_bytes()
    }
}
