use core::fmt;
use core::str::FromStr;

/// A floating-point format of 2 to 8 bits without infinities or NaN (methods.md 4.2): codes are sign (if any), exponent and mantissa,
/// from the highest bit down, and mean whole multiples of the smallest positive number, here called **levels**.
///
/// With `M` mantissa bits, exponent `e` and mantissa `m` a magnitude is `m` levels for `e = 0` (subnormal) and
/// `(2^M + m) * 2^(e - 1)` above. What a level is worth is the scale of a [`MinifloatGrid`], so an exponent bias is not part of the
/// format. `E1M(b-2)` has the levels of a symmetric integer of `b` bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Minifloat {
    exponent: u8,
    mantissa: u8,
    signed: bool,
    /// Magnitudes at the top that stand for no number; their codes saturate.
    reserved: u8,
}

/// Why a format does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FormatError {
    /// Bits outside 2 to 8, sign included.
    Bits(u32),
    /// Exponent bits outside 1 to 7. Without any, and with one, levels are equidistant: that format is E1; eight leave the range of f32.
    Exponent(u8),
    /// No name of a format.
    Name,
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FormatError::Bits(bits) => {
                write!(f, "a float of {bits} bits does not exist here; 2 to 8 do, sign included")
            }
            FormatError::Exponent(bits) => {
                write!(f, "a float needs 1 to 7 exponent bits, not {bits}; whole numbers are E1")
            }
            FormatError::Name => f.write_str(
                "no format has this name; give exponent and mantissa bits such as e4m3, ue4m4 for one without sign, ocp-e4m3 or ocp-e5m2",
            ),
        }
    }
}

impl core::error::Error for FormatError {}

impl Minifloat {
    /// The OCP format E4M3: one code of each sign is NaN there, so that the largest number is 448.
    pub const OCP_E4M3: Self = Self::with_reserved(4, 3, 1);
    /// The OCP format E5M2: infinity and NaN take four codes of each sign there, so that the largest number is 57,344.
    pub const OCP_E5M2: Self = Self::with_reserved(5, 2, 4);
    /// The OCP format E3M2, up to 28.
    pub const E3M2: Self = Self::with_reserved(3, 2, 0);
    /// The OCP format E2M3, up to 7.5.
    pub const E2M3: Self = Self::with_reserved(2, 3, 0);
    /// The OCP format E2M1, up to 6.
    pub const E2M1: Self = Self::with_reserved(2, 1, 0);

    const fn with_reserved(exponent: u8, mantissa: u8, reserved: u8) -> Self {
        Self {
            exponent,
            mantissa,
            signed: true,
            reserved,
        }
    }

    /// The format of so many exponent and mantissa bits; all its codes are numbers.
    ///
    /// # Errors
    /// If it would not have 2 to 8 bits, sign included, or not 1 to 7 exponent bits.
    pub const fn new(exponent: u8, mantissa: u8, signed: bool) -> Result<Self, FormatError> {
        let bits = exponent as u32 + mantissa as u32 + signed as u32;
        if exponent < 1 || exponent > 7 {
            Err(FormatError::Exponent(exponent))
        } else if bits < 2 || bits > 8 {
            Err(FormatError::Bits(bits))
        } else {
            Ok(Self {
                exponent,
                mantissa,
                signed,
                reserved: 0,
            })
        }
    }

    /// All formats of so many bits, by rising exponent bits; none where there are none of that many bits.
    pub fn all(bits: u8, signed: bool) -> impl Iterator<Item = Self> {
        let numbers = bits.saturating_sub(u8::from(signed));
        (1..=numbers.min(7)).filter_map(move |e| Self::new(e, numbers - e, signed).ok())
    }

    /// Exponent bits.
    pub const fn exponent_bits(self) -> u8 {
        self.exponent
    }

    /// Mantissa bits.
    pub const fn mantissa_bits(self) -> u8 {
        self.mantissa
    }

    /// Whether there is a sign bit.
    pub const fn is_signed(self) -> bool {
        self.signed
    }

    /// Bits of a code.
    pub const fn bits(self) -> u8 {
        self.exponent + self.mantissa + self.signed as u8
    }

