use super::pairs;
use crate::{DiffusionError, Pictures, pictures::range};

/// What two pictures have that are equal as far as f32 can tell.
const MOST: f64 = 150.0;

/// For each picture the ratio of its range, squared, to the mean squared error, in dB: `20 log10(largest - smallest) - 10 log10(error)` with
/// the range of the picture in `wanted`. Equal pictures have 150 dB.
///
/// # Errors
/// If there are not as many pictures of one shape on both sides.
pub fn psnr(wanted: &Pictures, found: &Pictures) -> Result<Vec<f64>, DiffusionError> {
    let ratio = |(wanted, found): (&[f32], &[f32])| {
        let [low, high] = range(wanted).map(f64::from);
        let squares = wanted.iter().zip(found);
        let squares = squares.map(|(w, f)| (f64::from(*w) - f64::from(*f)).powi(2));
        let error = squares.sum::<f64>() / wanted.len() as f64;
        match error {
            0.0 => MOST,
            error => (20.0 * (high - low).log10() - 10.0 * error.log10()).min(MOST),
        }
    };
    Ok(pairs(wanted, found)?.map(ratio).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_a_tenth_of_the_range_is_20_db() {
        let shape = [2, 2, 1];
        let wanted = Pictures {
            shape,
            data: vec![-1.0, 0.0, 0.5, 1.0, 3.0, 4.0, 4.0, 4.0],
        };
        let mut found = wanted.clone();
        found.data[..4].iter_mut().for_each(|x| *x += 0.2);
        let ratios = psnr(&wanted, &found).unwrap();
        assert!((ratios[0] - 20.0).abs() < 1e-5, "{ratios:?}");
        assert_eq!(ratios[1], 150.0);
        found.data.truncate(4);
        assert!(psnr(&wanted, &found).is_err());
    }
}
