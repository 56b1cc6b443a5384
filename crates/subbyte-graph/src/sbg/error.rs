use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use crate::Problems;

/// Why a `.sbg` file could not be read or written.
#[derive(Debug)]
pub struct SbgError {
    path: Option<PathBuf>,
    kind: SbgErrorKind,
}

/// What is wrong with a `.sbg` file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SbgErrorKind {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Read(io::Error),
    /// The file cannot be written; the old one, if any, is untouched.
    #[error("cannot be written: {0}; what was there before is untouched")]
    Write(io::Error),
    /// The bytes are no safetensors file, or were cut off.
    #[error("is no .sbg file, or a damaged one: {0}. Restore it from a copy or make it again")]
    Container(String),
    /// A safetensors file of something else.
    #[error("is a safetensors file without a subbyte graph; `subbyte train` writes .sbg files")]
    NoGraph,
    /// Written by a later subbyte.
    #[error("has format version {found}, this subbyte reads up to {known}: update subbyte")]
    Version {
        /// The file's version.
        found: u32,
        /// The newest version that can be read.
        known: u32,
    },
    /// Some bit of the file is not as it was written.
    #[error("is damaged: its checksum is wrong. Restore it from a copy or make it again")]
    Checksum,
    /// Description and tensors do not go together.
    #[error("is damaged: {0}. Restore it from a copy or make it again")]
    Content(String),
    /// The graph is whole but not valid.
    #[error("holds a graph that is not valid:\n{0}")]
    Graph(Problems),
}

impl SbgError {
    /// What is wrong.
    pub fn kind(&self) -> &SbgErrorKind {
        &self.kind
    }

    /// The file, where it came from one.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    pub(super) fn at(self, path: &Path) -> Self {
        Self {
            path: Some(path.to_owned()),
            ..self
        }
    }
}

impl From<SbgErrorKind> for SbgError {
    fn from(kind: SbgErrorKind) -> Self {
        Self { path: None, kind }
    }
}

impl fmt::Display for SbgError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{} {}", path.display(), self.kind),
            None => write!(f, "the .sbg data {}", self.kind),
        }
    }
}

impl std::error::Error for SbgError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            SbgErrorKind::Read(e) | SbgErrorKind::Write(e) => Some(e),
            SbgErrorKind::Graph(problems) => Some(problems),
            _ => None,
        }
    }
}
