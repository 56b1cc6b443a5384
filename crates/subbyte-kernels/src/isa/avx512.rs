use core::arch::x86_64::*;

use super::{Algorithm, BYTES, Isa, LANES, has_features, sse2};
use crate::{Job, Level};

/// AVX-512 with byte shuffles (VBMI), dot products (VNNI) and counts of ones (VPOPCNTDQ).
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
            "avx512vbmi",
            "avx512vpopcntdq",
            "bmi1",
            "bmi2"
        )
        .then_some(Self { _proof: () })
    }

    fn enter<A: Algorithm>(self, algorithm: &A, job: Job<'_>) {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vbmi,avx512vpopcntdq,bmi1,bmi2")]
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

    type Bytes = __m512i;
    /// Sums of whole 16-bit lanes, each an even byte plus 256 times the odd one; and of the odd bytes alone.
    type Words = [__m512i; 2];
    type Counts = [__m512i; 8];

    #[inline(always)]
    fn load_bytes(self, bytes: &[u8; BYTES]) -> Self::Bytes {
        // SAFETY: `self` proves AVX-512; 64 bytes are one vector; the load needs no alignment.
        unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
    }

    #[inline(always)]
    fn zero_bytes(self) -> Self::Bytes {
        // SAFETY: `self` proves AVX-512.
        unsafe { _mm512_setzero_si512() }
    }

    #[inline(always)]
    fn add_bytes(self, a: Self::Bytes, b: Self::Bytes) -> Self::Bytes {
        // SAFETY: `self` proves AVX-512 BW.
        unsafe { _mm512_add_epi8(a, b) }
    }

    #[inline(always)]
    fn lookup16(self, table: &[u8; 16], index: Self::Bytes) -> Self::Bytes {
        // SAFETY: `self` proves AVX-512 BW; 16 bytes are a quarter of a vector; the load needs no alignment.
        unsafe {
            let table = _mm512_broadcast_i32x4(_mm_loadu_si128(table.as_ptr().cast()));
            _mm512_shuffle_epi8(table, index)
        }
    }

    #[inline(always)]
    fn lookup64(self, table: &[u8; 64], index: Self::Bytes) -> Self::Bytes {
        // SAFETY: `self` proves AVX-512 VBMI.
        unsafe { _mm512_permutexvar_epi8(index, self.load_bytes(table)) }
    }

    #[inline(always)]
    fn zero_words(self) -> Self::Words {
        [self.zero_bytes(); 2]
    }

    #[inline(always)]
    fn add_to_words(self, [whole, odd]: Self::Words, bytes: Self::Bytes) -> Self::Words {
        // SAFETY: `self` proves AVX-512 BW.
        unsafe {
            [
                _mm512_add_epi16(whole, bytes),
                _mm512_add_epi16(odd, _mm512_srli_epi16(bytes, 8)),
            ]
        }
    }

    #[inline(always)]
    fn store_words(self, [whole, odd]: Self::Words, to: &mut [u16; BYTES]) {
        let to = to.as_mut_ptr().cast::<__m512i>();
        // SAFETY: `self` proves AVX-512 BW; 64 words are two vectors; the stores need no alignment.
        unsafe {
            let even = _mm512_sub_epi16(whole, _mm512_slli_epi16(odd, 8));
            _mm512_storeu_si512(to, even);
            _mm512_storeu_si512(to.add(1), odd);
        }
    }

    #[inline(always)]
    fn zero_counts(self) -> Self::Counts {
        [self.zero_bytes(); 8]
    }

    #[inline(always)]
    fn count_ones(self, counts: Self::Counts, bits: u64, weights: &[u64; BYTES]) -> Self::Counts {
        let from = weights.as_ptr().cast::<__m512i>();
        let mut counts = counts;
        for (i, count) in counts.iter_mut().enumerate() {
            // SAFETY: `self` proves AVX-512 VPOPCNTDQ; 64 words of 64 bits are eight vectors; the loads need no alignment.
            unsafe {
                let bits = _mm512_set1_epi64(bits as i64);
                let both = _mm512_and_si512(bits, _mm512_loadu_si512(from.add(i)));
                *count = _mm512_add_epi64(*count, _mm512_popcnt_epi64(both));
            }
        }
        counts
    }

    #[inline(always)]
    fn weigh_counts(self, low: Self::Counts, high: Self::Counts) -> Self::Counts {
        // SAFETY: `self` proves AVX-512.
        core::array::from_fn(|i| unsafe {
            _mm512_add_epi64(low[i], _mm512_slli_epi64(high[i], 1))
        })
    }

    #[inline(always)]
    fn store_counts(self, counts: Self::Counts, to: &mut [u16; BYTES]) {
        let to = to.as_mut_ptr().cast::<__m512i>();
        // SAFETY: `self` proves AVX-512; 64 words are two vectors; the stores need no alignment.
        unsafe {
            for (half, v) in counts.as_chunks::<4>().0.iter().enumerate() {
                let low = _mm512_or_si512(v[0], _mm512_slli_epi64(v[1], 16));
                let high = _mm512_or_si512(_mm512_slli_epi64(v[2], 32), _mm512_slli_epi64(v[3], 48));
                _mm512_storeu_si512(to.add(half), _mm512_or_si512(low, high));
            }
        }
    }

    #[inline(always)]
    fn plane(self, bytes: &[u8; BYTES], bit: u32) -> u64 {
        let bytes = self.load_bytes(bytes);
        // SAFETY: `self` proves AVX-512 BW.
        unsafe { _mm512_test_epi8_mask(bytes, _mm512_set1_epi8((1u8 << bit) as i8)) }
    }

    #[inline(always)]
    fn transpose(self, rows: &[[u8; 16]; 16]) -> [[u8; 16]; 16] {
        sse2::transpose(rows)
    }
}
