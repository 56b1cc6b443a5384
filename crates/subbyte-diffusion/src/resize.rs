//! The resize of the original FID network.

/// `picture [height][width][channels]` as `[size][size][channels]`, bilinear without half-pixel offset: the source of a target is `target *
/// length / size`, and beyond the last pixel is the last pixel.
pub(crate) fn resized(
    picture: &[f32],
    [height, width, channels]: [usize; 3],
    size: usize,
) -> Vec<f32> {
    let taps = |length: usize| {
        (0..size).map(move |target| {
            let source = target as f32 * (length as f32 / size as f32);
            let first = (source as usize).min(length - 1);
            (first, (first + 1).min(length - 1), source - first as f32)
        })
    };
    let mut out = Vec::with_capacity(size * size * channels);
    for (top, bottom, down) in taps(height) {
        for (left, right, across) in taps(width) {
            for channel in 0..channels {
                let at = |row: usize, column: usize| {
                    picture[(row * width + column) * channels + channel]
                };
                let between = |a: f32, b: f32, share: f32| a + (b - a) * share;
                let above = between(at(top, left), at(top, right), across);
                let below = between(at(bottom, left), at(bottom, right), across);
                out.push(between(above, below, down));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners_stay_and_the_last_pixel_is_repeated() {
        let picture = [0.0, 1.0, 2.0, 3.0];
        let large = resized(&picture, [2, 2, 1], 4);
        assert_eq!(large[..4], [0.0, 0.5, 1.0, 1.0]);
        assert_eq!(large[4..8], [1.0, 1.5, 2.0, 2.0]);
        assert_eq!(large[12..], [2.0, 2.5, 3.0, 3.0]);
        assert_eq!(resized(&picture, [2, 2, 1], 2), picture);
    }
}
