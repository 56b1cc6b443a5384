//! The machine's ceiling: how fast a kernel could be if nothing but the innermost operations of its loop took time.
//!
//! A [`Mix`] names these operations and runs them on operands in registers or, where the loop has to load what it adds, in the
//! first cache. Whoever times it knows what a step costs at the least; [`Kernel::innermost`] says how many steps a problem takes.

use crate::{
    Job, Kernel, Level, Prepared, Problem, Region, Work,
    isa::{Algorithm, BYTES, Isa, LANES, at_level, compiled},
    memory::{Aligned, Block, view_mut},
};
use alloc::boxed::Box;

/// What the innermost loop of a kernel does in every step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mix {
    /// A dot product of two 16-bit numbers in 16 lanes.
    Dot16,
    /// A dot product of four bytes in 16 lanes, where products of two neighbours fit 16 bits.
    Dot8,
    /// The same where they do not.
    Dot8Wide,
    /// A lookup in a table of 16 bytes and an addition, in 64 bytes.
    Lookup16,
    /// A lookup in a table of 64 bytes and an addition, in 64 bytes.
    Lookup64,
    /// Conjunction, count of ones and addition, in 64 words of 64 bits.
    Count,
    /// The addition of a table entry of 64 bytes.
    Add,
}

/// The innermost steps that a kernel takes for a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Innermost {
    /// What each does.
    pub mix: Mix,
    /// How many there are, at least one.
    pub steps: u64,
}

impl Kernel {
    /// The innermost steps that it takes for a problem that it supports; `None` where its loop is none of the mixes.
    pub fn innermost(&self, problem: &Problem<'_>) -> Option<Innermost> {
        let Work { mix, steps, .. } = self.work(problem);
        let mix = mix.filter(|_| steps > 0)?;
        Some(Innermost { mix, steps })
    }
}

impl Mix {
    /// Lookups in tables of that many entries, 64 or 16.
    pub(crate) const fn lookup(entries: usize) -> Self {
        match entries {
            64 => Mix::Lookup64,
            _ => Mix::Lookup16,
        }
    }

    /// All mixes.
    pub const ALL: &[Mix] = &[
        Mix::Dot16,
        Mix::Dot8,
        Mix::Dot8Wide,
        Mix::Lookup16,
        Mix::Lookup64,
        Mix::Count,
        Mix::Add,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Mix::Dot16 => "16-bit dot product",
            Mix::Dot8 => "8-bit dot product",
            Mix::Dot8Wide => "8-bit dot product, wide",
            Mix::Lookup16 => "lookup of 16 + add",
            Mix::Lookup64 => "lookup of 64 + add",
            Mix::Count => "and + count + add",
            Mix::Add => "load + add",
        }
    }

    /// Runs at least `steps` steps at a level and says how many; `None` where this processor lacks it.
    pub fn run(self, level: Level, steps: u64) -> Option<u64> {
        let rounds = steps.div_ceil(STEPS_A_ROUND) as usize;
        let steps = Steps { mix: self, rounds };
        let prepared: Option<Box<dyn Prepared>> =
            at_level!(level, I => compiled::<I>(steps), else None);
        let mut arena = Block::zeros(VECTORS + OUTPUT);
        // Less than the entries of the smallest table, as indices have to be.
        for (i, byte) in view_mut::<u8>(&mut arena).iter_mut().enumerate() {
            *byte = (i * 7 % 16) as u8;
        }
        let (start, len) = (0, VECTORS);
        let output = Region {
            start: VECTORS,
            len: OUTPUT,
        };
        let inputs = [Region { start, len }];
        prepared?.run(Job::new(&mut arena, &inputs, output, Region::default(), 1));
        Some(rounds as u64 * STEPS_A_ROUND)
    }
}

/// Vectors of operands: few enough for the first cache, enough that no step is like the one before.
const VECTORS: usize = 64;

/// Blocks that results are written to.
const OUTPUT: usize = 1;

/// Steps of a round, a multiple of every tile.
const STEPS_A_ROUND: u64 = 24;

/// Rounds of steps.
struct Steps {
    mix: Mix,
    rounds: usize,
}

impl Algorithm for Steps {
    #[inline(always)]
    fn run<I: Isa>(&self, isa: I, job: Job<'_>) {
        let input: &[u8] = job.inputs.get(0);
        let operands = input.as_chunks().0.first_chunk().expect("as many blocks");
        let output = job.output.first_chunk_mut().expect("one block");
        let rounds = self.rounds;
        // As many sums as hide the time that an operation takes, and fit the registers with the operands.
        match (self.mix, I::MANY_REGISTERS) {
            (Mix::Dot16, _) => dot16::<I, 4>(isa, 6 * rounds, operands, output),
            (Mix::Dot8, true) => dot8::<I, 6, 4, false>(isa, rounds, operands, output),
            (Mix::Dot8, false) => dot8::<I, 4, 1, false>(isa, 6 * rounds, operands, output),
            (Mix::Dot8Wide, true) => dot8::<I, 6, 4, true>(isa, rounds, operands, output),
            (Mix::Dot8Wide, false) => dot8::<I, 4, 1, true>(isa, 6 * rounds, operands, output),
            (Mix::Lookup16, true) => lookups::<I, 8, 16>(isa, 3 * rounds, operands, output),
            (Mix::Lookup16, false) => lookups::<I, 2, 16>(isa, 12 * rounds, operands, output),
            (Mix::Lookup64, true) => lookups::<I, 8, 64>(isa, 3 * rounds, operands, output),
            (Mix::Lookup64, false) => lookups::<I, 2, 64>(isa, 12 * rounds, operands, output),
            (Mix::Count, _) => counts(isa, 24 * rounds, operands, output),
            (Mix::Add, _) => additions::<I, 4>(isa, 6 * rounds, operands, output),
        }
    }
}

