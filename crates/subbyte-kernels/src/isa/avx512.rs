use core::arch::x86_64::*;

use super::{BYTES, Isa, LANES, Multiplier, Multipliers, SumMultipliers, Task, has_features, sse2};
use crate::{Level, memory::Aligned};

/// AVX-512 with byte shuffles (VBMI), dot products (VNNI) and counts of ones (VPOPCNTDQ).
#[derive(Clone, Copy, Debug)]
pub struct Avx512 {
    /// Only [`Isa::detect`] makes a value.
    _proof: (),
}

impl Isa for Avx512 {
    const LEVEL: Level = Level::Avx512;

    const TILE: usize = 8;

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

    fn enter<T: Task>(self, task: T) -> T::Output {
        #[target_feature(
            enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vbmi,avx512vpopcntdq,bmi1,bmi2"
        )]
        fn inner<T: Task>(isa: Avx512, task: T) -> T::Output {
            task.run(isa)
        }
        // SAFETY: `self` proves that the processor has these features.
        unsafe { inner(self, task) }
    }

    const MANY_REGISTERS: bool = true;

    const ALWAYS_WIDE: bool = true;

    #[inline(always)]
    fn zero(self) -> Self::Sums {
        self.zero_bytes()
    }

    #[inline(always)]
    fn add(self, a: Self::Sums, b: Self::Sums) -> Self::Sums {
        // SAFETY: `self` proves AVX-512.
        unsafe { _mm512_add_epi32(a, b) }
    }

    #[inline(always)]
    fn subtract(self, a: Self::Sums, b: Self::Sums) -> Self::Sums {
        // SAFETY: `self` proves AVX-512.
        unsafe { _mm512_sub_epi32(a, b) }
    }

    #[inline(always)]
    fn quarter(self, sums: Self::Sums) -> Self::Sums {
        // SAFETY: `self` proves AVX-512.
        unsafe { _mm512_srai_epi32(sums, 2) }
    }

    #[inline(always)]
    fn dot4<const WIDE: bool>(
        self,
        sums: Self::Sums,
        codes: u32,
        weights: &[i8; 4 * LANES],
    ) -> Self::Sums {
        // SAFETY: `self` proves AVX-512 VNNI; 64 weights are one vector; the load needs no alignment.
        unsafe {
            let weights = _mm512_loadu_si512(weights.as_ptr().cast());
            _mm512_dpbusd_epi32(sums, _mm512_set1_epi32(codes as i32), weights)
        }
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
    type Adding = [__m512i; 2];
    type Words = [__m512i; 2];
    type Counts = [__m512i; 8];

    #[inline(always)]
    fn load_bytes(self, bytes: &[u8; BYTES]) -> Self::Bytes {
        // SAFETY: `self` proves AVX-512; 64 bytes are one vector; the load needs no alignment.
        unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
    }

    #[inline(always)]
    fn join2(self, parts: [&[u8; BYTES / 2]; 2]) -> Self::Bytes {
        // SAFETY: `self` proves AVX-512 DQ; a part is half a vector; the loads need no alignment.
        unsafe {
            let [low, high] = parts.map(|part| _mm256_loadu_si256(part.as_ptr().cast()));
            _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1)
        }
    }

    #[inline(always)]
    fn join4(self, parts: [&[u8; BYTES / 4]; 4]) -> Self::Bytes {
        // SAFETY: `self` proves AVX-512; a part is a quarter of a vector; the loads need no alignment.
        unsafe {
            let [a, b, c, d] = parts.map(|part| _mm_loadu_si128(part.as_ptr().cast()));
            let low = _mm256_inserti128_si256(_mm256_castsi128_si256(a), b, 1);
            let high = _mm256_inserti128_si256(_mm256_castsi128_si256(c), d, 1);
            _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1)
        }
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

    const LOOKUP_EVERY: usize = EVERY.len() - 1;

    #[inline(always)]
    fn lookup_every(self, table: &[u8; 256], bytes: &[u8], step: usize) -> [u8; BYTES] {
        assert!(0 < step && step < EVERY.len() && BYTES * step <= bytes.len());
        let every = &EVERY[step];
        let mut all = [0; BYTES];
        // SAFETY: `self` proves AVX-512 VBMI; there are `step` vectors of bytes, and four of the table; loads and stores need no
        // alignment.
        unsafe {
            let load = |first: usize| _mm512_loadu_si512(bytes[BYTES * first..].as_ptr().cast());
            let index = _mm512_loadu_si512(every.index.as_ptr().cast());
            let mut found = _mm512_setzero_si512();
            for (pair, &mask) in every.masks[..step.div_ceil(2)].iter().enumerate() {
                let second = (2 * pair + 1).min(step - 1);
                let picked = _mm512_permutex2var_epi8(load(2 * pair), index, load(second));
                found = _mm512_mask_mov_epi8(found, mask, picked);
            }
            let part = |i: usize| _mm512_loadu_si512(table[BYTES * i..].as_ptr().cast());
            let low = _mm512_permutex2var_epi8(part(0), found, part(1));
            let high = _mm512_permutex2var_epi8(part(2), found, part(3));
            let entries = _mm512_mask_mov_epi8(low, _mm512_movepi8_mask(found), high);
            _mm512_storeu_si512(all.as_mut_ptr().cast(), entries);
        }
        all
    }

    #[inline(always)]
    fn zero_sums(self) -> Self::Adding {
        [self.zero_bytes(); 2]
    }

    #[inline(always)]
    fn add_to_sums(self, [whole, odd]: Self::Adding, bytes: Self::Bytes) -> Self::Adding {
        // SAFETY: `self` proves AVX-512 BW.
        unsafe {
            [
                _mm512_add_epi16(whole, bytes),
                _mm512_add_epi16(odd, _mm512_srli_epi16(bytes, 8)),
            ]
        }
    }

    #[inline(always)]
    fn sums(self, [whole, odd]: Self::Adding) -> Self::Words {
        // SAFETY: `self` proves AVX-512 BW.
        unsafe { [_mm512_sub_epi16(whole, _mm512_slli_epi16(odd, 8)), odd] }
    }

    #[inline(always)]
    fn zero_words(self) -> Self::Words {
        [self.zero_bytes(); 2]
    }

    #[inline(always)]
    fn scale_words(self, words: Self::Words, factor: i16, term: i16) -> Self::Words {
        let mut words = words;
        for words in &mut words {
            // SAFETY: `self` proves AVX-512 BW.
            unsafe {
                *words = _mm512_mullo_epi16(*words, _mm512_set1_epi16(factor));
                *words = _mm512_add_epi16(*words, _mm512_set1_epi16(term));
            }
        }
        words
    }

    #[inline(always)]
    fn add_words(self, words: Self::Words, terms: &[i16; BYTES]) -> Self::Words {
        let terms = terms.as_ptr().cast::<__m512i>();
        let mut words = words;
        for (half, words) in words.iter_mut().enumerate() {
            // SAFETY: `self` proves AVX-512 BW; 64 words are two vectors; the loads need no alignment.
            unsafe { *words = _mm512_add_epi16(*words, _mm512_loadu_si512(terms.add(half))) };
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
        let than = than.0.as_ptr().cast::<__m512i>();
        let mut counts = counts;
        for half in 0..2 {
            // SAFETY: `self` proves AVX-512 BW; 64 words are two vectors, on their boundary.
            unsafe {
                let than = _mm512_load_si512(than.add(half));
                let greater = _mm512_cmpgt_epi16_mask(words[half], than);
                let one = _mm512_set1_epi16(1);
                counts[half] = _mm512_mask_add_epi16(counts[half], greater, counts[half], one);
            }
        }
        counts
    }

    #[inline(always)]
    fn count_greater_all(self, counts: Self::Words, words: Self::Words, than: i16) -> Self::Words {
        let mut counts = counts;
        for (counts, words) in counts.iter_mut().zip(words) {
            // SAFETY: `self` proves AVX-512 BW.
            unsafe {
                let greater = _mm512_cmpgt_epi16_mask(words, _mm512_set1_epi16(than));
                *counts = _mm512_mask_add_epi16(*counts, greater, *counts, _mm512_set1_epi16(1));
            }
        }
        counts
    }

    #[inline(always)]
    fn multiply(self, words: Self::Words, by: &Multipliers, max_code: u8) -> Self::Words {
        let mut words = words;
        let (bias, max) = (by.bias.as_ptr(), i16::from(max_code));
        for (half, words) in words.iter_mut().enumerate() {
            // SAFETY: `self` proves AVX-512 VNNI; a vector of words has 32 lanes, its halves 16 each, and there are 64 of every
            // parameter, on their boundary.
            unsafe {
                let t = _mm512_adds_epi16(*words, _mm512_load_si512(bias.add(32 * half).cast()));
                let zero = _mm512_setzero_si512();
                // Products of pairs, of which the second one is 0.
                let low = scaled(_mm512_unpacklo_epi16(t, zero), by, 32 * half);
                let high = scaled(_mm512_unpackhi_epi16(t, zero), by, 32 * half + LANES);
                let codes = _mm512_max_epi16(_mm512_packs_epi32(low, high), zero);
                *words = _mm512_min_epi16(codes, _mm512_set1_epi16(max));
            }
        }
        words
    }

    #[inline(always)]
    fn multiply_all(self, words: Self::Words, by: &Multiplier, max_code: u8) -> Self::Words {
        let mut words = words;
        for words in &mut words {
            // SAFETY: `self` proves AVX-512 BW.
            unsafe {
                let t = _mm512_adds_epi16(*words, _mm512_set1_epi16(by.bias));
                // Products of pairs, of which the second one is 0.
                let (mult, add) = (_mm512_set1_epi32(by.mult), _mm512_set1_epi32(by.add));
                let (zero, shift) = (_mm512_setzero_si512(), _mm_cvtsi32_si128(by.shift));
                let low = _mm512_dpwssd_epi32(add, _mm512_unpacklo_epi16(t, zero), mult);
                let high = _mm512_dpwssd_epi32(add, _mm512_unpackhi_epi16(t, zero), mult);
                let low = _mm512_sra_epi32(low, shift);
                let high = _mm512_sra_epi32(high, shift);
                let codes = _mm512_packs_epi32(low, high);
                let codes = _mm512_max_epi16(codes, _mm512_setzero_si512());
                *words = _mm512_min_epi16(codes, _mm512_set1_epi16(max_code.into()));
            }
        }
        words
    }

    #[inline(always)]
    fn multiply_sums(self, sums: Self::Sums, by: &SumMultipliers, max_code: u8) -> [u8; LANES] {
        let mut codes = [0; LANES];
        // SAFETY: `self` proves AVX-512; 16 sums and as many of every parameter are one vector, on its boundary; codes need none.
        unsafe {
            let load = |from: &[i32; LANES]| _mm512_load_si512(from.as_ptr().cast());
            let t = _mm512_srav_epi32(_mm512_add_epi32(sums, load(&by.bias)), load(&by.pre));
            let t = _mm512_min_epi32(t, _mm512_set1_epi32(i16::MAX.into()));
            let t = _mm512_max_epi32(t, _mm512_set1_epi32(i16::MIN.into()));
            let product = _mm512_mullo_epi32(t, load(&by.mult));
            let code = _mm512_srav_epi32(_mm512_add_epi32(product, load(&by.add)), load(&by.shift));
            let code = _mm512_max_epi32(code, _mm512_setzero_si512());
            let code = _mm512_min_epi32(code, _mm512_set1_epi32(max_code.into()));
            _mm_storeu_si128(codes.as_mut_ptr().cast(), _mm512_cvtepi32_epi8(code));
        }
        codes
    }

    #[inline(always)]
    fn count_reached(self, sums: Self::Sums, thresholds: &[[i32; LANES]]) -> [u8; LANES] {
        let mut codes = [0; LANES];
        // SAFETY: `self` proves AVX-512; 16 sums, thresholds or codes are one vector; loads and stores need no alignment.
        unsafe {
            let mut counts = _mm512_setzero_si512();
            for thresholds in thresholds {
                let thresholds = _mm512_loadu_si512(thresholds.as_ptr().cast());
                let reached = _mm512_cmpge_epi32_mask(sums, thresholds);
                counts = _mm512_mask_add_epi32(counts, reached, counts, _mm512_set1_epi32(1));
            }
            _mm_storeu_si128(codes.as_mut_ptr().cast(), _mm512_cvtepi32_epi8(counts));
        }
        codes
    }

    #[inline(always)]
    fn load_words(self, words: &[i16; BYTES]) -> Self::Words {
        let from = words.as_ptr().cast::<__m512i>();
        // SAFETY: `self` proves AVX-512; 64 words are two vectors; the loads need no alignment.
        unsafe { [_mm512_loadu_si512(from), _mm512_loadu_si512(from.add(1))] }
    }

    #[inline(always)]
    fn store_words(self, words: Self::Words, to: &mut [i16; BYTES]) {
        let to = to.as_mut_ptr().cast::<__m512i>();
        // SAFETY: `self` proves AVX-512; 64 words are two vectors; the stores need no alignment.
        unsafe {
            _mm512_storeu_si512(to, words[0]);
            _mm512_storeu_si512(to.add(1), words[1]);
        }
    }

    #[inline(always)]
    fn store_bytes(self, [even, odd]: Self::Words, to: &mut [u8; BYTES]) {
        // SAFETY: `self` proves AVX-512 BW; 64 bytes are one vector; the store needs no alignment.
        unsafe {
            // The low byte of the even word, else the one that was shifted up.
            let both = _mm512_mask_mov_epi8(_mm512_slli_epi16(odd, 8), 0x5555_5555_5555_5555, even);
            _mm512_storeu_si512(to.as_mut_ptr().cast(), both);
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
        let mut all = low;
        for (all, high) in all.iter_mut().zip(high) {
            // SAFETY: `self` proves AVX-512.
            unsafe { *all = _mm512_add_epi64(*all, _mm512_slli_epi64(high, 1)) };
        }
        all
    }

    #[inline(always)]
    fn counts(self, counts: Self::Counts) -> Self::Words {
        let mut words = self.zero_words();
        for (words, v) in words.iter_mut().zip(counts.as_chunks::<4>().0) {
            // SAFETY: `self` proves AVX-512.
            unsafe {
                let low = _mm512_or_si512(v[0], _mm512_slli_epi64(v[1], 16));
                let high =
                    _mm512_or_si512(_mm512_slli_epi64(v[2], 32), _mm512_slli_epi64(v[3], 48));
                *words = _mm512_or_si512(low, high);
            }
        }
        words
    }

    #[inline(always)]
    fn sum_bytes(self, bytes: &[u8; BYTES]) -> u32 {
        let bytes = self.load_bytes(bytes);
        // SAFETY: `self` proves AVX-512 BW.
        unsafe {
            let sums = _mm512_sad_epu8(bytes, _mm512_setzero_si512());
            _mm512_reduce_add_epi64(sums) as u32
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

    #[inline(always)]
    fn rows(self, from: &[u8], pitch: usize) -> [[u8; BYTES]; 16] {
        let from = &from[..(BYTES - 1) * pitch + 16];
        let mut rows = [[0; BYTES]; 16];
        // SAFETY: `self` proves AVX-512 BW; a column is a quarter of a vector, and all of them lie within `from`; loads and stores
        // need no alignment.
        unsafe {
            let column = |i: usize| {
                let column = from.as_ptr().add(i * pitch).cast::<__m128i>();
                _mm512_broadcast_i32x4(_mm_loadu_si128(column))
            };
            // As in the transpose of 16 rows of 16 bytes, in each quarter of the vectors.
            let mut all = [self.zero_bytes(); 16];
            for (i, all) in all.iter_mut().enumerate() {
                let low = _mm512_mask_mov_epi32(column(i), 0x00f0, column(16 + i));
                let high = _mm512_mask_mov_epi32(column(32 + i), 0xf000, column(48 + i));
                *all = _mm512_mask_mov_epi32(low, 0xff00, high);
            }
            for _ in 0..4 {
                let from = all;
                for i in 0..8 {
                    all[2 * i] = _mm512_unpacklo_epi8(from[i], from[i + 8]);
                    all[2 * i + 1] = _mm512_unpackhi_epi8(from[i], from[i + 8]);
                }
            }
            for (to, row) in rows.iter_mut().zip(all) {
                _mm512_storeu_si512(to.as_mut_ptr().cast(), row);
            }
        }
        rows
    }

    #[inline(always)]
    fn columns(self, rows: &[Self::Words; 16], to: &mut [u8], pitch: usize) {
        let to = &mut to[..(BYTES - 1) * pitch + 16];
        for parity in 0..2 {
            // SAFETY: `self` proves AVX-512 BW; a column is a quarter of a vector; `to` has room for all; stores need no alignment.
            unsafe {
                // Two neighbouring rows make words; three perfect shuffles of pairs of rows `i` and `i + 4` bring one more bit of
                // the number of the pair into the position each.
                let mut pairs = [self.zero_bytes(); 8];
                for (pair, [low, high]) in pairs.iter_mut().zip(rows.as_chunks().0) {
                    let high = _mm512_slli_epi16(high[parity], 8);
                    *pair = _mm512_mask_mov_epi8(high, 0x5555_5555_5555_5555, low[parity]);
                }
                for _ in 0..3 {
                    let from = pairs;
                    for i in 0..4 {
                        pairs[2 * i] = _mm512_unpacklo_epi16(from[i], from[i + 4]);
                        pairs[2 * i + 1] = _mm512_unpackhi_epi16(from[i], from[i + 4]);
                    }
                }
                // Every quarter of a vector has the eight words of its own columns.
                for (i, pair) in pairs.into_iter().enumerate() {
                    let to = to.as_mut_ptr().add((2 * i + parity) * pitch);
                    let column = |quarter: usize| to.add(16 * quarter * pitch).cast::<__m128i>();
                    _mm_storeu_si128(column(0), _mm512_extracti32x4_epi32(pair, 0));
                    _mm_storeu_si128(column(1), _mm512_extracti32x4_epi32(pair, 1));
                    _mm_storeu_si128(column(2), _mm512_extracti32x4_epi32(pair, 2));
                    _mm_storeu_si128(column(3), _mm512_extracti32x4_epi32(pair, 3));
                }
            }
        }
    }
}

/// `(t * mult + add) >> shift` of [`LANES`] pairs, the integers and zeros, whose parameters lie from `first` on. A function and no
/// closure, as that may not be inlined.
///
/// # Safety
/// The processor has AVX-512 VNNI; `first` is a multiple of [`LANES`].
#[inline(always)]
unsafe fn scaled(t: __m512i, by: &Multipliers, first: usize) -> __m512i {
    let (mult, add, shift) = (&by.mult[first..], &by.add[first..], &by.shift[first..]);
    debug_assert!(mult.len() >= LANES);
    // SAFETY: the caller's promise.
    unsafe {
        let add = _mm512_load_si512(add.as_ptr().cast());
        let sum = _mm512_dpwssd_epi32(add, t, _mm512_load_si512(mult.as_ptr().cast()));
        _mm512_srav_epi32(sum, _mm512_load_si512(shift.as_ptr().cast()))
    }
}

/// Where every so many bytes lie within pairs of vectors.
struct Every {
    /// Within its pair.
    index: [u8; BYTES],
    /// Of each pair, the lanes that it has.
    masks: [u64; 4],
}

/// By step, up to 8.
static EVERY: [Every; 9] = {
    let mut all = [const {
        Every {
            index: [0; BYTES],
            masks: [0; 4],
        }
    }; 9];
    let mut step = 0;
    while step < all.len() {
        let mut lane = 0;
        while lane < BYTES {
            all[step].index[lane] = (lane * step % (2 * BYTES)) as u8;
            all[step].masks[lane * step / (2 * BYTES)] |= 1 << lane;
            lane += 1;
        }
        step += 1;
    }
    all
};
