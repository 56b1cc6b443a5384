use core::arch::{aarch64::*, asm};

use super::{
    BYTES, Isa, LANES, Multiplier, Multipliers, SumMultipliers, Task, has_features, unpacked,
};
use crate::{Level, memory::Aligned};

/// NEON, which belongs to every 64-bit ARM processor with vectors; with its dot products of bytes where `DOTPROD`.
#[derive(Clone, Copy, Debug)]
pub struct Arm<const DOTPROD: bool> {
    /// Only [`Isa::detect`] makes a value.
    _proof: (),
}

/// NEON.
pub type Neon = Arm<false>;

/// NEON with dot products.
pub type Dotprod = Arm<true>;

/// `sums + Σ codes * weights` over the four bytes of every lane, modulo 2^32.
#[target_feature(enable = "neon,dotprod")]
#[inline]
fn udot(sums: uint32x4_t, codes: uint8x16_t, weights: uint8x16_t) -> uint32x4_t {
    let mut sums = sums;
    // SAFETY: the function has the feature; the instruction touches these registers only.
    unsafe {
        // The intrinsic for it is not stable.
        asm!(
            "udot {sums:v}.4s, {codes:v}.16b, {weights:v}.16b",
            sums = inout(vreg) sums,
            codes = in(vreg) codes,
            weights = in(vreg) weights,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sums
}

/// The task with NEON.
#[target_feature(enable = "neon")]
fn enter_neon<I: Isa, T: Task>(isa: I, task: T) -> T::Output {
    task.run(isa)
}

/// The task with NEON and dot products.
#[target_feature(enable = "neon,dotprod")]
fn enter_dotprod<I: Isa, T: Task>(isa: I, task: T) -> T::Output {
    task.run(isa)
}

impl<const DOTPROD: bool> Isa for Arm<DOTPROD> {
    const LEVEL: Level = if DOTPROD { Level::Dotprod } else { Level::Neon };

    const TILE: usize = 4;

    type Sums = [int32x4_t; 4];

    fn detect() -> Option<Self> {
        let found = has_features!("neon") && (!DOTPROD || has_features!("dotprod"));
        found.then_some(Self { _proof: () })
    }

    fn enter<T: Task>(self, task: T) -> T::Output {
        // SAFETY: `self` proves that the processor has these features.
        unsafe {
            if DOTPROD {
                enter_dotprod(self, task)
            } else {
                enter_neon(self, task)
            }
        }
    }

    const MANY_REGISTERS: bool = false;

    const ALWAYS_WIDE: bool = DOTPROD;

    #[inline(always)]
    fn zero(self) -> Self::Sums {
        // SAFETY: `self` proves NEON.
        unsafe { [vdupq_n_s32(0); 4] }
    }

    #[inline(always)]
    fn add(self, a: Self::Sums, b: Self::Sums) -> Self::Sums {
        let mut sums = a;
        for (sums, b) in sums.iter_mut().zip(b) {
            // SAFETY: `self` proves NEON.
            unsafe { *sums = vaddq_s32(*sums, b) };
        }
        sums
    }

    #[inline(always)]
    fn subtract(self, a: Self::Sums, b: Self::Sums) -> Self::Sums {
        let mut sums = a;
        for (sums, b) in sums.iter_mut().zip(b) {
            // SAFETY: `self` proves NEON.
            unsafe { *sums = vsubq_s32(*sums, b) };
        }
        sums
    }

    #[inline(always)]
    fn quarter(self, sums: Self::Sums) -> Self::Sums {
        let mut sums = sums;
        for sums in &mut sums {
            // SAFETY: `self` proves NEON.
            unsafe { *sums = vshrq_n_s32(*sums, 2) };
        }
        sums
    }

    /// There is no product of unsigned with signed bytes. The dot product takes the weights plus 128, which are unsigned, and what
    /// that is too much is the same for all lanes; without it products are words, which any two bytes fit.
    #[inline(always)]
    fn dot4<const WIDE: bool>(
        self,
        sums: Self::Sums,
        codes: u32,
        weights: &[i8; 4 * LANES],
    ) -> Self::Sums {
        let from = weights.as_ptr();
        let mut sums = sums;
        // SAFETY: `self` proves NEON, and dot products where they are used; 64 weights are four vectors; the loads need no
        // alignment.
        unsafe {
            let codes = vreinterpretq_u8_u32(vdupq_n_u32(codes));
            if DOTPROD {
                let excess = udot(vdupq_n_u32(0), codes, vdupq_n_u8(128));
                for (i, sums) in sums.iter_mut().enumerate() {
                    let weights = vreinterpretq_u8_s8(vld1q_s8(from.add(16 * i)));
                    let above = veorq_u8(weights, vdupq_n_u8(128));
                    let all = udot(vreinterpretq_u32_s32(*sums), codes, above);
                    *sums = vreinterpretq_s32_u32(vsubq_u32(all, excess));
                }
                return sums;
            }
            let codes = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(codes)));
            for (i, sums) in sums.iter_mut().enumerate() {
                let weights = vld1q_s8(from.add(16 * i));
                let low = vmulq_s16(codes, vmovl_s8(vget_low_s8(weights)));
                let high = vmulq_s16(codes, vmovl_high_s8(weights));
                *sums = if WIDE {
                    let fours = vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high));
                    vaddq_s32(*sums, fours)
                } else {
                    vpadalq_s16(*sums, vpaddq_s16(low, high))
                };
            }
            sums
        }
    }

    #[inline(always)]
    fn load(self, sums: &[i32; LANES]) -> Self::Sums {
        let mut loaded = self.zero();
        for (sums, from) in loaded.iter_mut().zip(sums.as_chunks::<4>().0) {
            // SAFETY: `self` proves NEON; 4 sums are a vector; the load needs no alignment.
            unsafe { *sums = vld1q_s32(from.as_ptr()) };
        }
        loaded
    }

    #[inline(always)]
    fn store(self, sums: Self::Sums, to: &mut [i32; LANES]) {
        for (sums, to) in sums.into_iter().zip(to.as_chunks_mut::<4>().0) {
            // SAFETY: `self` proves NEON; 4 sums are a vector; the store needs no alignment.
            unsafe { vst1q_s32(to.as_mut_ptr(), sums) };
        }
    }

    #[inline(always)]
    fn dot(self, sums: Self::Sums, a: [i16; 2], weights: &[i16; 2 * LANES]) -> Self::Sums {
        let mut sums = sums;
        let pairs = sums.as_chunks_mut::<2>().0.iter_mut();
        for ([low, high], weights) in pairs.zip(weights.as_chunks::<16>().0) {
            // SAFETY: `self` proves NEON; 16 weights are two vectors; the load needs no alignment.
            unsafe {
                let int16x8x2_t(even, odd) = vld2q_s16(weights.as_ptr());
                *low = vmlal_n_s16(*low, vget_low_s16(even), a[0]);
                *low = vmlal_n_s16(*low, vget_low_s16(odd), a[1]);
                *high = vmlal_high_n_s16(*high, even, a[0]);
                *high = vmlal_high_n_s16(*high, odd, a[1]);
            }
        }
        sums
    }

    type Bytes = [uint8x16_t; 4];
    /// Sums of whole 16-bit lanes, each an even byte plus 256 times the odd one; and of the odd bytes alone.
    type Adding = [[uint16x8_t; 4]; 2];
    type Words = [int16x8_t; 8];
    /// Eight words a vector, in the order of [`Isa::count_ones`] below.
    type Counts = [uint16x8_t; 8];

    #[inline(always)]
    fn load_bytes(self, bytes: &[u8; BYTES]) -> Self::Bytes {
        let mut loaded = self.zero_bytes();
        for (loaded, from) in loaded.iter_mut().zip(bytes.as_chunks::<16>().0) {
            // SAFETY: `self` proves NEON; 16 bytes are a vector; the load needs no alignment.
            unsafe { *loaded = vld1q_u8(from.as_ptr()) };
        }
        loaded
    }

    #[inline(always)]
    fn join2(self, [low, high]: [&[u8; BYTES / 2]; 2]) -> Self::Bytes {
        let (low, high) = (low.as_chunks().0, high.as_chunks().0);
        self.join4([&low[0], &low[1], &high[0], &high[1]])
    }

    #[inline(always)]
    fn join4(self, parts: [&[u8; BYTES / 4]; 4]) -> Self::Bytes {
        let mut loaded = self.zero_bytes();
        for (loaded, from) in loaded.iter_mut().zip(parts) {
            // SAFETY: `self` proves NEON; 16 bytes are a vector; the load needs no alignment.
            unsafe { *loaded = vld1q_u8(from.as_ptr()) };
        }
        loaded
    }

    #[inline(always)]
    fn zero_bytes(self) -> Self::Bytes {
        // SAFETY: `self` proves NEON.
        unsafe { [vdupq_n_u8(0); 4] }
    }

    #[inline(always)]
    fn add_bytes(self, a: Self::Bytes, b: Self::Bytes) -> Self::Bytes {
        let mut sums = a;
        for (sums, b) in sums.iter_mut().zip(b) {
            // SAFETY: `self` proves NEON.
            unsafe { *sums = vaddq_u8(*sums, b) };
        }
        sums
    }

    #[inline(always)]
    fn lookup16(self, table: &[u8; 16], index: Self::Bytes) -> Self::Bytes {
        let mut found = index;
        // SAFETY: `self` proves NEON; 16 bytes are a vector; the load needs no alignment.
        unsafe {
            let table = vld1q_u8(table.as_ptr());
            for found in &mut found {
                *found = vqtbl1q_u8(table, *found);
            }
        }
        found
    }

    #[inline(always)]
    fn lookup64(self, table: &[u8; 64], index: Self::Bytes) -> Self::Bytes {
        let [a, b, c, d] = self.load_bytes(table);
        let table = uint8x16x4_t(a, b, c, d);
        let mut found = index;
        for found in &mut found {
            // SAFETY: `self` proves NEON.
            unsafe { *found = vqtbl4q_u8(table, *found) };
        }
        found
    }

    #[inline(always)]
    fn zero_sums(self) -> Self::Adding {
        // SAFETY: `self` proves NEON.
        unsafe { [[vdupq_n_u16(0); 4]; 2] }
    }

    #[inline(always)]
    fn add_to_sums(self, sums: Self::Adding, bytes: Self::Bytes) -> Self::Adding {
        let [mut whole, mut odd] = sums;
        for i in 0..4 {
            // SAFETY: `self` proves NEON.
            unsafe {
                let bytes = vreinterpretq_u16_u8(bytes[i]);
                whole[i] = vaddq_u16(whole[i], bytes);
                odd[i] = vsraq_n_u16(odd[i], bytes, 8);
            }
        }
        [whole, odd]
    }

    #[inline(always)]
    fn sums(self, [whole, odd]: Self::Adding) -> Self::Words {
        let mut words = self.zero_words();
        for i in 0..4 {
            // SAFETY: `self` proves NEON.
            unsafe {
                let even = vsubq_u16(whole[i], vshlq_n_u16(odd[i], 8));
                words[i] = vreinterpretq_s16_u16(even);
                words[4 + i] = vreinterpretq_s16_u16(odd[i]);
            }
        }
        words
    }

    #[inline(always)]
    fn zero_words(self) -> Self::Words {
        // SAFETY: `self` proves NEON.
        unsafe { [vdupq_n_s16(0); 8] }
    }

    #[inline(always)]
    fn scale_words(self, words: Self::Words, factor: i16, term: i16) -> Self::Words {
        let mut words = words;
        for words in &mut words {
            // SAFETY: `self` proves NEON.
            unsafe { *words = vmlaq_n_s16(vdupq_n_s16(term), *words, factor) };
        }
        words
    }

    #[inline(always)]
    fn add_words(self, words: Self::Words, terms: &[i16; BYTES]) -> Self::Words {
        let mut words = words;
        for (words, term) in words.iter_mut().zip(self.load_words(terms)) {
            // SAFETY: `self` proves NEON.
            unsafe { *words = vaddq_s16(*words, term) };
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
        let than = self.load_words(&than.0);
        let mut counts = counts;
        for i in 0..8 {
            // SAFETY: `self` proves NEON.
            unsafe {
                let greater = vreinterpretq_s16_u16(vcgtq_s16(words[i], than[i]));
                counts[i] = vsubq_s16(counts[i], greater);
            }
        }
        counts
    }

    #[inline(always)]
    fn count_greater_all(self, counts: Self::Words, words: Self::Words, than: i16) -> Self::Words {
        let mut counts = counts;
        for (counts, words) in counts.iter_mut().zip(words) {
            // SAFETY: `self` proves NEON.
            unsafe {
                let greater = vreinterpretq_s16_u16(vcgtq_s16(words, vdupq_n_s16(than)));
                *counts = vsubq_s16(*counts, greater);
            }
        }
        counts
    }

    #[inline(always)]
    fn multiply(self, words: Self::Words, by: &Multipliers, max_code: u8) -> Self::Words {
        let mut words = words;
        for (i, words) in words.iter_mut().enumerate() {
            // SAFETY: `self` proves NEON; a vector of words has 8 lanes, and there are 64 of every parameter.
            unsafe {
                let t = vqaddq_s16(*words, vld1q_s16(by.bias.as_ptr().add(8 * i)));
                let mut halves = [vmovl_s16(vget_low_s16(t)), vmovl_high_s16(t)];
                for (half, t) in halves.iter_mut().enumerate() {
                    let first = unpacked(8 * i + 4 * half);
                    let mult = vld1q_s32(by.mult.as_ptr().add(first));
                    let add = vld1q_s32(by.add.as_ptr().add(first));
                    let shift = vld1q_s32(by.shift.as_ptr().add(first));
                    *t = vshlq_s32(vmlaq_s32(add, *t, mult), vnegq_s32(shift));
                }
                *words = clamped(halves, max_code);
            }
        }
        words
    }

    #[inline(always)]
    fn multiply_all(self, words: Self::Words, by: &Multiplier, max_code: u8) -> Self::Words {
        let mut words = words;
        for words in &mut words {
            // SAFETY: `self` proves NEON.
            unsafe {
                let t = vqaddq_s16(*words, vdupq_n_s16(by.bias));
                let mut halves = [vmovl_s16(vget_low_s16(t)), vmovl_high_s16(t)];
                for t in &mut halves {
                    let sum = vmlaq_s32(vdupq_n_s32(by.add), *t, vdupq_n_s32(by.mult));
                    *t = vshlq_s32(sum, vdupq_n_s32(-by.shift));
                }
                *words = clamped(halves, max_code);
            }
        }
        words
    }

    #[inline(always)]
    fn multiply_sums(self, sums: Self::Sums, by: &SumMultipliers, max_code: u8) -> [u8; LANES] {
        let [bias, pre, mult, add, shift] =
            [&by.bias, &by.pre, &by.mult, &by.add, &by.shift].map(|of| self.load(of));
        let mut sums = sums;
        for (i, t) in sums.iter_mut().enumerate() {
            // SAFETY: `self` proves NEON.
            unsafe {
                *t = vshlq_s32(vaddq_s32(*t, bias[i]), vnegq_s32(pre[i]));
                *t = vmovl_s16(vqmovn_s32(*t));
                *t = vshlq_s32(vmlaq_s32(add[i], *t, mult[i]), vnegq_s32(shift[i]));
            }
        }
        // SAFETY: `self` proves NEON.
        unsafe {
            let low = clamped([sums[0], sums[1]], max_code);
            low_bytes([low, clamped([sums[2], sums[3]], max_code)])
        }
    }

    #[inline(always)]
    fn count_reached(self, sums: Self::Sums, thresholds: &[[i32; LANES]]) -> [u8; LANES] {
        let mut counts = self.zero();
        for thresholds in thresholds {
            let thresholds = self.load(thresholds);
            for i in 0..4 {
                // SAFETY: `self` proves NEON.
                unsafe {
                    let reached = vreinterpretq_s32_u32(vcgeq_s32(sums[i], thresholds[i]));
                    counts[i] = vsubq_s32(counts[i], reached);
                }
            }
        }
        // SAFETY: `self` proves NEON.
        unsafe {
            let low = clamped([counts[0], counts[1]], u8::MAX);
            low_bytes([low, clamped([counts[2], counts[3]], u8::MAX)])
        }
    }

    #[inline(always)]
    fn load_words(self, words: &[i16; BYTES]) -> Self::Words {
        let mut loaded = self.zero_words();
        for (loaded, from) in loaded.iter_mut().zip(words.as_chunks::<8>().0) {
            // SAFETY: `self` proves NEON; 8 words are a vector; the load needs no alignment.
            unsafe { *loaded = vld1q_s16(from.as_ptr()) };
        }
        loaded
    }

    #[inline(always)]
    fn store_words(self, words: Self::Words, to: &mut [i16; BYTES]) {
        for (words, to) in words.into_iter().zip(to.as_chunks_mut::<8>().0) {
            // SAFETY: `self` proves NEON; 8 words are a vector; the store needs no alignment.
            unsafe { vst1q_s16(to.as_mut_ptr(), words) };
        }
    }

    #[inline(always)]
    fn store_bytes(self, words: Self::Words, to: &mut [u8; BYTES]) {
        for (i, to) in to.as_chunks_mut::<16>().0.iter_mut().enumerate() {
            // SAFETY: `self` proves NEON; 16 bytes are a vector; the store needs no alignment.
            unsafe {
                // The low byte of the even word, above it that of the odd one.
                let both = vsliq_n_s16(words[i], words[4 + i], 8);
                vst1q_u8(to.as_mut_ptr(), vreinterpretq_u8_s16(both));
            }
        }
    }

    #[inline(always)]
    fn zero_counts(self) -> Self::Counts {
        // SAFETY: `self` proves NEON.
        unsafe { [vdupq_n_u16(0); 8] }
    }

    /// Lanes `2k` and `2k + 1` of vector `v` of a half are added to words `2v` and `2v + 1` of vector `k` of that half.
    #[inline(always)]
    fn count_ones(self, counts: Self::Counts, bits: u64, weights: &[u64; BYTES]) -> Self::Counts {
        let from = weights.as_ptr();
        let mut counts = counts;
        // SAFETY: `self` proves NEON; the last lane that is loaded is the last weight; the loads need no alignment.
        unsafe {
            let bits = vdupq_n_u64(bits);
            for (k, count) in counts.iter_mut().enumerate() {
                let mut ones = [vdupq_n_u8(0); 4];
                for (i, ones) in ones.iter_mut().enumerate() {
                    let weights = vld1q_u64(from.add(8 * (k / 4 * 4 + i) + 2 * (k % 4)));
                    *ones = vcntq_u8(vreinterpretq_u8_u64(vandq_u64(bits, weights)));
                }
                // A byte of every vector and lane takes the ones of four.
                let twos = [vpaddq_u8(ones[0], ones[1]), vpaddq_u8(ones[2], ones[3])];
                *count = vpadalq_u8(*count, vpaddq_u8(twos[0], twos[1]));
            }
        }
        counts
    }

    #[inline(always)]
    fn weigh_counts(self, low: Self::Counts, high: Self::Counts) -> Self::Counts {
        let mut all = low;
        for (all, high) in all.iter_mut().zip(high) {
            // SAFETY: `self` proves NEON.
            unsafe { *all = vaddq_u16(*all, vshlq_n_u16(high, 1)) };
        }
        all
    }

    #[inline(always)]
    fn counts(self, counts: Self::Counts) -> Self::Words {
        let mut words = self.zero_words();
        for (words, counts) in words.iter_mut().zip(counts) {
            // SAFETY: `self` proves NEON.
            unsafe {
                // The four vectors of the even lane, then those of the odd one.
                let even = vreinterpretq_u64_u16(vuzp1q_u16(counts, counts));
                let odd = vreinterpretq_u64_u16(vuzp2q_u16(counts, counts));
                *words = vreinterpretq_s16_u64(vzip1q_u64(even, odd));
            }
        }
        words
    }

    #[inline(always)]
    fn plane(self, bytes: &[u8; BYTES], bit: u32) -> u64 {
        const PLACES: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128];
        let mut bits = self.load_bytes(bytes);
        // SAFETY: `self` proves NEON; 16 places are a vector.
        unsafe {
            let places = vld1q_u8(PLACES.as_ptr());
            for bits in &mut bits {
                *bits = vandq_u8(vtstq_u8(*bits, vdupq_n_u8(1 << bit)), places);
            }
            let [low, high] = [vpaddq_u8(bits[0], bits[1]), vpaddq_u8(bits[2], bits[3])];
            let fours = vpaddq_u8(low, high);
            vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(fours, fours)), 0)
        }
    }

    #[inline(always)]
    fn transpose(self, rows: &[[u8; 16]; 16]) -> [[u8; 16]; 16] {
        let mut columns = [[0; 16]; 16];
        // SAFETY: `self` proves NEON; a row is one vector; loads and stores need no alignment.
        unsafe {
            let mut vectors = [vdupq_n_u8(0); 16];
            for (vector, row) in vectors.iter_mut().zip(rows) {
                *vector = vld1q_u8(row.as_ptr());
            }
            // Four perfect shuffles of rows `i` and `i + 8`: each brings one more bit of the row number into the position.
            for _ in 0..4 {
                let from = vectors;
                for i in 0..8 {
                    vectors[2 * i] = vzip1q_u8(from[i], from[i + 8]);
                    vectors[2 * i + 1] = vzip2q_u8(from[i], from[i + 8]);
                }
            }
            for (to, vector) in columns.iter_mut().zip(vectors) {
                vst1q_u8(to.as_mut_ptr(), vector);
            }
        }
        columns
    }
}

/// Eight integers within `0..=max_code`, in order.
///
/// # Safety
/// The processor has NEON.
#[inline(always)]
unsafe fn clamped([low, high]: [int32x4_t; 2], max_code: u8) -> int16x8_t {
    // SAFETY: the caller's promise.
    unsafe {
        let codes = vqmovn_high_s32(vqmovn_s32(low), high);
        vminq_s16(
            vmaxq_s16(codes, vdupq_n_s16(0)),
            vdupq_n_s16(max_code.into()),
        )
    }
}

/// Sixteen words as bytes.
///
/// # Safety
/// The processor has NEON.
#[inline(always)]
unsafe fn low_bytes([low, high]: [int16x8_t; 2]) -> [u8; LANES] {
    let mut bytes = [0; LANES];
    // SAFETY: the caller's promise; 16 bytes are one vector; the store needs no alignment.
    unsafe { vst1q_u8(bytes.as_mut_ptr(), vqmovun_high_s16(vqmovun_s16(low), high)) };
    bytes
}