    /// The largest level.
    pub fn max_level(self) -> f32 {
        self.magnitude(self.max_magnitude())
    }

    /// The largest number where the smallest exponent bias is IEEE's, `2^(E-1) - 1`: what the OCP formats reach.
    pub fn standard_max(self) -> f64 {
        let bias = (1 << (self.exponent - 1)) - 1;
        f64::from(self.max_level()) * power(1 - bias - i32::from(self.mantissa))
    }

    /// Code of the largest magnitude, without its sign.
    const fn max_magnitude(self) -> u8 {
        ((1u16 << (self.exponent + self.mantissa)) - 1) as u8 - self.reserved
    }

    /// Level of a magnitude.
    fn magnitude(self, magnitude: u8) -> f32 {
        let fraction = magnitude & ((1 << self.mantissa) - 1);
        match magnitude >> self.mantissa {
            0 => f32::from(fraction),
            e => {
                f32::from((1u16 << self.mantissa) as u8 + fraction) * power(i32::from(e) - 1) as f32
            }
        }
    }

    /// Level of a code. Codes of no number stand for the largest of their sign; bits above the format's are ignored.
    pub fn level(self, code: u8) -> f32 {
        let sign = self.sign_bit();
        let magnitude = (code & (self.max_code() - sign)).min(self.max_magnitude());
        let level = self.magnitude(magnitude);
        if code & sign != 0 { -level } else { level }
    }

    /// The level nearest to `x`, saturating; ties go to the even significand, that of `2^k` where the mantissa has no bits. NaN stays
    /// NaN.
    pub fn nearest(self, x: f32) -> f32 {
        self.rounder().nearest(x)
    }

    /// What rounds many numbers.
    pub fn rounder(self) -> MinifloatRounder {
        let max = self.max_level();
        let shift = 23 - u32::from(self.mantissa);
        MinifloatRounder {
            min: if self.signed { -max } else { 0.0 },
            max,
            normal: f32::from((1u16 << self.mantissa) as u8),
            shift,
            half: (1 << (shift - 1)) - 1,
            odd: u32::from(self.mantissa == 0),
        }
    }

    /// Code of the level nearest to `x`. Zero has no sign; NaN becomes code 0.
    pub fn code(self, x: f32) -> u8 {
        let level = self.nearest(x);
        let magnitude = level.abs();
        if level.is_nan() || magnitude == 0.0 {
            return 0;
        }
        let code = if magnitude < f32::from((1u16 << self.mantissa) as u8) {
            magnitude as u8
        } else {
            let bits = magnitude.to_bits();
            let exponent = (bits >> 23) as i32 - 126 - i32::from(self.mantissa);
            let fraction = bits >> (23 - self.mantissa) & ((1 << self.mantissa) - 1);
            (exponent as u8) << self.mantissa | fraction as u8
        };
        if level < 0.0 {
            code | self.sign_bit()
        } else {
            code
        }
    }

    /// Level of every code, `2^bits` of them.
    pub fn levels(self) -> impl ExactSizeIterator<Item = f32> {
        (0..1usize << self.bits()).map(move |code| self.level(code as u8))
    }

    const fn max_code(self) -> u8 {
        ((1u16 << self.bits()) - 1) as u8
    }

    /// The bit of the sign; 0 without one.
    const fn sign_bit(self) -> u8 {
        if self.signed {
            1 << (self.exponent + self.mantissa)
        } else {
            0
        }
    }
}

/// [`Minifloat::nearest`] without branches, so that loops over it become vector instructions.
///
/// It computes `step * round_half_even(x / step)` with `step = 2^max(0, floor(log2 |x|) - M)`: below `2^M` all steps are 1, and above
/// the step is one unit in the last of the mantissa's bits that are kept.
#[derive(Clone, Copy, Debug)]
pub struct MinifloatRounder {
    min: f32,
    max: f32,
    /// `2^M`, the least level that is no subnormal.
    normal: f32,
    /// Bits of f32's mantissa that are dropped.
    shift: u32,
    /// Just less than half of the last bit that is kept.
    half: u32,
    /// 1 where every significand is odd.
    odd: u32,
}

