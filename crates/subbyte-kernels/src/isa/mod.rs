//! Instruction sets: the small vector interface over which every algorithm is written once, and its instances.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod portable;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod simd128;
#[cfg(target_arch = "x86_64")]
mod sse2;

#[cfg(target_arch = "x86_64")]
pub use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub use avx512::Avx512;
#[cfg(target_arch = "aarch64")]
pub use neon::{Dotprod, Neon};
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
pub use portable::Portable;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub use simd128::Simd128;

use alloc::boxed::Box;

use crate::{
    Job, Level,
    memory::{Aligned, Split},
};

/// Whether the processor has all of these features: found out at run time with the standard library, else as promised by the
/// build target.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! has_features {
    ($($feature:tt),*) => {{
        #[cfg(all(feature = "std", target_arch = "x86_64"))]
        let all = true $(&& std::is_x86_feature_detected!($feature))*;
        #[cfg(all(feature = "std", target_arch = "aarch64"))]
        let all = true $(&& std::arch::is_aarch64_feature_detected!($feature))*;
        #[cfg(not(feature = "std"))]
        let all = cfg!(all($(target_feature = $feature),*));
        all
    }};
}
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(crate) use has_features;

/// `$result`, with `$isa` standing for the instruction set of the level; `$other` where this build has none for it.
macro_rules! at_level {
    ($level:expr, $isa:ident => $result:expr, else $other:expr) => {
        match $level {
            #[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
            $crate::Level::Portable => {
                type $isa = $crate::isa::Portable;
                $result
            }
            #[cfg(target_arch = "x86_64")]
            $crate::Level::Avx2 => {
                type $isa = $crate::isa::Avx2;
                $result
            }
            #[cfg(target_arch = "x86_64")]
            $crate::Level::Avx512 => {
                type $isa = $crate::isa::Avx512;
                $result
            }
            #[cfg(target_arch = "aarch64")]
            $crate::Level::Neon => {
                type $isa = $crate::isa::Neon;
                $result
            }
            #[cfg(target_arch = "aarch64")]
            $crate::Level::Dotprod => {
                type $isa = $crate::isa::Dotprod;
                $result
            }
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            $crate::Level::Simd128 => {
                type $isa = $crate::isa::Simd128;
                $result
            }
            _ => $other,
        }
    };
}
pub(crate) use at_level;

/// Lanes of a vector of sums, the same for every instruction set so that packed weights are too.
pub const LANES: usize = 16;

/// Bytes of a vector of [`Isa::Bytes`], the same for every instruction set: output channels of a panel of a low-bit kernel.
pub const BYTES: usize = 64;

/// Vectors of 64-bit lanes in [`Isa::Counts`], and lanes of each.
pub const COUNTS: [usize; 2] = [8, 8];

/// Multiplier and shift of every lane of [`Isa::Words`], in split order; those of 32 bits lie where [`unpacked`] says.
#[derive(Clone)]
#[repr(C, align(64))]
pub struct Multipliers {
    /// Added first.
    pub bias: [i16; BYTES],
    /// Factors of 16 bits.
    pub mult: [i32; BYTES],
    /// Added to the products.
    pub add: [i32; BYTES],
    /// Right shifts, 0 to 31.
    pub shift: [i32; BYTES],
}

/// Where [`Multipliers`] have the parameters of 32 bits of a lane: of every 32 lanes first those of the lower halves of eight, then
/// those of the upper ones, as unpacking within parts of 128 bits gives them.
pub const fn unpacked(lane: usize) -> usize {
    lane / 32 * 32 + lane % 8 / 4 * 16 + lane % 32 / 8 * 4 + lane % 4
}

/// Multiplier and shift of one channel.
#[derive(Clone, Copy)]
pub struct Multiplier {
    /// Added first.
    pub bias: i16,
    /// Factor of 16 bits.
    pub mult: i32,
    /// Added to the product.
    pub add: i32,
    /// Right shift, 0 to 31.
    pub shift: i32,
}