type Operands = [[u8; BYTES]; VECTORS];
type Output = [u8; BYTES];

#[inline(always)]
fn lookups<I: Isa, const P: usize, const ROW: usize>(
    isa: I,
    times: usize,
    operands: &Operands,
    output: &mut Output,
) {
    let mut bytes = [isa.zero_bytes(); P];
    for i in 0..times {
        let index = isa.load_bytes(&operands[i % VECTORS]);
        for (bytes, table) in bytes.iter_mut().zip(operands) {
            let found = match ROW {
                64 => isa.lookup64(table, index),
                _ => isa.lookup16(table.first_chunk().expect("16 bytes"), index),
            };
            *bytes = isa.add_bytes(*bytes, found);
        }
    }
    keep(isa, &bytes, output);
}

#[inline(always)]
fn additions<I: Isa, const P: usize>(
    isa: I,
    times: usize,
    operands: &Operands,
    output: &mut Output,
) {
    let mut bytes = [isa.zero_bytes(); P];
    for i in 0..times {
        for (p, bytes) in bytes.iter_mut().enumerate() {
            let entry = isa.load_bytes(&operands[(i + p * (VECTORS / P)) % VECTORS]);
            *bytes = isa.add_bytes(*bytes, entry);
        }
    }
    keep(isa, &bytes, output);
}

/// Uses bytes, so that they have to be computed.
#[inline(always)]
fn keep<I: Isa>(isa: I, bytes: &[I::Bytes], output: &mut Output) {
    let mut sums = isa.zero_sums();
    for &bytes in bytes {
        sums = isa.add_to_sums(sums, bytes);
    }
    isa.store_bytes(isa.sums(sums), output);
}

#[inline(always)]
fn counts<I: Isa>(isa: I, times: usize, operands: &Operands, output: &mut Output) {
    let words: &[[u8; 8]; BYTES] = operands.as_flattened().as_chunks().0[..BYTES]
        .first_chunk()
        .expect("512 bytes");
    let words = Aligned(words.map(u64::from_le_bytes));
    let mut counts = isa.zero_counts();
    for i in 0..times {
        counts = isa.count_ones(counts, words.0[i % BYTES], &words.0);
    }
    isa.store_bytes(isa.counts(counts), output);
}

#[inline(always)]
fn dot8<I: Isa, const P: usize, const R: usize, const WIDE: bool>(
    isa: I,
    times: usize,
    operands: &Operands,
    output: &mut Output,
) {
    let weights = Aligned(operands.map(|bytes| bytes.map(|byte| byte as i8)));
    let mut sums = [[isa.zero(); R]; P];
    for i in 0..times {
        let codes = operands[i % VECTORS].as_chunks().0;
        for (sums, &codes) in sums.iter_mut().zip(codes) {
            for (r, sums) in sums.iter_mut().enumerate() {
                let weights = &weights.0[(i + r * (VECTORS / R)) % VECTORS];
                *sums = isa.dot4::<WIDE>(*sums, u32::from_le_bytes(codes), weights);
            }
        }
    }
    keep_sums(isa, sums.as_flattened(), output);
}

#[inline(always)]
fn dot16<I: Isa, const P: usize>(isa: I, times: usize, operands: &Operands, output: &mut Output) {
    let words = operands.map(|bytes| {
        let pairs: &[[u8; 2]] = bytes.as_chunks().0;
        core::array::from_fn(|i| i16::from_le_bytes(pairs[i]))
    });
    let words: Aligned<[[i16; 2 * LANES]; VECTORS]> = Aligned(words);
    let mut sums = [isa.zero(); P];
    for i in 0..times {
        let weights = &words.0[i % VECTORS];
        let pairs = words.0[(i + 1) % VECTORS].as_chunks().0;
        for (sums, &pair) in sums.iter_mut().zip(pairs) {
            *sums = isa.dot(*sums, pair, weights);
        }
    }
    keep_sums(isa, &sums, output);
}

/// Uses sums, so that they have to be computed.
#[inline(always)]
fn keep_sums<I: Isa>(isa: I, sums: &[I::Sums], output: &mut Output) {
    let mut all = [0; LANES];
    for &sums in sums {
        let mut own = [0; LANES];
        isa.store(sums, &mut own);
        for (all, own) in all.iter_mut().zip(own) {
            *all ^= own;
        }
    }
    for (to, from) in output.iter_mut().zip(all) {
        *to = from as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mix_runs_at_every_level_of_the_machine() {
        for &mix in Mix::ALL {
            for &level in Level::ALL {
                let done = mix.run(level, 1000);
                assert_eq!(done.is_some(), level.is_available(), "{level}");
                assert!(done.is_none_or(|done| (1000..1024).contains(&done)));
            }
        }
    }
}
