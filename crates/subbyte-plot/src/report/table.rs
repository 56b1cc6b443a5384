use crate::escape::escape;

/// Heading of a table's column, and how its cells are set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    heading: String,
    number: bool,
}

impl Column {
    /// A column of text, set to the left.
    pub fn text(heading: impl Into<String>) -> Self {
        Self {
            heading: heading.into(),
            number: false,
        }
    }

    /// A column of numbers, set to the right with digits of equal width.
    pub fn number(heading: impl Into<String>) -> Self {
        Self {
            heading: heading.into(),
            number: true,
        }
    }

    /// Attribute of its cells.
    fn class(&self) -> &'static str {
        if self.number { " class=\"n\"" } else { "" }
    }
}

/// A table of `N` columns for a [`crate::Report`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table<const N: usize> {
    columns: [Column; N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// A table without rows.
    pub fn new(columns: [Column; N]) -> Self {
        Self {
            columns,
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub fn row<T: Into<String>>(mut self, cells: [T; N]) -> Self {
        self.rows.push(cells.map(T::into));
        self
    }

    /// Appends the table as HTML.
    pub(super) fn write(&self, out: &mut String) {
        out.push_str("<div class=\"scroll\"><table>\n<thead><tr>");
        for column in &self.columns {
            let (class, heading) = (column.class(), escape(&column.heading));
            out.push_str(&format!("<th scope=\"col\"{class}>{heading}</th>"));
        }
        out.push_str("</tr></thead>\n<tbody>\n");
        for row in &self.rows {
            out.push_str("<tr>");
            for (column, cell) in self.columns.iter().zip(row) {
                out.push_str(&format!("<td{}>{}</td>", column.class(), escape(cell)));
            }
            out.push_str("</tr>\n");
        }
        out.push_str("</tbody>\n</table></div>\n");
    }
}
