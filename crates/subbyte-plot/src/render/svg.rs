//! SVG: text stays text, numbers have at most two decimals.

use std::fmt::{self, Write};

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{MARGIN, image::encode};
use crate::{
    Figure,
    colour::{INK, PAPER, Paint, Rgb},
    escape::escape,
    figure::{Align, Mark, Stroke, Style},
    font::{FAMILIES, Weight},
};

/// What the picture lies on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Surface {
    /// White paper; the SVG is a file.
    Paper,
    /// A page of any scheme; the SVG is an element of it and its ink is the page's text colour.
    Page,
}

/// `figure` as an SVG document or element.
pub(crate) fn svg(figure: &Figure, surface: Surface) -> String {
    let mut out = String::new();
    write_svg(&mut out, figure, surface).expect("a string takes every character");
    out
}

fn write_svg(out: &mut String, figure: &Figure, surface: Surface) -> fmt::Result {
    let margin = match surface {
        Surface::Paper => MARGIN,
        Surface::Page => 0.0,
    };
    let (width, height) = (
        Number(figure.width + 2.0 * margin),
        Number(figure.height + 2.0 * margin),
    );
    let corner = Number(-margin);
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"{corner} {corner} {width} {height}\" role=\"img\" aria-label=\"{}\" \
         font-family=\"{FAMILIES}\">",
        escape(&figure.description)
    )?;
    if surface == Surface::Paper {
        writeln!(
            out,
            "<rect x=\"{corner}\" y=\"{corner}\" width=\"{width}\" height=\"{height}\" fill=\"{}\"/>",
            Hex(PAPER)
        )?;
    }
    for mark in &figure.marks {
        write_mark(out, mark, surface)?;
    }
    out.write_str("</svg>\n")
}

fn write_mark(out: &mut String, mark: &Mark, surface: Surface) -> fmt::Result {
    match mark {
        Mark::Rect { at, size, fill } => {
            write!(out, "<rect {}", Place(*at, *size))?;
            write_paint(out, "fill", *fill, surface)?;
        }
        Mark::Area { points, fill } => {
            write!(out, "<polygon points=\"{}\"", Points(points))?;
            write_paint(out, "fill", *fill, surface)?;
        }
        Mark::Line { points, stroke } => write_line(out, points, stroke, surface)?,
        Mark::Dot {
            at: (x, y),
            r,
            fill,
        } => {
            let (x, y, r) = (Number(*x), Number(*y), Number(*r));
            write!(out, "<circle cx=\"{x}\" cy=\"{y}\" r=\"{r}\"")?;
            write_paint(out, "fill", *fill, surface)?;
        }
        Mark::Text {
            at,
            text,
            align,
            style,
        } => return write_text(out, *at, text, *align, *style, surface),
        Mark::Cells {
            at,
            size,
            columns,
            colours,
        } => write_cells(out, Place(*at, *size), *columns, colours)?,
    }
    out.write_str("/>\n")
}

fn write_line(
    out: &mut String,
    points: &[(f64, f64)],
    stroke: &Stroke,
    surface: Surface,
) -> fmt::Result {
    write!(
        out,
        "<polyline points=\"{}\" fill=\"none\" stroke-width=\"{}\" stroke-linejoin=\"round\"",
        Points(points),
        Number(stroke.width)
    )?;
    if let Some([on, off]) = stroke.dash() {
        write!(out, " stroke-dasharray=\"{on} {off}\"")?;
    }
    write_paint(out, "stroke", stroke.paint, surface)
}

fn write_text(
    out: &mut String,
    (x, y): (f64, f64),
    text: &str,
    align: Align,
    style: Style,
    surface: Surface,
) -> fmt::Result {
    let (x, y, size) = (Number(x), Number(y), Number(style.size));
    write!(out, "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\"")?;
    if style.weight == Weight::SemiBold {
        out.write_str(" font-weight=\"600\"")?;
    }
    match align {
        Align::Start => {}
        Align::Middle => out.write_str(" text-anchor=\"middle\"")?,
        Align::End => out.write_str(" text-anchor=\"end\"")?,
    }
    write_paint(out, "fill", style.paint, surface)?;
    writeln!(out, ">{}</text>", escape(text))
}

/// Cells are an embedded image of one pixel a cell, which viewers must not smooth.
fn write_cells(out: &mut String, place: Place, columns: usize, colours: &[Rgb]) -> fmt::Result {
    let image = encode(
        columns as u32,
        (colours.len() / columns) as u32,
        colours,
        None,
    );
    write!(
        out,
        "<image {place} preserveAspectRatio=\"none\" image-rendering=\"optimizeSpeed\" \
         style=\"image-rendering:pixelated\" href=\"data:image/png;base64,{}\"",
        STANDARD.encode(image)
    )
}

fn write_paint(out: &mut String, what: &str, paint: Paint, surface: Surface) -> fmt::Result {
    let (colour, opacity) = match paint {
        Paint::Ink(opacity) if surface == Surface::Page => ("currentColor".to_owned(), opacity),
        Paint::Ink(opacity) => (Hex(INK).to_string(), opacity),
        Paint::Solid(rgb) => (Hex(rgb).to_string(), 1.0),
        Paint::Tint(rgb, opacity) => (Hex(rgb).to_string(), opacity),
    };
    write!(out, " {what}=\"{colour}\"")?;
    if opacity < 1.0 {
        write!(out, " {what}-opacity=\"{}\"", Number(f64::from(opacity)))?;
    }
    Ok(())
}

/// A number with at most two decimals.
struct Number(f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hundredths = (self.0 * 100.0).round() as i64;
        write!(f, "{}", hundredths as f64 / 100.0)
    }
}

struct Hex(Rgb);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [r, g, b] = self.0;
        write!(f, "#{r:02x}{g:02x}{b:02x}")
    }
}

/// Corner and size as attributes.
#[derive(Clone, Copy)]
struct Place((f64, f64), (f64, f64));

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place((x, y), (w, h)) = *self;
        write!(
            f,
            "x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"",
            Number(x),
            Number(y),
            Number(w),
            Number(h)
        )
    }
}

struct Points<'a>(&'a [(f64, f64)]);

impl fmt::Display for Points<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, &(x, y)) in self.0.iter().enumerate() {
            let space = if i == 0 { "" } else { " " };
            write!(f, "{space}{},{}", Number(x), Number(y))?;
        }
        Ok(())
    }
}
