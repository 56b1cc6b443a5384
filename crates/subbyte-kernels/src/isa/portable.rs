use super::{BYTES, Isa, LANES, Task, counted};
use crate::{Level, memory::Aligned};

/// Plain Rust, vectorised by the compiler for what the build target promises.
#[derive(Clone, Copy, Debug)]
pub struct Portable;

impl Isa for Portable {
    const LEVEL: Level = Level::Portable;

    const TILE: usize = 1;

    type Sums = [i32; LANES];

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
        [0; LANES]
    }

    #[inline(always)]
    fn add(self, a: Self::Sums, b: Self::Sums) -> Self::Sums {
        let mut sums = a;
        for (sum, b) in sums.iter_mut().zip(b) {
            *sum = sum.wrapping_add(b);
        }
        sums
    }

    #[inline(always)]
    fn subtract(self, a: Self::Sums, b: Self::Sums) -> Self::Sums {
        let mut sums = a;
        for (sum, b) in sums.iter_mut().zip(b) {
            *sum = sum.wrapping_sub(b);
        }
        sums
    }

    #[inline(always)]
    fn quarter(self, sums: Self::Sums) -> Self::Sums {
        let mut sums = sums;
        for sum in &mut sums {
            *sum >>= 2;
        }
        sums
    }

    #[inline(always)]
    fn dot4<const WIDE: bool>(
        self,
        sums: Self::Sums,
        codes: u32,
        weights: &[i8; 4 * LANES],
    ) -> Self::Sums {
        let codes = codes.to_le_bytes().map(i32::from);
        let mut sums = sums;
        for (sum, w) in sums.iter_mut().zip(weights.as_chunks::<4>().0) {
            for i in 0..4 {
                *sum = sum.wrapping_add(codes[i] * i32::from(w[i]));
            }
        }
        sums
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

    type Bytes = [u8; BYTES];
    type Adding = [u16; BYTES];
    type Words = [i16; BYTES];
    type Counts = [u64; BYTES];

    #[inline(always)]
    fn load_bytes(self, bytes: &[u8; BYTES]) -> Self::Bytes {
        *bytes
    }

    #[inline(always)]
    fn zero_bytes(self) -> Self::Bytes {
        [0; BYTES]
    }

    #[inline(always)]
    fn add_bytes(self, a: Self::Bytes, b: Self::Bytes) -> Self::Bytes {
        core::array::from_fn(|i| a[i].wrapping_add(b[i]))
    }

    #[inline(always)]
    fn lookup16(self, table: &[u8; 16], index: Self::Bytes) -> Self::Bytes {
        index.map(|i| table[usize::from(i & 15)])
    }

    #[inline(always)]
    fn lookup64(self, table: &[u8; 64], index: Self::Bytes) -> Self::Bytes {
        index.map(|i| table[usize::from(i & 63)])
    }

    #[inline(always)]
    fn zero_sums(self) -> Self::Adding {
        [0; BYTES]
    }

    #[inline(always)]
    fn add_to_sums(self, sums: Self::Adding, bytes: Self::Bytes) -> Self::Adding {
        core::array::from_fn(|i| sums[i].wrapping_add(bytes[i].into()))
    }

    #[inline(always)]
    fn sums(self, sums: Self::Adding) -> Self::Words {
        core::array::from_fn(|i| sums[2 * (i % 32) + i / 32] as i16)
    }

    #[inline(always)]
    fn zero_words(self) -> Self::Words {
        [0; BYTES]
    }

    #[inline(always)]
    fn scale_words(self, words: Self::Words, factor: i16, term: i16) -> Self::Words {
        words.map(|word| word.wrapping_mul(factor).wrapping_add(term))
    }

    #[inline(always)]
    fn add_words(self, words: Self::Words, terms: &[i16; BYTES]) -> Self::Words {
        core::array::from_fn(|i| words[i].wrapping_add(terms[i]))
    }

    #[inline(always)]
    fn count_greater(
        self,
        counts: Self::Words,
        words: Self::Words,
        than: &Aligned<[i16; BYTES]>,
    ) -> Self::Words {
        core::array::from_fn(|i| counts[i].wrapping_add((words[i] > than.0[i]).into()))
    }

    #[inline(always)]
    fn load_words(self, words: &[i16; BYTES]) -> Self::Words {
        *words
    }

    #[inline(always)]
    fn store_words(self, words: Self::Words, to: &mut [i16; BYTES]) {
        *to = words;
    }

    #[inline(always)]
    fn store_bytes(self, words: Self::Words, to: &mut [u8; BYTES]) {
        *to = core::array::from_fn(|i| words[i % 2 * 32 + i / 2] as u8);
    }

    #[inline(always)]
    fn zero_counts(self) -> Self::Counts {
        [0; BYTES]
    }

    #[inline(always)]
    fn count_ones(self, counts: Self::Counts, bits: u64, weights: &[u64; BYTES]) -> Self::Counts {
        core::array::from_fn(|i| {
            counts[i].wrapping_add(u64::from((bits & weights[i]).count_ones()))
        })
    }

    #[inline(always)]
    fn weigh_counts(self, low: Self::Counts, high: Self::Counts) -> Self::Counts {
        core::array::from_fn(|i| low[i].wrapping_add(high[i] << 1))
    }

    #[inline(always)]
    fn counts(self, counts: Self::Counts) -> Self::Words {
        let mut words = [0; BYTES];
        for (i, count) in counts.into_iter().enumerate() {
            words[counted(i / 8, i % 8)] = count as i16;
        }
        words
    }

    #[inline(always)]
    fn plane(self, bytes: &[u8; BYTES], bit: u32) -> u64 {
        let ones = bytes.iter().enumerate();
        ones.fold(0, |plane, (i, &byte)| {
            plane | u64::from(byte >> bit & 1) << i
        })
    }

    #[inline(always)]
    fn transpose(self, rows: &[[u8; 16]; 16]) -> [[u8; 16]; 16] {
        core::array::from_fn(|column| rows.map(|row| row[column]))
    }
}
