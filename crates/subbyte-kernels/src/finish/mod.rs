//! What a kernel does with its sums before they leave it: keep them, or make codes of them.

mod lanes;
mod narrow;

pub(crate) use lanes::Lanes;
pub(crate) use narrow::Narrow;

use alloc::{vec, vec::Vec};

use subbyte_num::MulShift;

use crate::{
    isa::{Isa, LANES, SumMultipliers},
    memory::sums_mut,
};

/// How sums leave a kernel.
#[derive(Clone, Copy, Debug)]
pub enum Finish<'a> {
    /// As they are, 32 bits each.
    Sums,
    /// As codes, by counting thresholds; see [`subbyte_num::count_thresholds`].
    Thresholds {
        /// Thresholds of a channel, the largest code.
        max_code: u8,
        /// Ascending thresholds, `[channels][max_code]`.
        thresholds: &'a [i32],
        /// Per channel, whether codes fall as the sum rises.
        descending: &'a [bool],
    },
    /// As codes, by multiplier and shift.
    MulShift {
        /// The largest code.
        max_code: u8,
        /// One a channel.
        channels: &'a [MulShift],
    },
}

impl Finish<'_> {
    /// Bytes of one element of the result.
    pub const fn element_bytes(&self) -> usize {
        match self {
            Finish::Sums => 4,
            Finish::Thresholds { .. } | Finish::MulShift { .. } => 1,
        }
    }
}

/// A [`Finish`] packed in groups of [`LANES`] channels, the last group filled up.
pub(crate) struct Finisher {
    channels: usize,
    form: Form,
}

enum Form {
    Sums,
    Thresholds {
        max_code: usize,
        groups: Vec<Thresholds>,
    },
    MulShift {
        max_code: u8,
        groups: Vec<SumMultipliers>,
    },
}

struct Thresholds {
    /// `[max_code][LANES]`.
    table: Vec<[i32; LANES]>,
    /// -1 where the codes of a lane descend, else 0.
    flip: [i32; LANES],
}

impl Finisher {
    /// Packs `finish` for that many channels.
    pub fn new(finish: &Finish<'_>, channels: usize) -> Self {
        let groups = channels.div_ceil(LANES);
        let form = match *finish {
            Finish::Sums => Form::Sums,
            Finish::Thresholds {
                max_code,
                thresholds,
                descending,
            } => {
                let max_code = usize::from(max_code);
                let mut groups: Vec<Thresholds> = (0..groups)
                    .map(|_| Thresholds {
                        table: vec![[0; LANES]; max_code],
                        flip: [0; LANES],
                    })
                    .collect();
                for channel in 0..channels {
                    let (group, lane) = (&mut groups[channel / LANES], channel % LANES);
                    let own = &thresholds[channel * max_code..][..max_code];
                    for (row, &threshold) in group.table.iter_mut().zip(own) {
                        row[lane] = threshold;
                    }
                    group.flip[lane] = -i32::from(descending[channel]);
                }
                Form::Thresholds { max_code, groups }
            }
            Finish::MulShift {
                max_code,
                channels: parameters,
            } => {
                let mut groups = vec![SumMultipliers::default(); groups];
                for (channel, p) in parameters[..channels].iter().enumerate() {
                    let (group, lane) = (&mut groups[channel / LANES], channel % LANES);
                    group.bias[lane] = p.bias;
                    group.pre[lane] = i32::from(p.pre);
                    group.mult[lane] = i32::from(p.mult);
                    group.add[lane] = p.add;
                    group.shift[lane] = i32::from(p.shift);
                }
                Form::MulShift { max_code, groups }
            }
        };
        Self { channels, form }
    }

    /// Sums from one pixel to the next in what [`Finisher::write`] reads: the channels, filled up to whole groups.
    pub fn stride(&self) -> usize {
        self.channels.next_multiple_of(LANES)
    }

    /// Bytes of one element of the result.
    pub fn element_bytes(&self) -> usize {
        match &self.form {
            Form::Sums => 4,
            Form::Thresholds { .. } | Form::MulShift { .. } => 1,
        }
    }

    /// Bytes of packed parameters.
    pub fn packed_bytes(&self) -> usize {
        match &self.form {
            Form::Sums => 0,
            Form::Thresholds { max_code, groups } => groups.len() * (max_code + 1) * LANES * 4,
            Form::MulShift { groups, .. } => size_of_val(&groups[..]),
        }
    }

    /// Writes the pixels from `first` on of an output `[pixels][channels]`, from sums `[pixels][stride]`.
    #[inline(always)]
    pub fn write(&self, sums: &[i32], output: &mut [u8], first: usize) {
        let (channels, stride) = (self.channels, self.stride());
        let pixels = sums.len() / stride;
        match &self.form {
            Form::Sums => {
                let output = &mut sums_mut(output)[first * channels..][..pixels * channels];
                for (to, from) in output
                    .chunks_exact_mut(channels)
                    .zip(sums.chunks_exact(stride))
                {
                    to.copy_from_slice(&from[..channels]);
                }
            }
            Form::Thresholds { max_code, groups } => {
                let max_code = *max_code as i32;
                self.codes(sums, output, first, groups, |group, sums| {
                    by_thresholds(group, max_code, sums)
                });
            }
            Form::MulShift { max_code, groups } => {
                let max_code = i32::from(*max_code);
                self.codes(sums, output, first, groups, |group, sums| {
                    by_multiplier(group, max_code, sums)
                });
            }
        }
    }

