/// Canonic signed digits of `n`, least significant first: digits -1, 0 and 1, no two neighbours of them non-zero (methods.md 5.5). No
/// other sum of signed powers of two has fewer terms.
fn digits(n: i32) -> impl Iterator<Item = (u32, i32)> {
    let mut left = i64::from(n);
    (0..=32).filter_map(move |position| {
        let digit = match left & 3 {
            1 => 1,
            3 => -1,
            _ => 0,
        };
        left = (left - digit) >> 1;
        (digit != 0).then_some((position, digit as i32))
    })
}

/// Non-zero canonic signed digits of `n`: the partial products of a multiplication by it.
pub fn csd_terms(n: i32) -> u32 {
    digits(n).count() as u32
}

/// `n` with only the `keep` most significant of its non-zero canonic signed digits: what a quality scalable multiplier takes for it when
/// it computes no more than `keep` partial products. Saturates at the ends of 32 bits.
pub fn csd_keep(n: i32, keep: u32) -> i32 {
    let dropped = csd_terms(n).saturating_sub(keep) as usize;
    let kept = digits(n).skip(dropped);
    let value: i64 = kept.map(|(p, digit)| i64::from(digit) << p).sum();
    value.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{vec, vec::Vec};

    #[test]
    fn digits_add_up_and_have_no_neighbours() {
        let edges = [i32::MIN, i32::MIN + 1, i32::MAX, i32::MAX - 1];
        for n in (-70_000..70_000).chain(edges) {
            let all: Vec<_> = digits(n).collect();
            let sum: i64 = all.iter().map(|&(p, d)| i64::from(d) << p).sum();
            assert_eq!(sum, i64::from(n));
            assert!(all.windows(2).all(|w| w[1].0 > w[0].0 + 1), "{n}");
        }
    }

    #[test]
    fn eight_bits_have_the_known_histogram_of_digits() {
        let mut histogram = vec![0; 5];
        (-128..128).for_each(|n| histogram[csd_terms(n) as usize] += 1);
        assert_eq!(histogram, [1, 15, 72, 120, 48]);
    }

    #[test]
    fn kept_digits_err_as_published() {
        for (keep, worst, exact) in [
            (1, 0.488, 16),
            (2, 0.116, 88),
            (3, 0.0233, 208),
            (4, 0.0, 256),
        ] {
            let error =
                |n: i32| f64::from((csd_keep(n, keep) - n).abs()) / f64::from(n.abs().max(1));
            let found = (-128..128).map(error).fold(0.0, f64::max);
            assert!((found - worst).abs() < 1e-3, "{keep}: {found}");
            assert_eq!(
                (-128..128).filter(|n| csd_keep(*n, keep) == *n).count(),
                exact
            );
        }
        assert_eq!(csd_keep(i32::MAX, 1), i32::MAX);
    }
}
