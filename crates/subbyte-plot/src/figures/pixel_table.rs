use super::WIDTH;
use crate::{
    Error,
    colour::{Paint, Rgb, sequential},
    error::check,
    figure::{Align, Figure, Stroke, Style},
    plot::{AXIS, GRID, crisp},
};

/// A pixel table to be drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PixelTablePicture {
    /// Tables: 1 for all colours, or one per colour.
    pub tables: usize,
    /// Codes that a pixel value becomes (D).
    pub depth: usize,
    /// Bits of a code, 1 to 8.
    pub bits: u8,
    /// Codes `[tables][256][depth]`.
    pub codes: Vec<u8>,
    /// Level of each code, ascending, `2^bits` of them.
    pub levels: Vec<i32>,
}

/// Pixel values.
const VALUES: usize = 256;
/// Pixels of a column; whole, so that columns are equally wide.
const COLUMN: f64 = 3.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = LEFT + COLUMN * VALUES as f64;
/// Heights of a table's heading, its curve, what lies between curve and cells, and the numbers below them.
const ABOVE: f64 = 26.0;
const CURVE: f64 = 72.0;
const GAP: f64 = 12.0;
const BELOW: f64 = 38.0;
/// Height of the axis name and the legend.
const END: f64 = 56.0;

/// Colours of the curves of a table for red, green and blue.
const COLOURS: [(&str, Rgb); 3] = [
    ("Red", [213, 75, 60]),
    ("Green", [38, 148, 96]),
    ("Blue", [45, 112, 190]),
];

/// A pixel table as a picture: for each table 256 columns by D rows of codes as colours, above them, in the same columns, the tone
/// curve it decodes to (the sum of the levels over d, 0 at the smallest possible sum and 1 at the largest), below them the legend.
///
/// # Errors
/// [`Error::Data`] if the table is empty, its sizes do not agree, or codes do not fit the bits.
pub fn pixel_table(picture: &PixelTablePicture) -> Result<Figure, Error> {
    check("pixel table", problems(picture))?;
    let row = row_height(picture.depth);
    let cells = row * picture.depth as f64;
    let each = ABOVE + CURVE + GAP + cells + BELOW;
    let height = each * picture.tables as f64 + END;
    let description = format!(
        "Pixel table: {} by 256 by {} codes of {} bits, with tone curves",
        picture.tables, picture.depth, picture.bits
    );
    let mut figure = Figure::new(WIDTH, height, description);
    let note = "tone curve: sum of the levels over d, from the least (0) to the greatest (1) possible; dashed: linear";
    figure.text((RIGHT, 10.0), Align::End, Style::NOTE, note);
    for t in 0..picture.tables {
        let top = each * t as f64;
        let (heading, colour) = identity(t, picture.tables);
        figure.text((LEFT, top + 10.0), Align::Start, Style::HEADING, heading);
        draw_curve(&mut figure, top + ABOVE, &picture.tone_curve(t), colour);
        let top = top + ABOVE + CURVE + GAP;
        figure.cells(
            (LEFT, top),
            (RIGHT - LEFT, cells),
            VALUES,
            picture.colours(t),
        );
        draw_rows(&mut figure, top, row, picture.depth);
        draw_values(&mut figure, top + cells);
    }
    let bottom = each * picture.tables as f64;
    let middle = (LEFT + RIGHT) / 2.0;
    figure.text(
        (middle, bottom - 6.0),
        Align::Middle,
        Style::NOTE,
        "pixel value",
    );
    draw_legend(&mut figure, bottom + 22.0, picture);
    Ok(figure)
}

fn problems(picture: &PixelTablePicture) -> Vec<String> {
    let mut problems = Vec::new();
    let (tables, depth, bits) = (picture.tables, picture.depth, picture.bits);
    if tables == 0 || depth == 0 {
        problems.push(format!("{tables} tables of {depth} codes a pixel value"));
    }
    if tables
        .checked_mul(VALUES)
        .and_then(|n| n.checked_mul(depth))
        != Some(picture.codes.len())
    {
        let found = picture.codes.len();
        problems.push(format!(
            "{found} codes where {tables} * 256 * {depth} are needed"
        ));
    }
    if !(1..=8).contains(&bits) {
        problems.push(format!("codes of {bits} bits (1 to 8 can be drawn)"));
        return problems;
    }
    let max = picture.max_code();
    if let Some(code) = picture.codes.iter().find(|&&code| code > max) {
        problems.push(format!("code {code} does not fit {bits} bits"));
    }
    if picture.levels.len() != usize::from(max) + 1 || !picture.levels.is_sorted() {
        let found = picture.levels.len();
        let needed = usize::from(max) + 1;
        problems.push(format!(
            "{found} levels where {needed} in ascending order are needed"
        ));
    }
    problems
}

