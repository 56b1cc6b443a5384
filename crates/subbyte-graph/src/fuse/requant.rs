use subbyte_model::{CodeType, MulShift};
use subbyte_num::{Grid, round_half_even};

use super::Chain;

/// The function that turns the sums of one operator into the codes of the next.
///
/// Codes of 1 to 4 bits are the float network itself: [`Chain`] in f64, then [`Grid::code`]. Wider codes are defined by the
/// integers of [`MulShift`], derived from the same chain.
#[derive(Clone, Debug, PartialEq)]
pub struct RequantFn {
    /// Real value of a sum.
    pub chain: Chain,
    /// The quantizer that makes the code.
    pub grid: Grid,
    /// Smallest and largest sum that can occur.
    pub range: (i32, i32),
    /// Integers per channel where the codes are wider than 4 bits.
    pub integers: Option<Vec<MulShift>>,
}

/// The widest codes that have thresholds.
pub const MAX_THRESHOLD_BITS: u8 = 4;

/// Why a chain cannot become integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequantProblem {
    /// The function rises and falls (SiLU, hard-swish).
    NotMonotone,
    /// The codes are wide and the function is not affine with clamps at its end.
    NotAffine,
}

impl RequantFn {
    /// Derives the function for `channels` channels whose sums lie in `range`.
    ///
    /// # Errors
    /// If the chain has no integer form.
    pub fn new(
        chain: Chain,
        grid: Grid,
        range: (i32, i32),
        channels: usize,
    ) -> Result<Self, RequantProblem> {
        let code = grid.code_type();
        let integers = if code.bits <= MAX_THRESHOLD_BITS {
            if (0..channels).any(|c| chain.rises(c).is_none()) {
                return Err(RequantProblem::NotMonotone);
            }
            None
        } else {
            let body = chain.split_clamp().0;
            let one = |c| {
                let (mul, add) = body.affine(c).ok_or(RequantProblem::NotAffine)?;
                let offset = f64::from(code.offset);
                Ok(mul_shift(
                    mul / grid.scale(),
                    add / grid.scale() - offset,
                    range,
                    code,
                ))
            };
            Some((0..channels).map(one).collect::<Result<_, _>>()?)
        };
        Ok(Self {
            chain,
            grid,
            range,
            integers,
        })
    }

    /// Code of a sum: the definition that evaluation uses and that thresholds reproduce.
    pub fn code(&self, channel: usize, sum: i32) -> u8 {
        match &self.integers {
            Some(integers) => integers[channel].apply(sum, self.grid.code_type().max_code()),
            None => self.grid.code(self.chain.apply(channel, f64::from(sum))),
        }
    }

    /// What the clamps at the end of the chain leave of the codes `0..=max_code`, where codes are wide: [`MulShift`] saturates
    /// only at the ends of the code type, so a narrower interval needs a code table behind it.
    pub fn clamp(&self) -> (u8, u8) {
        let (_, lo, hi) = self.chain.split_clamp();
        (self.grid.code(lo), self.grid.code(hi))
    }

    /// Thresholds of a channel for [`subbyte_num::count_thresholds`], with whether codes fall as sums rise: found by bisection
    /// over [`RequantFn::code`] itself, so that ties fall on the same side (methods.md 3.3). Sums outside the range do not occur;
    /// thresholds that no sum reaches are one above it.
    pub fn thresholds(&self, channel: usize) -> (Vec<i32>, bool) {
        let n = self.grid.code_type().max_code();
        let descending = self.chain.rises(channel) == Some(false);
        let count = |sum: i64| {
            let code = self.code(channel, sum as i32);
            if descending { n - code } else { code }
        };
        let (lo, hi) = (i64::from(self.range.0), i64::from(self.range.1));
        let first_reaching = |k: u8| {
            // Invariant: every sum below `below` counts at most k - 1, every sum from `reached` on counts at least k.
            let (mut below, mut reached) = (lo, hi + 1);
            while below < reached {
                let middle = (below + reached).div_euclid(2);
                if count(middle) >= k {
                    reached = middle
                } else {
                    below = middle + 1
                }
            }
            i32::try_from(reached).unwrap_or(i32::MAX)
        };
        ((1..=n).map(first_reaching).collect(), descending)
    }
}

