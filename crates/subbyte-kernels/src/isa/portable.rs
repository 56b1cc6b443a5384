use super::{Algorithm, Isa, LANES};
use crate::{Job, Level};

/// Plain Rust, vectorised by the compiler for what the build target promises.
#[derive(Clone, Copy, Debug)]
pub struct Portable;

impl Isa for Portable {
    const LEVEL: Level = Level::Portable;

    type Sums = [i32; LANES];

    fn detect() -> Option<Self> {
        Some(Self)
    }

    fn enter<A: Algorithm>(self, algorithm: &A, job: Job<'_>) {
        algorithm.run(self, job);
    }

    #[inline(always)]
    fn load(self, sums: &[i32; LANES]) -> Self::Sums {
        *sums
    }

    #[inline(always)]
    fn store(self, sums: Self::Sums, to: &mut [i32; LANES]) {
        *to = sums;
    }

    #[inline(always)]
    fn dot(self, mut sums: Self::Sums, a: [i16; 2], weights: &[i16; 2 * LANES]) -> Self::Sums {
        let a = a.map(i32::from);
        for (sum, w) in sums.iter_mut().zip(weights.as_chunks::<2>().0) {
            // A product of 16-bit factors fits 31 bits and a sign; only their sum may wrap.
            let products = (a[0] * i32::from(w[0])).wrapping_add(a[1] * i32::from(w[1]));
            *sum = sum.wrapping_add(products);
        }
        sums
    }
}
