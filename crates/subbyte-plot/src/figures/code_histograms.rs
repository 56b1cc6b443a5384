use super::WIDTH;
use crate::{
    Error,
    axis::Scale,
    colour::{Paint, SERIES},
    error::check,
    figure::{Align, Figure, Style},
    label,
    plot::{AXIS, GRID, crisp},
};

/// How often each code of a tensor occurs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    /// Name of the tensor or layer.
    pub name: String,
    /// Occurrences of code 0, 1, …
    pub counts: Vec<u64>,
}

const COLUMNS: usize = 4;
const LEFT: f64 = 36.0;
const BETWEEN: f64 = 14.0;
const EACH: f64 = (WIDTH + BETWEEN) / COLUMNS as f64;
/// Size of a panel's plot.
const PLOT: (f64, f64) = (EACH - LEFT - BETWEEN, 84.0);
/// Room above and below it.
const ABOVE: f64 = 42.0;
const BELOW: f64 = 36.0;
const BAR: Paint = Paint::Solid(SERIES[0]);
/// Codes up to which each has a bar of its own.
const BARS: usize = 32;

/// Small multiples of how often each code occurs, one a tensor, with the number of codes and their entropy: how many of the
/// tensor's bits carry information. Tensors with equally many codes share a vertical scale, in percent of all their codes.
///
/// # Errors
/// [`Error::Data`] if there are no histograms, or some without codes.
pub fn code_histograms(histograms: &[Histogram]) -> Result<Figure, Error> {
    let mut problems = Vec::new();
    if histograms.is_empty() {
        problems.push("there are no histograms".to_owned());
    }
    let empty = histograms.iter().filter(|h| h.counts.is_empty());
    problems.extend(empty.map(|h| format!("histogram `{}` has no codes", h.name)));
    check("code histograms", problems)?;

    let rows = histograms.len().div_ceil(COLUMNS);
    let columns = histograms.len().min(COLUMNS);
    let mut figure = Figure::new(
        EACH * columns as f64 - BETWEEN,
        (ABOVE + PLOT.1 + BELOW) * rows as f64 - 18.0,
        format!("How often each code occurs in {} tensors", histograms.len()),
    );
    for (i, histogram) in histograms.iter().enumerate() {
        let left = LEFT + EACH * (i % COLUMNS) as f64;
        let top = ABOVE + (ABOVE + PLOT.1 + BELOW) * (i / COLUMNS) as f64;
        let alike = histograms
            .iter()
            .filter(|h| h.counts.len() == histogram.counts.len());
        let highest = alike.flat_map(Histogram::percentages).fold(0.0, f64::max);
        let highest = if highest > 0.0 { highest } else { 100.0 };
        let y = Scale::rounded((0.0, highest), (top + PLOT.1, top), 3);
        draw_headings(&mut figure, histogram, (left, top));
        draw_frame(&mut figure, histogram, &y, left);
        draw_bars(&mut figure, histogram, &y, left);
    }
    Ok(figure)
}

impl Histogram {
    fn total(&self) -> f64 {
        self.counts.iter().map(|&count| count as f64).sum()
    }

    /// Share of each code in percent, all 0 where nothing was counted.
    fn percentages(&self) -> impl Iterator<Item = f64> {
        let total = self.total().max(1.0);
        self.counts
            .iter()
            .map(move |&count| 100.0 * count as f64 / total)
    }

    /// Entropy in bits a code.
    fn entropy(&self) -> f64 {
        self.percentages()
            .map(|percent| percent / 100.0)
            .filter(|&p| p > 0.0)
            .map(|p| -p * p.log2())
            .sum::<f64>()
            .max(0.0)
    }
}

fn draw_headings(figure: &mut Figure, histogram: &Histogram, (left, top): (f64, f64)) {
    let style = Style {
        size: 12.0,
        ..Style::HEADING
    };
    let name = style.fit(&histogram.name, PLOT.0);
    figure.text((left, top - 26.0), Align::Start, style, name);
    let total = histogram.total();
    let note = if total > 0.0 {
        let codes = label::count(total);
        format!("{codes} codes, entropy {:.2} bits", histogram.entropy())
    } else {
        "no codes".to_owned()
    };
    figure.text((left, top - 11.0), Align::Start, Style::NOTE, note);
}

/// Grid, percentages and the numbers of the codes.
fn draw_frame(figure: &mut Figure, histogram: &Histogram, y: &Scale, left: f64) {
    for tick in &y.ticks {
        let at = crisp(y.at(tick.value));
        figure.line(vec![(left, at), (left + PLOT.0, at)], GRID);
        let baseline = at + Style::NOTE.half_cap();
        let label = format!("{}%", tick.label);
        figure.text((left - 6.0, baseline), Align::End, Style::NOTE, label);
    }
    let (codes, bottom) = (histogram.counts.len(), y.pixels.0);
    let step = if codes <= 8 { 1 } else { codes.div_ceil(4) };
    let shown = (0..codes)
        .step_by(step)
        .filter(|code| code + step / 2 < codes - 1)
        .chain([codes - 1]);
    for code in shown {
        let x = left + PLOT.0 * (code as f64 + 0.5) / codes as f64;
        figure.text(
            (x, bottom + 15.0),
            Align::Middle,
            Style::NOTE,
            code.to_string(),
        );
    }
}

/// A bar a code; the bars of many codes become one shape, as gaps between them would not be seen.
fn draw_bars(figure: &mut Figure, histogram: &Histogram, y: &Scale, left: f64) {
    let (codes, bottom) = (histogram.counts.len(), y.pixels.0);
    let wide = PLOT.0 / codes as f64;
    let places = histogram
        .percentages()
        .enumerate()
        .map(|(code, percent)| (left + wide * code as f64, y.at(percent)));
    if codes <= BARS {
        let gap = (0.16 * wide).min(6.0);
        for (x, top) in places.filter(|&(_, top)| top < bottom) {
            let at = (x + gap / 2.0, top);
            figure.rect(at, (wide - gap, bottom - top), BAR);
        }
    } else {
        let mut outline = vec![(left, bottom)];
        outline.extend(places.flat_map(|(x, top)| [(x, top), (x + wide, top)]));
        outline.push((left + PLOT.0, bottom));
        figure.area(outline, BAR);
    }
    let base = crisp(bottom);
    figure.line(vec![(left, base), (left + PLOT.0, base)], AXIS);
}