impl MinifloatRounder {
    /// The level nearest to `x`.
    #[inline(always)]
    pub fn nearest(self, x: f32) -> f32 {
        /// Added to what is below 2^7, it leaves no bits for a fraction.
        const ROUND: f32 = 8_388_608.0;
        let x = x.clamp(self.min, self.max);
        let magnitude = x.abs();
        let below = (magnitude + ROUND) - ROUND;
        let bits = magnitude.to_bits();
        let odd = bits >> self.shift & 1 | self.odd;
        let above = bits.wrapping_add(self.half + odd) >> self.shift << self.shift;
        let level = if magnitude < self.normal {
            below
        } else {
            f32::from_bits(above)
        };
        if x.is_nan() { x } else { level.copysign(x) }
    }

    /// The least and the largest level.
    pub fn range(self) -> [f32; 2] {
        [self.min, self.max]
    }
}

/// `2^k`, `k` from -1022 to 1023.
fn power(k: i32) -> f64 {
    f64::from_bits(((k + 1023) as u64) << 52)
}

/// Such as `E4M3`, `UE4M4` without a sign, `OCP-E4M3`.
impl fmt::Display for Minifloat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = match (self.signed, self.reserved) {
            (false, _) => "U",
            (true, 0) => "",
            (true, _) => "OCP-",
        };
        write!(f, "{prefix}E{}M{}", self.exponent, self.mantissa)
    }
}

impl fmt::Debug for Minifloat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Names as they are displayed, in letters of either case.
impl FromStr for Minifloat {
    type Err = FormatError;

    fn from_str(name: &str) -> Result<Self, FormatError> {
        for preset in [Self::OCP_E4M3, Self::OCP_E5M2] {
            let plain = name
                .get(..4)
                .is_some_and(|p| p.eq_ignore_ascii_case("ocp-"));
            if plain
                && Self::from_str(&name[4..])?
                    == (Self {
                        reserved: 0,
                        ..preset
                    })
            {
                return Ok(preset);
            }
        }
        let after = |text: &str, letter: char| -> Option<usize> {
            text.starts_with(|c: char| c.eq_ignore_ascii_case(&letter))
                .then_some(1)
        };
        let parsed = || {
            let unsigned = after(name, 'u').unwrap_or(0);
            let rest = &name[unsigned..];
            let digits = &rest[after(rest, 'e')?..];
            let split = digits.find(['m', 'M'])?;
            let number = |digits: &str| match digits.as_bytes() {
                [digit @ b'0'..=b'9'] => Some(digit - b'0'),
                _ => None,
            };
            Some((
                number(&digits[..split])?,
                number(&digits[split + 1..])?,
                unsigned == 0,
            ))
        };
        let (exponent, mantissa, signed) = parsed().ok_or(FormatError::Name)?;
        Self::new(exponent, mantissa, signed)
    }
}

/// Real value to code and back on the numbers of a [`Minifloat`] format: `value = offset + level * clip / max_level`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MinifloatGrid {
    /// Codes and their levels.
    pub format: Minifloat,
    /// Value of the largest code above `offset`, positive.
    pub clip: f32,
    /// Value of level 0; other than 0 for tensors whose smallest value is known, such as those behind a SiLU.
    pub offset: f32,
}

impl MinifloatGrid {
    /// Whether all values are finite and no level is lost for want of range.
    pub fn is_valid(self) -> bool {
        self.clip.is_finite()
            && self.clip > 0.0
            && self.unit() >= f32::MIN_POSITIVE
            && (self.offset + self.clip).is_finite()
            && (self.offset - self.clip).is_finite()
    }

    /// Real value of one level.
    pub fn unit(self) -> f32 {
        (f64::from(self.clip) / f64::from(self.format.max_level())) as f32
    }

    /// The value of the grid nearest to `x`, as training and evaluation both compute it.
    pub fn nearest(self, x: f32) -> f32 {
        let unit = self.unit();
        self.format.nearest((x - self.offset) / unit) * unit + self.offset
    }

    /// Code of the value nearest to `x`; NaN becomes code 0.
    pub fn code(self, x: f32) -> u8 {
        self.format.code((x - self.offset) / self.unit())
    }

