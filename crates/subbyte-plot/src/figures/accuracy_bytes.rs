use super::labels::{Area, beside};
use crate::{
    Error,
    axis::{Scale, extent, plottable},
    colour::{Paint, SERIES},
    error::check,
    figure::{Align, Figure, Stroke, Style},
    plot::Plot,
};

/// A network's size and accuracy.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Shown at the point.
    pub name: String,
    /// Size in bytes, at least 1.
    pub bytes: u64,
    /// Fraction of images classified right.
    pub accuracy: f64,
}

impl Point {
    fn percent(&self) -> f64 {
        100.0 * self.accuracy
    }
}

const SIZE: (f64, f64) = (720.0, 430.0);
const LEFT: f64 = 44.0;
const RIGHT: f64 = 24.0;
/// Room inside the frame, so that labels of points at its edge stay in it.
const INSET: f64 = 14.0;
const LABEL_HEIGHT: f64 = 15.0;
const DOT: Paint = Paint::Solid(SERIES[0]);
const FRONT: Stroke = Stroke::solid(Paint::Tint(SERIES[0], 0.35), 1.5);

/// Accuracy against size: each network a labelled point, and a line along those that no smaller network beats.
///
/// # Errors
/// [`Error::Data`] if there are no points, or some without bytes or with an accuracy that is not finite.
pub fn accuracy_bytes(points: &[Point]) -> Result<Figure, Error> {
    check("accuracy against size", problems(points))?;
    let (width, height) = SIZE;
    let (left, right) = (LEFT, width - RIGHT);
    let (top, bottom) = (Plot::ABOVE, height - Plot::BELOW);
    let bytes = extent(points.iter().map(|p| p.bytes as f64)).unwrap_or_default();
    let accuracy = extent(points.iter().map(Point::percent)).unwrap_or_default();
    let x = Scale::bytes(bytes, (left, right));
    let y = Scale::rounded(accuracy, (bottom, top), 6);

    let names: Vec<&str> = points.iter().map(|p| p.name.as_str()).collect();
    let description = format!("Accuracy against size in bytes of {}", names.join(", "));
    let mut figure = Figure::new(width, height, description);
    let plot = Plot {
        heading: "Accuracy, %",
        across: "size",
        x: &x,
        y: &y,
    };
    plot.draw(&mut figure);
    let place = |p: &Point| (x.at(p.bytes as f64), y.at(p.percent()));
    let front: Vec<(f64, f64)> = front(points).into_iter().map(place).collect();
    let places: Vec<(f64, f64)> = points.iter().map(place).collect();
    let frame = Area {
        left,
        top: top - INSET,
        right: width - 2.0,
        bottom,
    };
    let labels = labels(points, &places, &front, frame);
    if front.len() > 1 {
        figure.line(front, FRONT);
    }
    for place in places {
        figure.dot(place, 4.5, DOT);
    }
    for (at, name) in labels {
        figure.text(at, Align::Start, Style::LABEL, name);
    }
    Ok(figure)
}

fn problems(points: &[Point]) -> Vec<String> {
    let mut problems = Vec::new();
    if points.is_empty() {
        problems.push("there are no points".to_owned());
    }
    for point in points {
        if point.bytes == 0 {
            problems.push(format!("point `{}` has no bytes", point.name));
        }
        if !plottable(point.percent()) {
            problems.push(format!(
                "point `{}` has accuracy {}",
                point.name, point.accuracy
            ));
        }
    }
    problems
}

/// Points that are more accurate than all smaller ones, by size.
fn front(points: &[Point]) -> Vec<&Point> {
    let mut order: Vec<&Point> = points.iter().collect();
    order.sort_by(|a, b| (a.bytes.cmp(&b.bytes)).then(b.accuracy.total_cmp(&a.accuracy)));
    let mut best = f64::NEG_INFINITY;
    order.retain(|point| {
        let better = point.accuracy > best;
        best = best.max(point.accuracy);
        better
    });
    order
}

/// Names with the starts of their baselines.
fn labels(
    points: &[Point],
    places: &[(f64, f64)],
    front: &[(f64, f64)],
    frame: Area,
) -> Vec<((f64, f64), String)> {
    let names = points
        .iter()
        .map(|p| Style::LABEL.fit(&p.name, SIZE.0 / 3.0));
    let names: Vec<String> = names.collect();
    let sizes: Vec<(f64, f64)> = names
        .iter()
        .map(|name| (Style::LABEL.width(name), LABEL_HEIGHT))
        .collect();
    beside(places, &sizes, front, frame)
        .into_iter()
        .map(|(x, y)| (x, y + LABEL_HEIGHT / 2.0 + Style::LABEL.half_cap()))
        .zip(names)
        .collect()
}
