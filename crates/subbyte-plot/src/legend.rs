//! Legends: samples with names, in as many rows as the width asks for.

use crate::figure::{Align, Figure, Stroke, Style};

const SAMPLE: f64 = 22.0;
const GAP: f64 = 7.0;
const BETWEEN: f64 = 22.0;
const ROW: f64 = 20.0;

/// Entries with the places they take.
pub(crate) struct Legend {
    entries: Vec<Entry>,
    height: f64,
}

struct Entry {
    x: f64,
    y: f64,
    stroke: Stroke,
    name: String,
}

impl Legend {
    /// Lays out `entries` within `width`, in order.
    pub(crate) fn new<'a>(
        width: f64,
        entries: impl IntoIterator<Item = (Stroke, &'a str)>,
    ) -> Self {
        let (mut x, mut y) = (0.0, 0.0);
        let mut placed = Vec::new();
        for (stroke, name) in entries {
            let name = Style::LABEL.fit(name, width / 2.0);
            let wide = SAMPLE + GAP + Style::LABEL.width(&name);
            if x > 0.0 && x + wide > width {
                (x, y) = (0.0, y + ROW);
            }
            placed.push(Entry { x, y, stroke, name });
            x += wide + BETWEEN;
        }
        Self {
            height: if placed.is_empty() { 0.0 } else { y + ROW },
            entries: placed,
        }
    }

    pub(crate) fn height(&self) -> f64 {
        self.height
    }

    /// Draws the entries with their upper left corner at `(left, top)`.
    pub(crate) fn draw(&self, figure: &mut Figure, (left, top): (f64, f64)) {
        for entry in &self.entries {
            let (x, y) = (left + entry.x, top + entry.y + ROW / 2.0);
            figure.line(vec![(x, y), (x + SAMPLE, y)], entry.stroke);
            let at = (x + SAMPLE + GAP, y + Style::LABEL.half_cap());
            figure.text(at, Align::Start, Style::LABEL, entry.name.as_str());
        }
    }
}
