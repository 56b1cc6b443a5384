//! Marks become files.

mod image;
mod raster;
mod svg;

#[cfg(test)]
pub(crate) use image::decode;
pub(crate) use raster::png;
pub(crate) use svg::{Surface, svg};

/// White around a picture that stands alone, in pixels of the figure.
const MARGIN: f64 = 14.0;
