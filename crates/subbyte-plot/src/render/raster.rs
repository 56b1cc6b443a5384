//! PNG: marks are painted with antialiasing on white at twice the size of the SVG, sharp on fine screens and in print.

use tiny_skia::{
    Color, FillRule, LineCap, LineJoin, Paint as Brush, Path, PathBuilder, Pixmap, Rect, Transform,
};
use ttf_parser::OutlineBuilder;

use super::{MARGIN, image::encode};
use crate::{
    Error, Figure,
    colour::{INK, PAPER, Paint, Rgb},
    figure::{Align, Mark, Stroke, Style},
    font::{self, GlyphSink},
};

/// Image pixels a pixel of the figure.
const SCALE: f64 = 2.0;
/// 96 pixels an inch, times [`SCALE`].
const PIXELS_PER_METRE: u32 = 7559;

/// Longest side of an image that common viewers open.
const LONGEST: u32 = 32_767;

/// `figure` as a PNG file.
pub(crate) fn png(figure: &Figure) -> Result<Vec<u8>, Error> {
    let size = |pixels: f64| ((pixels + 2.0 * MARGIN) * SCALE).round() as u32;
    let (width, height) = (size(figure.width), size(figure.height));
    if width.max(height) > LONGEST {
        return Err(Error::Size { width, height });
    }
    let mut map = Pixmap::new(width, height).ok_or(Error::Size { width, height })?;
    map.fill(opaque(PAPER));
    for mark in &figure.marks {
        paint(&mut map, mark);
    }
    let pixels: Vec<Rgb> = map
        .pixels()
        .iter()
        .map(|p| [p.red(), p.green(), p.blue()])
        .collect();
    Ok(encode(width, height, &pixels, Some(PIXELS_PER_METRE)))
}

fn paint(map: &mut Pixmap, mark: &Mark) {
    match mark {
        Mark::Rect {
            at: (x, y),
            size: (w, h),
            fill,
        } => {
            let rect = Rect::from_xywh(*x as f32, *y as f32, *w as f32, *h as f32);
            if let Some(rect) = rect {
                map.fill_rect(rect, &brush(*fill), to_pixels(), None);
            }
        }
        Mark::Area { points, fill } => fill_path(map, trace(points, true), *fill, to_pixels()),
        Mark::Line { points, stroke } => stroke_line(map, points, stroke),
        Mark::Dot {
            at: (x, y),
            r,
            fill,
        } => {
            let circle = PathBuilder::from_circle(*x as f32, *y as f32, *r as f32);
            fill_path(map, circle, *fill, to_pixels());
        }
        Mark::Text {
            at,
            text,
            align,
            style,
        } => set_text(map, *at, text, *align, *style),
        Mark::Cells {
            at,
            size,
            columns,
            colours,
        } => fill_cells(map, *at, *size, *columns, colours),
    }
}

fn to_pixels() -> Transform {
    Transform::from_scale(SCALE as f32, SCALE as f32).pre_translate(MARGIN as f32, MARGIN as f32)
}

fn opaque([r, g, b]: Rgb) -> Color {
    Color::from_rgba8(r, g, b, 255)
}

fn brush(paint: Paint) -> Brush<'static> {
    let (rgb, opacity) = match paint {
        Paint::Ink(opacity) => (INK, opacity),
        Paint::Solid(rgb) => (rgb, 1.0),
        Paint::Tint(rgb, opacity) => (rgb, opacity),
    };
    let mut color = opaque(rgb);
    color.set_alpha(opacity);
    let mut brush = Brush::default();
    brush.set_color(color);
    brush
}

/// The path through `points`; `None` where it has no extent.
fn trace(points: &[(f64, f64)], close: bool) -> Option<Path> {
    let mut path = PathBuilder::new();
    for (i, &(x, y)) in points.iter().enumerate() {
        let (x, y) = (x as f32, y as f32);
        if i == 0 {
            path.move_to(x, y);
        } else {
            path.line_to(x, y);
        }
    }
    if close {
        path.close();
    }
    path.finish()
}

fn fill_path(map: &mut Pixmap, path: Option<Path>, fill: Paint, transform: Transform) {
    if let Some(path) = path {
        map.fill_path(&path, &brush(fill), FillRule::Winding, transform, None);
    }
}

fn stroke_line(map: &mut Pixmap, points: &[(f64, f64)], stroke: &Stroke) {
    let Some(path) = trace(points, false) else {
        return;
    };
    let pen = tiny_skia::Stroke {
        width: stroke.width as f32,
        line_cap: LineCap::Butt,
        line_join: LineJoin::Round,
        dash: stroke
            .dash()
            .and_then(|dash| tiny_skia::StrokeDash::new(dash.to_vec(), 0.0)),
        ..tiny_skia::Stroke::default()
    };
    map.stroke_path(&path, &brush(stroke.paint), &pen, to_pixels(), None);
}

fn set_text(map: &mut Pixmap, (x, y): (f64, f64), text: &str, align: Align, style: Style) {
    let start = match align {
        Align::Start => x,
        Align::Middle => x - style.width(text) / 2.0,
        Align::End => x - style.width(text),
    };
    let mut glyphs = Glyphs::default();
    font::outline(text, style.size, style.weight, &mut glyphs);
    let transform = to_pixels().pre_translate(start as f32, y as f32);
    fill_path(map, glyphs.path.finish(), style.paint, transform);
}

/// Every image pixel takes the colour of the cell under its centre.
fn fill_cells(
    map: &mut Pixmap,
    (x, y): (f64, f64),
    (w, h): (f64, f64),
    columns: usize,
    colours: &[Rgb],
) {
    let pixel = |v: f64| (v * SCALE).round() as usize;
    let (left, top, across, down) = (pixel(x + MARGIN), pixel(y + MARGIN), pixel(w), pixel(h));
    let (rows, stride) = (colours.len() / columns, map.width() as usize);
    let pixels = map.pixels_mut();
    for i in 0..down {
        for j in 0..across {
            let colour = colours[i * rows / down * columns + j * columns / across];
            pixels[(top + i) * stride + left + j] = opaque(colour).premultiply().to_color_u8();
        }
    }
}

/// Collects glyphs into one path, in pixels of the figure with the y axis downwards.
#[derive(Default)]
struct Glyphs {
    path: PathBuilder,
    x: f32,
    scale: f32,
}

impl Glyphs {
    fn place(&self, x: f32, y: f32) -> (f32, f32) {
        (self.x + x * self.scale, -y * self.scale)
    }
}

impl GlyphSink for Glyphs {
    fn start_glyph(&mut self, x: f64, scale: f64) {
        (self.x, self.scale) = (x as f32, scale as f32);
    }
}

impl OutlineBuilder for Glyphs {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.place(x, y);
        self.path.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.place(x, y);
        self.path.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((x1, y1), (x, y)) = (self.place(x1, y1), self.place(x, y));
        self.path.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2)) = (self.place(x1, y1), self.place(x2, y2));
        let (x, y) = self.place(x, y);
        self.path.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.path.close();
    }
}
