use super::pairs;
use crate::{DiffusionError, Pictures, pictures::range};

/// Longest window, and deviation of its Gaussian weights (Wang and others 2004).
const WINDOW: usize = 11;
const DEVIATION: f64 = 1.5;

/// Constants that keep quotients of small numbers quiet, as shares of the range.
const QUIET: [f64; 2] = [0.01, 0.03];

/// The structural similarity of each picture to the wanted one: the mean over channels and windows of 11 x 11 pixels with Gaussian weights
/// of deviation 1.5, within the picture, by the range of the wanted picture (Wang and others 2004). 1 for equal pictures. Smaller
/// pictures have windows of the longest odd size that fits.
///
/// # Errors
/// If there are not as many pictures of one shape on both sides.
pub fn ssim(wanted: &Pictures, found: &Pictures) -> Result<Vec<f64>, DiffusionError> {
    let shape = wanted.shape;
    Ok(pairs(wanted, found)?
        .map(|(wanted, found)| similarity(wanted, found, shape))
        .collect())
}

fn similarity(wanted: &[f32], found: &[f32], [height, width, channels]: [usize; 3]) -> f64 {
    let [low, high] = range(wanted).map(f64::from);
    // A picture of one colour has no range; then only the same colour is similar.
    let span = if high > low { high - low } else { 1.0 };
    let [c1, c2] = QUIET.map(|k| (k * span).powi(2));
    let size = height.min(width).min(WINDOW);
    let weights = weights(size - (size + 1) % 2);
    let mut total = 0.0;
    for channel in 0..channels {
        let plane = |numbers: &[f32]| -> Vec<f64> {
            let numbers = numbers.iter().skip(channel).step_by(channels);
            numbers.map(|&x| f64::from(x)).collect()
        };
        let (x, y) = (plane(wanted), plane(found));
        let product =
            |a: &[f64], b: &[f64]| -> Vec<f64> { a.iter().zip(b).map(|(a, b)| a * b).collect() };
        let mean = |numbers: &[f64]| blurred(numbers, [height, width], &weights);
        let (mx, my) = (mean(&x), mean(&y));
        let [xx, yy, xy] = [(&x, &x), (&y, &y), (&x, &y)].map(|(a, b)| mean(&product(a, b)));
        let windows = mx.len();
        let sum: f64 = (0..windows)
            .map(|i| {
                let (mx, my) = (mx[i], my[i]);
                let (vx, vy, vxy) = (xx[i] - mx * mx, yy[i] - my * my, xy[i] - mx * my);
                (2.0 * mx * my + c1) * (2.0 * vxy + c2)
                    / ((mx * mx + my * my + c1) * (vx + vy + c2))
            })
            .sum();
        total += sum / windows as f64;
    }
    total / channels as f64
}

/// Gaussian weights of an odd window, adding up to 1.
fn weights(size: usize) -> Vec<f64> {
    let middle = (size / 2) as f64;
    let weight = |i: usize| (-((i as f64 - middle) / DEVIATION).powi(2) / 2.0).exp();
    let weights: Vec<f64> = (0..size).map(weight).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|w| w / sum).collect()
}

/// Weighted means of all windows that lie within the plane.
fn blurred(plane: &[f64], [height, width]: [usize; 2], weights: &[f64]) -> Vec<f64> {
    let size = weights.len();
    let columns = width - size + 1;
    let across: Vec<f64> = plane
        .chunks_exact(width)
        .flat_map(|row| row.windows(size))
        .map(|window| window.iter().zip(weights).map(|(x, w)| x * w).sum())
        .collect();
    let mut out = Vec::with_capacity((height - size + 1) * columns);
    for row in 0..=height - size {
        for column in 0..columns {
            let taps = weights.iter().enumerate();
            out.push(
                taps.map(|(i, w)| across[(row + i) * columns + column] * w)
                    .sum(),
            );
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use subbyte_graph::rng::Rng;

    use super::*;

    fn noise(shape: [usize; 3], seed: u64) -> Pictures {
        let mut rng = Rng::new(seed);
        let size = shape.iter().product();
        let data = std::iter::repeat_with(|| rng.normal()).take(size).collect();
        Pictures { shape, data }
    }

    #[test]
    fn equal_pictures_have_1_and_noise_has_less() {
        for shape in [[16, 14, 1], [28, 28, 3], [4, 9, 2], [1, 1, 1]] {
            let wanted = noise(shape, 1);
            assert!((ssim(&wanted, &wanted).unwrap()[0] - 1.0).abs() < 1e-9);
            let mut near = wanted.clone();
            let far = noise(shape, 2);
            near.data
                .iter_mut()
                .zip(&far.data)
                .for_each(|(x, n)| *x += 0.1 * n);
            let [near, far] = [near, far].map(|found| ssim(&wanted, &found).unwrap()[0]);
            assert!(near < 1.0 && far < near, "{shape:?}: {near}, {far}");
        }
    }

    #[test]
    fn one_window_follows_the_formula() {
        // Size 1: variances vanish, means are the pixels.
        let picture = |x: f32| Pictures {
            shape: [1, 2, 1],
            data: vec![0.0, x],
        };
        let found = ssim(&picture(1.0), &picture(0.5)).unwrap()[0];
        let c1 = 1e-4;
        let expected = (1.0 + (2.0 * 0.5 + c1) / (1.0 + 0.25 + c1)) / 2.0;
        assert!((found - expected).abs() < 1e-9, "{found} {expected}");
    }

    #[test]
    fn weights_are_even_and_whole() {
        let weights = weights(11);
        assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        // As published: the middle of the 11 x 11 window of deviation 1.5 weighs 0.0708.
        assert!((weights[5] * weights[5] - 0.070_762).abs() < 1e-5);
        assert_eq!(weights[0], weights[10]);
    }
}
