//! One image file to the bytes of one geometry.

use crate::{Error, ErrorKind, Geometry, Resize, read::bytes};
use image::{DynamicImage, ImageFormat};
use std::path::Path;

/// Reads a JPEG, PNG or WebP file as `[height][width][colours]` bytes of `geometry`. An image of that height and width is taken as
/// it is, others are brought to it by `resize`. Colours become grey by the luma of BT.709, grey becomes three equal colours, alpha
/// is dropped, 16 bits are rounded to 8; the orientation that a camera noted is not applied.
///
/// # Errors
/// If the file cannot be read or decoded, or the image has another size and there is no `resize` or it is too small for `geometry`.
pub fn read_image(
    path: &Path,
    geometry: Geometry,
    resize: Option<Resize>,
) -> Result<Vec<u8>, Error> {
    geometry.check()?;
    if let Some(resize) = resize {
        resize.check(geometry)?;
    }
    decode(path)
        .and_then(|image| fit(image, geometry, resize))
        .map_err(|error| error.at(path))
}

/// Reads a file in its own size, with as many colours as are wanted.
pub(crate) fn read_pixels(path: &Path, colours: usize) -> Result<(Geometry, Vec<u8>), Error> {
    let image = decode(path).map_err(|error| error.at(path))?;
    let geometry = geometry(&image, colours);
    Ok((geometry, pixels(image, colours)))
}

/// The geometry of an image file as it is.
pub(crate) fn geometry_of(path: &Path) -> Result<Geometry, Error> {
    let image = decode(path).map_err(|error| error.at(path))?;
    Ok(geometry(&image, own_colours(&image)))
}

fn decode(path: &Path) -> Result<DynamicImage, Error> {
    let file = bytes::all(&mut bytes::file(path)?)?;
    if file.is_empty() {
        return Err(ErrorKind::EmptyFile.into());
    }
    // By content, since names lie. The function for bytes in memory limits what a decoder may allocate, and is compiled once for
    // all its users, unlike the generic reader.
    let format = image::guess_format(&file).map_err(undecodable)?;
    if format == ImageFormat::Jpeg && !jpeg_is_whole(&file) {
        return Err(undecodable("the JPEG file is cut off"));
    }
    image::load_from_memory_with_format(&file, format).map_err(undecodable)
}

/// Whether the last scan of a JPEG file is followed by the end marker. Decoders fill up what is missing with grey. Neither marker
/// occurs within the data of a scan.
fn jpeg_is_whole(file: &[u8]) -> bool {
    let last = |marker| file.windows(2).rposition(|pair| pair == [0xff, marker]);
    last(0xd9) > last(0xda)
}

fn fit(image: DynamicImage, wanted: Geometry, resize: Option<Resize>) -> Result<Vec<u8>, Error> {
    let (own, found) = (own_colours(&image), geometry(&image, wanted.colours));
    let pixels = pixels(image, wanted.colours);
    match resize {
        _ if found == wanted => Ok(pixels),
        Some(resize) => resize.apply(&pixels, found, wanted),
        None => Err(ErrorKind::Size {
            expected: wanted,
            found: Geometry {
                colours: own,
                ..found
            },
        }
        .into()),
    }
}

fn pixels(image: DynamicImage, colours: usize) -> Vec<u8> {
    match colours {
        1 => image.into_luma8().into_raw(),
        _ => image.into_rgb8().into_raw(),
    }
}

/// Colours of an image before it is made grey or coloured.
fn own_colours(image: &DynamicImage) -> usize {
    if image.color().has_color() { 3 } else { 1 }
}

fn geometry(image: &DynamicImage, colours: usize) -> Geometry {
    Geometry {
        height: image.height() as usize,
        width: image.width() as usize,
        colours,
    }
}

fn undecodable(cause: impl ToString) -> Error {
    ErrorKind::Undecodable(cause.to_string()).into()
}
