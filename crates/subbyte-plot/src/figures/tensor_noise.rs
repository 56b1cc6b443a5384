use super::WIDTH;
use crate::{
    Error,
    axis::{Scale, extent, plottable},
    colour::{Paint, SERIES},
    error::check,
    figure::{Align, Figure, Stroke, Style},
    plot::{AXIS, Plot},
};

/// How much of a tensor is signal.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorNoise {
    /// Name of the tensor or layer.
    pub name: String,
    /// Signal to noise in dB; infinite where there is no noise.
    pub ratio: f64,
    /// Drawn in another colour.
    pub marked: bool,
}

const ROW: f64 = 17.0;
const BAR: f64 = 11.0;
const NAMES: f64 = 230.0;
/// Room to the right of the longest bar, for its number.
const NUMBERS: f64 = 52.0;
const PLAIN: Paint = Paint::Solid(SERIES[0]);
const MARKED: Paint = Paint::Solid(SERIES[1]);
const LEAST: Stroke = Stroke::dashed(Paint::Ink(0.55), 1.0);

/// Signal to noise of tensors, a bar each, from above in their order; a dashed line stands at `least` dB. Tensors without noise say so
/// and have no bar.
///
/// # Errors
/// [`Error::Data`] if there are no tensors, or one has a ratio that is no number or too large to draw.
pub fn tensor_noise(tensors: &[TensorNoise], least: f64) -> Result<Figure, Error> {
    let mut problems = Vec::new();
    if tensors.is_empty() {
        problems.push("there are no tensors".to_owned());
    }
    let broken = |t: &&TensorNoise| !(plottable(t.ratio) || t.ratio == f64::INFINITY);
    let broken = tensors.iter().filter(broken);
    problems.extend(broken.map(|t| format!("tensor `{}` has ratio {}", t.name, t.ratio)));
    check("noise by tensor", problems)?;

    let (top, bottom) = (Plot::ABOVE, Plot::ABOVE + ROW * tensors.len() as f64);
    let values = tensors.iter().map(|t| t.ratio).chain([0.0, least]);
    let x = Scale::rounded(
        extent(values).unwrap_or_default(),
        (NAMES, WIDTH - NUMBERS),
        8,
    );
    // Rows have names in place of numbers.
    let mut y = Scale::whole((0.0, 1.0), (bottom, top), 1);
    y.ticks.clear();
    let mut figure = Figure::new(
        WIDTH,
        bottom + Plot::BELOW,
        format!("Signal to quantization noise of {} tensors", tensors.len()),
    );
    let plot = Plot {
        heading: "Signal to quantization noise",
        across: "dB",
        x: &x,
        y: &y,
    };
    plot.draw(&mut figure);
    let zero = x.at(0.0);
    for (i, tensor) in tensors.iter().enumerate() {
        let middle = top + ROW * (i as f64 + 0.5);
        let baseline = middle + Style::NOTE.half_cap();
        let name = Style::NOTE.fit(&tensor.name, NAMES - 10.0);
        figure.text((NAMES - 8.0, baseline), Align::End, Style::NOTE, name);
        let (end, number) = match tensor.ratio {
            f64::INFINITY => (zero, "exact".to_owned()),
            ratio => (x.at(ratio), format!("{ratio:.1}")),
        };
        let (left, right) = (zero.min(end), zero.max(end));
        let fill = if tensor.marked { MARKED } else { PLAIN };
        if right > left {
            let at = (left, middle - BAR / 2.0);
            figure.rect(at, (right - left, BAR), fill);
        }
        figure.text((right + 6.0, baseline), Align::Start, Style::NOTE, number);
    }
    figure.line(vec![(zero, top), (zero, bottom)], AXIS);
    let least = x.at(least);
    figure.line(vec![(least, top), (least, bottom)], LEAST);
    Ok(figure)
}
