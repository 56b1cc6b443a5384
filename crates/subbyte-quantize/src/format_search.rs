//! The format and the clip value of least squared error (methods.md 4.3).

use std::fmt;
use std::str::FromStr;

use rayon::prelude::*;
use subbyte_num::{FormatError, Minifloat, MinifloatGrid};

use crate::density::{Piece, rising_levels, squared_error};

/// Clip values that are tried, as shares of the largest magnitude.
const CLIPS: usize = 111;
const LEAST_CLIP: f64 = 0.1;
const LARGEST_CLIP: f64 = 1.2;

/// Which formats a tensor may get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormatChoice {
    /// Any split of so many bits into exponent and mantissa, integers included.
    Floats(u8),
    /// Integers of so many bits, which are the formats of one exponent bit.
    Integers(u8),
    /// One format.
    Fixed(Minifloat),
}

impl FormatChoice {
    /// The formats, with or without a sign; a fixed one is what it is.
    pub(crate) fn formats(self, signed: bool) -> Vec<Minifloat> {
        match self {
            Self::Floats(bits) => Minifloat::all(bits, signed).collect(),
            Self::Integers(bits) => Minifloat::all(bits, signed).take(1).collect(),
            Self::Fixed(format) => vec![format],
        }
    }

    /// The choice of the same kind with `bits` bits; of all floats where one is fixed.
    pub fn with_bits(self, bits: u8) -> Self {
        match self {
            Self::Integers(_) => Self::Integers(bits),
            Self::Floats(_) | Self::Fixed(_) => Self::Floats(bits),
        }
    }

    /// Bits of a code.
    pub fn bits(self) -> u8 {
        match self {
            Self::Floats(bits) | Self::Integers(bits) => bits,
            Self::Fixed(format) => format.bits(),
        }
    }
}

impl fmt::Display for FormatChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Floats(bits) => write!(f, "fp{bits}"),
            Self::Integers(bits) => write!(f, "int{bits}"),
            Self::Fixed(format) => write!(f, "{format}"),
        }
    }
}

/// `fp4`, `int8`, or the name of a format with a sign.
impl FromStr for FormatChoice {
    type Err = FormatError;

    fn from_str(name: &str) -> Result<Self, FormatError> {
        let bits = |digits: &str| match digits.parse::<u8>() {
            Ok(bits @ 2..=8) => Ok(bits),
            Ok(bits) => Err(FormatError::Bits(bits.into())),
            Err(_) => Err(FormatError::Name),
        };
        if let Some(digits) = name.strip_prefix("fp") {
            return bits(digits).map(Self::Floats);
        }
        if let Some(digits) = name.strip_prefix("int") {
            return bits(digits).map(Self::Integers);
        }
        let format: Minifloat = name.parse()?;
        match format.is_signed() {
            true => Ok(Self::Fixed(format)),
            false => Err(FormatError::Name),
        }
    }
}

/// How far the largest code of a tensor reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// To where the squared error is least.
    Search,
    /// To the largest magnitude.
    Largest,
}

/// A format whose level 0 is at `offset`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Candidate {
    pub format: Minifloat,
    pub offset: f32,
}

/// The grid of least squared error for values that lie in `range`, and that error.
pub(crate) fn search(
    candidates: &[Candidate],
    reach: Reach,
    pieces: &[Piece],
    range: [f32; 2],
) -> (MinifloatGrid, f64) {
    let tried = candidates
        .par_iter()
        .flat_map_iter(|candidate| clips(*candidate, reach, range).map(|clip| (*candidate, clip)));
    let error = |(Candidate { format, offset }, clip): (Candidate, f32)| {
        let grid = MinifloatGrid {
            format,
            clip,
            offset,
        };
        let levels = rising_levels(format);
        let error = squared_error(pieces, &levels, grid.unit().into(), offset.into());
        (grid, error)
    };
    let all: Vec<(MinifloatGrid, f64)> = tried
        .map(error)
        .filter(|(grid, _)| grid.is_valid())
        .collect();
    let best = all.into_iter().min_by(|a, b| a.1.total_cmp(&b.1));
    best.unwrap_or_else(|| {
        // Nothing but zeros, or so small that no unit is a usual number: any grid is as good.
        let Candidate { format, offset } = candidates[0];
        let grid = MinifloatGrid {
            format,
            clip: 1.0,
            offset,
        };
        (
            grid,
            squared_error(
                pieces,
                &rising_levels(format),
                grid.unit().into(),
                offset.into(),
            ),
        )
    })
}

