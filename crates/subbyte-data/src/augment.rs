use crate::{Error, Filter, Geometry, random::Random, resample::Window};

/// Value of the pixels that cutout removes, in the middle of their range, as in the paper, where images have mean 0.
const CUT: u8 = 128;

/// Random changes of training images: crops, mirror images, and cutout.
///
/// What happens to an image is a function of (seed, epoch, index of the image) and of nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Augment {
    /// Pixels of zeros put around the image before a window of the image's own size is cut out at random; 0 for none.
    pub pad: usize,
    /// Whether to mirror left and right half of the time.
    pub flip: bool,
    /// Smallest share of an image's area that a window of random size and shape covers, above 0 and at most 1, which is then resized
    /// to the size that is wanted; in place of padding. `None` for no such window.
    pub crop: Option<f64>,
    /// Side in pixels of a square that is painted over with the value 128 (cutout; DeVries and Taylor, 2017); 0 for none. Its centre
    /// is any pixel of the image, so that part of it may lie outside.
    pub cutout: usize,
}

/// Proportions of the sides of random windows: from this to its inverse.
const SLIMMEST: f64 = 3.0 / 4.0;

/// Windows that are tried before the largest one in the centre is taken.
const TRIALS: usize = 10;

impl Augment {
    /// Writes a changed `image` of size `from` to `out`. Without `crop` it has the geometry that is wanted; `pad` must not exceed it.
    pub(crate) fn apply(
        self,
        (from, image): (Geometry, &[u8]),
        geometry: Geometry,
        out: &mut [u8],
        random: &mut Random,
    ) -> Result<(), Error> {
        // All numbers are drawn whatever the settings are, so that one setting does not change the other's outcome.
        let down = random.below(2 * self.pad + 1);
        let right = random.below(2 * self.pad + 1);
        let mirrored = random.below(2) == 1 && self.flip;
        let centre = (random.below(geometry.height), random.below(geometry.width));
        match self.crop {
            Some(area) => {
                let window = random_window(from, area, random);
                Filter::Bilinear.resample(image, from, window, out, geometry)?;
            }
            None => crop(geometry, self.pad, (down, right), image, out),
        }
        if mirrored {
            mirror(geometry, out);
        }
        cut(geometry, self.cutout, centre, out);
        Ok(())
    }
}

/// A window of `area` to all of an image and of moderate proportions, as Szegedy et al. (2015) draw them.
fn random_window(image: Geometry, area: f64, random: &mut Random) -> Window {
    let all = (image.height * image.width) as f64;
    for _ in 0..TRIALS {
        let pixels = all * (area + random.unit() * (1.0 - area));
        // Width by height, its logarithm evenly distributed.
        let proportion = SLIMMEST.powf(2.0 * random.unit() - 1.0);
        let width = (pixels * proportion).sqrt().round() as usize;
        let height = (pixels / proportion).sqrt().round() as usize;
        if (1..=image.width).contains(&width) && (1..=image.height).contains(&height) {
            return Window {
                top: random.below(image.height - height + 1),
                left: random.below(image.width - width + 1),
                height,
                width,
            };
        }
    }
    // Only in very long or very small images; then as much of the centre as the proportions allow.
    let shorter = |longer: usize| ((longer as f64 / SLIMMEST) as usize).max(1);
    let width = image.width.min(shorter(image.height));
    let height = image.height.min(shorter(image.width));
    Window {
        top: (image.height - height) / 2,
        left: (image.width - width) / 2,
        height,
        width,
    }
}

/// Cuts the window at (`down`, `right`) out of the image with `pad` zeros around it.
fn crop(geometry: Geometry, pad: usize, at: (usize, usize), image: &[u8], out: &mut [u8]) {
    let rows = Overlap::new(at.0, pad, geometry.height);
    let columns = Overlap::new(at.1, pad, geometry.width);
    let row = geometry.width * geometry.colours;
    out.fill(0);
    for y in 0..rows.len {
        let from = (rows.from + y) * row + columns.from * geometry.colours;
        let to = (rows.to + y) * row + columns.to * geometry.colours;
        let len = columns.len * geometry.colours;
        out[to..to + len].copy_from_slice(&image[from..from + len]);
    }
}

/// Where a window of `size` that starts at `at` in the padded image meets the image itself, along one direction.
struct Overlap {
    from: usize,
    to: usize,
    len: usize,
}

impl Overlap {
    fn new(at: usize, pad: usize, size: usize) -> Self {
        let (from, to) = (at.saturating_sub(pad), pad.saturating_sub(at));
        Self {
            from,
            to,
            len: size - from - to,
        }
    }
}

fn mirror(geometry: Geometry, image: &mut [u8]) {
    for row in image.chunks_exact_mut(geometry.width * geometry.colours) {
        match geometry.colours {
            1 => row.reverse(),
            _ => row.as_chunks_mut::<3>().0.reverse(),
        }
    }
}

