//! Random numbers that depend on nothing but a key, so that every image of every epoch can be drawn for itself, in any order and on
//! any thread.
//!
//! The generator is SplitMix64 (Steele, Lea and Flood, 2014). What it yields for a key is part of subbyte's promise that a run can
//! be repeated: it may not change.

/// What numbers are drawn for. Different purposes never share a stream.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    Shuffle = 1,
    Augment = 2,
    Validation = 3,
}

/// A stream of random numbers.
pub(crate) struct Random {
    state: u64,
}

/// The increment of SplitMix64: 2^64 divided by the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The output function of SplitMix64, a bijection in which every input bit moves every output bit.
pub(crate) fn mix(mut z: u64) -> u64 {
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

impl Random {
    /// The stream of a seed, an epoch and an index.
    pub(crate) fn new(purpose: Purpose, seed: u64, epoch: u64, index: u64) -> Self {
        let state = [purpose as u64, seed, epoch, index]
            .into_iter()
            .fold(0, |state, word| mix((state ^ word).wrapping_add(GOLDEN)));
        Self { state }
    }

    /// The next 64 random bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        mix(self.state)
    }

    /// A number in `0..n`, 0 where `n` is 0. It is the high half of a product, one draw each; its bias of `n / 2^64` is far below
    /// what any use here could see.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }

    /// A number from 0 to below 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// The numbers `0..n` in random order (Fisher and Yates).
    pub(crate) fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for last in (1..n).rev() {
            order.swap(last, self.below(last + 1));
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_splitmix64() {
        // The first outputs for state 0, as published with the algorithm.
        let mut random = Random { state: 0 };
        assert_eq!(random.bits(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(random.bits(), 0x6e78_9e6a_a1b9_65f4);
    }

    #[test]
    fn streams_of_different_keys_differ() {
        let mut first: Vec<u64> = Vec::new();
        for purpose in [Purpose::Shuffle, Purpose::Augment, Purpose::Validation] {
            for key in 0..1000 {
                let (seed, epoch, index) = (key / 100, key / 10 % 10, key % 10);
                first.push(Random::new(purpose, seed, epoch, index).bits());
            }
        }
        first.sort_unstable();
        first.dedup();
        assert_eq!(first.len(), 3000);
    }

    #[test]
    fn numbers_below_n_are_even() {
        let mut random = Random::new(Purpose::Augment, 1, 2, 3);
        let mut counts = [0; 9];
        for _ in 0..9000 {
            counts[random.below(9)] += 1;
        }
        // Five standard deviations of a binomial count.
        assert!(
            counts.iter().all(|count| (850..=1150).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn permutations_hold_every_number_once_and_reach_every_order() {
        let mut seen = std::collections::BTreeSet::new();
        for epoch in 0..500 {
            let order = Random::new(Purpose::Shuffle, 7, epoch, 0).permutation(4);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3]);
            seen.insert(order);
        }
        assert_eq!(seen.len(), 24);
    }
}
