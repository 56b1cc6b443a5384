use core::arch::x86_64::*;

use super::{Algorithm, Isa, LANES, has_features};
use crate::{Job, Level};

/// AVX-512 with byte and word operations and the 16-bit dot product of VNNI.
#[derive(Clone, Copy, Debug)]
pub struct Avx512 {
    /// Only [`Isa::detect`] makes a value.
    _proof: (),
}

impl Isa for Avx512 {
    const LEVEL: Level = Level::Avx512;

    type Sums = __m512i;

    fn detect() -> Option<Self> {
        has_features!(
            "avx512f",
            "avx512bw",
            "avx512dq",
            "avx512vl",
            "avx512vnni",
            "bmi1",
            "bmi2"
        )
        .then_some(Self { _proof: () })
    }

    fn enter<A: Algorithm>(self, algorithm: &A, job: Job<'_>) {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,bmi1,bmi2")]
        fn inner<A: Algorithm>(isa: Avx512, algorithm: &A, job: Job<'_>) {
            algorithm.run(isa, job);
        }
        // SAFETY: `self` proves that the processor has these features.
        unsafe { inner(self, algorithm, job) }
    }

    #[inline(always)]
    fn load(self, sums: &[i32; LANES]) -> Self::Sums {
        // SAFETY: `self` proves AVX-512; 16 sums are one vector; the load needs no alignment.
        unsafe { _mm512_loadu_si512(sums.as_ptr().cast()) }
    }

    #[inline(always)]
    fn store(self, sums: Self::Sums, to: &mut [i32; LANES]) {
        // SAFETY: as in `load`, for a store.
        unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), sums) }
    }

    #[inline(always)]
    fn dot(self, sums: Self::Sums, a: [i16; 2], weights: &[i16; 2 * LANES]) -> Self::Sums {
        let pair = i32::from(a[0]) & 0xffff | i32::from(a[1]) << 16;
        // SAFETY: `self` proves AVX-512 with VNNI; 32 weights are one vector; the load needs no alignment.
        unsafe {
            let weights = _mm512_loadu_si512(weights.as_ptr().cast());
            _mm512_dpwssd_epi32(sums, _mm512_set1_epi32(pair), weights)
        }
    }
}
