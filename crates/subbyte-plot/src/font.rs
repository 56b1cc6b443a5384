//! The compiled-in typeface: measuring, shortening and outlining text.

use std::sync::LazyLock;

use ttf_parser::{Face, OutlineBuilder};

/// Weight of a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Weight {
    Regular,
    SemiBold,
}

/// Families that an SVG asks for; all but the last are about as wide as the compiled-in one or narrower.
pub(crate) const FAMILIES: &str = "Inter, 'Helvetica Neue', 'Segoe UI', Roboto, Arial, sans-serif";

static REGULAR: LazyLock<Face<'static>> =
    LazyLock::new(|| face(include_bytes!("../assets/Inter-Regular.otf")));
static SEMI_BOLD: LazyLock<Face<'static>> =
    LazyLock::new(|| face(include_bytes!("../assets/Inter-SemiBold.otf")));

fn face(bytes: &'static [u8]) -> Face<'static> {
    Face::parse(bytes, 0).expect("the compiled-in font is whole")
}

impl Weight {
    fn face(self) -> &'static Face<'static> {
        match self {
            Weight::Regular => &REGULAR,
            Weight::SemiBold => &SEMI_BOLD,
        }
    }
}

/// Width of `text` at `size` pixels an em.
pub(crate) fn width(text: &str, size: f64, weight: Weight) -> f64 {
    let mut units = 0u64;
    walk(text, weight, |_, advance| units += u64::from(advance));
    units as f64 * size / f64::from(weight.face().units_per_em())
}

/// `text` on one line, no wider than `max` pixels: where it is too long, its middle becomes an ellipsis, because names of layers
/// and runs tend to differ at their ends.
pub(crate) fn fit(text: &str, size: f64, weight: Weight, max: f64) -> String {
    let line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if width(&line, size, weight) <= max {
        return line;
    }
    let chars: Vec<char> = line.chars().collect();
    let shortened = |keep: usize| -> String {
        let head = keep.div_ceil(2);
        let tail = keep - head;
        chars[..head]
            .iter()
            .chain(['…'].iter())
            .chain(&chars[chars.len() - tail..])
            .collect()
    };
    // Widths grow with what is kept, so the longest text that fits is found by bisection.
    let (mut low, mut high) = (0, chars.len().saturating_sub(1));
    while low < high {
        let middle = (low + high).div_ceil(2);
        if width(&shortened(middle), size, weight) <= max {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    shortened(low)
}

/// Draws the outlines of `text` into `builder`, whose `start_glyph` is told where each glyph begins.
pub(crate) fn outline<B: GlyphSink>(text: &str, size: f64, weight: Weight, builder: &mut B) {
    let face = weight.face();
    let scale = size / f64::from(face.units_per_em());
    let mut units = 0u64;
    walk(text, weight, |glyph, advance| {
        builder.start_glyph(units as f64 * scale, scale);
        face.outline_glyph(glyph, builder);
        units += u64::from(advance);
    });
}

/// Takes the outlines of a text, in font units with the y axis upwards.
pub(crate) trait GlyphSink: OutlineBuilder {
    /// The next outline starts `x` pixels from the start of the text and is to be multiplied by `scale`.
    fn start_glyph(&mut self, x: f64, scale: f64);
}

/// Calls `f` with each glyph and its advance in font units; characters that the font lacks are its replacement glyph.
fn walk(text: &str, weight: Weight, mut f: impl FnMut(ttf_parser::GlyphId, u16)) {
    let face = weight.face();
    for c in text.chars() {
        let glyph = face
            .glyph_index(c)
            .or_else(|| face.glyph_index('\u{fffd}'))
            .unwrap_or_default();
        f(glyph, face.glyph_hor_advance(glyph).unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_font_has_every_sign_that_figures_use() {
        for weight in [Weight::Regular, Weight::SemiBold] {
            for c in (' '..='~').chain("…–−×·%ΣαµäßÉé→≤".chars()) {
                assert!(weight.face().glyph_index(c).is_some(), "{c:?}");
            }
        }
    }

    #[test]
    fn long_names_keep_their_ends_and_fit() {
        let name = "a_run_with_a_very_long_name_that_ends_in_w2a2";
        for max in [30.0, 80.0, 120.0] {
            let short = fit(name, 12.0, Weight::Regular, max);
            assert!(width(&short, 12.0, Weight::Regular) <= max);
            assert!(short.starts_with("a") && short.ends_with("2") && short.contains('…'));
        }
        assert_eq!(
            fit("short\nname", 12.0, Weight::Regular, 200.0),
            "short name"
        );
        assert_eq!(fit("", 12.0, Weight::Regular, 0.0), "");
        assert_eq!(fit("x", 12.0, Weight::Regular, 0.0), "…");
    }
}
