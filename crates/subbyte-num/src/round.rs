//! Rounding without the standard library: only additions, comparisons and casts, the same on every processor.

/// Values of at least this size have no fraction in f64.
const F64_INTEGRAL: f64 = 4_503_599_627_370_496.0; // 2^52
/// Values of at least this size have no fraction in f32.
const F32_INTEGRAL: f32 = 8_388_608.0; // 2^23

/// Nearest integer, ties to even (IEEE 754 roundTiesToEven). NaN and infinities come back as they are.
pub fn round_half_even(x: f64) -> f64 {
    // Adding 2^52 leaves no bits for a fraction, so the addition itself rounds, in the default rounding mode half to even.
    if x.is_nan() || x >= F64_INTEGRAL || x <= -F64_INTEGRAL {
        x
    } else if x >= 0.0 {
        (x + F64_INTEGRAL) - F64_INTEGRAL
    } else {
        (x - F64_INTEGRAL) + F64_INTEGRAL
    }
}

/// As [`round_half_even`], in f32.
pub fn round_half_even_f32(x: f32) -> f32 {
    if x.is_nan() || x >= F32_INTEGRAL || x <= -F32_INTEGRAL {
        x
    } else if x >= 0.0 {
        (x + F32_INTEGRAL) - F32_INTEGRAL
    } else {
        (x - F32_INTEGRAL) + F32_INTEGRAL
    }
}

/// `floor(x + 1/2)`: nearest integer, ties upwards. NaN and infinities come back as they are.
pub fn round_half_up(x: f64) -> f64 {
    let nearest = round_half_even(x);
    // `x - nearest` is exact; only a tie that went down has to go up instead.
    if x - nearest == 0.5 {
        nearest + 1.0
    } else {
        nearest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_and_neighbours_follow_the_standard_library() {
        let mut x = -1030.0f64;
        while x < 1030.0 {
            for y in [x, x.next_up(), x.next_down()] {
                assert_eq!(round_half_even(y), y.round_ties_even(), "{y}");
                assert_eq!(
                    round_half_even_f32(y as f32),
                    (y as f32).round_ties_even(),
                    "{y}"
                );
            }
            x += 0.25;
        }
        for x in [F64_INTEGRAL, -F64_INTEGRAL, 1e300, -1e300, f64::INFINITY] {
            assert_eq!(round_half_even(x), x);
            assert_eq!(round_half_up(x), x);
        }
        assert!(round_half_even(f64::NAN).is_nan());
        assert!(round_half_even_f32(f32::NAN).is_nan());
    }

    #[test]
    fn half_up_sends_every_tie_upwards() {
        for k in -20..20 {
            let tie = f64::from(k) + 0.5;
            assert_eq!(round_half_up(tie), f64::from(k + 1));
            assert_eq!(round_half_up(tie.next_down()), f64::from(k));
            assert_eq!(round_half_up(tie.next_up()), f64::from(k + 1));
        }
        // `floor(x + 0.5)` computed naively rounds this one up.
        assert_eq!(round_half_up(0.5f64.next_down()), 0.0);
    }
}