/// Clip values to try for values in `range`.
fn clips(candidate: Candidate, reach: Reach, [min, max]: [f32; 2]) -> impl Iterator<Item = f32> {
    let above = max - candidate.offset;
    let below = match candidate.format.is_signed() {
        true => candidate.offset - min,
        false => 0.0,
    };
    let largest = f64::from(above.max(below));
    let share = move |i: usize| match reach {
        Reach::Largest => 1.0,
        Reach::Search => LEAST_CLIP + (LARGEST_CLIP - LEAST_CLIP) * i as f64 / (CLIPS - 1) as f64,
    };
    let count = match reach {
        Reach::Largest => 1,
        Reach::Search => CLIPS,
    };
    (0..count).map(move |i| (share(i) * largest) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::density::{Density, points};

    fn signed(choice: &str) -> Vec<Candidate> {
        let choice: FormatChoice = choice.parse().unwrap();
        let formats = choice.formats(true).into_iter();
        formats
            .map(|format| Candidate {
                format,
                offset: 0.0,
            })
            .collect()
    }

    /// Evenly spread values of a distribution of unit variance, by the method of Box and Muller.
    fn normal(count: usize) -> Vec<f32> {
        let value = |i: usize| {
            let radius = (-2.0 * ((i as f64 + 0.5) / count as f64).ln()).sqrt();
            let turn = i as f64 * 0.618_033_988_749_895 % 1.0;
            (radius * (std::f64::consts::TAU * turn).cos()) as f32
        };
        (0..count).map(value).collect()
    }

    fn laplace(count: usize) -> Vec<f32> {
        let quantile = |i: usize| {
            let p = (i as f64 + 0.5) / count as f64 - 0.5;
            -p.signum() * (1.0 - 2.0 * p.abs()).ln() / 2f64.sqrt()
        };
        (0..count).map(|i| quantile(i) as f32).collect()
    }

    #[test]
    fn choices_are_read_as_they_are_written() {
        for name in [
            "fp2", "fp4", "fp8", "int2", "int4", "int8", "E2M1", "OCP-E4M3",
        ] {
            assert_eq!(name.parse::<FormatChoice>().unwrap().to_string(), name);
        }
        for name in ["fp9", "fp1", "int", "fp", "float", "ue4m4", "w4a8", "e2m9"] {
            assert!(name.parse::<FormatChoice>().is_err(), "{name}");
        }
        assert_eq!(signed("int4")[0].format.to_string(), "E1M2");
        assert_eq!(
            FormatChoice::Integers(8).formats(false)[0].to_string(),
            "UE1M7"
        );
    }

    #[test]
    fn heavier_tails_get_more_exponent_bits_and_clips_of_the_table() {
        for (values, best, clip) in [
            (laplace(40_000), "E2M1", 4.147f32),
            (normal(40_000), "E2M1", 2.922),
        ] {
            let mut density = Density::new();
            density.extend(&values, &[1.0]);
            let (grid, error) = search(
                &signed("fp4"),
                Reach::Search,
                &density.pieces(),
                density.range(),
            );
            assert_eq!(grid.format.to_string(), best);
            // Clip values are a hundredth of the largest one apart.
            let apart = 0.02 * density.range()[1];
            assert!((grid.clip - clip).abs() < apart.max(0.1), "{grid:?}");
            let (exact, least) = search(
                &signed("fp4"),
                Reach::Search,
                &points(&values, &[1.0]),
                density.range(),
            );
            assert!(
                (exact.clip - grid.clip).abs() < 2.0 * apart,
                "{grid:?} {exact:?}"
            );
            assert!((error / least - 1.0).abs() < 0.02, "{error} {least}");
            let (_, integers) = search(
                &signed("int4"),
                Reach::Search,
                &density.pieces(),
                density.range(),
            );
            assert!(error <= integers);
        }
    }

    #[test]
    fn the_largest_value_is_reached_where_that_is_asked_for() {
        let values = [0.1, -2.5, 1.0];
        let (grid, _) = search(
            &signed("E2M1"),
            Reach::Largest,
            &points(&values, &[1.0]),
            [-2.5, 1.0],
        );
        assert_eq!((grid.clip, grid.nearest(-2.5)), (2.5, -2.5));
        let (zeros, error) = search(
            &signed("fp8"),
            Reach::Search,
            &points(&[0.0], &[1.0]),
            [0.0; 2],
        );
        assert_eq!((zeros.clip, error), (1.0, 0.0));
    }
}
