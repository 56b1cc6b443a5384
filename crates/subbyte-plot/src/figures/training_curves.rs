use super::{WIDTH, labels::spread};
use crate::{
    Error,
    axis::{Scale, extent, plottable},
    colour::{Paint, SERIES, series},
    error::check,
    figure::{Align, Figure, Stroke, Style},
    legend::Legend,
    plot::Plot,
};

/// What a run measured in one epoch; NaN where it measured nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epoch {
    /// Number of the epoch.
    pub epoch: u32,
    /// Mean loss over the training images.
    pub train_loss: f64,
    /// Fraction of the training images that were classified right.
    pub train_accuracy: f64,
    /// Fraction of the validation images that were classified right.
    pub validation_accuracy: f64,
}

/// One training run.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Shown in the legend.
    pub name: String,
    /// In ascending order of epochs.
    pub epochs: Vec<Epoch>,
}

/// What a panel shows.
struct Quantity {
    heading: &'static str,
    value: fn(&Epoch) -> f64,
    /// Percent, on a scale that all accuracies share; a loss has its own, from zero.
    accuracy: bool,
    /// Whether the values of the last epoch stand at the lines' ends.
    labelled: bool,
}

const QUANTITIES: [Quantity; 3] = [
    Quantity {
        heading: "Training loss",
        value: |e| e.train_loss,
        accuracy: false,
        labelled: false,
    },
    Quantity {
        heading: "Training accuracy, %",
        value: |e| 100.0 * e.train_accuracy,
        accuracy: true,
        labelled: false,
    },
    Quantity {
        heading: "Validation accuracy, %",
        value: |e| 100.0 * e.validation_accuracy,
        accuracy: true,
        labelled: true,
    },
];

const PLOT_HEIGHT: f64 = 240.0;
/// Room for the numbers of the vertical axes.
const LEFT: f64 = 40.0;
/// Room between panels.
const BETWEEN: f64 = 12.0;
/// Room for the values at the ends of lines.
const RIGHT: f64 = 40.0;
/// Epochs of the longest run up to which every value gets a dot.
const DOTS: usize = 25;

/// Training loss, training accuracy and validation accuracy over the epochs of one or more runs, side by side, with a legend.
///
/// Values that are not finite leave gaps; a quantity that no run has measured has no panel. The validation accuracy of each run's
/// last epoch stands at its line's end.
///
/// # Errors
/// [`Error::Data`] if there are no runs, runs without epochs, or no finite value at all.
pub fn training_curves(runs: &[Run]) -> Result<Figure, Error> {
    let range = |value: fn(&Epoch) -> f64| {
        let epochs = runs.iter().flat_map(|run| &run.epochs);
        extent(epochs.map(value))
    };
    let panels: Vec<(&Quantity, (f64, f64))> = QUANTITIES
        .iter()
        .filter_map(|quantity| Some((quantity, range(quantity.value)?)))
        .collect();
    check("training curves", problems(runs, panels.is_empty()))?;

    let legend = Legend::new(
        WIDTH - LEFT,
        (0..).zip(runs).map(|(i, run)| (pen(i), run.name.as_str())),
    );
    let (top, bottom) = (Plot::ABOVE, Plot::ABOVE + PLOT_HEIGHT);
    let names: Vec<&str> = runs.iter().map(|run| run.name.as_str()).collect();
    let mut figure = Figure::new(
        WIDTH,
        bottom + Plot::BELOW + 12.0 + legend.height(),
        format!("Loss and accuracy over the epochs of {}", names.join(", ")),
    );
    let accuracies = panels.iter().filter(|(q, _)| q.accuracy);
    let accuracies = extent(accuracies.flat_map(|&(_, (lo, hi))| [lo, hi])).unwrap_or_default();
    let epochs = range(|e| f64::from(e.epoch)).unwrap_or_default();
    let longest = runs.iter().map(|run| run.epochs.len()).max();
    let dots = longest.is_some_and(|epochs| epochs <= DOTS);
    let each = (WIDTH - RIGHT + BETWEEN) / panels.len() as f64;
    for (i, &(quantity, (lo, hi))) in panels.iter().enumerate() {
        let left = LEFT + each * i as f64;
        let pixels = (left, left + each - LEFT - BETWEEN);
        let domain = if quantity.accuracy {
            accuracies
        } else {
            (lo.min(0.0), hi)
        };
        let x = Scale::whole(epochs, pixels, 6);
        let y = Scale::rounded(domain, (bottom, top), 5);
        let plot = Plot {
            heading: quantity.heading,
            across: "epoch",
            x: &x,
            y: &y,
        };
        plot.draw(&mut figure);
        for (i, run) in runs.iter().enumerate() {
            draw_curve(&mut figure, &plot, run, quantity.value, pen(i), dots);
        }
        if quantity.labelled {
            label_ends(&mut figure, &plot, runs, quantity.value);
        }
    }
    legend.draw(&mut figure, (LEFT, bottom + Plot::BELOW + 12.0));
    Ok(figure)
}

fn problems(runs: &[Run], nothing: bool) -> Vec<String> {
    let mut problems: Vec<String> = runs
        .iter()
        .filter(|run| run.epochs.is_empty())
        .map(|run| format!("run `{}` has no epochs", run.name))
        .collect();
    if runs.is_empty() {
        problems.push("there are no runs".to_owned());
    } else if problems.is_empty() && nothing {
        problems.push("no run has a finite value".to_owned());
    }
    problems
}

/// Pen of run `i`: solid while the colours last, then dashed.
fn pen(i: usize) -> Stroke {
    let paint = Paint::Solid(series(i));
    if (i / SERIES.len()).is_multiple_of(2) {
        Stroke::solid(paint, 2.0)
    } else {
        Stroke::dashed(paint, 2.0)
    }
}

/// The curve of one run, interrupted where a value is missing; a value between two gaps is always a dot.
fn draw_curve(
    figure: &mut Figure,
    plot: &Plot,
    run: &Run,
    value: fn(&Epoch) -> f64,
    pen: Stroke,
    dots: bool,
) {
    for part in run.epochs.split(|e| !plottable(value(e))) {
        let points: Vec<(f64, f64)> = part
            .iter()
            .map(|e| (plot.x.at(f64::from(e.epoch)), plot.y.at(value(e))))
            .collect();
        if dots || points.len() == 1 {
            for &point in &points {
                figure.dot(point, 2.75, pen.paint);
            }
        }
        if points.len() > 1 {
            figure.line(points, pen);
        }
    }
}

/// Writes each run's value of its last epoch beside its line's end, where the panel has room for all of them.
fn label_ends(figure: &mut Figure, plot: &Plot, runs: &[Run], value: fn(&Epoch) -> f64) {
    let line = 13.0;
    let ends: Vec<(usize, f64)> = runs
        .iter()
        .map(|run| run.epochs.last().map_or(f64::NAN, value))
        .enumerate()
        .filter(|&(_, value)| plottable(value))
        .collect();
    let (bottom, top) = plot.y.pixels;
    let wanted: Vec<f64> = ends.iter().map(|&(_, value)| plot.y.at(value)).collect();
    let Some(places) = spread(&wanted, line, (top, bottom)) else {
        return;
    };
    for ((i, value), y) in ends.into_iter().zip(places) {
        let style = Style {
            size: 11.5,
            ..Style::HEADING.painted(Paint::Solid(series(i)))
        };
        let at = (plot.x.pixels.1 + 8.0, y + style.half_cap());
        figure.text(at, Align::Start, style, format!("{value:.1}"));
    }
}
