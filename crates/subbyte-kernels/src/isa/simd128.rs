use core::arch::wasm32::*;

use super::{BYTES, Isa, LANES, Multiplier, Task};
use crate::{Level, memory::Aligned};

/// The vectors of WebAssembly, where the build has them: a module cannot ask what it runs on.
#[derive(Clone, Copy, Debug)]
pub struct Simd128;

/// The vectors that `integers` fill.
#[inline(always)]
fn load<T, const N: usize, const VECTORS: usize>(integers: &[T; N]) -> [v128; VECTORS] {
    const { assert!(size_of::<[T; N]>() == size_of::<[v128; VECTORS]>()) };
    let from = integers.as_ptr().cast::<v128>();
    let mut vectors = [u64x2_splat(0); VECTORS];
    for (i, vector) in vectors.iter_mut().enumerate() {
        // SAFETY: the integers are as many bytes as the vectors; the load needs no alignment.
        *vector = unsafe { v128_load(from.add(i)) };
    }
    vectors
}

/// Stores vectors that fill `integers`.
#[inline(always)]
fn store<T, const N: usize, const VECTORS: usize>(vectors: [v128; VECTORS], to: &mut [T; N]) {
    const { assert!(size_of::<[T; N]>() == size_of::<[v128; VECTORS]>()) };
    let to = to.as_mut_ptr().cast::<v128>();
    for (i, vector) in vectors.into_iter().enumerate() {
        // SAFETY: as in `load`, for a store.
        unsafe { v128_store(to.add(i), vector) };
    }
}

impl Isa for Simd128 {
    const LEVEL: Level = Level::Simd128;

    /// More pixels gain nothing: engines on x86-64 have sixteen registers, of which one pixel takes half.
    const TILE: usize = 1;

    type Sums = [v128; 4];

    fn detect() -> Option<Self> {
        Some(Self)
    }

    fn enter<T: Task>(self, task: T) -> T::Output {
        task.run(self)
    }

    const MANY_REGISTERS: bool = false;

    const ALWAYS_WIDE: bool = true;

    #[inline(always)]
    fn zero(self) -> Self::Sums {
        [i32x4_splat(0); 4]
    }

    #[inline(always)]
    fn add(self, a: Self::Sums, b: Self::Sums) -> Self::Sums {
        let mut sums = a;
        for (sums, b) in sums.iter_mut().zip(b) {
            *sums = i32x4_add(*sums, b);
        }
        sums
    }

    #[inline(always)]
    fn subtract(self, a: Self::Sums, b: Self::Sums) -> Self::Sums {
        let mut sums = a;
        for (sums, b) in sums.iter_mut().zip(b) {
            *sums = i32x4_sub(*sums, b);
        }
        sums
    }

    #[inline(always)]
    fn quarter(self, sums: Self::Sums) -> Self::Sums {
        let mut sums = sums;
        for sums in &mut sums {
            *sums = i32x4_shr(*sums, 2);
        }
        sums
    }

    /// Even and odd bytes apart, as words, so that the products of a lane are those of one sum.
    #[inline(always)]
    fn dot4<const WIDE: bool>(
        self,
        sums: Self::Sums,
        codes: u32,
        weights: &[i8; 4 * LANES],
    ) -> Self::Sums {
        let codes = u32x4_splat(codes);
        let even = v128_and(codes, u16x8_splat(0xff));
        let odd = u16x8_shr(codes, 8);
        let weights: [v128; 4] = load(weights);
        let mut sums = sums;
        for (sums, weights) in sums.iter_mut().zip(weights) {
            let low = i16x8_shr(i16x8_shl(weights, 8), 8);
            let high = i16x8_shr(weights, 8);
            *sums = i32x4_add(*sums, i32x4_dot_i16x8(even, low));
            *sums = i32x4_add(*sums, i32x4_dot_i16x8(odd, high));
        }
        sums
    }

    #[inline(always)]
    fn load(self, sums: &[i32; LANES]) -> Self::Sums {
        load(sums)
    }

    #[inline(always)]
    fn store(self, sums: Self::Sums, to: &mut [i32; LANES]) {
        store(sums, to);
    }

    #[inline(always)]
    fn dot(self, sums: Self::Sums, a: [i16; 2], weights: &[i16; 2 * LANES]) -> Self::Sums {
        let a = i32x4_splat(i32::from(a[0]) & 0xffff | i32::from(a[1]) << 16);
        let weights: [v128; 4] = load(weights);
        let mut sums = sums;
        for (sums, weights) in sums.iter_mut().zip(weights) {
            *sums = i32x4_add(*sums, i32x4_dot_i16x8(a, weights));
        }
        sums
    }

