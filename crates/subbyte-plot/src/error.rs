use std::{io, path::PathBuf};

/// Why a picture or report could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The data cannot be drawn; all problems at once.
    #[error("{figure} cannot be drawn: {}", problems.join("; "))]
    Data {
        /// What was to be drawn.
        figure: &'static str,
        /// What is wrong with the data.
        problems: Vec<String>,
    },
    /// The picture has more pixels than common viewers open.
    #[error(
        "a picture of {width} by {height} pixels is too large; write it as .svg, or draw less data"
    )]
    Size {
        /// Pixels across.
        width: u32,
        /// Pixels downwards.
        height: u32,
    },
    /// The file name does not tell a known format.
    #[error("{}: a picture is written as .png or .svg; give the file one of these extensions", path.display())]
    Extension {
        /// The file.
        path: PathBuf,
    },
    /// The file could not be written.
    #[error("{}: cannot be written: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A picture could not be drawn for this file.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<Error>,
    },
}

/// `Ok` where `problems` is empty.
pub(crate) fn check(figure: &'static str, problems: Vec<String>) -> Result<(), Error> {
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Error::Data { figure, problems })
    }
}
