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
            let mut line = String::new();
            for (c, (cell, &width)) in row.iter().zip(&widths).enumerate() {
                line += if c == 0 { "" } else { "  " };
                line += &if c < self.text {
                    format!("{cell:<width$}")
                } else {
                    format!("{cell:>width$}")
                };
            }
            writeln!(f, "{}", line.trim_end())?;
            if i == 0 {
                writeln!(
                    f,
                    "{}",
                    "-".repeat(widths.iter().sum::<usize>() + 2 * (columns - 1))
                )?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

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
