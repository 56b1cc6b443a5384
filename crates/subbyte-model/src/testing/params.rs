//! Random parameters of single operations.

use alloc::vec::Vec;

use super::Rng;
use crate::{CodeType, MulShift, Multipliers, Packed, Requant, Segment, Weights};

/// Codes of 1 to 8 bits: unsigned, signed, bipolar, or seldom of odd step and offset.
pub(super) fn code_type(rng: &mut Rng) -> CodeType {
    let bits = rng.pick(&[1, 1, 2, 2, 2, 3, 4, 5, 6, 7, 8, 8]);
    match rng.below(8) {
        0..=3 => CodeType::unsigned(bits),
        4..=5 => CodeType::signed(bits),
        6 => CodeType::bipolar(bits),
        _ => CodeType {
            bits,
            step: rng.within(1, 3) as i16,
            offset: rng.within(-9, 5) as i16,
        },
    }
}

/// `len` random codes of `bits` bits.
pub(super) fn codes(rng: &mut Rng, bits: u8, len: usize) -> Vec<u8> {
    (0..len).map(|_| (rng.bits() as u8) >> (8 - bits)).collect()
}

/// Weights in one to three segments of different bits, codebooks and multipliers.
pub(super) fn weights(rng: &mut Rng, channels: usize, per_channel: usize) -> Weights {
    let mut segments = Vec::new();
    let mut left = channels;
    while left > 0 {
        let channels = if rng.once_in(3) {
            rng.size(1, left)
        } else {
            left
        };
        segments.push(segment(rng, channels, per_channel));
        left -= channels;
    }
    Weights {
        per_channel,
        segments,
    }
}

fn segment(rng: &mut Rng, channels: usize, per_channel: usize) -> Segment {
    let bits = rng.pick(&[1, 1, 2, 2, 2, 3, 3, 4, 5, 6, 7, 8]);
    let (n, half) = ((1i16 << bits) - 1, 1i16 << (bits - 1));
    let codebook = match rng.below(4) {
        0 => (0..=n).map(|u| 2 * u - n).collect(),
        1 => (0..=n).map(|u| u - half).collect(),
        // Of three bits one code is left over.
        2 if bits == 3 => (0..n).map(power_of_two).chain([0]).collect(),
        2 => (0..=n).map(power_of_two).collect(),
        _ => (0..=n).map(|_| rng.within(-130, 130) as i16).collect(),
    };
    let codes = codes(rng, bits, channels * per_channel);
    let multipliers = rng.once_in(4).then(|| {
        let length = rng.size(1, per_channel + 2);
        let runs = channels * per_channel.div_ceil(length);
        let high = rng.pick(&[1, 15, 300]);
        Multipliers {
            length,
            values: (0..runs)
                .map(|_| rng.within(-high / 4, high) as i16)
                .collect(),
        }
    });
    Segment {
        channels,
        codebook,
        codes: Packed::new(bits, &codes),
        multipliers,
    }
}

/// 0, 1, -1, 2, -2, 4, … up to the magnitude 64.
fn power_of_two(code: i16) -> i16 {
    match code {
        0 => 0,
        _ => (1 << ((code - 1) / 2).min(6)) * if code % 2 == 1 { 1 } else { -1 },
    }
}

/// Biases for `channels` sums, or none.
pub(super) fn bias(rng: &mut Rng, channels: usize) -> Vec<i32> {
    let high = rng.pick(&[0, 5, 1000]);
    match high {
        0 => Vec::new(),
        _ => (0..channels)
            .map(|_| rng.within(-high, high) as i32)
            .collect(),
    }
}

/// Parameters that make many codes of sums in each channel's spread, and are valid for all in `range`.
pub(super) fn requant(rng: &mut Rng, spreads: &[(i32, i32)], range: (i32, i32)) -> Requant {
    let code = code_type(rng);
    if code.bits <= 4 && !rng.once_in(5) {
        let n = usize::from(code.max_code());
        let thresholds = spreads
            .iter()
            .flat_map(|&spread| thresholds(rng, n, spread));
        Requant::Thresholds {
            code,
            thresholds: thresholds.collect(),
            descending: spreads.iter().map(|_| rng.once_in(3)).collect(),
        }
    } else {
        let channels = spreads
            .iter()
            .map(|&spread| mul_shift(rng, code, spread, range));
        Requant::MulShift {
            code,
            channels: channels.collect(),
        }
    }
}

/// `n` thresholds within the spread, seldom beyond it.
fn thresholds(rng: &mut Rng, n: usize, (lo, hi): (i32, i32)) -> Vec<i32> {
    let mut thresholds: Vec<i32> = (0..n)
        .map(|_| match rng.below(40) {
            0 => i32::MIN,
            1 => i32::MAX,
            _ => rng.within(lo.into(), hi.into()) as i32,
        })
        .collect();
    thresholds.sort_unstable();
    thresholds
}

/// Brings the middle of `spread` to the middle of the codes, seldom with a falling slope.
fn mul_shift(rng: &mut Rng, code: CodeType, spread: (i32, i32), range: (i32, i32)) -> MulShift {
    let (lo, hi) = (i64::from(spread.0), i64::from(spread.1));
    let span = (hi - lo).max(1);
    let bias = (-(lo + hi) / 2 + rng.within(-5, 5)) as i32;
    let fits = range.0.checked_add(bias).is_some() && range.1.checked_add(bias).is_some();
    let pre = (0..31).find(|pre| span >> pre < 1 << 15).unwrap_or(31);
    let shift = rng.size(8, 20) as u8;
    let full = i64::from(code.max_code()) << shift;
    let mult = (full / (span >> pre)).clamp(1, i64::from(i16::MAX)) as i16;
    MulShift {
        bias: if fits { bias } else { 0 },
        pre,
        mult: if rng.once_in(3) { -mult } else { mult },
        add: (full / 2 + rng.within(0, 1 << shift)) as i32,
        shift,
    }
}
