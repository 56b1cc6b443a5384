//! Readers, one file for each kind of data set.

pub(crate) mod bytes;
pub(crate) mod cifar;
pub(crate) mod files;
pub(crate) mod folder;
pub(crate) mod idx;

use self::folder::LabelledFiles;
use crate::{Dataset, Error, Options, Part};
use std::fmt;

/// A data set that was found on disk and is not read yet.
pub(crate) trait Reader: fmt::Debug + Send + Sync {
    /// What people call this kind of data set.
    fn name(&self) -> &'static str;

    /// The parts it is divided into.
    fn parts(&self) -> &[Part];

    /// Reads one of [`Reader::parts`].
    fn read(&self, part: Part, options: &Options) -> Result<Dataset, Error>;

    /// The files of one of [`Reader::parts`], where every image is one.
    fn files(&self, _: Part) -> Result<Option<LabelledFiles>, Error> {
        Ok(None)
    }
}

/// The parts of sets that are published in two.
const TRAIN_AND_TEST: &[Part] = &[Part::Train, Part::Test];

/// The lines of a list of class names, without the empty ones at its end.
fn class_names(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    text.trim_end()
        .lines()
        .map(|line| line.trim().to_string())
        .collect()
}

/// Numbers instead of names that are not known.
fn numbered_classes(count: usize) -> Vec<String> {
    (0..count).map(|class| class.to_string()).collect()
}
