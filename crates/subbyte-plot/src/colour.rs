//! Colours: one sequential palette for codes, a few distinct ones for series, and ink.

/// A colour in sRGB.
pub(crate) type Rgb = [u8; 3];

/// Ink on paper, where the surface is not the page's own.
pub(crate) const INK: Rgb = [27, 30, 36];
/// Background of pictures that stand alone.
pub(crate) const PAPER: Rgb = [255, 255, 255];

/// What a mark is painted with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Paint {
    /// The surface's own ink at this opacity: dark on paper, the text colour inside a page.
    Ink(f32),
    /// A colour that is the same everywhere.
    Solid(Rgb),
    /// The colour at an opacity.
    Tint(Rgb, f32),
}

/// Colours of series, distinct under every common colour blindness and legible on white and near-black: the palette of Okabe
/// and Ito (Color Universal Design) without its black and its yellow, and with a lighter blue.
pub(crate) const SERIES: [Rgb; 6] = [
    [20, 124, 190],
    [213, 94, 0],
    [0, 158, 115],
    [204, 121, 167],
    [230, 159, 0],
    [86, 180, 233],
];

/// Colour of series `i`; they repeat.
pub(crate) fn series(i: usize) -> Rgb {
    SERIES[i % SERIES.len()]
}

/// Equal steps of lightness in Oklab (0.27 to 0.93) while the hue turns from violet over teal to yellow, so that the order is
/// seen in grey and under every colour blindness.
const SEQUENTIAL: [Rgb; 9] = [
    [42, 20, 88],
    [36, 52, 118],
    [0, 85, 139],
    [2, 115, 145],
    [0, 146, 153],
    [37, 176, 153],
    [106, 202, 144],
    [176, 221, 142],
    [236, 239, 155],
];

/// Colour of `code` among the codes `0..=max`: dark for 0, light for `max`.
pub(crate) fn sequential(code: u8, max: u8) -> Rgb {
    let (last, max) = (SEQUENTIAL.len() - 1, usize::from(max.max(1)));
    let place = usize::from(code) * last;
    let (below, part) = ((place / max).min(last), place % max);
    let above = (below + 1).min(last);
    std::array::from_fn(|i| {
        let (a, b) = (
            usize::from(SEQUENTIAL[below][i]),
            usize::from(SEQUENTIAL[above][i]),
        );
        ((a * (max - part) + b * part + max / 2) / max) as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance in sRGB's linear light.
    fn luminance([r, g, b]: Rgb) -> f64 {
        let linear = |v: u8| (f64::from(v) / 255.0).powf(2.2);
        0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
    }

    #[test]
    fn larger_codes_are_lighter_at_every_width() {
        for bits in 1..=8u8 {
            let max = ((1u16 << bits) - 1) as u8;
            // Neighbours among more than 64 colours differ by less than the rounding to 8 bits.
            let apart = (max / 63).max(1);
            for code in apart..=max {
                let (a, b) = (sequential(code - apart, max), sequential(code, max));
                assert!(luminance(a) < luminance(b), "{bits} bits, code {code}");
            }
            assert_eq!(sequential(0, max), SEQUENTIAL[0]);
            assert_eq!(sequential(max, max), SEQUENTIAL[8]);
        }
    }
}