impl PixelTablePicture {
    fn max_code(&self) -> u8 {
        ((1u16 << self.bits) - 1) as u8
    }

    /// Codes `[256][depth]` of table `t`.
    fn table(&self, t: usize) -> &[u8] {
        let len = VALUES * self.depth;
        &self.codes[t * len..][..len]
    }

    /// Colours of table `t`, row d by row.
    fn colours(&self, t: usize) -> Vec<Rgb> {
        let table = self.table(t);
        (0..self.depth)
            .flat_map(|d| (0..VALUES).map(move |value| table[value * self.depth + d]))
            .map(|code| sequential(code, self.max_code()))
            .collect()
    }

    /// Sum of the levels of each pixel value of table `t`, from 0 for the smallest possible sum to 1 for the largest.
    fn tone_curve(&self, t: usize) -> Vec<f64> {
        let level = |code: u8| f64::from(self.levels[usize::from(code)]);
        let (lo, hi) = (level(0), level(self.max_code()));
        let span = (hi - lo).max(1.0) * self.depth as f64;
        self.table(t)
            .chunks(self.depth)
            .map(|codes| codes.iter().map(|&code| level(code) - lo).sum::<f64>() / span)
            .collect()
    }
}

/// Heading and colour of table `t`.
fn identity(t: usize, tables: usize) -> (String, Paint) {
    match tables {
        1 => ("All colours".to_owned(), Paint::Ink(0.9)),
        3 => (COLOURS[t].0.to_owned(), Paint::Solid(COLOURS[t].1)),
        _ => (format!("Colour {t}"), Paint::Ink(0.9)),
    }
}

/// Height of a row: whole or half pixels, so that rows are equally high in every format.
fn row_height(depth: usize) -> f64 {
    let half_pixels = (2.0 * 144.0 / depth as f64).floor();
    (half_pixels / 2.0).clamp(1.0, 18.0)
}

fn draw_curve(figure: &mut Figure, top: f64, curve: &[f64], paint: Paint) {
    let height = |tone: f64| top + CURVE * (1.0 - tone);
    for (tone, label) in [(0.0, "0"), (0.5, "0.5"), (1.0, "1")] {
        let y = crisp(height(tone));
        figure.line(vec![(LEFT, y), (RIGHT, y)], GRID);
        let at = (LEFT - 8.0, y + Style::NOTE.half_cap());
        figure.text(at, Align::End, Style::NOTE, label);
    }
    let identity = vec![(LEFT, height(0.0)), (RIGHT, height(1.0))];
    figure.line(identity, Stroke::dashed(Paint::Ink(0.35), 1.0));
    let steps: Vec<(f64, f64)> = curve
        .iter()
        .zip(0u16..)
        .flat_map(|(&tone, value)| {
            let left = LEFT + COLUMN * f64::from(value);
            [(left, height(tone)), (left + COLUMN, height(tone))]
        })
        .collect();
    figure.line(steps, Stroke::solid(paint, 1.5));
}

/// Numbers of the rows, as many as there is room for.
fn draw_rows(figure: &mut Figure, top: f64, row: f64, depth: usize) {
    let step = [1, 2, 4, 8, 16, 32, 64, 128, 256]
        .into_iter()
        .find(|&step| step as f64 * row >= 12.0)
        .unwrap_or(depth);
    for d in (0..depth).step_by(step) {
        let y = top + row * (d as f64 + 0.5) + Style::NOTE.half_cap();
        let label = if d == 0 {
            "d = 0".to_owned()
        } else {
            d.to_string()
        };
        figure.text((LEFT - 8.0, y), Align::End, Style::NOTE, label);
    }
}

/// Pixel values below the middle of their columns.
fn draw_values(figure: &mut Figure, bottom: f64) {
    for value in (0..8).map(|i| 32 * i).chain([255]) {
        let x = LEFT + COLUMN * (f64::from(value) + 0.5);
        figure.line(vec![(x, bottom), (x, bottom + 5.0)], AXIS);
        let label = value.to_string();
        figure.text((x, bottom + 17.0), Align::Middle, Style::NOTE, label);
    }
}

