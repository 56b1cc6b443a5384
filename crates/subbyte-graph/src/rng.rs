//! Seeded random numbers, the same on every platform.

/// Random numbers for initial values and noise: SplitMix64 (Steele, Lea, Flood 2014), the same on every platform.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// The generator whose state is `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Numbers of their own for the thing called `name`, so that adding a layer does not change the others.
    pub fn named(seed: u64, name: &str) -> Self {
        let mut state = Self(seed).next();
        for byte in name.bytes() {
            state = Self(state ^ u64::from(byte)).next();
        }
        Self(state)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// Uniform in `0.0..1.0`.
    pub fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u32 << 24) as f32
    }

    /// Nearly normal with mean 0 and deviation 1: the sum of twelve uniform numbers, which needs no logarithm or cosine and is
    /// therefore the same to the bit everywhere.
    pub fn normal(&mut self) -> f32 {
        let mut sum = 6; // twelve halves of the last place centre the 16-bit numbers
        for _ in 0..3 {
            let word = self.next();
            sum += [0, 16, 32, 48]
                .map(|shift| (word >> shift & 0xffff) as i32)
                .iter()
                .sum::<i32>();
        }
        (sum - 6 * 65536) as f32 / 65536.0
    }
}

#[cfg(test)]
mod tests {
    use super::Rng;

    #[test]
    fn numbers_are_fixed() {
        // The published first outputs of SplitMix64 for seed 1234567.
        let mut rng = Rng::new(1_234_567);
        assert_eq!(rng.next(), 6_457_827_717_110_365_317);
        assert_eq!(rng.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn moments_are_those_of_a_normal_distribution() {
        let mut rng = Rng::named(1, "weight");
        let values: Vec<f64> = (0..100_000).map(|_| f64::from(rng.normal())).collect();
        let moment = |k: i32| values.iter().map(|x| x.powi(k)).sum::<f64>() / values.len() as f64;
        assert!(moment(1).abs() < 0.015);
        assert!((moment(2) - 1.0).abs() < 0.02);
        assert!(moment(3).abs() < 0.05);
        // The sum of twelve has a slightly lower fourth moment: 2.9 instead of 3.
        assert!((moment(4) - 2.9).abs() < 0.1);
    }

    #[test]
    fn names_give_different_numbers() {
        assert_ne!(Rng::named(1, "a").next(), Rng::named(1, "b").next());
        assert_ne!(Rng::named(1, "a").next(), Rng::named(2, "a").next());
    }
}