/// Multiplier and shifts of every lane of [`Isa::Sums`].
#[derive(Clone, Copy, Default)]
#[repr(C, align(64))]
pub struct SumMultipliers {
    /// Added first.
    pub bias: [i32; LANES],
    /// Right shifts of the sums, 0 to 31.
    pub pre: [i32; LANES],
    /// Factors of 16 bits.
    pub mult: [i32; LANES],
    /// Added to the products.
    pub add: [i32; LANES],
    /// Right shifts of the result, 0 to 31.
    pub shift: [i32; LANES],
}

/// An instruction set. A value of the type proves that this processor has it.
///
/// What runs between [`Isa::enter`] and these functions uses loops rather than closures: a closure that is not inlined is
/// compiled without the instruction set, and every operation in it becomes a call.
pub trait Isa: Copy + Send + Sync + 'static {
    /// Its level.
    const LEVEL: Level;

    /// Pixels whose [`Isa::Bytes`] are best added up at a time: as many as registers hold.
    const TILE: usize;

    /// [`LANES`] sums of 32 bits.
    type Sums: Copy;

    /// The proof, where the processor has the instruction set.
    fn detect() -> Option<Self>;

    /// Runs the task in a copy that is compiled for this instruction set.
    fn enter<T: Task>(self, task: T) -> T::Output;

    /// Whether there are registers for 24 vectors of sums and some more.
    const MANY_REGISTERS: bool;

    /// Whether [`Isa::dot4`] is as fast for all operands, so that `WIDE` is of no use.
    const ALWAYS_WIDE: bool;

    /// Zeros.
    fn zero(self) -> Self::Sums;

    /// `a + b` of every lane, modulo 2^32.
    fn add(self, a: Self::Sums, b: Self::Sums) -> Self::Sums;

    /// `a - b` of every lane, modulo 2^32.
    fn subtract(self, a: Self::Sums, b: Self::Sums) -> Self::Sums;

    /// A quarter of every lane, rounded down.
    fn quarter(self, sums: Self::Sums) -> Self::Sums;

    /// `sums[o] + Σ codes[i] * weights[4 * o + i]` over four codes, the first in the lowest byte, modulo 2^32. Unless `WIDE`, two
    /// neighbouring products must fit 16 bits and a sign when added.
    fn dot4<const WIDE: bool>(
        self,
        sums: Self::Sums,
        codes: u32,
        weights: &[i8; 4 * LANES],
    ) -> Self::Sums;

    /// Loads sums.
    fn load(self, sums: &[i32; LANES]) -> Self::Sums;

    /// Stores sums.
    fn store(self, sums: Self::Sums, to: &mut [i32; LANES]);

    /// `sums[o] + a[0] * weights[2 * o] + a[1] * weights[2 * o + 1]`, modulo 2^32.
    fn dot(self, sums: Self::Sums, a: [i16; 2], weights: &[i16; 2 * LANES]) -> Self::Sums;

    /// [`BYTES`] unsigned bytes.
    type Bytes: Copy;

    /// [`BYTES`] sums of 16 bits that bytes are being added to.
    type Adding: Copy;

    /// [`BYTES`] integers of 16 bits in *split order*: those of the even bytes, then those of the odd ones.
    type Words: Copy;

    /// [`BYTES`] counts, one in every 64-bit lane.
    type Counts: Copy;

    /// Loads bytes.
    fn load_bytes(self, bytes: &[u8; BYTES]) -> Self::Bytes;

    /// Loads bytes from two places.
    #[inline(always)]
    fn join2(self, parts: [&[u8; BYTES / 2]; 2]) -> Self::Bytes {
        let mut bytes = [0; BYTES];
        for (to, part) in bytes.as_chunks_mut().0.iter_mut().zip(parts) {
            *to = *part;
        }
        self.load_bytes(&bytes)
    }

    /// Loads bytes from four places.
    #[inline(always)]
    fn join4(self, parts: [&[u8; BYTES / 4]; 4]) -> Self::Bytes {
        let mut bytes = [0; BYTES];
        for (to, part) in bytes.as_chunks_mut().0.iter_mut().zip(parts) {
            *to = *part;
        }
        self.load_bytes(&bytes)
    }

    /// Zeros.
    fn zero_bytes(self) -> Self::Bytes;

    /// `a + b` of every lane, modulo 2^8.
    fn add_bytes(self, a: Self::Bytes, b: Self::Bytes) -> Self::Bytes;

    /// `table[index]` of every lane; indices are less than 16.
    fn lookup16(self, table: &[u8; 16], index: Self::Bytes) -> Self::Bytes;

    /// `table[index]` of every lane; indices are less than 64.
    fn lookup64(self, table: &[u8; 64], index: Self::Bytes) -> Self::Bytes;

    /// The largest step for which [`Isa::lookup_every`] takes a few instructions; 0 where it goes byte by byte.
    const LOOKUP_EVERY: usize = 0;

    /// `table[bytes[i * step]]` for [`BYTES`] values of `i`, of which there are at least `BYTES * step` bytes.
    #[inline(always)]
    fn lookup_every(self, table: &[u8; 256], bytes: &[u8], step: usize) -> [u8; BYTES] {
        let mut found = [0; BYTES];
        for (to, &byte) in found.iter_mut().zip(bytes.iter().step_by(step)) {
            *to = table[usize::from(byte)];
        }
        found
    }

    /// Zeros.
    fn zero_sums(self) -> Self::Adding;

    /// `sums + bytes` of every lane, modulo 2^16.
    fn add_to_sums(self, sums: Self::Adding, bytes: Self::Bytes) -> Self::Adding;

    /// The sums.
    fn sums(self, sums: Self::Adding) -> Self::Words;

    /// Zeros.
    fn zero_words(self) -> Self::Words;

    /// `words * factor + term` of every lane, modulo 2^16.
    fn scale_words(self, words: Self::Words, factor: i16, term: i16) -> Self::Words;

    /// `words + terms` of every lane, modulo 2^16; the terms are in split order.
    fn add_words(self, words: Self::Words, terms: &[i16; BYTES]) -> Self::Words;

    /// `counts`, one more in every lane where the signed `words` are greater than `than`.
    fn count_greater(
        self,
        counts: Self::Words,
        words: Self::Words,
        than: &Aligned<[i16; BYTES]>,
    ) -> Self::Words;

    /// As [`Isa::count_greater`] with the same for all lanes.
    #[inline(always)]
    fn count_greater_all(self, counts: Self::Words, words: Self::Words, than: i16) -> Self::Words {
        self.count_greater(counts, words, &Aligned([than; BYTES]))
    }

    /// `((words + bias) * mult + add) >> shift` of every lane within `0..=max_code`; `words + bias` saturated in 16 bits, the rest in
    /// 32 bits.
    #[inline(always)]
    fn multiply(self, words: Self::Words, by: &Multipliers, max_code: u8) -> Self::Words {
        let mut all = [0; BYTES];
        self.store_words(words, &mut all);
        for (lane, word) in all.iter_mut().enumerate() {
            let (t, at) = (
                i32::from(word.saturating_add(by.bias[lane])),
                unpacked(lane),
            );
            let code = t.wrapping_mul(by.mult[at]).wrapping_add(by.add[at]);
            let code = code.wrapping_shr(by.shift[at] as u32);
            *word = code.clamp(0, max_code.into()) as i16;
        }
        self.load_words(&all)
    }

    /// As [`Isa::multiply`] with the same for all lanes.
    #[inline(always)]
    fn multiply_all(self, words: Self::Words, by: &Multiplier, max_code: u8) -> Self::Words {
        let mut all = [0; BYTES];
        self.store_words(words, &mut all);
        for word in &mut all {
            let t = i32::from(word.saturating_add(by.bias));
            let code = t.wrapping_mul(by.mult).wrapping_add(by.add);
            let code = code.wrapping_shr(by.shift as u32);
            *word = code.clamp(0, max_code.into()) as i16;
        }
        self.load_words(&all)
    }

    /// `(t * mult + add) >> shift` of every lane within `0..=max_code`, where `t = (sums + bias) >> pre` is saturated in 16 bits.
    #[inline(always)]
    fn multiply_sums(self, sums: Self::Sums, by: &SumMultipliers, max_code: u8) -> [u8; LANES] {
        let (mut all, mut codes) = ([0; LANES], [0; LANES]);
        self.store(sums, &mut all);
        for lane in 0..LANES {
            let t = all[lane].wrapping_add(by.bias[lane]);
            let t = t.wrapping_shr(by.pre[lane] as u32);
            let t = t.clamp(i16::MIN.into(), i16::MAX.into());
            let code = t.wrapping_mul(by.mult[lane]).wrapping_add(by.add[lane]);
            let code = code.wrapping_shr(by.shift[lane] as u32);
            codes[lane] = code.clamp(0, max_code.into()) as u8;
        }
        codes
    }

    /// How many of the thresholds, at most 255, every lane reaches.
    #[inline(always)]
    fn count_reached(self, sums: Self::Sums, thresholds: &[[i32; LANES]]) -> [u8; LANES] {
        let (mut all, mut counts) = ([0; LANES], [0u8; LANES]);
        self.store(sums, &mut all);
        for thresholds in thresholds {
            for lane in 0..LANES {
                counts[lane] = counts[lane].wrapping_add((all[lane] >= thresholds[lane]).into());
            }
        }
        counts
    }

    /// Loads words in split order.
    fn load_words(self, words: &[i16; BYTES]) -> Self::Words;

    /// Stores words in split order.
    fn store_words(self, words: Self::Words, to: &mut [i16; BYTES]);

    /// Stores the low bytes in the order of bytes.
    fn store_bytes(self, words: Self::Words, to: &mut [u8; BYTES]);

    /// Zeros.
    fn zero_counts(self) -> Self::Counts;

    /// `counts + number of ones in (bits & weights)` of every lane.
    fn count_ones(self, counts: Self::Counts, bits: u64, weights: &[u64; BYTES]) -> Self::Counts;

    /// `low + 2 * high` of every lane.
    fn weigh_counts(self, low: Self::Counts, high: Self::Counts) -> Self::Counts;

    /// Counts, which are less than 2^16, interleaved: lane `l` of vector `v` becomes word [`counted`]`(v, l)`.
    fn counts(self, counts: Self::Counts) -> Self::Words;

    /// The sum of all bytes.
    #[inline(always)]
    fn sum_bytes(self, bytes: &[u8; BYTES]) -> u32 {
        let bytes = bytes.iter().map(|&byte| u32::from(byte));
        bytes.fold(0, u32::wrapping_add)
    }

    /// Bit `bit` of every byte, the first byte's lowest.
    fn plane(self, bytes: &[u8; BYTES], bit: u32) -> u64;

    /// Rows become columns.
    fn transpose(self, rows: &[[u8; 16]; 16]) -> [[u8; 16]; 16];

    /// Columns, which lie `pitch` bytes apart, become rows.
    ///
    /// # Panics
    /// If `from` is shorter than all columns with what lies between them.
    #[inline(always)]
    fn rows(self, from: &[u8], pitch: usize) -> [[u8; BYTES]; 16] {
        let mut rows = [[0; BYTES]; 16];
        for part in 0..BYTES / 16 {
            let mut block = [[0; 16]; 16];
            for (i, column) in block.iter_mut().enumerate() {
                column.copy_from_slice(&from[(16 * part + i) * pitch..][..16]);
            }
            for (row, own) in rows.iter_mut().zip(self.transpose(&block)) {
                row.as_chunks_mut().0[part] = own;
            }
        }
        rows
    }

    /// Rows become columns, which are written `pitch` bytes apart: the low bytes, each row's in the order of bytes.
    ///
    /// # Panics
    /// If `to` is shorter than all columns with what lies between them.
    #[inline(always)]
    fn columns(self, rows: &[Self::Words; 16], to: &mut [u8], pitch: usize) {
        let mut bytes = [[0; BYTES]; 16];
        for (bytes, &row) in bytes.iter_mut().zip(rows) {
            self.store_bytes(row, bytes);
        }
        for part in 0..BYTES / 16 {
            let mut block = [[0; 16]; 16];
            for (to, from) in block.iter_mut().zip(&bytes) {
                *to = from.as_chunks().0[part];
            }
            for (i, column) in self.transpose(&block).iter().enumerate() {
                to[(16 * part + i) * pitch..][..16].copy_from_slice(column);
            }
        }
    }
}

