use core::arch::x86_64::*;

use super::{
    BYTES, Isa, LANES, Multiplier, Multipliers, SumMultipliers, Task, has_features, sse2, unpacked,
};
use crate::{Level, memory::Aligned};

/// AVX2 with the instructions that every AVX2 processor has beside it.
#[derive(Clone, Copy, Debug)]
pub struct Avx2 {
    /// Only [`Isa::detect`] makes a value.
    _proof: (),
}

impl Isa for Avx2 {
    const LEVEL: Level = Level::Avx2;

    const TILE: usize = 4;

    type Sums = [__m256i; 2];

    fn detect() -> Option<Self> {
        has_features!("avx2", "bmi1", "bmi2", "fma").then_some(Self { _proof: () })
    }

    fn enter<T: Task>(self, task: T) -> T::Output {
        #[target_feature(enable = "avx2,bmi1,bmi2,fma")]
        fn inner<T: Task>(isa: Avx2, task: T) -> T::Output {
            task.run(isa)
        }
        // SAFETY: `self` proves that the processor has these features.
        unsafe { inner(self, task) }
    }

    const MANY_REGISTERS: bool = false;

    const ALWAYS_WIDE: bool = false;

    #[inline(always)]
    fn zero(self) -> Self::Sums {
        // SAFETY: `self` proves AVX2.
        unsafe { [_mm256_setzero_si256(); 2] }
    }

    #[inline(always)]
    fn add(self, a: Self::Sums, b: Self::Sums) -> Self::Sums {
        let mut sums = a;
        for (sums, b) in sums.iter_mut().zip(b) {
            // SAFETY: `self` proves AVX2.
            unsafe { *sums = _mm256_add_epi32(*sums, b) };
        }
        sums
    }

    #[inline(always)]
    fn subtract(self, a: Self::Sums, b: Self::Sums) -> Self::Sums {
        let mut sums = a;
        for (sums, b) in sums.iter_mut().zip(b) {
            // SAFETY: `self` proves AVX2.
            unsafe { *sums = _mm256_sub_epi32(*sums, b) };
        }
        sums
    }

    #[inline(always)]
    fn quarter(self, sums: Self::Sums) -> Self::Sums {
        // SAFETY: `self` proves AVX2.
        unsafe { [_mm256_srai_epi32(sums[0], 2), _mm256_srai_epi32(sums[1], 2)] }
    }

