//! From an i32 sum back to a code. Both forms need nothing wider than 32-bit lanes.

/// Code of `acc` by ascending `thresholds` (codes up to 4 bits): how many thresholds `acc` reaches. A descending channel
/// counts down from the largest code, `thresholds.len()`.
pub fn count_thresholds(acc: i32, thresholds: &[i32], descending: bool) -> u8 {
    let count = thresholds.iter().filter(|&&t| acc >= t).count() as u8;
    if descending {
        thresholds.len() as u8 - count
    } else {
        count
    }
}

/// Code of a sum by multiplier and shift (codes wider than 4 bits):
///
/// ```text
/// t    = clamp((acc + bias) >> pre, -2^15, 2^15 - 1)      16 bits
/// code = clamp((t * mult + add) >> shift, 0, max_code)    32 bits
/// ```
///
/// Shifts are arithmetic and round down; the rounding halves are part of `bias` and `add`. The caller proves that
/// `acc + bias` does not overflow; with the limits of [`MulShift::is_valid`] nothing else can.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MulShift {
    /// Added to the sum first.
    pub bias: i32,
    /// Right shift of the biased sum, 0 to 31.
    pub pre: u8,
    /// Multiplier; negative where the code falls with the sum.
    pub mult: i16,
    /// Added to the product.
    pub add: i32,
    /// Right shift of the result, 0 to 30.
    pub shift: u8,
}

impl MulShift {
    /// Largest magnitude of `add` that keeps `t * mult + add` in 32 bits.
    pub const MAX_ADD: i32 = 1 << 30;

    /// Whether the fields are within the limits under which [`MulShift::apply`] cannot overflow after `acc + bias`.
    pub const fn is_valid(&self) -> bool {
        self.pre <= 31 && self.shift <= 30 && self.add < Self::MAX_ADD && self.add > -Self::MAX_ADD
    }

    /// The code of `acc`, saturated to `0..=max_code`.
    pub fn apply(&self, acc: i32, max_code: u8) -> u8 {
        let t = ((acc + self.bias) >> self.pre).clamp(i32::from(i16::MIN), i32::from(i16::MAX));
        let code = (t * i32::from(self.mult) + self.add) >> self.shift;
        code.clamp(0, i32::from(max_code)) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_count_in_both_directions() {
        let t = [-5, 0, 7];
        assert_eq!(
            [-6, -5, -1, 0, 6, 7, 100].map(|a| count_thresholds(a, &t, false)),
            [0, 1, 1, 2, 2, 3, 3]
        );
        assert_eq!(
            [-6, -5, -1, 0, 6, 7, 100].map(|a| count_thresholds(a, &t, true)),
            [3, 2, 2, 1, 1, 0, 0]
        );
    }

    #[test]
    fn extremes_do_not_overflow() {
        for mult in [i16::MIN, -1, 0, 1, i16::MAX] {
            for add in [1 - MulShift::MAX_ADD, 0, MulShift::MAX_ADD - 1] {
                for (pre, shift) in [(0, 0), (31, 30), (4, 15)] {
                    let r = MulShift {
                        bias: 0,
                        pre,
                        mult,
                        add,
                        shift,
                    };
                    assert!(r.is_valid());
                    for acc in [i32::MIN, -1, 0, 1, i32::MAX] {
                        r.apply(acc, 255);
                    }
                }
            }
        }
    }

    #[test]
    fn scales_and_rounds() {
        // code = round(acc / 4 + 8): mult / 2^shift = 1/4 with halves in `add`.
        let r = MulShift {
            bias: 0,
            pre: 0,
            mult: 1,
            add: (8 << 2) + 2,
            shift: 2,
        };
        assert_eq!(
            [-100, -32, -31, 0, 1, 2, 5, 6, 10_000].map(|a| r.apply(a, 255)),
            [0, 0, 0, 8, 8, 9, 9, 10, 255]
        );
    }
}
