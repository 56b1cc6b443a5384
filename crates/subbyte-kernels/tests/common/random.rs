use std::ops::RangeInclusive;

use subbyte_num::{CodeType, MulShift};

use subbyte_kernels::Finish;

/// A small generator (SplitMix64), so that every case follows from its seed.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub fn range(&mut self, range: RangeInclusive<i64>) -> i64 {
        let size = (range.end() - range.start() + 1) as u64;
        range.start() + (self.next() % size) as i64
    }

    pub fn size(&mut self, range: RangeInclusive<usize>) -> usize {
        self.range(*range.start() as i64..=*range.end() as i64) as usize
    }

    pub fn chance(&mut self, one_in: u64) -> bool {
        self.next().is_multiple_of(one_in)
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.size(0..=of.len() - 1)]
    }

    pub fn code_type(&mut self, bits: RangeInclusive<u8>) -> CodeType {
        let bits = self.range((*bits.start()).into()..=(*bits.end()).into()) as u8;
        match self.size(0..=3) {
            0 => CodeType::signed(bits),
            1 => CodeType::bipolar(bits),
            _ => CodeType::unsigned(bits),
        }
    }

    /// Random codes; now and then only the smallest or only the largest.
    pub fn codes(&mut self, code: CodeType, len: usize) -> Vec<u8> {
        match self.size(0..=5) {
            0 => vec![0; len],
            1 => vec![code.max_code(); len],
            _ => {
                let max = i64::from(code.max_code());
                (0..len).map(|_| self.range(0..=max) as u8).collect()
            }
        }
    }

    /// Random integers within `±max`; now and then only the extremes.
    pub fn integers(&mut self, max: i32, len: usize) -> Vec<i32> {
        let max = i64::from(max);
        let extremes = self.chance(5);
        let mut draw = || match extremes {
            true => self.pick(&[-max, max]) as i32,
            false => self.range(-max..=max) as i32,
        };
        (0..len).map(|_| draw()).collect()
    }
}

/// Owns what a [`Finish`] borrows.
pub enum OwnedFinish {
    Sums,
    Thresholds(u8, Vec<i32>, Vec<bool>),
    MulShift(u8, Vec<MulShift>),
}

impl OwnedFinish {
    /// Parameters for `channels` channels whose sums lie within about `±reach`.
    pub fn random(random: &mut Random, channels: usize, reach: i32) -> Self {
        match random.size(0..=2) {
            0 => OwnedFinish::Sums,
            1 => {
                let max_code = CodeType::unsigned(random.size(1..=4) as u8).max_code();
                let mut thresholds = Vec::new();
                for _ in 0..channels {
                    let mut own = random.integers(reach, max_code.into());
                    if random.chance(4) {
                        own[0] = i32::MIN;
                        own[usize::from(max_code) - 1] = i32::MAX;
                    }
                    own.sort_unstable();
                    thresholds.extend(own);
                }
                let descending = (0..channels).map(|_| random.chance(3)).collect();
                OwnedFinish::Thresholds(max_code, thresholds, descending)
            }
            _ => {
                let max_code = CodeType::unsigned(random.size(1..=8) as u8).max_code();
                // The whole range of codes spans about the whole reach.
                let pre = reach.ilog2().saturating_sub(12) as u8;
                let width = (reach >> pre).max(1).ilog2();
                let shift = (width + 14)
                    .saturating_sub(u32::from(max_code).ilog2())
                    .min(28) as u8;
                let channels = (0..channels)
                    .map(|_| MulShift {
                        bias: random.integers(reach / 4 + 1, 1)[0],
                        pre,
                        mult: random.range(-(1 << 14)..=1 << 14) as i16,
                        add: random.integers(1 << shift, 1)[0],
                        shift,
                    })
                    .collect();
                OwnedFinish::MulShift(max_code, channels)
            }
        }
    }

    pub fn finish(&self) -> Finish<'_> {
        match self {
            OwnedFinish::Sums => Finish::Sums,
            OwnedFinish::Thresholds(max_code, thresholds, descending) => Finish::Thresholds {
                max_code: *max_code,
                thresholds,
                descending,
            },
            OwnedFinish::MulShift(max_code, channels) => Finish::MulShift {
                max_code: *max_code,
                channels,
            },
        }
    }
}
