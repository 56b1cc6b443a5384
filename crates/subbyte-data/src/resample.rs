//! Bringing decoded images to another size.

use crate::{Error, ErrorKind, Geometry};
use fast_image_resize::{
    FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer,
    images::{TypedImage, TypedImageRef},
    pixels::{U8, U8x3},
};

/// Most bytes of one resampled image.
const MOST: usize = 1 << 29;

/// What is done to an image that does not have the size that is wanted: it is resampled so that its shorter side has
/// `shorter_side` pixels (the longer one in proportion, rounded down), then the centre is cut out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resize {
    /// Pixels of the shorter side after resampling, at least the longer side of the size that is wanted.
    pub shorter_side: usize,
    /// Resampling filter.
    pub filter: Filter,
}

/// Filter of a [`Resize`]. All but `Nearest` are antialiased when an image shrinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Nearest pixel.
    Nearest,
    /// Triangle filter.
    Bilinear,
    /// Catmull-Rom.
    Bicubic,
    /// Lanczos with three lobes.
    Lanczos3,
}

impl Resize {
    /// Refuses a shorter side from which the wanted size cannot be cut.
    pub(crate) fn check(self, wanted: Geometry) -> Result<(), Error> {
        let longest = wanted.height.max(wanted.width);
        if self.shorter_side < longest {
            return Err(ErrorKind::Argument(format!(
                "images whose shorter side is resized to {} pixels are too small to cut {wanted} from; resize to {longest} \
                 or more",
                self.shorter_side
            ))
            .into());
        }
        Ok(())
    }

    /// Brings an image to the height and width of `wanted`, which has its colours and passed [`Resize::check`].
    pub(crate) fn apply(
        self,
        pixels: &[u8],
        from: Geometry,
        wanted: Geometry,
    ) -> Result<Vec<u8>, Error> {
        let (scaled, pixels) = self.scale(pixels, from)?;
        Ok(centre(&pixels, scaled, wanted))
    }

    /// Brings the shorter side to its length.
    fn scale(self, pixels: &[u8], from: Geometry) -> Result<(Geometry, Vec<u8>), Error> {
        let shorter = from.height.min(from.width) as u128;
        let scaled = |side: usize| {
            usize::try_from(side as u128 * self.shorter_side as u128 / shorter)
                .unwrap_or(usize::MAX)
        };
        let to = Geometry {
            height: scaled(from.height),
            width: scaled(from.width),
            ..from
        };
        if to.checked_bytes(1).is_none_or(|bytes| bytes > MOST) {
            return Err(undecodable(format!(
                "{from} becomes too large with a shorter side of {} pixels",
                self.shorter_side
            )));
        }
        let mut out = vec![0; to.bytes()];
        self.filter
            .resample(pixels, from, Window::all(from), &mut out, to)?;
        Ok((to, out))
    }
}

/// A part of an image, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) top: usize,
    pub(crate) left: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
}

impl Window {
    fn all(image: Geometry) -> Self {
        Self {
            top: 0,
            left: 0,
            height: image.height,
            width: image.width,
        }
    }
}

impl Filter {
    /// Brings a window of an image to the size of `to`, which has the same colours, and writes it to `out`.
    pub(crate) fn resample(
        self,
        pixels: &[u8],
        from: Geometry,
        window: Window,
        out: &mut [u8],
        to: Geometry,
    ) -> Result<(), Error> {
        // Naming the pixel keeps the resampler from being compiled for a dozen others.
        match from.colours {
            1 => self.resample_as::<U8>(pixels, from, window, out, to),
            _ => self.resample_as::<U8x3>(pixels, from, window, out, to),
        }
    }

