use crate::{Error, ErrorKind};
use std::fmt;

/// Size of an image whose bytes are `[height][width][colours]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Pixels downwards.
    pub height: usize,
    /// Pixels across.
    pub width: usize,
    /// Colours of a pixel: 1 (grey) or 3 (red, green, blue).
    pub colours: usize,
}

impl Geometry {
    /// Whether there are pixels, their colours are 1 or 3, and the bytes of an image can be counted.
    pub(crate) fn is_valid(self) -> bool {
        matches!(self.colours, 1 | 3) && self.checked_bytes(1).is_some_and(|bytes| bytes > 0)
    }

    /// Refuses what is not valid.
    pub(crate) fn check(self) -> Result<(), Error> {
        match self.is_valid() {
            true => Ok(()),
            false => Err(ErrorKind::Geometry(self).into()),
        }
    }

    /// Bytes of one image.
    pub fn bytes(self) -> usize {
        self.height * self.width * self.colours
    }

    /// Bytes of `count` images, `None` where that is more than a machine can hold.
    pub(crate) fn checked_bytes(self, count: usize) -> Option<usize> {
        (self.height.checked_mul(self.width)?)
            .checked_mul(self.colours)?
            .checked_mul(count)
            .filter(|&bytes| isize::try_from(bytes).is_ok())
    }
}

impl fmt::Display for Geometry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let colours = if self.colours == 1 { "grey" } else { "colour" };
        write!(f, "{}x{} {colours}", self.width, self.height)
    }
}
