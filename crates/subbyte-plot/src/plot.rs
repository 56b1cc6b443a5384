//! The frame of a panel: heading, grid and axes.

use crate::{
    axis::Scale,
    colour::Paint,
    figure::{Align, Figure, Stroke, Style},
};

/// Lines of a grid.
pub(crate) const GRID: Stroke = Stroke::solid(Paint::Ink(0.12), 1.0);
/// Axes, where something stands on them.
pub(crate) const AXIS: Stroke = Stroke::solid(Paint::Ink(0.55), 1.0);

/// Two scales with their names.
pub(crate) struct Plot<'a> {
    /// Heading above the panel, naming the vertical axis.
    pub heading: &'a str,
    /// Name of the horizontal axis.
    pub across: &'a str,
    pub x: &'a Scale,
    pub y: &'a Scale,
}

impl Plot<'_> {
    /// Height that [`Plot::draw`] needs above the scale's upper end.
    pub(crate) const ABOVE: f64 = 28.0;
    /// Height that it needs below the scale's lower end.
    pub(crate) const BELOW: f64 = 37.0;

    /// Draws everything but the data.
    pub(crate) fn draw(&self, figure: &mut Figure) {
        let (left, right) = self.x.pixels;
        let (bottom, top) = self.y.pixels;
        figure.text(
            (left, top - 17.0),
            Align::Start,
            Style::HEADING,
            self.heading,
        );
        for tick in &self.y.ticks {
            let y = crisp(self.y.at(tick.value));
            figure.line(vec![(left, y), (right, y)], GRID);
            let baseline = y + Style::NOTE.half_cap();
            figure.text(
                (left - 8.0, baseline),
                Align::End,
                Style::NOTE,
                tick.label.as_str(),
            );
        }
        figure.line(vec![(left, crisp(bottom)), (right, crisp(bottom))], AXIS);
        for tick in &self.x.ticks {
            let x = crisp(self.x.at(tick.value));
            figure.line(vec![(x, bottom), (x, bottom + 5.0)], AXIS);
            let at = (x, bottom + 17.0);
            figure.text(at, Align::Middle, Style::NOTE, tick.label.as_str());
        }
        let middle = (left + right) / 2.0;
        figure.text(
            (middle, bottom + 33.0),
            Align::Middle,
            Style::NOTE,
            self.across,
        );
    }
}

/// The nearest place at which a line of one pixel covers whole pixels.
pub(crate) fn crisp(v: f64) -> f64 {
    v.floor() + 0.5
}
