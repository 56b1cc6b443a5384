//! Sets of pictures beside each other, by vectors of features.

use faer::Mat;
use rayon::prelude::*;

use crate::DiffusionError;

/// Vectors of one length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vectors {
    /// Numbers of a vector.
    pub length: usize,
    /// The vectors one after another.
    pub data: Vec<f32>,
}

/// Neighbours that make the manifold of a set (Kynkäänniemi and others, 1904.06991).
const NEIGHBOURS: usize = 3;

impl Vectors {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.data.len() / self.length.max(1)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn iter(&self) -> impl Iterator<Item = &[f32]> {
        self.data.chunks_exact(self.length.max(1))
    }

    fn mean(&self) -> Vec<f64> {
        let mut mean = vec![0.0; self.length];
        for vector in self.iter() {
            for (sum, x) in mean.iter_mut().zip(vector) {
                *sum += f64::from(*x);
            }
        }
        let count = self.len() as f64;
        mean.iter_mut().for_each(|sum| *sum /= count);
        mean
    }

    /// A matrix R with `R^T R` the unbiased covariance, of as few rows as possible.
    fn root(&self, mean: &[f64]) -> Mat<f64> {
        let scale = 1.0 / ((self.len() - 1) as f64).sqrt();
        let centred = Mat::from_fn(self.len(), self.length, |i, j| {
            scale * (f64::from(self.data[i * self.length + j]) - mean[j])
        });
        match self.len() > self.length {
            true => centred.qr().thin_R().to_owned(),
            false => centred,
        }
    }
}

/// The Fréchet distance of two normal distributions with the means and covariances of both sets: `|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))`
/// (Heusel and others, 1706.08500). With `C1 = A^T A` and `C2 = B^T B` the trace of the root is the sum of the singular values of `A B^T`.
/// `None` for sets of fewer than two.
///
/// # Errors
/// If the singular values cannot be computed, as of numbers that are not finite.
pub fn frechet_distance(first: &Vectors, second: &Vectors) -> Result<Option<f64>, DiffusionError> {
    if first.len() < 2 || second.len() < 2 || first.length != second.length {
        return Ok(None);
    }
    let means = [first.mean(), second.mean()];
    let [a, b] = [first.root(&means[0]), second.root(&means[1])];
    let differences = means[0].iter().zip(&means[1]);
    let squares: f64 = differences.map(|(x, y)| (x - y) * (x - y)).sum();
    let product = &a * b.transpose();
    let values = product.singular_values();
    let root: f64 = values
        .map_err(|_| DiffusionError::Eigenvalues)?
        .iter()
        .sum();
    let trace = a.squared_norm_l2() + b.squared_norm_l2();
    // Rounding can make the distance of equal sets negative.
    Ok(Some((squares + trace - 2.0 * root).max(0.0)))
}

/// Precision and recall: the share of `found` that lies within the manifold of `wanted`, and the other way round. A set's manifold are
/// balls around its vectors that reach to the third neighbour (Kynkäänniemi and others, 1904.06991). `None` where a set has fewer
/// than five vectors.
pub fn precision_recall(wanted: &Vectors, found: &Vectors) -> Option<[f64; 2]> {
    if wanted.len() < NEIGHBOURS + 2 || found.len() < NEIGHBOURS + 2 {
        return None;
    }
    Some([covered(found, wanted), covered(wanted, found)])
}

/// The share of `vectors` within the manifold of `set`.
fn covered(vectors: &Vectors, set: &Vectors) -> f64 {
    let radii: Vec<f32> = (0..set.len())
        .into_par_iter()
        .map(|i| {
            let own = &set.data[i * set.length..][..set.length];
            let others = set.iter().enumerate().filter(|(j, _)| *j != i);
            let mut distances: Vec<f32> = others.map(|(_, other)| distance(own, other)).collect();
            let (_, third, _) = distances.select_nth_unstable_by(NEIGHBOURS - 1, f32::total_cmp);
            *third
        })
        .collect();
    let inside = vectors
        .data
        .par_chunks_exact(vectors.length)
        .filter(|vector| {
            let mut balls = set.iter().zip(&radii);
            balls.any(|(centre, &radius)| distance(vector, centre) <= radius)
        });
    inside.count() as f64 / vectors.len() as f64
}

fn distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

#[cfg(test)]
mod tests {
    use subbyte_graph::rng::Rng;

    use super::*;

    /// Normal vectors with these deviations, around a point.
    fn normal(count: usize, deviations: &[f32], centre: f32, seed: u64) -> Vectors {
        let mut rng = Rng::new(seed);
        let all = (0..count).flat_map(|_| deviations.to_vec());
        Vectors {
            length: deviations.len(),
            data: all.map(|d| centre + d * rng.normal()).collect(),
        }
    }

    #[test]
    fn distances_of_normal_sets_are_those_of_theory() {
        let (a, b) = ([1.0, 2.0, 0.5], [2.0, 2.0, 1.0]);
        let (first, second) = (normal(40_000, &a, 0.0, 1), normal(40_000, &b, 0.5, 2));
        let found = frechet_distance(&first, &second).unwrap().unwrap();
        // Three means differ by 0.5, deviations by 1, 0 and 0.5.
        let expected = 3.0 * 0.25 + 1.0 + 0.25;
        assert!((found - expected).abs() < 0.05, "{found}, not {expected}");
    }

    #[test]
    fn few_vectors_of_many_numbers_have_the_same_distance_as_by_their_covariances() {
        // Vectors along one axis each: all is known by hand. Means (1, 0) and (0, 0), variances (2, 0) and (0, 8), so the root vanishes.
        let set = |data: &[f32]| Vectors {
            length: 2,
            data: data.to_vec(),
        };
        let (first, second) = (set(&[0.0, 0.0, 2.0, 0.0]), set(&[0.0, -2.0, 0.0, 2.0]));
        let found = frechet_distance(&first, &second).unwrap().unwrap();
        assert!((found - (1.0 + 2.0 + 8.0)).abs() < 1e-9, "{found}");
        let same = frechet_distance(&first, &first).unwrap().unwrap();
        assert!(same < 1e-9, "{same}");
        assert_eq!(frechet_distance(&first, &set(&[1.0, 1.0])).unwrap(), None);
        // More rows than columns take the other way; the first set three times over has covariance 8 / 5 instead of 2.
        let repeated = set(&[first.data.clone(), first.data.clone(), first.data.clone()].concat());
        let found = frechet_distance(&repeated, &second).unwrap().unwrap();
        assert!((found - (1.0 + 6.0 / 5.0 + 8.0)).abs() < 1e-9, "{found}");
    }

    #[test]
    fn precision_falls_outside_of_the_manifold_and_recall_where_parts_are_missing() {
        let wanted = normal(200, &[1.0, 1.0], 0.0, 1);
        let same = normal(200, &[1.0, 1.0], 0.0, 2);
        let [precision, recall] = precision_recall(&wanted, &same).unwrap();
        assert!(precision > 0.85 && recall > 0.85, "{precision} {recall}");
        let narrow = normal(200, &[0.1, 0.1], 0.0, 3);
        let [precision, recall] = precision_recall(&wanted, &narrow).unwrap();
        assert!(precision > 0.95 && recall < 0.1, "{precision} {recall}");
        let far = normal(200, &[1.0, 1.0], 9.0, 4);
        assert_eq!(precision_recall(&wanted, &far), Some([0.0, 0.0]));
        assert_eq!(
            precision_recall(&wanted, &normal(4, &[1.0; 2], 0.0, 5)),
            None
        );
    }
}