/// Paints a square of `side` pixels around `centre` (row, column), as far as it lies in the image. Of an even side, the centre is the
/// first pixel behind the middle.
fn cut(geometry: Geometry, side: usize, centre: (usize, usize), image: &mut [u8]) {
    let covered = |at: usize, size: usize| {
        let start = at.saturating_sub(side / 2);
        start..(at + side - side / 2).min(size)
    };
    let columns = covered(centre.1, geometry.width);
    let row = geometry.width * geometry.colours;
    for y in covered(centre.0, geometry.height) {
        let start = y * row + columns.start * geometry.colours;
        image[start..start + columns.len() * geometry.colours].fill(CUT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;
    use proptest::prelude::*;

    /// Pixel by pixel, from the definition.
    fn naive(
        geometry: Geometry,
        pad: usize,
        at: (usize, usize),
        flip: bool,
        image: &[u8],
    ) -> Vec<u8> {
        let Geometry {
            height,
            width,
            colours,
        } = geometry;
        let mut out = Vec::new();
        for y in 0..height {
            for x in 0..width {
                let x = if flip { width - 1 - x } else { x };
                let source_y = (y + at.0).checked_sub(pad).filter(|&y| y < height);
                let source_x = (x + at.1).checked_sub(pad).filter(|&x| x < width);
                for c in 0..colours {
                    out.push(match (source_y, source_x) {
                        (Some(y), Some(x)) => image[(y * width + x) * colours + c],
                        _ => 0,
                    });
                }
            }
        }
        out
    }

    proptest! {
        #[test]
        fn crop_and_mirror_equal_the_naive_formulation(
            height in 1usize..9, width in 1usize..9, grey: bool, flip: bool, pad in 0usize..9,
            down in 0usize..17, right in 0usize..17,
        ) {
            let geometry = Geometry { height, width, colours: if grey { 1 } else { 3 } };
            let pad = pad.min(height).min(width);
            let at = (down.min(2 * pad), right.min(2 * pad));
            let image: Vec<u8> = (1..=geometry.bytes() as u8).collect();
            let mut out = vec![255; image.len()];
            crop(geometry, pad, at, &image, &mut out);
            if flip {
                mirror(geometry, &mut out);
            }
            prop_assert_eq!(out, naive(geometry, pad, at, flip, &image));
        }

        #[test]
        fn cutout_paints_the_pixels_that_lie_in_its_square_and_no_others(
            height in 1usize..9, width in 1usize..9, grey: bool, side in 0usize..9, row in 0usize..8, column in 0usize..8,
        ) {
            let geometry = Geometry { height, width, colours: if grey { 1 } else { 3 } };
            let centre = (row.min(height - 1), column.min(width - 1));
            let mut image = vec![1; geometry.bytes()];
            cut(geometry, side, centre, &mut image);
            for (i, &value) in image.iter().enumerate() {
                let pixel = i / geometry.colours;
                // Twice the distance from the square's middle, which lies between pixels for even sides.
                let far = |at: usize, middle: usize| {
                    (2 * at as i64 + 1 - 2 * middle as i64 - (side % 2) as i64).unsigned_abs()
                };
                let inside = far(pixel / width, centre.0) < side as u64 && far(pixel % width, centre.1) < side as u64;
                prop_assert_eq!(value, if inside { CUT } else { 1 });
            }
        }
    }

    #[test]
    fn every_window_and_both_orientations_occur() {
        let geometry = Geometry {
            height: 3,
            width: 3,
            colours: 1,
        };
        let image: Vec<u8> = (1..=9).collect();
        let mut seen = std::collections::BTreeSet::new();
        for index in 0..400 {
            let mut out = vec![0; 9];
            let mut random = Random::new(Purpose::Augment, 0, 0, index);
            let augment = Augment {
                pad: 1,
                flip: true,
                crop: None,
                cutout: 0,
            };
            let applied = augment.apply((geometry, &image), geometry, &mut out, &mut random);
            applied.unwrap();
            seen.insert(out);
        }
        // 9 windows, each as it is and mirrored; none of them coincide for this image.
        assert_eq!(seen.len(), 18);
    }

    #[test]
    fn no_augmentation_changes_nothing() {
        let geometry = Geometry {
            height: 2,
            width: 2,
            colours: 3,
        };
        let image: Vec<u8> = (0..12).collect();
        for index in 0..20 {
            let mut out = vec![0; 12];
            let mut random = Random::new(Purpose::Augment, 0, 0, index);
            let plain = Augment::default();
            let applied = plain.apply((geometry, &image), geometry, &mut out, &mut random);
            applied.unwrap();
            assert_eq!(out, image);
        }
    }

    #[test]
    fn random_windows_lie_in_the_image_and_cover_what_was_asked() {
        for (height, width) in [(32, 32), (20, 45), (300, 2), (1, 1), (1, 90)] {
            let geometry = Geometry {
                height,
                width,
                colours: 3,
            };
            let mut seen = std::collections::BTreeSet::new();
            let mut smallest = f64::MAX;
            for index in 0..300 {
                let mut random = Random::new(Purpose::Augment, 1, 2, index);
                let window = random_window(geometry, 0.25, &mut random);
                assert!(window.height >= 1 && window.top + window.height <= height);
                assert!(window.width >= 1 && window.left + window.width <= width);
                let share = (window.height * window.width) as f64 / (height * width) as f64;
                smallest = smallest.min(share);
                seen.insert((window.top, window.left, window.height, window.width));
            }
            if height > 4 && width > 4 {
                assert!(
                    (0.2..0.3).contains(&smallest),
                    "{height}x{width}: {smallest}"
                );
                assert!(seen.len() > 200, "{height}x{width}: {}", seen.len());
            }
        }
    }

    #[test]
    fn a_window_of_all_the_image_is_only_resized() {
        let from = Geometry {
            height: 12,
            width: 12,
            colours: 1,
        };
        let to = Geometry {
            height: 4,
            width: 4,
            colours: 1,
        };
        // Brightness rises to the right, whatever the window.
        let image: Vec<u8> = (0..144).map(|i| (i % 12 * 20) as u8).collect();
        for index in 0..50 {
            let mut out = [0; 16];
            let mut random = Random::new(Purpose::Augment, 0, 0, index);
            let augment = Augment {
                crop: Some(0.5),
                ..Augment::default()
            };
            augment
                .apply((from, &image), to, &mut out, &mut random)
                .unwrap();
            for row in out.chunks(4) {
                assert!(row.is_sorted_by(|a, b| a < b), "{row:?}");
            }
        }
    }
}