/// All codes in their colours, numbered as far as there is room.
fn draw_legend(figure: &mut Figure, top: f64, picture: &PixelTablePicture) {
    let max = picture.max_code();
    let codes = usize::from(max) + 1;
    let wide = (512.0 / codes as f64).clamp(2.0, 28.0);
    let baseline = top + 7.0 + Style::NOTE.half_cap();
    let start = LEFT + Style::NOTE.width("code") + 10.0;
    figure.text((LEFT, baseline), Align::Start, Style::NOTE, "code");
    let strip = (0..=max).map(|code| sequential(code, max)).collect();
    figure.cells((start, top), (wide * codes as f64, 14.0), codes, strip);
    let step = codes.div_ceil(16);
    for code in (0..codes)
        .step_by(step)
        .chain((step > 1).then_some(codes - 1))
    {
        let at = (start + wide * (code as f64 + 0.5), top + 27.0);
        figure.text(at, Align::Middle, Style::NOTE, code.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{figure::Mark, render::decode};

    /// A table whose codes differ between neighbours in every direction.
    fn picture(tables: usize, depth: usize, bits: u8) -> PixelTablePicture {
        let codes = 1usize << bits;
        PixelTablePicture {
            tables,
            depth,
            bits,
            codes: (0..tables * VALUES * depth)
                .map(|i| ((i * 7 + i / depth) % codes) as u8)
                .collect(),
            levels: (0..codes as i32).collect(),
        }
    }

    #[test]
    fn every_cell_of_the_png_has_the_colour_of_its_code() {
        for (tables, depth, bits) in [(1, 1, 8), (3, 8, 2), (1, 32, 1), (2, 300, 4)] {
            let picture = picture(tables, depth, bits);
            let figure = pixel_table(&picture).unwrap();
            let (width, pixels) = decode(&figure.to_png().unwrap());
            let cells = figure.marks.iter().filter_map(|mark| match mark {
                Mark::Cells { at, .. } => Some(*at),
                _ => None,
            });
            for (t, (left, top)) in cells.take(tables).enumerate() {
                for value in 0..VALUES {
                    for d in 0..depth {
                        let code = picture.codes[(t * VALUES + value) * depth + d];
                        // Two image pixels a pixel, and a margin of 14.
                        let x = 2.0 * (14.0 + left + COLUMN * (value as f64 + 0.5));
                        let y = 2.0 * (14.0 + top + row_height(depth) * (d as f64 + 0.5));
                        assert_eq!(
                            pixels[y as usize * width + x as usize],
                            sequential(code, picture.max_code()),
                            "table {t}, value {value}, d {d} of {depth}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn tone_curves_run_from_the_least_to_the_greatest_sum() {
        let thermometer = PixelTablePicture {
            tables: 1,
            depth: 2,
            bits: 1,
            codes: (0..VALUES)
                .flat_map(|value| [u8::from(value >= 100), u8::from(value >= 200)])
                .collect(),
            levels: vec![-1, 1],
        };
        let curve = thermometer.tone_curve(0);
        assert_eq!([curve[0], curve[99], curve[100]], [0.0, 0.0, 0.5]);
        assert_eq!([curve[199], curve[200], curve[255]], [0.5, 1.0, 1.0]);
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let mut bad = picture(1, 2, 2);
        bad.codes[5] = 4;
        bad.codes.pop();
        bad.levels.swap(0, 1);
        let error = pixel_table(&bad).unwrap_err().to_string();
        for part in ["511 codes", "code 4", "4 levels"] {
            assert!(error.contains(part), "{error}");
        }
        let good = picture(1, 1, 1);
        for (tables, bits) in [(1, 0), (1, 9), (usize::MAX, 1), (0, 1)] {
            let bad = PixelTablePicture {
                tables,
                bits,
                ..good.clone()
            };
            assert!(pixel_table(&bad).is_err(), "{tables} tables, {bits} bits");
        }
    }

    #[test]
    fn a_table_too_deep_for_a_png_is_an_error_and_still_an_svg() {
        let figure = pixel_table(&picture(1, 20_000, 1)).unwrap();
        assert!(matches!(figure.to_png(), Err(Error::Size { .. })));
        assert!(figure.to_svg().contains("<image"));
    }
}
