//! The proof that sums of products fit i32.

use alloc::{format, string::String};

use crate::Weights;

/// Bounds of all sums `bias[o] + Σ weight * x` with every `x` in `range`, and of every sum of some of these terms: only the terms
/// of one sign together reach a bound, so that no order of additions can leave it. Taps that padding skips are such left-out
/// terms.
///
/// # Errors
/// If a bound is outside i32.
pub(super) fn bounds(
    weights: &Weights,
    bias: &[i32],
    range: (i32, i32),
) -> Result<(i32, i32), String> {
    let (mut lo, mut hi) = (0, 0);
    let mut channel = 0;
    for segment in &weights.segments {
        let (codes, levels) = (segment.codes.unpack(), segment.levels());
        let signed = levels.map(Signed::of);
        for row in 0..segment.channels {
            let bias = bias.get(channel).copied().unwrap_or(0);
            let first = row * weights.per_channel;
            let taps = first..first + weights.per_channel;
            let unscaled = bound(total(&codes[taps.clone()], &signed), bias, range);
            // Runs may be summed before they are multiplied, and a multiplier of 0 would hide them.
            let scaled = match segment.multipliers {
                Some(_) => {
                    let levels = taps.map(|i| segment.level(i, weights.per_channel));
                    let positive = levels.clone().map(|level| i64::from(level.max(0))).sum();
                    let negative = levels.map(|level| i64::from(level.min(0))).sum();
                    bound([positive, negative], bias, range)
                }
                None => unscaled,
            };
            for (low, high) in [scaled, unscaled] {
                match (i32::try_from(low), i32::try_from(high)) {
                    (Ok(low), Ok(high)) => (lo, hi) = (low.min(lo), high.max(hi)),
                    _ => {
                        return Err(format!(
                            "sums of output channel {channel} can reach {low} to {high}, beyond 32 bits"
                        ));
                    }
                }
            }
            channel += 1;
        }
    }
    Ok((lo, hi))
}

/// A level of 16 bits by its sign: what is above 0 in the upper half, what is below 0 in the lower one, without its sign. Up to 2^16
/// of them are added at once.
#[derive(Clone, Copy)]
struct Signed(u64);

impl Signed {
    fn of(level: i32) -> Self {
        let magnitude = u64::from(level.unsigned_abs());
        Signed(if level > 0 {
            magnitude << 32
        } else {
            magnitude
        })
    }
}

/// Sums of the positive and of the negative levels of codes.
fn total(codes: &[u8], signed: &[Signed; 256]) -> [i64; 2] {
    // 2^28 weights of 16 bits.
    let (mut positive, mut negative) = (0, 0);
    for codes in codes.chunks(1 << 16) {
        let levels = codes.iter().map(|&code| signed[usize::from(code)].0);
        let sum: u64 = levels.sum();
        positive += (sum >> 32) as i64;
        negative -= (sum & u64::from(u32::MAX)) as i64;
    }
    [positive, negative]
}

/// Bounds for one output channel. With P and N the sums of positive and of negative levels and 0 within `lo..=hi`, the terms reach
/// from `P * lo + N * hi` to `P * hi + N * lo`.
fn bound(sums: [i64; 2], bias: i32, range: (i32, i32)) -> (i128, i128) {
    let [positive, negative] = sums.map(i128::from);
    let [lo, hi, bias] = [range.0.min(0), range.1.max(0), bias].map(i128::from);
    (
        bias.min(0) + positive * lo + negative * hi,
        bias.max(0) + positive * hi + negative * lo,
    )
}
