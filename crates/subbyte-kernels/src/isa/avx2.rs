use core::arch::x86_64::*;

use super::{Algorithm, Isa, LANES, has_features};
use crate::{Job, Level};

/// AVX2 with the instructions that every AVX2 processor has beside it.
#[derive(Clone, Copy, Debug)]
pub struct Avx2 {
    /// Only [`Isa::detect`] makes a value.
    _proof: (),
}

impl Isa for Avx2 {
    const LEVEL: Level = Level::Avx2;

    type Sums = [__m256i; 2];

    fn detect() -> Option<Self> {
        has_features!("avx2", "bmi1", "bmi2", "fma").then_some(Self { _proof: () })
    }

    fn enter<A: Algorithm>(self, algorithm: &A, job: Job<'_>) {
        #[target_feature(enable = "avx2,bmi1,bmi2,fma")]
        fn inner<A: Algorithm>(isa: Avx2, algorithm: &A, job: Job<'_>) {
            algorithm.run(isa, job);
        }
        // SAFETY: `self` proves that the processor has these features.
        unsafe { inner(self, algorithm, job) }
    }

    #[inline(always)]
    fn load(self, sums: &[i32; LANES]) -> Self::Sums {
        let from = sums.as_ptr().cast::<__m256i>();
        // SAFETY: `self` proves AVX2; 16 sums are two vectors; the loads need no alignment.
        unsafe { [_mm256_loadu_si256(from), _mm256_loadu_si256(from.add(1))] }
    }

    #[inline(always)]
    fn store(self, sums: Self::Sums, to: &mut [i32; LANES]) {
        let to = to.as_mut_ptr().cast::<__m256i>();
        // SAFETY: as in `load`, for stores.
        unsafe {
            _mm256_storeu_si256(to, sums[0]);
            _mm256_storeu_si256(to.add(1), sums[1]);
        }
    }

    #[inline(always)]
    fn dot(self, sums: Self::Sums, a: [i16; 2], weights: &[i16; 2 * LANES]) -> Self::Sums {
        let pair = i32::from(a[0]) & 0xffff | i32::from(a[1]) << 16;
        let from = weights.as_ptr().cast::<__m256i>();
        // SAFETY: `self` proves AVX2; 32 weights are two vectors; the loads need no alignment.
        unsafe {
            let a = _mm256_set1_epi32(pair);
            let low = _mm256_madd_epi16(a, _mm256_loadu_si256(from));
            let high = _mm256_madd_epi16(a, _mm256_loadu_si256(from.add(1)));
            [
                _mm256_add_epi32(sums[0], low),
                _mm256_add_epi32(sums[1], high),
            ]
        }
    }
}
