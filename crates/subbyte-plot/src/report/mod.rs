//! One HTML file that holds everything it shows: text, tables, pictures and their style; no script, nothing from elsewhere.

mod table;

use std::path::Path;

pub use table::{Column, Table};

use crate::{Error, Figure, escape::escape, file};

/// A report in the making; parts appear in the order in which they are added.
///
/// All text is escaped, so that it is shown as it is given. The page follows the reader's light or dark scheme, and its pictures with
/// it; on narrow screens wide tables and pictures scroll by themselves.
#[derive(Clone, Debug)]
pub struct Report {
    title: String,
    body: String,
}

impl Report {
    /// An empty report.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            body: String::new(),
        }
    }

    /// Starts a section.
    pub fn section(self, heading: &str) -> Self {
        self.add("<h2>", heading, "</h2>")
    }

    /// Adds a paragraph.
    pub fn paragraph(self, text: &str) -> Self {
        self.add("<p>", text, "</p>")
    }

    /// Adds text whose lines and spaces are kept, in a monospaced face.
    pub fn preformatted(self, text: &str) -> Self {
        self.add("<pre>", text, "</pre>")
    }

    /// Adds a table.
    pub fn table<const N: usize>(mut self, table: &Table<N>) -> Self {
        table.write(&mut self.body);
        self
    }

    /// Adds a picture with a caption below it.
    pub fn figure(mut self, figure: &Figure, caption: &str) -> Self {
        self.body.push_str("<figure><div class=\"scroll\">\n");
        self.body.push_str(&figure.to_inline_svg());
        self.body.push_str("</div>");
        self.add("<figcaption>", caption, "</figcaption></figure>")
    }

    /// The page.
    pub fn to_html(&self) -> String {
        let title = escape(&self.title);
        let style = include_str!("style.css");
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta http-equiv=\"Content-Security-Policy\" \
             content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n\
             <title>{title}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n{}</main>\n</body>\n</html>\n",
            self.body
        )
    }

    /// Writes the page to `path`; a file that is there is replaced.
    ///
    /// # Errors
    /// [`Error::Write`], which names the file.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        file::write(path.as_ref(), self.to_html().as_bytes())
    }

    fn add(mut self, start: &str, text: &str, end: &str) -> Self {
        self.body.push_str(start);
        self.body.push_str(&escape(text));
        self.body.push_str(end);
        self.body.push('\n');
        self
    }
}
