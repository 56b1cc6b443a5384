//! The proof that sums of products fit i32.

use alloc::{format, string::String};

use crate::{Segment, Weights};

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
        for row in 0..segment.channels {
            let bias = bias.get(channel).copied().unwrap_or(0);
            let first = row * weights.per_channel;
            let taps = first..first + weights.per_channel;
            let scaled = bound(
                taps.clone().map(|i| segment.level(i, weights.per_channel)),
                bias,
                range,
            );
            // Runs may be summed before they are multiplied, and a multiplier of 0 would hide them.
            let runs = match segment.multipliers {
                Some(_) => bound(taps.map(|i| unscaled(segment, i)), bias, range),
                None => scaled,
            };
            for (low, high) in [scaled, runs] {
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

fn unscaled(segment: &Segment, i: usize) -> i32 {
    i32::from(segment.codebook[usize::from(segment.codes.get(i))])
}

/// Bounds for one output channel. With P and N the sums of positive and of negative levels and 0 within `lo..=hi`, the terms reach
/// from `P * lo + N * hi` to `P * hi + N * lo`.
fn bound(levels: impl Iterator<Item = i32>, bias: i32, range: (i32, i32)) -> (i128, i128) {
    // 2^28 weights of 30 bits.
    let (mut positive, mut negative) = (0i64, 0i64);
    for level in levels {
        if level > 0 {
            positive += i64::from(level);
        } else {
            negative += i64::from(level);
        }
    }
    let [positive, negative] = [positive, negative].map(i128::from);
    let [lo, hi, bias] = [range.0.min(0), range.1.max(0), bias].map(i128::from);
    (
        bias.min(0) + positive * lo + negative * hi,
        bias.max(0) + positive * hi + negative * lo,
    )
}
