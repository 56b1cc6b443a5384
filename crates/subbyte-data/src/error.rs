use crate::{Geometry, Part};
use std::{
    fmt, io,
    path::{Path, PathBuf},
};

/// Why data could not be read or used: the file, what is wrong with it, what to do.
#[derive(Debug, thiserror::Error)]
#[error("{}{kind}", Place(path))]
pub struct Error {
    path: Option<PathBuf>,
    kind: ErrorKind,
}

/// What is wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The operating system or a decompressor failed.
    #[error("cannot be read: {0}")]
    Io(io::Error),
    /// A pipe, a device or a directory where a file is needed; reading it might never end.
    #[error("is no regular file; give the path of one")]
    NotAFile,
    /// A file without content.
    #[error("is empty; replace or remove it")]
    EmptyFile,
    /// Nothing at the path looks like a data set.
    #[error("no data set found; looked for\n{0}")]
    NotRecognised(String),
    /// Data sets of several kinds lie in one directory.
    #[error("holds several data sets ({}); give the path of one of them", .0.join(", "))]
    Ambiguous(Vec<&'static str>),
    /// A file of a data set is not there.
    #[error("{0} is missing; unpack or fetch the data set again")]
    Missing(String),
    /// A file has fewer or more bytes than its header or its format says.
    #[error(
        "holds {found} bytes where {expected} are needed; the file is cut off or damaged, fetch it again"
    )]
    Length {
        /// Bytes needed, in words.
        expected: String,
        /// Bytes found, in words.
        found: String,
    },
    /// The first bytes are not those of the format.
    #[error(
        "starts with {found:#010x} where {expected:#010x} marks {what}; this is another kind of file"
    )]
    Magic {
        /// What the file should be.
        what: &'static str,
        /// The mark of the format.
        expected: u32,
        /// What was found.
        found: u32,
    },
    /// A file announces or holds more than is read into memory.
    #[error(
        "holds more than the {limit} bytes that are read into memory; the file is damaged or no image data set"
    )]
    TooLarge {
        /// Most bytes that are read.
        limit: u64,
    },
    /// A label is not below the number of classes.
    #[error(
        "label {label} of image {index} is out of range: there are {classes} classes, counted from 0"
    )]
    Label {
        /// Which image, counted from 0.
        index: usize,
        /// Its label.
        label: usize,
        /// Number of classes.
        classes: usize,
    },
    /// There are not as many labels as images.
    #[error("holds {labels} labels for {images} images; both files must come from one data set")]
    Counts {
        /// Number of images.
        images: usize,
        /// Number of labels.
        labels: usize,
    },
    /// The list of class names does not have one name for each class.
    #[error("holds {found} class names where {expected} are needed, one a line")]
    ClassNames {
        /// Names needed, in words.
        expected: String,
        /// Names found.
        found: usize,
    },
    /// A class folder of the test part is not a class of the training part.
    #[error("is not a class of the training part; rename or remove the folder")]
    UnknownClass,
    /// An image does not have the size that is needed, and no resizing was asked for.
    #[error(
        "is {found} where {expected} is needed; bring the image to that size, or give other data"
    )]
    Size {
        /// What is needed.
        expected: Geometry,
        /// What was found.
        found: Geometry,
    },
    /// No image has zero or uncountably many pixels, or other than 1 or 3 colours.
    #[error("images of {} x {} pixels and {} colours cannot be used", .0.width, .0.height, .0.colours)]
    Geometry(Geometry),
    /// An image file is damaged or of a format that is not read.
    #[error("cannot be decoded: {0}; replace or remove it (JPEG, PNG and WebP are read)")]
    Undecodable(String),
    /// There are no images.
    #[error("holds no images")]
    Empty,
    /// The data set does not have the part that is asked for.
    #[error("has no {wanted} part, only: {found}; divide a folder of images into train/ and test/")]
    NoPart {
        /// What was asked for.
        wanted: Part,
        /// What is there, in words.
        found: String,
    },
    /// An option makes no sense.
    #[error("{0}")]
    Argument(String),
    /// Several problems at once.
    #[error("{}", list(.0))]
    Several(Vec<Error>),
}

/// Problems of one data set that are written out; of further ones only the number is given.
const LISTED: usize = 10;

fn list(errors: &[Error]) -> String {
    let mut text = format!("{} problems", errors.len());
    for error in errors.iter().take(LISTED) {
        text.push_str(&format!("\n  {error}"));
    }
    if errors.len() > LISTED {
        text.push_str(&format!("\n  and {} more", errors.len() - LISTED));
    }
    text
}

/// A path in front of a message.
struct Place<'a>(&'a Option<PathBuf>);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(path) => write!(f, "{}: ", path.display()),
            None => Ok(()),
        }
    }
}

impl Error {
    /// The file or directory that is at fault, where it is one.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// What is wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// Names the file, unless one is named already.
    pub(crate) fn at(mut self, path: &Path) -> Self {
        self.path.get_or_insert_with(|| path.to_path_buf());
        self
    }

    /// One error of several; `None` if there are none.
    pub(crate) fn all(mut errors: Vec<Error>) -> Option<Self> {
        match errors.len() {
            0 | 1 => errors.pop(),
            _ => Some(ErrorKind::Several(errors).into()),
        }
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self { path: None, kind }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        ErrorKind::Io(error).into()
    }
}