/// Where [`Isa::counts`] puts lane `lane` of vector `vector`.
pub const fn counted(vector: usize, lane: usize) -> usize {
    vector / 4 * 32 + 4 * lane + vector % 4
}

/// Code that is written once and compiled for every [`Isa`].
pub trait Task {
    /// What it computes.
    type Output;

    /// Computes it. `#[inline(always)]` in every implementation, so that the code lands in the copy that [`Isa::enter`] makes.
    fn run<I: Isa>(self, isa: I) -> Self::Output;
}

/// A kernel's code with what it packed for one problem. Written once, compiled for every [`Isa`].
pub trait Algorithm: Send + Sync + 'static {
    /// Computes the output of the job from its inputs. `#[inline(always)]` in every implementation, so that the code lands in
    /// the copy that [`Isa::enter`] makes.
    fn run<I: Isa>(&self, isa: I, job: Job<'_>);

    /// How the output can be divided.
    fn split(&self) -> Split {
        Split::WHOLE
    }

    /// Bytes of scratch space that a run, or a part of one, needs.
    fn scratch_bytes(&self) -> usize {
        0
    }

    /// Bytes of packed weights and tables.
    fn packed_bytes(&self) -> usize {
        0
    }
}

/// A kernel that is ready to run: chosen, packed and compiled for one instruction set.
pub trait Prepared: Send + Sync {
    /// Computes the output of the job from its inputs.
    ///
    /// # Panics
    /// If a tensor or the scratch space of the job is smaller than the problem needs.
    fn run(&self, job: Job<'_>);

    /// How the output can be divided.
    fn split(&self) -> Split;

    /// Bytes of scratch space that a run, or a part of one, needs.
    fn scratch_bytes(&self) -> usize;

    /// Bytes of packed weights and tables.
    fn packed_bytes(&self) -> usize;
}

/// One run of an algorithm.
struct Once<'a, A>(&'a A, Job<'a>);

impl<A: Algorithm> Task for Once<'_, A> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        self.0.run(isa, self.1);
    }
}

