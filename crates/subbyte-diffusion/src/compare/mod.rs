//! Pictures beside the pictures that they should be.

mod psnr;
mod ssim;

pub use psnr::psnr;
pub use ssim::ssim;

use crate::{DiffusionError, Pictures};

/// Pairs of pictures.
fn pairs<'a>(
    wanted: &'a Pictures,
    found: &'a Pictures,
) -> Result<impl Iterator<Item = (&'a [f32], &'a [f32])>, DiffusionError> {
    let counts = [wanted.len(), found.len()];
    if wanted.shape != found.shape || counts[0] != counts[1] {
        return Err(DiffusionError::Shapes {
            first: wanted.shape,
            second: found.shape,
            counts,
        });
    }
    Ok(wanted.iter().zip(found.iter()))
}
