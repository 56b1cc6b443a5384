/// What the unsigned codes of a tensor stand for: `level = step * code + offset`, with codes in `0..2^bits`.
///
/// One form covers every activation format: unsigned codes are (1, 0), signed ones (1, -2^(bits-1)), bipolar ones (2, -1).
/// In the words of affine quantization, `value = scale * (code - zero)` with `zero = -offset / step`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CodeType {
    /// Bits of one code, 1 to 8.
    pub bits: u8,
    /// Levels between neighbouring codes, at least 1.
    pub step: i16,
    /// Level of code 0.
    pub offset: i16,
}

impl CodeType {
    /// Codes that are their own levels, `0..2^bits`.
    pub const fn unsigned(bits: u8) -> Self {
        Self {
            bits,
            step: 1,
            offset: 0,
        }
    }

    /// Levels `-2^(bits-1) ..= 2^(bits-1) - 1`.
    pub const fn signed(bits: u8) -> Self {
        Self {
            bits,
            step: 1,
            offset: -(1 << (bits - 1)),
        }
    }

    /// Odd levels `-(2^bits - 1), …, -1, 1, …, 2^bits - 1`; at 1 bit the levels are -1 and 1.
    pub const fn bipolar(bits: u8) -> Self {
        Self {
            bits,
            step: 2,
            offset: 1 - (1 << bits),
        }
    }

    /// Whether `bits` is 1 to 8 and `step` positive.
    pub const fn is_valid(self) -> bool {
        self.bits >= 1 && self.bits <= 8 && self.step >= 1
    }

    /// The largest code, `n = 2^bits - 1`.
    pub const fn max_code(self) -> u8 {
        ((1u16 << self.bits) - 1) as u8
    }

    /// Level of `code`.
    pub const fn level(self, code: u8) -> i32 {
        self.step as i32 * code as i32 + self.offset as i32
    }

    /// Level of code 0.
    pub const fn min_level(self) -> i32 {
        self.level(0)
    }

    /// Level of the largest code.
    pub const fn max_level(self) -> i32 {
        self.level(self.max_code())
    }

    /// The code whose level is 0, where there is one.
    pub const fn zero_code(self) -> Option<u8> {
        let zero = -(self.offset as i32);
        let step = self.step as i32;
        if zero >= 0 && zero % step == 0 && zero / step <= self.max_code() as i32 {
            Some((zero / step) as u8)
        } else {
            None
        }
    }

    /// The code of the largest level not above `level`, saturating at both ends.
    pub const fn saturate(self, level: i32) -> u8 {
        let code = (level - self.offset as i32).div_euclid(self.step as i32);
        if code < 0 {
            0
        } else if code > self.max_code() as i32 {
            self.max_code()
        } else {
            code as u8
        }
    }
}

#[cfg(test)]
mod tests {
    use super::CodeType;

    #[test]
    fn every_code_is_recovered_from_its_level() {
        for bits in 1..=8 {
            for ty in [
                CodeType::unsigned(bits),
                CodeType::signed(bits),
                CodeType::bipolar(bits),
            ] {
                assert!(ty.is_valid());
                for code in 0..=ty.max_code() {
                    assert_eq!(ty.saturate(ty.level(code)), code, "{ty:?}");
                }
                assert_eq!(ty.saturate(ty.min_level() - 1000), 0);
                assert_eq!(ty.saturate(ty.max_level() + 1000), ty.max_code());
                assert_eq!(
                    ty.zero_code().map(|c| ty.level(c)),
                    (ty.step == 1).then_some(0)
                );
            }
        }
    }

    #[test]
    fn ranges_are_the_customary_ones() {
        assert_eq!(
            (
                CodeType::signed(8).min_level(),
                CodeType::signed(8).max_level()
            ),
            (-128, 127)
        );
        assert_eq!(
            (
                CodeType::bipolar(1).min_level(),
                CodeType::bipolar(1).max_level()
            ),
            (-1, 1)
        );
        assert_eq!(
            (
                CodeType::bipolar(2).min_level(),
                CodeType::bipolar(2).max_level()
            ),
            (-3, 3)
        );
        assert_eq!(
            (
                CodeType::unsigned(2).min_level(),
                CodeType::unsigned(2).max_level()
            ),
            (0, 3)
        );
    }
}