    type Bytes = [v128; 4];
    /// Sums of whole 16-bit lanes, each an even byte plus 256 times the odd one; and of the odd bytes alone.
    type Adding = [[v128; 4]; 2];
    type Words = [v128; 8];
    /// Four counts of 16 bits for every 64-bit lane.
    type Counts = [v128; 32];

    #[inline(always)]
    fn load_bytes(self, bytes: &[u8; BYTES]) -> Self::Bytes {
        load(bytes)
    }

    #[inline(always)]
    fn join2(self, [low, high]: [&[u8; BYTES / 2]; 2]) -> Self::Bytes {
        let ([a, b], [c, d]) = (load(low), load(high));
        [a, b, c, d]
    }

    #[inline(always)]
    fn join4(self, parts: [&[u8; BYTES / 4]; 4]) -> Self::Bytes {
        let mut loaded = self.zero_bytes();
        for (loaded, part) in loaded.iter_mut().zip(parts) {
            [*loaded] = load(part);
        }
        loaded
    }

    #[inline(always)]
    fn zero_bytes(self) -> Self::Bytes {
        [u8x16_splat(0); 4]
    }

    #[inline(always)]
    fn add_bytes(self, a: Self::Bytes, b: Self::Bytes) -> Self::Bytes {
        let mut sums = a;
        for (sums, b) in sums.iter_mut().zip(b) {
            *sums = u8x16_add(*sums, b);
        }
        sums
    }

    #[inline(always)]
    fn lookup16(self, table: &[u8; 16], index: Self::Bytes) -> Self::Bytes {
        let [table]: [v128; 1] = load(table);
        let mut found = index;
        for found in &mut found {
            *found = u8x16_swizzle(table, *found);
        }
        found
    }

    /// Four quarters of the table: an index beyond one finds 0 there.
    #[inline(always)]
    fn lookup64(self, table: &[u8; 64], index: Self::Bytes) -> Self::Bytes {
        let mut found = self.zero_bytes();
        for (quarter, table) in self.load_bytes(table).into_iter().enumerate() {
            let first = u8x16_splat(16 * quarter as u8);
            for (found, index) in found.iter_mut().zip(index) {
                let part = u8x16_swizzle(table, u8x16_sub(index, first));
                *found = v128_or(*found, part);
            }
        }
        found
    }

    #[inline(always)]
    fn zero_sums(self) -> Self::Adding {
        [self.zero_bytes(); 2]
    }

    #[inline(always)]
    fn add_to_sums(self, sums: Self::Adding, bytes: Self::Bytes) -> Self::Adding {
        let [mut whole, mut odd] = sums;
        for i in 0..4 {
            whole[i] = u16x8_add(whole[i], bytes[i]);
            odd[i] = u16x8_add(odd[i], u16x8_shr(bytes[i], 8));
        }
        [whole, odd]
    }

    #[inline(always)]
    fn sums(self, [whole, odd]: Self::Adding) -> Self::Words {
        let mut words = self.zero_words();
        for i in 0..4 {
            words[i] = u16x8_sub(whole[i], u16x8_shl(odd[i], 8));
            words[4 + i] = odd[i];
        }
        words
    }

    #[inline(always)]
    fn zero_words(self) -> Self::Words {
        [i16x8_splat(0); 8]
    }

    #[inline(always)]
    fn scale_words(self, words: Self::Words, factor: i16, term: i16) -> Self::Words {
        let mut words = words;
        for words in &mut words {
            *words = i16x8_add(i16x8_mul(*words, i16x8_splat(factor)), i16x8_splat(term));
        }
        words
    }

    #[inline(always)]
    fn add_words(self, words: Self::Words, terms: &[i16; BYTES]) -> Self::Words {
        let mut words = words;
        for (words, term) in words.iter_mut().zip(self.load_words(terms)) {
            *words = i16x8_add(*words, term);
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
            counts[i] = i16x8_sub(counts[i], i16x8_gt(words[i], than[i]));
        }
        counts
    }

    #[inline(always)]
    fn count_greater_all(self, counts: Self::Words, words: Self::Words, than: i16) -> Self::Words {
        let mut counts = counts;
        for (counts, words) in counts.iter_mut().zip(words) {
            *counts = i16x8_sub(*counts, i16x8_gt(words, i16x8_splat(than)));
        }
        counts
    }

    /// Shifts that differ from lane to lane are left to the default, which works lane by lane.
    #[inline(always)]
    fn multiply_all(self, words: Self::Words, by: &Multiplier, max_code: u8) -> Self::Words {
        let mut words = words;
        for words in &mut words {
            let t = i16x8_add_sat(*words, i16x8_splat(by.bias));
            let mut halves = [i32x4_extend_low_i16x8(t), i32x4_extend_high_i16x8(t)];
            for t in &mut halves {
                let sum = i32x4_add(i32x4_mul(*t, i32x4_splat(by.mult)), i32x4_splat(by.add));
                *t = i32x4_shr(sum, by.shift as u32);
            }
            let codes = i16x8_max(i16x8_narrow_i32x4(halves[0], halves[1]), i16x8_splat(0));
            *words = i16x8_min(codes, i16x8_splat(max_code.into()));
        }
        words
    }