    #[inline(always)]
    fn dot4<const WIDE: bool>(
        self,
        sums: Self::Sums,
        codes: u32,
        weights: &[i8; 4 * LANES],
    ) -> Self::Sums {
        let from = weights.as_ptr().cast::<__m256i>();
        let mut sums = sums;
        for (i, sums) in sums.iter_mut().enumerate() {
            // SAFETY: `self` proves AVX2; 64 weights are two vectors; the loads need no alignment.
            unsafe {
                let codes = _mm256_set1_epi32(codes as i32);
                let weights = _mm256_loadu_si256(from.add(i));
                if WIDE {
                    let even = _mm256_and_si256(codes, _mm256_set1_epi16(0xff));
                    let odd = _mm256_srli_epi16(codes, 8);
                    let low = _mm256_srai_epi16(_mm256_slli_epi16(weights, 8), 8);
                    let high = _mm256_srai_epi16(weights, 8);
                    *sums = _mm256_add_epi32(*sums, _mm256_madd_epi16(even, low));
                    *sums = _mm256_add_epi32(*sums, _mm256_madd_epi16(odd, high));
                } else {
                    let pairs = _mm256_maddubs_epi16(codes, weights);
                    let fours = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
                    *sums = _mm256_add_epi32(*sums, fours);
                }
            }
        }
        sums
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

    type Bytes = [__m256i; 2];
    /// Sums of whole 16-bit lanes, each an even byte plus 256 times the odd one; and of the odd bytes alone.
    type Adding = [[__m256i; 2]; 2];
    type Words = [__m256i; 4];
    /// Sixteen vectors of four counts.
    type Counts = [__m256i; 16];

    #[inline(always)]
    fn load_bytes(self, bytes: &[u8; BYTES]) -> Self::Bytes {
        let from = bytes.as_ptr().cast::<__m256i>();
        // SAFETY: `self` proves AVX2; 64 bytes are two vectors; the loads need no alignment.
        unsafe { [_mm256_loadu_si256(from), _mm256_loadu_si256(from.add(1))] }
    }

    #[inline(always)]
    fn join2(self, parts: [&[u8; BYTES / 2]; 2]) -> Self::Bytes {
        // SAFETY: `self` proves AVX2; a part is one vector; the loads need no alignment.
        unsafe { parts.map(|part| _mm256_loadu_si256(part.as_ptr().cast())) }
    }

    #[inline(always)]
    fn join4(self, parts: [&[u8; BYTES / 4]; 4]) -> Self::Bytes {
        // SAFETY: `self` proves AVX2; a part is half a vector; the loads need no alignment.
        unsafe {
            let [a, b, c, d] = parts.map(|part| _mm_loadu_si128(part.as_ptr().cast()));
            [
                _mm256_inserti128_si256(_mm256_castsi128_si256(a), b, 1),
                _mm256_inserti128_si256(_mm256_castsi128_si256(c), d, 1),
            ]
        }
    }

    #[inline(always)]
    fn zero_bytes(self) -> Self::Bytes {
        // SAFETY: `self` proves AVX2.
        unsafe { [_mm256_setzero_si256(); 2] }
    }

    #[inline(always)]
    fn add_bytes(self, a: Self::Bytes, b: Self::Bytes) -> Self::Bytes {
        // SAFETY: `self` proves AVX2.
        unsafe { [_mm256_add_epi8(a[0], b[0]), _mm256_add_epi8(a[1], b[1])] }
    }

    #[inline(always)]
    fn lookup16(self, table: &[u8; 16], index: Self::Bytes) -> Self::Bytes {
        // SAFETY: `self` proves AVX2; 16 bytes are half a vector; the load needs no alignment.
        unsafe {
            let table = _mm256_broadcastsi128_si256(_mm_loadu_si128(table.as_ptr().cast()));
            [
                _mm256_shuffle_epi8(table, index[0]),
                _mm256_shuffle_epi8(table, index[1]),
            ]
        }
    }

    /// Four quarters of the table; for tests, as no kernel of this level gains by it.
    #[inline(always)]
    fn lookup64(self, table: &[u8; 64], index: Self::Bytes) -> Self::Bytes {
        // SAFETY: `self` proves AVX2.
        unsafe {
            let mut found = [_mm256_setzero_si256(); 2];
            for (quarter, table) in table.as_chunks::<16>().0.iter().enumerate() {
                let own = _mm256_set1_epi8(16 * quarter as i8);
                let part = self.lookup16(table, index);
                for (i, found) in found.iter_mut().enumerate() {
                    let high = _mm256_and_si256(index[i], _mm256_set1_epi8(0x30));
                    let hit = _mm256_and_si256(_mm256_cmpeq_epi8(high, own), part[i]);
                    *found = _mm256_or_si256(*found, hit);
                }
            }
            found
        }
    }

    #[inline(always)]
    fn zero_sums(self) -> Self::Adding {
        [self.zero_bytes(); 2]
    }

    #[inline(always)]
    fn add_to_sums(self, [whole, odd]: Self::Adding, bytes: Self::Bytes) -> Self::Adding {
        // SAFETY: `self` proves AVX2.
        unsafe {
            [
                [
                    _mm256_add_epi16(whole[0], bytes[0]),
                    _mm256_add_epi16(whole[1], bytes[1]),
                ],
                [
                    _mm256_add_epi16(odd[0], _mm256_srli_epi16(bytes[0], 8)),
                    _mm256_add_epi16(odd[1], _mm256_srli_epi16(bytes[1], 8)),
                ],
            ]
        }
    }

    #[inline(always)]
    fn sums(self, [whole, odd]: Self::Adding) -> Self::Words {
        // SAFETY: `self` proves AVX2.
        unsafe {
            [
                _mm256_sub_epi16(whole[0], _mm256_slli_epi16(odd[0], 8)),
                _mm256_sub_epi16(whole[1], _mm256_slli_epi16(odd[1], 8)),
                odd[0],
                odd[1],
            ]
        }
    }

    #[inline(always)]
    fn zero_words(self) -> Self::Words {
        // SAFETY: `self` proves AVX2.
        unsafe { [_mm256_setzero_si256(); 4] }
    }

    #[inline(always)]
    fn scale_words(self, words: Self::Words, factor: i16, term: i16) -> Self::Words {
        let mut words = words;
        for words in &mut words {
            // SAFETY: `self` proves AVX2.
            unsafe {
                *words = _mm256_mullo_epi16(*words, _mm256_set1_epi16(factor));
                *words = _mm256_add_epi16(*words, _mm256_set1_epi16(term));
            }
        }
        words
    }

    #[inline(always)]
    fn add_words(self, words: Self::Words, terms: &[i16; BYTES]) -> Self::Words {
        let terms = terms.as_ptr().cast::<__m256i>();
        let mut words = words;
        for (i, words) in words.iter_mut().enumerate() {
            // SAFETY: `self` proves AVX2; 64 words are four vectors; the loads need no alignment.
            unsafe { *words = _mm256_add_epi16(*words, _mm256_loadu_si256(terms.add(i))) };
        }
        words
    }

    #[inline(always)]
    fn count_greater(
        self,
        counts: Self::Words,
        words: Self::Words,
        than: &Aligned<[i16; BYTES]>,
    ) -> Self::Words {
        let than = than.0.as_ptr().cast::<__m256i>();
        let mut counts = counts;
        for i in 0..4 {
            // SAFETY: `self` proves AVX2; 64 words are four vectors, on their boundary.
            unsafe {
                let greater = _mm256_cmpgt_epi16(words[i], _mm256_load_si256(than.add(i)));
                counts[i] = _mm256_sub_epi16(counts[i], greater);
            }
        }
        counts
    }

    #[inline(always)]
    fn count_greater_all(self, counts: Self::Words, words: Self::Words, than: i16) -> Self::Words {
        let mut counts = counts;
        for (counts, words) in counts.iter_mut().zip(words) {
            // SAFETY: `self` proves AVX2.
            unsafe {
                let greater = _mm256_cmpgt_epi16(words, _mm256_set1_epi16(than));
                *counts = _mm256_sub_epi16(*counts, greater);
            }
        }
        counts
    }

    #[inline(always)]
    fn multiply(self, words: Self::Words, by: &Multipliers, max_code: u8) -> Self::Words {
        let mut words = words;
        let bias = by.bias.as_ptr();
        for (i, words) in words.iter_mut().enumerate() {
            // SAFETY: `self` proves AVX2; a vector of words has 16 lanes, its halves 8 each, and there are 64 of every parameter,
            // on their boundary.
            unsafe {
                let t = _mm256_adds_epi16(*words, _mm256_load_si256(bias.add(16 * i).cast()));
                let zero = _mm256_setzero_si256();
                // Products of pairs, of which the second one is 0.
                let low = scaled(_mm256_unpacklo_epi16(t, zero), by, unpacked(16 * i));
                let high = scaled(_mm256_unpackhi_epi16(t, zero), by, unpacked(16 * i + 4));
                let codes = _mm256_max_epi16(_mm256_packs_epi32(low, high), zero);
                *words = _mm256_min_epi16(codes, _mm256_set1_epi16(max_code.into()));
            }
        }
        words
    }

    #[inline(always)]
    fn multiply_all(self, words: Self::Words, by: &Multiplier, max_code: u8) -> Self::Words {
        let mut words = words;
        for words in &mut words {
            // SAFETY: `self` proves AVX2.
            unsafe {
                let t = _mm256_adds_epi16(*words, _mm256_set1_epi16(by.bias));
                let (mult, add) = (_mm256_set1_epi32(by.mult), _mm256_set1_epi32(by.add));
                let shift = _mm_cvtsi32_si128(by.shift);
                let low = _mm256_cvtepi16_epi32(_mm256_castsi256_si128(t));
                let high = _mm256_cvtepi16_epi32(_mm256_extracti128_si256(t, 1));
                let low = _mm256_add_epi32(_mm256_mullo_epi32(low, mult), add);
                let high = _mm256_add_epi32(_mm256_mullo_epi32(high, mult), add);
                let low = _mm256_sra_epi32(low, shift);
                *words = clamped(low, _mm256_sra_epi32(high, shift), max_code);
            }
        }
        words
    }

    #[inline(always)]
    fn multiply_sums(self, sums: Self::Sums, by: &SumMultipliers, max_code: u8) -> [u8; LANES] {
        let mut sums = sums;
        for (half, sums) in sums.iter_mut().enumerate() {
            let first = 8 * half;
            // SAFETY: `self` proves AVX2; 16 of every parameter are two vectors, on their boundary.
            unsafe {
                let bias = _mm256_load_si256(by.bias[first..].as_ptr().cast());
                let pre = _mm256_load_si256(by.pre[first..].as_ptr().cast());
                let t = _mm256_srav_epi32(_mm256_add_epi32(*sums, bias), pre);
                let t = _mm256_min_epi32(t, _mm256_set1_epi32(i16::MAX.into()));
                let t = _mm256_max_epi32(t, _mm256_set1_epi32(i16::MIN.into()));
                let product =
                    _mm256_mullo_epi32(t, _mm256_load_si256(by.mult[first..].as_ptr().cast()));
                let sum =
                    _mm256_add_epi32(product, _mm256_load_si256(by.add[first..].as_ptr().cast()));
                *sums =
                    _mm256_srav_epi32(sum, _mm256_load_si256(by.shift[first..].as_ptr().cast()));
            }
        }
        // SAFETY: `self` proves AVX2.
        unsafe { low_bytes(clamped(sums[0], sums[1], max_code)) }
    }

    #[inline(always)]
    fn count_reached(self, sums: Self::Sums, thresholds: &[[i32; LANES]]) -> [u8; LANES] {
        // SAFETY: `self` proves AVX2; 16 thresholds are two vectors; the loads need no alignment.
        unsafe {
            let mut missed = [_mm256_setzero_si256(); 2];
            for thresholds in thresholds {
                let thresholds = thresholds.as_ptr().cast::<__m256i>();
                for half in 0..2 {
                    let above = _mm256_loadu_si256(thresholds.add(half));
                    let above = _mm256_cmpgt_epi32(above, sums[half]);
                    missed[half] = _mm256_add_epi32(missed[half], above);
                }
            }
            let all = _mm256_set1_epi32(thresholds.len() as i32);
            let [low, high] = missed.map(|missed| _mm256_add_epi32(all, missed));
            low_bytes(clamped(low, high, u8::MAX))
        }
    }

    #[inline(always)]
    fn load_words(self, words: &[i16; BYTES]) -> Self::Words {
        let from = words.as_ptr().cast::<__m256i>();
        let mut words = self.zero_words();
        for (i, words) in words.iter_mut().enumerate() {
            // SAFETY: `self` proves AVX2; 64 words are four vectors; the loads need no alignment.
            unsafe { *words = _mm256_loadu_si256(from.add(i)) };
        }
        words
    }

    #[inline(always)]
    fn store_words(self, words: Self::Words, to: &mut [i16; BYTES]) {
        let to = to.as_mut_ptr().cast::<__m256i>();
        for (i, words) in words.into_iter().enumerate() {
            // SAFETY: `self` proves AVX2; 64 words are four vectors; the stores need no alignment.
            unsafe { _mm256_storeu_si256(to.add(i), words) };
        }
    }

    #[inline(always)]
    fn store_bytes(self, words: Self::Words, to: &mut [u8; BYTES]) {
        let to = to.as_mut_ptr().cast::<__m256i>();
        for half in 0..2 {
            // SAFETY: `self` proves AVX2; 64 bytes are two vectors; the stores need no alignment.
            unsafe {
                let even = _mm256_and_si256(words[half], _mm256_set1_epi16(0xff));
                let both = _mm256_or_si256(even, _mm256_slli_epi16(words[2 + half], 8));
                _mm256_storeu_si256(to.add(half), both);
            }
        }
    }

    #[inline(always)]
    fn zero_counts(self) -> Self::Counts {
        // SAFETY: `self` proves AVX2.
        unsafe { [_mm256_setzero_si256(); 16] }
    }

    /// By a table of the ones in four bits.
    #[inline(always)]
    fn count_ones(self, counts: Self::Counts, bits: u64, weights: &[u64; BYTES]) -> Self::Counts {
        let from = weights.as_ptr().cast::<__m256i>();
        // SAFETY: `self` proves AVX2; 64 words of 64 bits are sixteen vectors; the loads need no alignment.
        unsafe {
            let ones = _mm256_broadcastsi128_si256(_mm_setr_epi8(
                0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,
            ));
            let bits = _mm256_set1_epi64x(bits as i64);
            let low = _mm256_set1_epi8(15);
            let mut counts = counts;
            for (i, count) in counts.iter_mut().enumerate() {
                let both = _mm256_and_si256(bits, _mm256_loadu_si256(from.add(i)));
                let high = _mm256_and_si256(_mm256_srli_epi16(both, 4), low);
                let bytes = _mm256_add_epi8(
                    _mm256_shuffle_epi8(ones, _mm256_and_si256(both, low)),
                    _mm256_shuffle_epi8(ones, high),
                );
                let sums = _mm256_sad_epu8(bytes, _mm256_setzero_si256());
                *count = _mm256_add_epi64(*count, sums);
            }
            counts
        }
    }

    #[inline(always)]
    fn weigh_counts(self, low: Self::Counts, high: Self::Counts) -> Self::Counts {
        let mut all = low;
        for (all, high) in all.iter_mut().zip(high) {
            // SAFETY: `self` proves AVX2.
            unsafe { *all = _mm256_add_epi64(*all, _mm256_slli_epi64(high, 1)) };
        }
        all
    }

    #[inline(always)]
    fn counts(self, counts: Self::Counts) -> Self::Words {
        let mut words = self.zero_words();
        for (quarter, words) in words.iter_mut().enumerate() {
            // Lanes `half` of four vectors of eight.
            let first = quarter / 2 * 8 + quarter % 2;
            let [a, b] = [counts[first], counts[first + 2]];
            let [c, d] = [counts[first + 4], counts[first + 6]];
            // SAFETY: `self` proves AVX2.
            unsafe {
                let low = _mm256_or_si256(a, _mm256_slli_epi64(b, 16));
                let high = _mm256_or_si256(_mm256_slli_epi64(c, 32), _mm256_slli_epi64(d, 48));
                *words = _mm256_or_si256(low, high);
            }
        }
        words
    }

    #[inline(always)]
    fn sum_bytes(self, bytes: &[u8; BYTES]) -> u32 {
        let [low, high] = self.load_bytes(bytes);
        // SAFETY: `self` proves AVX2.
        unsafe {
            let zero = _mm256_setzero_si256();
            let sums = _mm256_add_epi64(_mm256_sad_epu8(low, zero), _mm256_sad_epu8(high, zero));
            let (a, b) = (
                _mm256_castsi256_si128(sums),
                _mm256_extracti128_si256(sums, 1),
            );
            let sums = _mm_add_epi64(a, b);
            let sums = _mm_add_epi64(sums, _mm_unpackhi_epi64(sums, sums));
            _mm_cvtsi128_si32(sums) as u32
        }
    }

    #[inline(always)]
    fn plane(self, bytes: &[u8; BYTES], bit: u32) -> u64 {
        let [low, high] = self.load_bytes(bytes);
        // SAFETY: `self` proves AVX2.
        unsafe {
            // The bit to the top of its byte; what crosses into a byte from below lies under the top.
            let shift = _mm_cvtsi32_si128(7 - bit as i32);
            let low = _mm256_movemask_epi8(_mm256_sll_epi16(low, shift)) as u32;
            let high = _mm256_movemask_epi8(_mm256_sll_epi16(high, shift)) as u32;
            u64::from(low) | u64::from(high) << 32
        }
    }

    #[inline(always)]
    fn transpose(self, rows: &[[u8; 16]; 16]) -> [[u8; 16]; 16] {
        sse2::transpose(rows)
    }
}

/// `(t * mult + add) >> shift` of eight pairs, the integers and zeros, whose parameters lie from `first` on. A function and no
/// closure, as that may not be inlined.
///
/// # Safety
/// The processor has AVX2; `first` is a multiple of 8.
#[inline(always)]
unsafe fn scaled(t: __m256i, by: &Multipliers, first: usize) -> __m256i {
    let (mult, add, shift) = (&by.mult[first..], &by.add[first..], &by.shift[first..]);
    debug_assert!(mult.len() >= 8);
    // SAFETY: the caller's promise.
    unsafe {
        let product = _mm256_madd_epi16(t, _mm256_load_si256(mult.as_ptr().cast()));
        let sum = _mm256_add_epi32(product, _mm256_load_si256(add.as_ptr().cast()));
        _mm256_srav_epi32(sum, _mm256_load_si256(shift.as_ptr().cast()))
    }
}

/// Sixteen integers within `0..=max_code`, in order.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn clamped(low: __m256i, high: __m256i, max_code: u8) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe {
        // Packing goes by halves of vectors.
        let codes = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0b11_01_10_00);
        let codes = _mm256_max_epi16(codes, _mm256_setzero_si256());
        _mm256_min_epi16(codes, _mm256_set1_epi16(max_code.into()))
    }
}

/// Sixteen words as bytes.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn low_bytes(words: __m256i) -> [u8; LANES] {
    let mut bytes = [0; LANES];
    // SAFETY: the caller's promise; 16 bytes are one vector; the store needs no alignment.
    unsafe {
        let (low, high) = (
            _mm256_castsi256_si128(words),
            _mm256_extracti128_si256(words, 1),
        );
        _mm_storeu_si128(bytes.as_mut_ptr().cast(), _mm_packus_epi16(low, high));
    }
    bytes
}
