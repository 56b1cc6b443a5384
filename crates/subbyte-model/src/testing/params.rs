//! Random parameters of single operations.

use alloc::{vec, vec::Vec};

use super::Rng;
use crate::{CodeType, MulShift, Multipliers, Packed, Requant, Segment, Weights};

/// Codes of 1 to 8 bits: unsigned, signed, bipolar, or seldom of odd step and offset.
pub(super) fn code_type(rng: &mut Rng) -> CodeType {
    let bits = rng.pick(&[1, 2, 2, 2, 3, 4, 5, 6, 8, 8]);
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
    let bits = rng.pick(&[1, 1, 2, 2, 2, 3, 4, 4, 5, 8]);
    let (n, half) = ((1i16 << bits) - 1, 1i16 << (bits - 1));
    let codebook = match rng.below(4) {
        0 => (0..=n).map(|u| 2 * u - n).collect(),
        1 => (0..=n).map(|u| u - half).collect(),
        2 => (0..=n).map(power_of_two).collect(),
        _ => (0..=n).map(|_| rng.within(-130, 130) as i16).collect(),
    };
    let codes = codes(rng, bits, channels * per_channel);
    let multipliers = rng.once_in(4).then(|| {
        let length = rng.size(1, per_channel + 2);
        let runs = channels * per_channel.div_ceil(length);
        let high = rng.pick(&[0, 1, 15, 300]);
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

/// Parameters that spread the sums of `range` over many codes.
pub(super) fn requant(rng: &mut Rng, channels: usize, range: (i32, i32)) -> Requant {
    let code = code_type(rng);
    // Sums of random terms stay well inside their bounds.
    let shrink = rng.below(5);
    let (lo, hi) = (range.0 >> shrink, range.1 >> shrink);
    if code.bits <= 4 && !rng.once_in(5) {
        thresholds(rng, code, channels, lo, hi)
    } else {
        Requant::MulShift {
            code,
            channels: (0..channels)
                .map(|_| mul_shift(rng, code, lo, hi, range))
                .collect(),
        }
    }
}

fn thresholds(rng: &mut Rng, code: CodeType, channels: usize, lo: i32, hi: i32) -> Requant {
    let n = usize::from(code.max_code());
    let mut thresholds = vec![0; channels * n];
    for channel in thresholds.chunks_mut(n) {
        for threshold in channel.iter_mut() {
            *threshold = match rng.below(40) {
                0 => i32::MIN,
                1 => i32::MAX,
                _ => rng.within(lo.into(), hi.into()) as i32,
            };
        }
        channel.sort_unstable();
    }
    Requant::Thresholds {
        code,
        thresholds,
        descending: (0..channels).map(|_| rng.once_in(3)).collect(),
    }
}

fn mul_shift(rng: &mut Rng, code: CodeType, lo: i32, hi: i32, range: (i32, i32)) -> MulShift {
    let bias = rng.within(-40, 40) as i32;
    let fits = range.0.checked_add(bias).is_some() && range.1.checked_add(bias).is_some();
    let span = (i64::from(hi) - i64::from(lo)).max(1);
    let pre = (0..31).find(|pre| span >> pre < 1 << 15).unwrap_or(31);
    let shift = rng.size(8, 20) as u8;
    let wanted = (i64::from(code.max_code()) << shift) / (span >> pre).max(1);
    let mult = wanted.clamp(1, i64::from(i16::MAX)) as i16;
    MulShift {
        bias: if fits { bias } else { 0 },
        pre,
        mult: if rng.once_in(3) { -mult } else { mult },
        add: rng.within(0, i64::from(code.max_code()) << shift) as i32,
        shift,
    }
}