    fn resample_as<P: PixelTrait>(
        self,
        pixels: &[u8],
        from: Geometry,
        window: Window,
        out: &mut [u8],
        to: Geometry,
    ) -> Result<(), Error> {
        let algorithm = match self {
            Filter::Nearest => ResizeAlg::Nearest,
            Filter::Bilinear => ResizeAlg::Convolution(FilterType::Bilinear),
            Filter::Bicubic => ResizeAlg::Convolution(FilterType::CatmullRom),
            Filter::Lanczos3 => ResizeAlg::Convolution(FilterType::Lanczos3),
        };
        // Sides of images within the limit fit 32 bits.
        let side = |side| u32::try_from(side).map_err(undecodable);
        let source = TypedImageRef::<P>::from_buffer(side(from.width)?, side(from.height)?, pixels)
            .map_err(undecodable)?;
        let mut target = TypedImage::<P>::from_buffer(side(to.width)?, side(to.height)?, out)
            .map_err(undecodable)?;
        let [left, top, width, height] =
            [window.left, window.top, window.width, window.height].map(|side| side as f64);
        let options = ResizeOptions::new()
            .resize_alg(algorithm)
            .crop(left, top, width, height);
        Resizer::new()
            .resize_typed(&source, &mut target, &options)
            .map_err(undecodable)
    }
}

/// Cuts out the centre; what is odd stays at the bottom and on the right.
fn centre(pixels: &[u8], from: Geometry, wanted: Geometry) -> Vec<u8> {
    let top = (from.height - wanted.height) / 2;
    let left = (from.width - wanted.width) / 2 * from.colours;
    pixels
        .chunks_exact(from.width * from.colours)
        .skip(top)
        .take(wanted.height)
        .flat_map(|row| &row[left..left + wanted.width * wanted.colours])
        .copied()
        .collect()
}

fn undecodable(cause: impl ToString) -> Error {
    ErrorKind::Undecodable(cause.to_string()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(height: usize, width: usize) -> Geometry {
        Geometry {
            height,
            width,
            colours: 1,
        }
    }

    fn resize(shorter_side: usize, filter: Filter) -> Resize {
        Resize {
            shorter_side,
            filter,
        }
    }

    #[test]
    fn the_centre_is_cut_out() {
        let [from, wanted] = [grey(4, 5), grey(2, 2)].map(|size| Geometry { colours: 3, ..size });
        let colours = |i: u8| [i, i + 100, i + 200];
        let pixels: Vec<u8> = (0..20).flat_map(colours).collect();
        let expected: Vec<u8> = [6, 7, 11, 12].into_iter().flat_map(colours).collect();
        assert_eq!(centre(&pixels, from, wanted), expected);
    }

    #[test]
    fn the_shorter_side_decides_and_proportions_stay() {
        for (from, to) in [
            (grey(4, 10), grey(8, 20)),
            (grey(31, 16), grey(15, 8)),
            (grey(7, 7), grey(8, 8)),
            (grey(3, 5), grey(8, 13)),
        ] {
            let pixels = vec![77; from.bytes()];
            let (scaled, pixels) = resize(8, Filter::Bilinear).scale(&pixels, from).unwrap();
            assert_eq!((scaled, pixels), (to, vec![77; to.bytes()]));
        }
    }

    #[test]
    fn filters_differ_as_their_definitions_do() {
        // Twice as wide: nearest repeats, the triangle filter puts quarters between neighbours, the others overshoot.
        let double = |filter| {
            let (_, pixels) = resize(2, filter).scale(&[20, 220], grey(1, 2)).unwrap();
            pixels[..4].to_vec()
        };
        assert_eq!(double(Filter::Nearest), [20, 20, 220, 220]);
        assert_eq!(double(Filter::Bilinear), [20, 70, 170, 220]);
        for filter in [Filter::Bicubic, Filter::Lanczos3] {
            let pixels = double(filter);
            assert!(
                pixels[0] < 20 && pixels[1] < 70 && pixels[3] > 220,
                "{pixels:?}"
            );
        }
    }

    #[test]
    fn shrinking_averages_and_keeps_colours_apart() {
        let from = Geometry {
            colours: 3,
            ..grey(8, 8)
        };
        let pixels: Vec<u8> = (0..64).flat_map(|i| [i % 2 * 200, 7, 255]).collect();
        let (_, out) = resize(4, Filter::Bilinear).scale(&pixels, from).unwrap();
        for pixel in out.chunks_exact(3) {
            assert!(
                pixel[0].abs_diff(100) < 30 && pixel[1..] == [7, 255],
                "{pixel:?}"
            );
        }
    }

    #[test]
    fn an_extreme_shape_is_refused_instead_of_filling_memory() {
        let from = grey(1, 10_000_000);
        let error = resize(256, Filter::Nearest)
            .scale(&vec![0; from.bytes()], from)
            .unwrap_err();
        assert!(error.to_string().contains("too large"), "{error}");
    }
}