    /// Value of a code.
    pub fn value(self, code: u8) -> f32 {
        self.format.level(code) * self.unit() + self.offset
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;
    use std::vec::Vec;

    use super::*;

    fn every_format() -> Vec<Minifloat> {
        let mut formats: Vec<Minifloat> = (2..=8)
            .flat_map(|bits| Minifloat::all(bits, true).chain(Minifloat::all(bits, false)))
            .collect();
        formats.extend([Minifloat::OCP_E4M3, Minifloat::OCP_E5M2]);
        formats
    }

    fn format(name: &str) -> Minifloat {
        name.parse().expect(name)
    }

    /// Every level with its code, written down as the definition says, rising; zero once.
    fn value_set(format: Minifloat) -> Vec<(f64, u8)> {
        let (e_bits, m_bits) = (format.exponent_bits(), format.mantissa_bits());
        let mut set = Vec::new();
        for e in 0..1u32 << e_bits {
            for m in 0..1u32 << m_bits {
                let code = (e << m_bits | m) as u8;
                if code > format.max_magnitude() {
                    continue;
                }
                let fraction = f64::from(m) / f64::from(1u32 << m_bits);
                // In units of the smallest positive number, 2^(1 - bias - M).
                let level = match e {
                    0 => fraction * f64::from(1u32 << m_bits),
                    e => 2f64.powi(e as i32 - 1 + i32::from(m_bits)) * (1.0 + fraction),
                };
                set.push((level, code));
                if format.is_signed() && level > 0.0 {
                    set.push((-level, code | 1 << (e_bits + m_bits)));
                }
            }
        }
        set.sort_by(|a, b| a.0.total_cmp(&b.0));
        set
    }

    #[test]
    fn there_are_formats_of_two_to_eight_bits_and_no_others() {
        for bits in 0..=9 {
            let signed = Minifloat::all(bits, true).count();
            let expected = if (2..=8).contains(&bits) {
                usize::from(bits) - 1
            } else {
                0
            };
            assert_eq!(signed, expected, "{bits} bits");
        }
        assert_eq!(Minifloat::all(8, false).count(), 7);
        assert_eq!(Minifloat::new(0, 3, true), Err(FormatError::Exponent(0)));
        assert_eq!(Minifloat::new(8, 0, false), Err(FormatError::Exponent(8)));
        assert_eq!(Minifloat::new(4, 4, true), Err(FormatError::Bits(9)));
        assert_eq!(Minifloat::new(1, 0, false), Err(FormatError::Bits(1)));
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for format in every_format() {
            assert_eq!(format.to_string().parse(), Ok(format));
            assert_eq!(format.to_string().to_lowercase().parse(), Ok(format));
        }
        for (name, error) in [
            ("", FormatError::Name),
            ("fp8", FormatError::Name),
            ("e4", FormatError::Name),
            ("ocp-e3m2", FormatError::Name),
            ("e4m3fn", FormatError::Name),
            ("é4m3", FormatError::Name),
            ("e9m1", FormatError::Exponent(9)),
            ("e4m4", FormatError::Bits(9)),
        ] {
            assert_eq!(name.parse::<Minifloat>(), Err(error), "{name}");
        }
    }

    #[test]
    fn every_code_means_the_number_of_the_definition_and_comes_back() {
        for format in every_format() {
            let set = value_set(format);
            for &(level, code) in &set {
                assert_eq!(f64::from(format.level(code)), level, "{format} code {code}");
                assert_eq!(format.code(level as f32), code, "{format} level {level}");
                assert_eq!(f64::from(format.nearest(level as f32)), level, "{format}");
            }
            assert!(set.is_sorted_by(|a, b| a.0 < b.0), "{format}");
            assert_eq!(set.last().map(|l| l.0), Some(f64::from(format.max_level())));
            // What is left is a negative zero and the codes of no number.
            let known: Vec<u8> = set.iter().map(|l| l.1).collect();
            for code in (0..=format.max_code()).filter(|code| !known.contains(code)) {
                let level = format.level(code);
                assert!(
                    level == 0.0 || level.abs() == format.max_level(),
                    "{format} {code}"
                );
            }
        }
    }

    #[test]
    fn every_number_becomes_the_nearest_of_the_set() {
        for format in every_format() {
            let set = value_set(format);
            let mut probes = std::vec![
                f32::INFINITY,
                f32::NEG_INFINITY,
                f32::MAX,
                f32::MIN,
                -0.0,
                1e-30
            ];
            for pair in set.windows(2) {
                let (a, b) = (pair[0].0 as f32, pair[1].0 as f32);
                for share in [0.0, 0.25, 0.4, 0.5, 0.6, 0.75, 1.0] {
                    let x = a + (b - a) * share;
                    probes.extend([x, x.next_up(), x.next_down()]);
                }
            }
            let top = format.max_level();
            probes.extend([top * 1.001, top * 1.5, -top * 1.001]);
            for x in probes {
                let found = format.nearest(x);
                let off = (f64::from(found) - f64::from(x).clamp(-f64::MAX, f64::MAX)).abs();
                for &(level, _) in &set {
                    let other = (level - f64::from(x)).abs();
                    assert!(
                        off <= other || x.is_infinite(),
                        "{format}: {x} to {found}, not {level}"
                    );
                }
                let code = format.code(x);
                assert_eq!(format.level(code), found, "{format} at {x}");
            }
            assert_eq!(format.nearest(f32::INFINITY), top);
            let lowest = if format.is_signed() { -top } else { 0.0 };
            assert_eq!(format.nearest(f32::NEG_INFINITY), lowest);
            assert!(format.nearest(f32::NAN).is_nan());
            assert_eq!(format.code(f32::NAN), 0);
        }
    }

    #[test]
    fn ties_go_to_the_even_significand() {
        for format in every_format() {
            let positive = value_set(format).into_iter().filter(|l| l.0 >= 0.0);
            let positive: Vec<(f64, u8)> = positive.collect();
            for pair in positive.windows(2) {
                let [(below, low), (above, high)] = [pair[0], pair[1]];
                let tie = (below + above) / 2.0;
                let step = above - below;
                // Which multiple of the step is even, as the rule of methods.md 4.2 has it.
                let even = (tie / step).round_ties_even() * step;
                assert_eq!(
                    f64::from(format.nearest(tie as f32)),
                    even,
                    "{format} {tie}"
                );
                if format.mantissa_bits() > 0 {
                    let code = if low % 2 == 0 { low } else { high };
                    assert_eq!(format.code(tie as f32), code, "{format} {tie}");
                }
                if format.is_signed() {
                    assert_eq!(f64::from(format.nearest(-tie as f32)), -even);
                }
            }
        }
    }

    #[test]
    fn rounding_never_turns_the_order_around() {
        for format in every_format() {
            let top = f64::from(format.max_level());
            let probes =
                (-4000..=4000).map(|i| (top * 1.2 * (f64::from(i) / 4000.0).powi(5)) as f32);
            let rounded: Vec<f32> = probes.map(|x| format.nearest(x)).collect();
            assert!(rounded.is_sorted(), "{format}");
        }
    }

    #[test]
    fn one_exponent_bit_is_an_integer() {
        for (name, largest) in [("e1m2", 7), ("e1m6", 127), ("e1m0", 1), ("ue1m7", 255)] {
            let format = format(name);
            let levels: Vec<f64> = value_set(format).iter().map(|l| l.0).collect();
            let low = if format.is_signed() { -largest } else { 0 };
            let whole: Vec<f64> = (low..=largest).map(f64::from).collect();
            assert_eq!(levels, whole, "{name}");
        }
    }

    #[test]
    fn four_bits_have_the_values_of_the_methods() {
        let positive = |name: &str, clip: f32| -> Vec<f32> {
            let grid = MinifloatGrid {
                format: format(name),
                clip,
                offset: 0.0,
            };
            (0..8).map(|code| grid.value(code)).collect()
        };
        assert_eq!(
            positive("e2m1", 6.0),
            [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]
        );
        assert_eq!(
            positive("e3m0", 64.0),
            [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0]
        );
    }

    #[test]
    fn presets_reach_what_the_standard_says() {
        for (format, max) in [
            (Minifloat::OCP_E4M3, 448.0),
            (Minifloat::OCP_E5M2, 57_344.0),
            (Minifloat::E3M2, 28.0),
            (Minifloat::E2M3, 7.5),
            (Minifloat::E2M1, 6.0),
        ] {
            assert_eq!(format.standard_max(), max, "{format}");
            let grid = MinifloatGrid {
                format,
                clip: max as f32,
                offset: 0.0,
            };
            assert_eq!(grid.nearest(1e9), max as f32);
            assert_eq!(grid.nearest(1.0), 1.0);
            assert_eq!(grid.value(grid.code(-1.0)), -1.0);
        }
        // 2^-9, the smallest number of E4M3, and 0x7e, its largest.
        assert_eq!(
            Minifloat::OCP_E4M3.level(0x7e) / Minifloat::OCP_E4M3.level(1),
            448.0 * 512.0
        );
        assert_eq!(
            Minifloat::OCP_E4M3.level(0x7f),
            Minifloat::OCP_E4M3.max_level()
        );
    }

    #[test]
    fn values_of_a_grid_are_fixed_points() {
        for format in every_format() {
            for (clip, offset) in [(1.0, 0.0), (0.37, 0.0), (1e4, 0.0), (3.0, -0.278_464_5)] {
                let grid = MinifloatGrid {
                    format,
                    clip,
                    offset,
                };
                // Seven exponent bits take almost all of f32's range.
                if !grid.is_valid() {
                    assert!(format.exponent_bits() == 7 && clip < 10.0, "{grid:?}");
                    continue;
                }
                for (_, code) in value_set(format) {
                    let value = grid.value(code);
                    // Next to a far larger offset small levels have no digits of their own.
                    if offset == 0.0 {
                        assert_eq!(grid.code(value), code, "{grid:?}");
                        assert_eq!(grid.nearest(value), value, "{grid:?}");
                    }
                }
                let top = offset + clip;
                assert!((grid.nearest(1e9) - top).abs() <= 1e-6 * top);
            }
        }
        let format = format("e7m0");
        let tiny = |clip| {
            MinifloatGrid {
                format,
                clip,
                offset: 0.0,
            }
            .is_valid()
        };
        assert!(tiny(1.0) && !tiny(1e-3) && !tiny(0.0) && !tiny(f32::NAN));
    }

    /// Signal to noise in dB at the best clip value, for a density of unit variance.
    fn sqnr(format: Minifloat, density: impl Fn(f64) -> f64) -> (f64, f64) {
        const STEP: f64 = 1.0 / 256.0;
        let points: Vec<(f32, f64)> = (0..24 * 256)
            .map(|i| (f64::from(i) + 0.5) * STEP)
            .map(|x| (x as f32, 2.0 * STEP * density(x)))
            .collect();
        let noise = |clip: f32| -> f64 {
            let grid = MinifloatGrid {
                format,
                clip,
                offset: 0.0,
            };
            let each = points
                .iter()
                .map(|&(x, p)| p * f64::from(x - grid.nearest(x)).powi(2));
            each.sum()
        };
        let clips = (0..400).map(|i| 1.5 + 0.015 * i as f32);
        let best = clips
            .map(|clip| (noise(clip), clip))
            .min_by(|a, b| a.0.total_cmp(&b.0));
        let (least, clip) = best.expect("several");
        (f64::from(clip), -10.0 * least.log10())
    }

    #[test]
    fn signal_to_noise_is_that_of_the_table() {
        let gaussian = |x: f64| (-x * x / 2.0).exp() / (2.0 * core::f64::consts::PI).sqrt();
        let laplace = |x: f64| (-x * 2f64.sqrt()).exp() / 2f64.sqrt();
        for (name, normal, double) in [
            ("e1m2", (2.474, 18.90), (3.408, 15.62)),
            ("e2m1", (2.922, 18.97), (4.147, 17.33)),
            ("e3m0", (4.194, 14.23), (6.239, 14.17)),
            ("e1m4", (3.270, 29.71), (5.203, 25.26)),
        ] {
            for (found, (clip, db)) in [
                (sqnr(format(name), gaussian), normal),
                (sqnr(format(name), laplace), double),
            ] {
                assert!(
                    (found.1 - db).abs() < 0.05,
                    "{name}: {found:?}, not {db} dB"
                );
                assert!(
                    (found.0 - clip).abs() < 0.1,
                    "{name}: {found:?}, not {clip}"
                );
            }
        }
    }
}