    #[inline(always)]
    fn count_reached(self, sums: Self::Sums, thresholds: &[[i32; LANES]]) -> [u8; LANES] {
        let mut counts = self.zero();
        for thresholds in thresholds {
            let thresholds: [v128; 4] = load(thresholds);
            for i in 0..4 {
                counts[i] = i32x4_sub(counts[i], i32x4_ge(sums[i], thresholds[i]));
            }
        }
        let low = i16x8_narrow_i32x4(counts[0], counts[1]);
        let high = i16x8_narrow_i32x4(counts[2], counts[3]);
        let mut bytes = [0; LANES];
        store([u8x16_narrow_i16x8(low, high)], &mut bytes);
        bytes
    }

    #[inline(always)]
    fn load_words(self, words: &[i16; BYTES]) -> Self::Words {
        load(words)
    }

    #[inline(always)]
    fn store_words(self, words: Self::Words, to: &mut [i16; BYTES]) {
        store(words, to);
    }

    #[inline(always)]
    fn store_bytes(self, words: Self::Words, to: &mut [u8; BYTES]) {
        let mut bytes = self.zero_bytes();
        for (i, both) in bytes.iter_mut().enumerate() {
            let even = v128_and(words[i], u16x8_splat(0xff));
            *both = v128_or(even, i16x8_shl(words[4 + i], 8));
        }
        store(bytes, to);
    }

    #[inline(always)]
    fn zero_counts(self) -> Self::Counts {
        [u16x8_splat(0); 32]
    }

    #[inline(always)]
    fn count_ones(self, counts: Self::Counts, bits: u64, weights: &[u64; BYTES]) -> Self::Counts {
        let bits = u64x2_splat(bits);
        let weights: [v128; 32] = load(weights);
        let mut counts = counts;
        for (counts, weights) in counts.iter_mut().zip(weights) {
            let ones = u8x16_popcnt(v128_and(bits, weights));
            *counts = u16x8_add(*counts, u16x8_extadd_pairwise_u8x16(ones));
        }
        counts
    }

    #[inline(always)]
    fn weigh_counts(self, low: Self::Counts, high: Self::Counts) -> Self::Counts {
        let mut all = low;
        for (all, high) in all.iter_mut().zip(high) {
            *all = u16x8_add(*all, u16x8_shl(high, 1));
        }
        all
    }

    #[inline(always)]
    fn counts(self, counts: Self::Counts) -> Self::Words {
        let mut words = self.zero_words();
        for (i, words) in words.iter_mut().enumerate() {
            // The same two lanes of four vectors of eight.
            let mut lanes = [u32x4_splat(0); 4];
            for (v, lanes) in lanes.iter_mut().enumerate() {
                let count = counts[4 * (i / 4 * 4 + v) + i % 4];
                *lanes = i32x4_dot_i16x8(count, i16x8_splat(1));
            }
            let [a, b, c, d] = lanes;
            // The even lane of two vectors, then the odd one.
            let low = i32x4_add(
                i32x4_shuffle::<0, 4, 2, 6>(a, b),
                i32x4_shuffle::<1, 5, 3, 7>(a, b),
            );
            let high = i32x4_add(
                i32x4_shuffle::<0, 4, 2, 6>(c, d),
                i32x4_shuffle::<1, 5, 3, 7>(c, d),
            );
            *words = i16x8_shuffle::<0, 2, 8, 10, 4, 6, 12, 14>(low, high);
        }
        words
    }

    #[inline(always)]
    fn plane(self, bytes: &[u8; BYTES], bit: u32) -> u64 {
        let mut plane = 0;
        for (i, bytes) in self.load_bytes(bytes).into_iter().enumerate() {
            let bits = u8x16_bitmask(u8x16_shl(bytes, 7 - bit));
            plane |= u64::from(bits) << (16 * i);
        }
        plane
    }

    #[inline(always)]
    fn transpose(self, rows: &[[u8; 16]; 16]) -> [[u8; 16]; 16] {
        let mut vectors: [v128; 16] = load(rows);
        // Four perfect shuffles of rows `i` and `i + 8`: each brings one more bit of the row number into the position.
        for _ in 0..4 {
            let from = vectors;
            for i in 0..8 {
                let (a, b) = (from[i], from[i + 8]);
                vectors[2 * i] =
                    u8x16_shuffle::<0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23>(a, b);
                vectors[2 * i + 1] =
                    u8x16_shuffle::<8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31>(
                        a, b,
                    );
            }
        }
        let mut columns = [[0; 16]; 16];
        store(vectors, &mut columns);
        columns
    }
}