/// Integers for `code = clamp(round(mul * sum + add), 0, n)` over the sums in `range`.
///
/// The sums that do not saturate are centred by `bias` and shifted into 16 bits; then the largest multiplier and shift that
/// keep every intermediate result in 32 bits are taken. The relative error of the multiplier is at most 2^-15.
fn mul_shift(mul: f64, add: f64, range: (i32, i32), code: CodeType) -> MulShift {
    let n = f64::from(code.max_code());
    let constant = |y: f64| {
        let shift = 20;
        let y = round_half_even(y.clamp(0.0, n)) as i32;
        MulShift {
            bias: 0,
            pre: 0,
            mult: 0,
            add: y << shift,
            shift,
        }
    };
    if mul == 0.0 {
        return constant(add);
    }
    let (lo, hi) = (f64::from(range.0), f64::from(range.1));
    let centre = round_half_even(((n / 2.0 - add) / mul).clamp(lo, hi));
    let at_centre = mul * centre + add;
    if at_centre < -1.0 || at_centre > n + 1.0 {
        // The centre is the sum whose code lies nearest the middle, so all sums saturate on its side.
        return constant(at_centre);
    }
    // Distance from the centre within which codes change, and the bits it needs beyond 15.
    let reach = ((n + 2.0) / mul.abs()).min((hi - centre).max(centre - lo));
    let mut pre = 0u8;
    while pre < 31 && reach / f64::from(1u32 << pre) > f64::from(i16::MAX - 1) {
        pre += 1;
    }
    let gain = mul * f64::from(1u32 << pre);
    let fits = |shift: u8| {
        let unit = f64::from(1u32 << shift);
        (gain.abs() * unit) <= f64::from(i16::MAX)
            && (at_centre.abs() + 1.0) * unit < f64::from(MulShift::MAX_ADD)
    };
    let shift = (1..=30).rev().find(|&s| fits(s)).unwrap_or(0);
    let unit = f64::from(1u32 << shift);
    let mult =
        round_half_even((gain * unit).clamp(-f64::from(i16::MAX), f64::from(i16::MAX))) as i16;
    // `bias + half` must not carry the largest sum out of 32 bits, nor the smallest one.
    let half = (1i64 << pre) >> 1;
    let bias = (half - centre as i64)
        .min(i64::from(i32::MAX) - i64::from(range.1))
        .max(i64::from(i32::MIN) - i64::from(range.0));
    let add = round_half_even((at_centre + 0.5) * unit) as i32;
    MulShift {
        bias: bias as i32,
        pre,
        mult,
        add,
        shift,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Step;
    use super::*;
    use proptest::prelude::*;
    use subbyte_num::count_thresholds;

    fn batch_norm(mul: f64, add: f64) -> Chain {
        Chain::scale(1.0).then(Step::Affine {
            mul: vec![mul],
            add: vec![add],
        })
    }

    proptest! {
        #[test]
        fn thresholds_equal_the_float_function(
            mul in -0.3f64..0.3, add in -8.0f64..8.0, bits in 1u8..=4, signed: bool, relu: bool, half_up: bool
        ) {
            // Few binary digits make many exact ties, which is where a threshold could fall on the wrong side.
            let (mul, add) = ((mul * 64.0).round() / 64.0, (add * 2.0).round() / 2.0);
            let mut chain = batch_norm(mul, add);
            if relu { chain = chain.then(Step::Relu); }
            let grid = match (half_up, signed && bits > 1) {
                (true, _) => Grid::MidTreadHalf { bits, max: 2.0 },
                (false, true) => Grid::Nearest { code: CodeType::signed(bits), scale: 0.5 },
                (false, false) => Grid::Nearest { code: CodeType::unsigned(bits), scale: 0.5 },
            };
            let f = RequantFn::new(chain, grid, (-200, 200), 1).unwrap();
            let (thresholds, descending) = f.thresholds(0);
            prop_assert!(thresholds.is_sorted());
            for sum in -200..=200 {
                prop_assert_eq!(count_thresholds(sum, &thresholds, descending), f.code(0, sum), "sum {}", sum);
            }
        }

        #[test]
        fn wide_codes_follow_the_real_function_within_a_fiftieth_of_a_code(
            exponent in -24.0f64..3.0, negative: bool, middle in -1.5f64..1.5, log_range in 3u32..31, signed: bool
        ) {
            let mul = if negative { -exponent.exp2() } else { exponent.exp2() };
            let limit = ((1i64 << log_range) - 1) as i32;
            let add = 128.0 - mul * middle * f64::from(limit);
            let code = if signed { CodeType::signed(8) } else { CodeType::unsigned(8) };
            let chain = batch_norm(mul, add + f64::from(code.offset));
            let f = RequantFn::new(chain, Grid::Nearest { code, scale: 1.0 }, (-limit, limit), 1).unwrap();
            let integers = f.integers.as_ref().unwrap()[0];
            prop_assert!(integers.is_valid());
            for i in 0..=1000i64 {
                let sum = (-i64::from(limit) + 2 * i64::from(limit) * i / 1000) as i32;
                let exact = (mul * f64::from(sum) + add).clamp(0.0, 255.0);
                let got = f64::from(f.code(0, sum));
                prop_assert!((got - exact).abs() <= 0.52, "sum {} exact {} got {} {:?}", sum, exact, got, integers);
            }
        }
    }

    #[test]
    fn a_vanished_channel_is_constant() {
        for bits in [2, 8] {
            let grid = Grid::Nearest {
                code: CodeType::unsigned(bits),
                scale: 1.0,
            };
            let f = RequantFn::new(batch_norm(0.0, 2.2), grid, (-1000, 1000), 1).unwrap();
            assert!([-1000, 0, 1000].iter().all(|&sum| f.code(0, sum) == 2));
            if bits == 2 {
                assert_eq!(f.thresholds(0), (vec![-1000, -1000, 1001], false));
            }
        }
    }

    #[test]
    fn clamps_inside_the_grid_are_reported() {
        let code = CodeType::signed(8);
        let grid = Grid::Nearest { code, scale: 0.1 };
        let f =
            RequantFn::new(batch_norm(1.0, 0.0).then(Step::Relu6), grid, (-100, 100), 1).unwrap();
        assert_eq!(f.clamp(), (code.saturate(0), code.saturate(60)));
    }
}
