//! The best scale of a vector of weights on power-of-two codes, exactly (methods.md 5.2).

/// The scale `alpha` for which the nearest of `alpha * {0, +-1, .. +-largest}`, powers of two up to 1, 2 or 4, are nearest to the
/// weights in all, by least squares; 0 for weights that are all 0.
///
/// For given codes the best scale is `sum |w| c / sum c^2`, and the squared error falls by the square of the first sum over the second.
/// Codes only change where `1 / alpha` passes a threshold of some weight, so all sets of codes that can be nearest are gone through in
/// the order of these thresholds: O(N log N).
pub(crate) fn best_alpha(weights: &[f32], largest: u8) -> f32 {
    // (threshold on |w| / alpha, growth of the code, growth of its square)
    let thresholds = [(0.5, 1.0, 1.0), (1.5, 1.0, 3.0), (3.0, 2.0, 12.0)];
    let used = &thresholds[..match largest {
        1 => 1,
        2 => 2,
        _ => 3,
    }];
    let mut events: Vec<(f64, f64, f64)> = weights
        .iter()
        .map(|w| f64::from(w.abs()))
        .filter(|w| *w > 0.0)
        .flat_map(|w| used.iter().map(move |(t, c, sq)| (t / w, w * c, *sq)))
        .collect();
    events.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut products, mut squares) = (0.0, 0.0);
    let (mut gain, mut alpha) = (0.0, 0.0);
    for (_, product, square) in events {
        products += product;
        squares += square;
        let now = products * products / squares;
        if now > gain {
            (gain, alpha) = (now, products / squares);
        }
    }
    alpha as f32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codebook::Codebook;

    fn error(weights: &[f32], alpha: f32, book: &Codebook) -> f64 {
        let each = weights.iter().map(|w| {
            let level = if alpha > 0.0 {
                book.nearest(w / alpha)
            } else {
                0.0
            };
            f64::from(w - alpha * level).powi(2)
        });
        each.sum()
    }

    /// Least error over all codes, each with its best scale.
    fn brute_force(weights: &[f32], largest: u8) -> f64 {
        let levels: Vec<f64> = [0.0, 1.0, 2.0, 4.0]
            .into_iter()
            .filter(|l| *l <= f64::from(largest))
            .collect();
        let all: f64 = weights.iter().map(|w| f64::from(*w).powi(2)).sum();
        let mut best = all;
        for i in 0..levels.len().pow(weights.len() as u32) {
            let code = |k: usize| levels[i / levels.len().pow(k as u32) % levels.len()];
            let each = weights.iter().enumerate();
            let (p, q) = each.fold((0.0, 0.0), |(p, q), (k, w)| {
                (p + f64::from(w.abs()) * code(k), q + code(k) * code(k))
            });
            if q > 0.0 {
                best = best.min(all - p * p / q);
            }
        }
        best
    }

    proptest! {
        #[test]
        fn no_codes_with_any_scale_are_nearer(
            weights in prop::collection::vec(-1.0f32..1.0, 1..7), quality in 0usize..3
        ) {
            let largest = [1, 2, 4][quality];
            let book = Codebook::powers_of_two(largest);
            let found = error(&weights, best_alpha(&weights, largest), &book);
            let least = brute_force(&weights, largest);
            prop_assert!(found <= least + 1e-5, "{} {}", found, least);
        }
    }

    #[test]
    fn zeros_have_no_scale_and_exact_codes_no_error() {
        assert_eq!(best_alpha(&[0.0, -0.0], 4), 0.0);
        let weights = [0.25, -0.5, 1.0, 0.0];
        assert_eq!(best_alpha(&weights, 4), 0.25);
    }
}
