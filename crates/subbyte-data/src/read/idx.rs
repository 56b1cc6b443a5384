//! The IDX files of MNIST, Fashion-MNIST and their kin, plain or gzip.

use super::{Reader, TRAIN_AND_TEST, bytes, class_names, numbered_classes};
use crate::{Dataset, Error, ErrorKind, Geometry, Options, Part, dataset::check_labels};
use std::{
    io::Read,
    path::{Path, PathBuf},
};

/// What a directory of IDX files is recognised by.
pub(crate) const LOOKED_FOR: &str = "MNIST or Fashion-MNIST: a directory with {train,t10k}-{images-idx3,labels-idx1}-ubyte, plain or .gz";

/// Names of the classes, one a line, where they are not MNIST's ten digits.
const CLASS_NAMES: &str = "classes.txt";

const DIGITS: usize = 10;

/// A directory that holds IDX files by their customary names.
#[derive(Debug)]
pub(crate) struct Idx {
    directory: PathBuf,
}

impl Idx {
    pub(crate) fn find(directory: &Path) -> Option<Self> {
        [Part::Train, Part::Test]
            .into_iter()
            .flat_map(|part| {
                [
                    file_names(part, "images-idx3"),
                    file_names(part, "labels-idx1"),
                ]
            })
            .flatten()
            .any(|name| directory.join(name).is_file())
            .then(|| Self {
                directory: directory.to_path_buf(),
            })
    }

    fn file(&self, part: Part, what: &str) -> Result<PathBuf, Error> {
        let names = file_names(part, what);
        (names.iter().map(|name| self.directory.join(name)))
            .find(|path| path.is_file())
            .ok_or_else(|| ErrorKind::Missing(names.join(" or ")).into())
            .map_err(|error: Error| error.at(&self.directory))
    }

    fn classes(&self) -> Result<Vec<String>, Error> {
        let path = self.directory.join(CLASS_NAMES);
        if !path.exists() {
            return Ok(numbered_classes(DIGITS));
        }
        let read = || bytes::all(&mut bytes::file(&path)?);
        let names = class_names(&read().map_err(|error| error.at(&path))?);
        if names.is_empty() {
            let expected = "one for each class".into();
            return Err(Error::from(ErrorKind::ClassNames { expected, found: 0 }).at(&path));
        }
        Ok(names)
    }
}

impl Reader for Idx {
    fn name(&self) -> &'static str {
        "IDX"
    }

    fn parts(&self) -> &[Part] {
        TRAIN_AND_TEST
    }

    fn read(&self, part: Part, _: &Options) -> Result<Dataset, Error> {
        let images = self.file(part, "images-idx3")?;
        let labels = self.file(part, "labels-idx1")?;
        let (geometry, pixels) =
            read_images(&mut bytes::open(&images)?).map_err(|error| error.at(&images))?;
        let dataset = read_labels(&mut bytes::open(&labels)?)
            .and_then(|numbers| dataset(geometry, self.classes()?, pixels, &numbers));
        dataset.map_err(|error| error.at(&labels))
    }
}

fn file_names(part: Part, what: &str) -> [String; 2] {
    let part = if part == Part::Test { "t10k" } else { "train" };
    [
        format!("{part}-{what}-ubyte"),
        format!("{part}-{what}-ubyte.gz"),
    ]
}

/// A data set of the contents of both files.
pub(crate) fn dataset(
    geometry: Geometry,
    classes: Vec<String>,
    pixels: Vec<u8>,
    labels: &[u8],
) -> Result<Dataset, Error> {
    check_labels(labels.iter().map(|&label| label.into()), classes.len())?;
    let labels = labels.iter().map(|&label| label.into()).collect();
    Dataset::new(geometry, classes, pixels, labels)
}

/// The images of an IDX file: magic number, count, height, width as big-endian words, then the pixels row by row.
pub(crate) fn read_images(input: &mut impl Read) -> Result<(Geometry, Vec<u8>), Error> {
    magic(input, "an IDX file of grey images", 0x0803)?;
    let [count, height, width] = [word(input)?, word(input)?, word(input)?];
    let geometry = Geometry {
        height: height as usize,
        width: width as usize,
        colours: 1,
    };
    if !geometry.is_valid() {
        return Err(ErrorKind::Geometry(geometry).into());
    }
    let len = (geometry.checked_bytes(count as usize))
        .map(|len| len as u64)
        .filter(|&len| len <= bytes::LIMIT)
        .ok_or(ErrorKind::TooLarge {
            limit: bytes::LIMIT,
        })?;
    let pixels = bytes::exactly(input, len)?;
    bytes::end(input, len)?;
    Ok((geometry, pixels))
}

/// The labels of an IDX file: magic number and count as big-endian words, then one byte each.
pub(crate) fn read_labels(input: &mut impl Read) -> Result<Vec<u8>, Error> {
    magic(input, "an IDX file of labels", 0x0801)?;
    let count = word(input)?.into();
    let labels = bytes::exactly(input, count)?;
    bytes::end(input, count)?;
    Ok(labels)
}

fn magic(input: &mut impl Read, what: &'static str, expected: u32) -> Result<(), Error> {
    let found = word(input)?;
    if found != expected {
        return Err(ErrorKind::Magic {
            what,
            expected,
            found,
        }
        .into());
    }
    Ok(())
}

fn word(input: &mut impl Read) -> Result<u32, Error> {
    let bytes = bytes::exactly(input, 4)?;
    Ok(bytes
        .iter()
        .fold(0, |word, &byte| word << 8 | u32::from(byte)))
}
