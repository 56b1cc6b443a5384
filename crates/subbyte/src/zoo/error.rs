use std::{io, path::PathBuf};

/// Why a zoo cannot be read or added to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ZooError {
    /// A file or folder could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A card is not one.
    #[error("{} is no card: {problem}", path.display())]
    Card {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A name cannot be that of a model.
    #[error(
        "`{name}` cannot be a model's name: use letters, digits, `.`, `_`, `+`, `=`, `,` and `-` only, a letter or digit first"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// The zoo has such a model.
    #[error("the zoo has a model `{name}`; give another name, or replace it by --force")]
    Taken {
        /// The name.
        name: String,
    },
}

impl ZooError {
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        ZooError::Io {
            action,
            path: path.into(),
            source,
        }
    }
}
