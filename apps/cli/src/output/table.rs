use std::fmt;

/// Columns for a terminal: those of text to the left, those of numbers to the right.
pub struct Table {
    rows: Vec<Vec<String>>,
    text: usize,
}

impl Table {
    /// A table with a header, whose first column is text.
    pub fn new<const N: usize>(header: [&str; N]) -> Self {
        Self {
            rows: vec![header.map(str::to_owned).to_vec()],
            text: 1,
        }
    }

    /// The first `columns` are text.
    pub fn text(self, columns: usize) -> Self {
        Self {
            text: columns,
            ..self
        }
    }

    /// Appends a row.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.to_vec());
    }
}

/// A table whose rows are shown as they come, so that the widths of its columns have to be known before.
pub struct Rows {
    widths: Vec<usize>,
    text: usize,
}

impl Rows {
    /// A table of columns as wide as their header or the given number of characters, of which the first `text` are text.
    pub fn new<const N: usize>(columns: [(&str, usize); N], text: usize) -> (Self, String) {
        let widths = columns.map(|(header, width)| width.max(header.chars().count()));
        let rows = Self {
            widths: widths.to_vec(),
            text,
        };
        let header = rows.row(columns.map(|(header, _)| header.to_owned()));
        let header = format!("{header}\n{}", rule(&rows.widths));
        (rows, header)
    }

    /// A row.
    pub fn row<const N: usize>(&self, cells: [String; N]) -> String {
        line(&cells, &self.widths, self.text)
    }
}

fn line(cells: &[String], widths: &[usize], text: usize) -> String {
    let cells = cells.iter().zip(widths).enumerate();
    let cells = cells.map(|(i, (cell, &width))| match i < text {
        true => format!("{cell:<width$}"),
        false => format!("{cell:>width$}"),
    });
    let line = cells.collect::<Vec<_>>().join("  ");
    line.trim_end().to_owned()
}

/// What stands below a header.
fn rule(widths: &[usize]) -> String {
    "-".repeat(widths.iter().sum::<usize>() + 2 * (widths.len() - 1))
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |c: usize| {
            self.rows
                .iter()
                .filter_map(|r| r.get(c))
                .map(|t| t.chars().count())
                .max()
        };
        let widths: Vec<usize> = (0..columns).map(|c| width(c).unwrap_or(0)).collect();
        for (i, row) in self.rows.iter().enumerate() {
            writeln!(f, "{}", line(row, &widths, self.text))?;
            if i == 0 {
                writeln!(f, "{}", rule(&widths))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Rows, Table};

    #[test]
    fn rows_that_come_later_stand_below_their_header() {
        let (rows, header) = Rows::new([("image", 8), ("logit", 3)], 1);
        assert_eq!(header, "image     logit\n---------------");
        assert_eq!(rows.row(["a.png".into(), "-7".into()]), "a.png        -7");
        assert_eq!(rows.row(["".into(), "12345".into()]), "          12345");
    }

    #[test]
    fn numbers_stand_to_the_right() {
        let mut table = Table::new(["layer", "bytes"]);
        table.row(["stem".into(), "7".into()]);
        table.row(["classifier".into(), "1,024".into()]);
        assert_eq!(
            table.to_string(),
            "layer       bytes\n-----------------\nstem            7\nclassifier  1,024\n"
        );
    }

    #[test]
    fn text_stands_to_the_left() {
        let mut table = Table::new(["level", "result"]).text(2);
        table.row(["portable".into(), "ok".into()]);
        assert_eq!(
            table.to_string(),
            "level     result\n----------------\nportable  ok\n"
        );
    }
}