    /// Writes the channels from `first` on, a multiple of [`LANES`], as the elements of the output from `at` on.
    #[inline(always)]
    pub fn write_part(&self, sums: &[i32], first: usize, at: usize, output: &mut [u8]) {
        match &self.form {
            Form::Sums => {
                let output = &mut output[4 * at..][..4 * sums.len()];
                for (to, sum) in output.as_chunks_mut::<4>().0.iter_mut().zip(sums) {
                    *to = sum.to_ne_bytes();
                }
            }
            Form::Thresholds { max_code, groups } => {
                let max_code = *max_code as i32;
                let groups = &groups[first / LANES..];
                part(sums, &mut output[at..], groups, |group, sums| {
                    by_thresholds(group, max_code, sums)
                });
            }
            Form::MulShift { max_code, groups } => {
                let max_code = i32::from(*max_code);
                let groups = &groups[first / LANES..];
                part(sums, &mut output[at..], groups, |group, sums| {
                    by_multiplier(group, max_code, sums)
                });
            }
        }
    }

    /// Writes the channels of group `group` of a pixel as the elements of the output from `at` on.
    #[inline(always)]
    pub fn write_group<I: Isa>(
        &self,
        isa: I,
        sums: I::Sums,
        group: usize,
        at: usize,
        output: &mut [u8],
    ) {
        let len = LANES.min(self.channels - group * LANES);
        let codes = match &self.form {
            Form::Sums => {
                let mut all = [0; LANES];
                isa.store(sums, &mut all);
                sums_mut(output)[at..][..len].copy_from_slice(&all[..len]);
                return;
            }
            Form::Thresholds { max_code, groups } => {
                let group = &groups[group];
                let mut codes = isa.count_reached(sums, &group.table);
                for (code, &flip) in codes.iter_mut().zip(&group.flip) {
                    // `code` where flip is 0, `max_code - code` where it is -1.
                    let flip = flip as u8;
                    *code = (*code ^ flip)
                        .wrapping_sub(flip)
                        .wrapping_add(*max_code as u8 & flip);
                }
                codes
            }
            Form::MulShift { max_code, groups } => {
                isa.multiply_sums(sums, &groups[group], *max_code)
            }
        };
        match output[at..].first_chunk_mut() {
            Some(to) if len == LANES => *to = codes,
            _ => output[at..][..len].copy_from_slice(&codes[..len]),
        }
    }

    /// Writes codes that `code` makes of one group of channels at a time.
    #[inline(always)]
    fn codes<G>(
        &self,
        sums: &[i32],
        output: &mut [u8],
        first: usize,
        groups: &[G],
        code: impl Fn(&G, &[i32; LANES]) -> [u8; LANES],
    ) {
        let (channels, stride) = (self.channels, self.stride());
        let pixels = sums.len() / stride;
        let output = &mut output[first * channels..][..pixels * channels];
        for (to, from) in output
            .chunks_exact_mut(channels)
            .zip(sums.chunks_exact(stride))
        {
            let (whole, rest) = to.as_chunks_mut::<LANES>();
            let from = from.as_chunks::<LANES>().0;
            for ((to, from), group) in whole.iter_mut().zip(from).zip(groups) {
                *to = code(group, from);
            }
            if let (false, Some(group), Some(from)) = (rest.is_empty(), groups.last(), from.last())
            {
                rest.copy_from_slice(&code(group, from)[..rest.len()]);
            }
        }
    }
}

#[inline(always)]
fn part<G>(
    sums: &[i32],
    to: &mut [u8],
    groups: &[G],
    code: impl Fn(&G, &[i32; LANES]) -> [u8; LANES],
) {
    for ((sums, to), group) in sums.chunks(LANES).zip(to.chunks_mut(LANES)).zip(groups) {
        let mut all = [0; LANES];
        all[..sums.len()].copy_from_slice(sums);
        to[..sums.len()].copy_from_slice(&code(group, &all)[..sums.len()]);
    }
}

#[inline(always)]
fn by_thresholds(group: &Thresholds, max_code: i32, sums: &[i32; LANES]) -> [u8; LANES] {
    let mut counts = [0i32; LANES];
    for row in &group.table {
        for ((count, &sum), &threshold) in counts.iter_mut().zip(sums).zip(row) {
            *count = count.wrapping_add(i32::from(sum >= threshold));
        }
    }
    let mut codes = [0; LANES];
    for ((code, &count), &flip) in codes.iter_mut().zip(&counts).zip(&group.flip) {
        // `count` where flip is 0, `max_code - count` where it is -1.
        *code = (count ^ flip)
            .wrapping_sub(flip)
            .wrapping_add(max_code & flip) as u8;
    }
    codes
}

#[inline(always)]
fn by_multiplier(group: &SumMultipliers, max_code: i32, sums: &[i32; LANES]) -> [u8; LANES] {
    let mut codes = [0; LANES];
    for lane in 0..LANES {
        let t = sums[lane]
            .wrapping_add(group.bias[lane])
            .wrapping_shr(group.pre[lane] as u32)
            .clamp(i32::from(i16::MIN), i32::from(i16::MAX));
        let code = t
            .wrapping_mul(group.mult[lane])
            .wrapping_add(group.add[lane])
            .wrapping_shr(group.shift[lane] as u32);
        codes[lane] = code.clamp(0, max_code) as u8;
    }
    codes
}