struct Compiled<I, A> {
    isa: I,
    algorithm: A,
}

impl<I: Isa, A: Algorithm> Prepared for Compiled<I, A> {
    fn run(&self, job: Job<'_>) {
        self.isa.enter(Once(&self.algorithm, job));
    }

    fn split(&self) -> Split {
        self.algorithm.split()
    }

    fn scratch_bytes(&self) -> usize {
        self.algorithm.scratch_bytes()
    }

    fn packed_bytes(&self) -> usize {
        self.algorithm.packed_bytes()
    }
}

/// The algorithm for an instruction set, where the processor has that one.
pub(crate) fn compiled<I: Isa>(algorithm: impl Algorithm) -> Option<Box<dyn Prepared>> {
    let isa = I::detect()?;
    Some(Box::new(Compiled { isa, algorithm }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{Block, Region, sums_mut, view, view_mut};

    /// Vector steps over extreme and mixed operands: dot products of 16 and 8 bits, and look-ups.
    struct Steps;

    const OPERANDS: [i16; 6] = [i16::MIN, -3, 0, 1, 700, i16::MAX];
    const CODES: [u8; 6] = [255, 128, 127, 0, 1, 200];
    const WEIGHTS: [i8; 6] = [i8::MIN, 127, -1, 0, 64, -77];

    fn operand<T: Copy>(from: [T; 6], lane: usize, i: usize, seed: usize) -> T {
        from[(lane * 5 + i * 3 + seed) % from.len()]
    }

    fn codes(seed: usize) -> [u8; 4] {
        core::array::from_fn(|i| CODES[(seed + seed / 6 * i) % CODES.len()])
    }

    fn table(i: usize) -> u8 {
        (i * 37 + 11) as u8
    }

    fn index(i: usize, seed: usize) -> u8 {
        (i * 29 + seed) as u8 % 64
    }

    impl Algorithm for Steps {
        fn run<I: Isa>(&self, isa: I, job: Job<'_>) {
            let seed = job.inputs.get::<i32>(0)[0] as usize;
            let out = sums_mut(job.output).as_chunks_mut().0;
            let start = core::array::from_fn(|lane| lane as i32 - 8);
            let a = [OPERANDS[seed % 6], OPERANDS[seed / 6 % 6]];
            let weights = core::array::from_fn(|i| operand(OPERANDS, i / 2, i % 2, seed));
            isa.store(isa.dot(isa.load(&start), a, &weights), &mut out[0]);
            let weights = core::array::from_fn(|i| operand(WEIGHTS, i / 4, i % 4, seed));
            let codes = u32::from_le_bytes(codes(seed));
            isa.store(
                isa.dot4::<true>(isa.load(&start), codes, &weights),
                &mut out[1],
            );
            let find = |rows: usize| core::array::from_fn(|i| index(i, seed) % rows as u8);
            let found16 = isa.lookup16(&core::array::from_fn(table), isa.load_bytes(&find(16)));
            let found64 = isa.lookup64(&core::array::from_fn(table), isa.load_bytes(&find(64)));
            // Added up as words, so that both are seen: in split order, and back in that of bytes.
            let sums = isa.add_to_sums(isa.add_to_sums(isa.zero_sums(), found16), found64);
            let mut words = [0; BYTES];
            isa.store_words(isa.sums(sums), &mut words);
            for (i, &word) in words.iter().enumerate() {
                out[2 + i / LANES][i % LANES] = word.into();
            }
        }
    }

    fn check<I: Isa>() {
        let Some(isa) = I::detect() else {
            std::println!("skipped: this processor lacks {}", I::LEVEL);
            return;
        };
        for seed in 0..36 {
            let mut arena = Block::zeros(7);
            view_mut::<i32>(&mut arena)[0] = seed as i32;
            let inputs = [Region { start: 0, len: 1 }];
            let (output, scratch) = (Region { start: 1, len: 6 }, Region::default());
            let job = Job::new(&mut arena, &inputs, output, scratch, 1);
            isa.enter(Once(&Steps, job));
            let found = view::<i32>(&arena[1..]);
            for lane in 0..LANES {
                let product = |i: usize| {
                    let a = i64::from(OPERANDS[if i == 0 { seed % 6 } else { seed / 6 % 6 }]);
                    a * i64::from(operand(OPERANDS, lane, i, seed))
                };
                let exact = lane as i64 - 8 + product(0) + product(1);
                let level = I::LEVEL;
                assert_eq!(found[lane], exact as i32, "{level} lane {lane} seed {seed}");
                let products = codes(seed)
                    .into_iter()
                    .enumerate()
                    .map(|(i, code)| i32::from(code) * i32::from(operand(WEIGHTS, lane, i, seed)));
                let exact = lane as i32 - 8 + products.sum::<i32>();
                assert_eq!(
                    found[LANES + lane],
                    exact,
                    "{level} bytes of lane {lane} seed {seed}"
                );
            }
            for i in 0..BYTES {
                let byte = 2 * (i % 32) + i / 32;
                let entry = |rows: u8| i32::from(table(usize::from(index(byte, seed) % rows)));
                assert_eq!(
                    found[2 * LANES + i],
                    entry(16) + entry(64),
                    "{} word {i} seed {seed}",
                    I::LEVEL
                );
            }
        }
    }

    #[test]
    fn every_instruction_set_computes_the_same() {
        for &level in Level::ALL {
            at_level!(level, I => check::<I>(), else panic!("no instruction set for {level}"));
        }
    }
}
