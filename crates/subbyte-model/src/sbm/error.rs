use core::fmt;

use super::container::VERSION;
use crate::Problems;

/// Why bytes are not a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError {
    /// What is wrong.
    pub kind: ReadErrorKind,
    /// The part of the file: a section's name, or `HEADER`.
    pub section: &'static str,
    /// Where in the file, in bytes from its start.
    pub offset: usize,
}

/// Kinds of [`ReadError`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadErrorKind {
    /// The file does not begin like an `.sbm` file.
    NotAModel,
    /// The file is of a version that this reader does not know.
    Version(u32),
    /// The file is shorter or longer than its header says.
    Length {
        /// Bytes that the header announces.
        expected: u64,
        /// Bytes that there are.
        found: u64,
    },
    /// Bytes have changed since they were written.
    Checksum,
    /// The bytes do not follow the format.
    Malformed(&'static str),
    /// The bytes follow the format, but the model that they hold is not valid.
    Invalid(Problems),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ReadErrorKind::NotAModel => f.write_str("not an .sbm file"),
            ReadErrorKind::Version(found) => write!(
                f,
                "an .sbm file of version {found}; this reader knows versions up to {VERSION}"
            ),
            ReadErrorKind::Length { expected, found } => write!(
                f,
                "the file has {found} bytes, but its header says {expected}: it is cut off or has grown"
            ),
            ReadErrorKind::Checksum => write!(
                f,
                "the checksum of {} at byte {} does not match: the file is damaged",
                self.section, self.offset
            ),
            ReadErrorKind::Malformed(text) => {
                write!(f, "{} at byte {}: {text}", self.section, self.offset)
            }
            ReadErrorKind::Invalid(problems) => problems.fmt(f),
        }
    }
}

impl core::error::Error for ReadError {}

/// Why a model cannot be written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriteError {
    /// The model is not valid.
    Invalid(Problems),
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WriteError::Invalid(problems) => problems.fmt(f),
        }
    }
}

impl core::error::Error for WriteError {}
