use std::path::Path;

use crate::{
    Error,
    colour::{Paint, Rgb},
    file,
    font::{self, Weight},
    render::{self, Surface},
};

/// A picture, ready to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Pixels across at 96 dots an inch.
    pub(crate) width: f64,
    /// Pixels downwards.
    pub(crate) height: f64,
    /// What is seen, for those who cannot see it.
    pub(crate) description: String,
    /// What is drawn, in this order.
    pub(crate) marks: Vec<Mark>,
}

/// A thing that is drawn; coordinates are pixels from the upper left corner.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Mark {
    /// A filled rectangle.
    Rect {
        at: (f64, f64),
        size: (f64, f64),
        fill: Paint,
    },
    /// A filled polygon.
    Area {
        points: Vec<(f64, f64)>,
        fill: Paint,
    },
    /// An open line through at least two points.
    Line {
        points: Vec<(f64, f64)>,
        stroke: Stroke,
    },
    /// A filled circle.
    Dot { at: (f64, f64), r: f64, fill: Paint },
    /// One line of text; `at` is on its baseline.
    Text {
        at: (f64, f64),
        text: String,
        align: Align,
        style: Style,
    },
    /// A grid of coloured cells that fill a rectangle without gaps.
    Cells {
        at: (f64, f64),
        size: (f64, f64),
        columns: usize,
        /// Row by row from above, each from the left.
        colours: Vec<Rgb>,
    },
}

/// How a line is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stroke {
    pub paint: Paint,
    pub width: f64,
    pub dashed: bool,
}

impl Stroke {
    pub(crate) const fn solid(paint: Paint, width: f64) -> Self {
        Self {
            paint,
            width,
            dashed: false,
        }
    }

    pub(crate) const fn dashed(paint: Paint, width: f64) -> Self {
        Self {
            paint,
            width,
            dashed: true,
        }
    }

    /// Pixels on and off.
    pub(crate) fn dash(&self) -> Option<[f32; 2]> {
        self.dashed.then_some([4.0, 3.0])
    }
}

/// Which end of a text is at its place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Align {
    Start,
    Middle,
    End,
}

/// How a text looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Style {
    /// Pixels an em.
    pub size: f64,
    pub weight: Weight,
    pub paint: Paint,
}

impl Style {
    /// Headings of panels.
    pub(crate) const HEADING: Self = Self {
        size: 13.0,
        weight: Weight::SemiBold,
        paint: Paint::Ink(1.0),
    };
    /// Names in legends and at points.
    pub(crate) const LABEL: Self = Self {
        size: 12.0,
        weight: Weight::Regular,
        paint: Paint::Ink(0.9),
    };
    /// Numbers and names of axes, notes.
    pub(crate) const NOTE: Self = Self {
        size: 11.0,
        weight: Weight::Regular,
        paint: Paint::Ink(0.68),
    };

    pub(crate) const fn painted(self, paint: Paint) -> Self {
        Self { paint, ..self }
    }

    /// Half the height of capitals and digits: how far their baseline lies below their middle.
    pub(crate) fn half_cap(self) -> f64 {
        0.364 * self.size
    }

    /// Width of `text` in pixels.
    pub(crate) fn width(self, text: &str) -> f64 {
        font::width(text, self.size, self.weight)
    }

    /// `text` cut to at most `max` pixels; see [`font::fit`].
    pub(crate) fn fit(self, text: &str, max: f64) -> String {
        font::fit(text, self.size, self.weight, max)
    }
}

impl Figure {
    pub(crate) fn new(width: f64, height: f64, description: impl Into<String>) -> Self {
        Self {
            width,
            height,
            description: description.into(),
            marks: Vec::new(),
        }
    }

    pub(crate) fn rect(&mut self, at: (f64, f64), size: (f64, f64), fill: Paint) {
        self.marks.push(Mark::Rect { at, size, fill });
    }

    pub(crate) fn area(&mut self, points: Vec<(f64, f64)>, fill: Paint) {
        self.marks.push(Mark::Area { points, fill });
    }

    pub(crate) fn line(&mut self, points: Vec<(f64, f64)>, stroke: Stroke) {
        self.marks.push(Mark::Line { points, stroke });
    }

    pub(crate) fn dot(&mut self, at: (f64, f64), r: f64, fill: Paint) {
        self.marks.push(Mark::Dot { at, r, fill });
    }

    pub(crate) fn text(
        &mut self,
        at: (f64, f64),
        align: Align,
        style: Style,
        text: impl Into<String>,
    ) {
        self.marks.push(Mark::Text {
            at,
            text: text.into(),
            align,
            style,
        });
    }

    pub(crate) fn cells(
        &mut self,
        at: (f64, f64),
        size: (f64, f64),
        columns: usize,
        colours: Vec<Rgb>,
    ) {
        self.marks.push(Mark::Cells {
            at,
            size,
            columns,
            colours,
        });
    }

    /// The picture as an SVG file on white.
    pub fn to_svg(&self) -> String {
        render::svg(self, Surface::Paper)
    }

    /// The picture as an SVG element without background, for a page whose text colour its lines and letters take.
    pub(crate) fn to_inline_svg(&self) -> String {
        render::svg(self, Surface::Page)
    }

    /// The picture as a PNG file on white, two image pixels for each pixel of the SVG.
    ///
    /// # Errors
    /// [`Error::Size`] if a side would be longer than 32,767 pixels.
    pub fn to_png(&self) -> Result<Vec<u8>, Error> {
        render::png(self)
    }

    /// Writes the picture as PNG or SVG, by the extension of `path`; a file that is there is replaced.
    ///
    /// # Errors
    /// [`Error::Extension`], [`Error::Write`], or [`Error::File`] around [`Error::Size`]; all name the file.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        let extension = path
            .extension()
            .map(|e| e.to_string_lossy().to_lowercase())
            .unwrap_or_default();
        let bytes = match extension.as_str() {
            "svg" => self.to_svg().into_bytes(),
            "png" => self.to_png().map_err(|source| Error::File {
                path: path.to_owned(),
                source: Box::new(source),
            })?,
            _ => {
                return Err(Error::Extension {
                    path: path.to_owned(),
                });
            }
        };
        file::write(path, &bytes)
    }
}
