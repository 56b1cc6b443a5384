//! From sums of 16 bits to codes where the lanes of a vector are pixels of one output channel.

use alloc::vec::Vec;

use super::Finish;
use crate::isa::{Isa, Multiplier};

/// What becomes of the sums, one output channel after the other.
pub(crate) struct Lanes {
    max_code: u8,
    channels: Channels,
}

enum Channels {
    Thresholds(Vec<Thresholds>),
    MulShift(Vec<Multiplier>),
}

struct Thresholds {
    /// One less than each threshold: codes count what is greater.
    table: Vec<i16>,
    descending: bool,
}

impl Lanes {
    /// Packs `finish` for sums of 16 bits that lie within ±32767 and lack the constant of their channel; `None` where 16 bits
    /// lose something.
    pub fn new(finish: &Finish<'_>, constants: &[i32]) -> Option<Self> {
        match *finish {
            Finish::Sums => None,
            Finish::Thresholds {
                max_code,
                thresholds,
                descending,
            } => {
                let own = thresholds.chunks_exact(max_code.into());
                let channels = own.zip(descending).zip(constants);
                let channels = channels.map(|((own, &descending), &constant)| Thresholds {
                    table: own.iter().map(|&t| below(t, constant)).collect(),
                    descending,
                });
                Some(Self {
                    max_code,
                    channels: Channels::Thresholds(channels.collect()),
                })
            }
            Finish::MulShift { max_code, channels } => {
                let channels = channels.iter().zip(constants).map(|(own, &constant)| {
                    let bias = i64::from(own.bias) + i64::from(constant);
                    (own.pre == 0).then_some(Multiplier {
                        bias: i16::try_from(bias).ok()?,
                        mult: own.mult.into(),
                        add: own.add,
                        shift: own.shift.into(),
                    })
                });
                Some(Self {
                    max_code,
                    channels: Channels::MulShift(channels.collect::<Option<_>>()?),
                })
            }
        }
    }

    /// Bytes of packed parameters.
    pub fn packed_bytes(&self) -> usize {
        match &self.channels {
            Channels::Thresholds(channels) => {
                let tables = channels.iter().map(|own| size_of_val(&own.table[..]));
                tables.sum()
            }
            Channels::MulShift(channels) => size_of_val(&channels[..]),
        }
    }

    /// Codes of the pixels of a vector.
    #[inline(always)]
    pub fn codes<I: Isa>(&self, isa: I, sums: I::Words, channel: usize) -> I::Words {
        match &self.channels {
            Channels::Thresholds(channels) => {
                let own = &channels[channel];
                let mut counts = isa.zero_words();
                for &threshold in &own.table {
                    counts = isa.count_greater_all(counts, sums, threshold);
                }
                if own.descending {
                    counts = isa.scale_words(counts, -1, self.max_code.into());
                }
                counts
            }
            Channels::MulShift(channels) => {
                isa.multiply_all(sums, &channels[channel], self.max_code)
            }
        }
    }
}

/// One less than a threshold, of sums that lie within ±32767: all of them exceed the one end of the range, none the other.
pub(super) fn below(threshold: i32, constant: i32) -> i16 {
    let below = i64::from(threshold) - i64::from(constant) - 1;
    below.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}
