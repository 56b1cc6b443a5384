//! Recognising what lies at a path.

use crate::{
    Dataset, Error, ErrorKind, Geometry, ImageFiles, ImageSet, Resize, Split,
    read::{
        Reader,
        cifar::{self, Cifar},
        folder::{self, Folder, LabelledFiles},
        idx::{self, Idx},
    },
};
use std::{
    fmt,
    path::{Path, PathBuf},
};

/// How images are brought to the size that is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The size of all images. `None` takes them as they are, which for a folder means that all must have the size of the first.
    pub geometry: Option<Geometry>,
    /// What to do with image files of another size; `None` makes them an error.
    pub resize: Option<Resize>,
}

/// A part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// For training.
    Train,
    /// For testing.
    Test,
    /// All images of a folder that is not divided.
    Undivided,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Part::Train => "training",
            Part::Test => "test",
            Part::Undivided => "undivided",
        })
    }
}

/// A data set that was found and whose parts can be read.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    reader: Box<dyn Reader>,
    options: Options,
}

/// Finds the data set at `path`: a directory of IDX files, of CIFAR's binary files, of folders of images (one for each class, or
/// `train/` and `test/` or `val/` with such folders), or CIFAR's published archive, itself or in a directory.
///
/// # Errors
/// If the path cannot be read, there is no data set or more than one (the message lists what was looked for or found), or the
/// options make no sense.
pub fn open(path: &Path, options: &Options) -> Result<Source, Error> {
    if let Some(geometry) = options.geometry {
        geometry.check()?;
        if let Some(resize) = options.resize {
            resize.check(geometry)?;
        }
    }
    let reader = find(path).map_err(|error| error.at(path))?;
    Ok(Source {
        path: path.to_path_buf(),
        reader,
        options: *options,
    })
}

fn find(path: &Path) -> Result<Box<dyn Reader>, Error> {
    let mut found: Vec<Box<dyn Reader>> = Vec::new();
    let metadata = path.metadata()?;
    if metadata.is_dir() {
        found.extend(Idx::find(path).map(|idx| Box::new(idx) as _));
        found.extend(Cifar::find(path).map(|cifar| Box::new(cifar) as _));
        if found.is_empty() {
            found.extend(Folder::find(path)?.map(|folder| Box::new(folder) as _));
        }
    } else if !metadata.is_file() {
        return Err(ErrorKind::NotAFile.into());
    } else {
        found.extend(Cifar::find_in_archive(path)?.map(|cifar| Box::new(cifar) as _));
    }
    if found.len() > 1 {
        return Err(
            ErrorKind::Ambiguous(found.iter().map(|reader| reader.name()).collect()).into(),
        );
    }
    found.pop().ok_or_else(|| {
        let looked_for = [idx::LOOKED_FOR, cifar::LOOKED_FOR, folder::LOOKED_FOR];
        ErrorKind::NotRecognised(format!("  {}", looked_for.join("\n  "))).into()
    })
}

impl Source {
    /// Where the data set was found.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What people call this kind of data set, such as `CIFAR-10`.
    pub fn name(&self) -> &'static str {
        self.reader.name()
    }

    /// The parts that can be read.
    pub fn parts(&self) -> &[Part] {
        self.reader.parts()
    }

    /// Reads one part.
    ///
    /// # Errors
    /// If there is no such part, a file is missing or damaged, or images do not have the size that the options ask for.
    pub fn read(&self, part: Part) -> Result<Dataset, Error> {
        self.check_part(part)?;
        let dataset = self
            .reader
            .read(part, &self.options)
            .map_err(|error| error.at(&self.path))?;
        match self.options.geometry {
            Some(expected) if expected != dataset.geometry() => Err(Error::from(ErrorKind::Size {
                expected,
                found: dataset.geometry(),
            })
            .at(&self.path)),
            _ => Ok(dataset),
        }
    }

    fn check_part(&self, part: Part) -> Result<(), Error> {
        if self.parts().contains(&part) {
            return Ok(());
        }
        let parts: Vec<String> = self.parts().iter().map(Part::to_string).collect();
        let (wanted, found) = (part, parts.join(", "));
        Err(Error::from(ErrorKind::NoPart { wanted, found }).at(&self.path))
    }

    /// Reads the training and the test part.
    ///
    /// # Errors
    /// As [`Source::read`], and if the two parts have images of different sizes.
    pub fn split(&self) -> Result<Split, Error> {
        let (train, test) = (self.read(Part::Train)?, self.read(Part::Test)?);
        if train.geometry() != test.geometry() {
            let (expected, found) = (train.geometry(), test.geometry());
            return Err(Error::from(ErrorKind::Size { expected, found }).at(&self.path));
        }
        Ok(Split { train, test })
    }

    /// The training and the test part, left in their files where every image is one and the options say what they are brought to.
    ///
    /// # Errors
    /// As [`Source::split`].
    pub fn sets(&self) -> Result<Split<ImageSet>, Error> {
        Ok(Split {
            train: self.set(Part::Train)?,
            test: self.set(Part::Test)?,
        })
    }

    /// One part, left in its files as by [`Source::sets`].
    ///
    /// # Errors
    /// As [`Source::read`].
    pub fn set(&self, part: Part) -> Result<ImageSet, Error> {
        self.check_part(part)?;
        let Options { geometry, resize } = self.options;
        let files = self
            .reader
            .files(part)
            .map_err(|error| error.at(&self.path))?;
        match (files, geometry) {
            (Some(list), Some(geometry)) => Ok(ImageFiles {
                classes: list.classes,
                files: list.files.into(),
                labels: list.labels,
                geometry,
                resize,
            }
            .into()),
            _ => self.read(part).map(ImageSet::from),
        }
    }

    /// Reads the images that a finished network is measured on: the test part, or all of a folder that is not divided.
    ///
    /// # Errors
    /// As [`Source::read`].
    pub fn held_out(&self) -> Result<Dataset, Error> {
        self.read(self.held_out_part())
    }

    /// Lists the image files of [`Source::held_out`], to be read one after the other; `None` where the images are not files of
    /// their own.
    ///
    /// # Errors
    /// If there is no such part, or a folder cannot be read.
    pub fn held_out_files(&self) -> Result<Option<LabelledFiles>, Error> {
        let part = self.held_out_part();
        self.check_part(part)?;
        let files = self.reader.files(part);
        files.map_err(|error| error.at(&self.path))
    }

    fn held_out_part(&self) -> Part {
        if self.parts() == [Part::Undivided] {
            Part::Undivided
        } else {
            Part::Test
        }
    }
}
