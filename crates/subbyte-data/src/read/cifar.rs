//! CIFAR-10 and CIFAR-100 in their binary version, unpacked or as the published archive.

use super::{
    Reader, TRAIN_AND_TEST, class_names,
    files::{Files, find_in_archive},
    numbered_classes,
};
use crate::{Dataset, Error, ErrorKind, Geometry, Options, Part, dataset::check_labels};
use std::path::Path;

/// What CIFAR is recognised by.
pub(crate) const LOOKED_FOR: &str =
    "CIFAR-10: a directory with data_batch_1.bin .. data_batch_5.bin and test_batch.bin, or cifar-10-binary.tar.gz
  CIFAR-100: a directory with train.bin and test.bin, or cifar-100-binary.tar.gz";

const GEOMETRY: Geometry = Geometry {
    height: 32,
    width: 32,
    colours: 3,
};

/// One of the two sets. A record is `labels` label bytes, of which the last is used (the fine one of CIFAR-100), and then the
/// planes of red, green and blue.
#[derive(Debug)]
struct Layout {
    name: &'static str,
    directory: &'static str,
    archive: &'static str,
    train: &'static [&'static str],
    test: &'static [&'static str],
    class_names: &'static str,
    classes: usize,
    labels: usize,
}

static LAYOUTS: [Layout; 2] = [
    Layout {
        name: "CIFAR-10",
        directory: "cifar-10-batches-bin",
        archive: "cifar-10-binary.tar.gz",
        train: &[
            "data_batch_1.bin",
            "data_batch_2.bin",
            "data_batch_3.bin",
            "data_batch_4.bin",
            "data_batch_5.bin",
        ],
        test: &["test_batch.bin"],
        class_names: "batches.meta.txt",
        classes: 10,
        labels: 1,
    },
    Layout {
        name: "CIFAR-100",
        directory: "cifar-100-binary",
        archive: "cifar-100-binary.tar.gz",
        train: &["train.bin"],
        test: &["test.bin"],
        class_names: "fine_label_names.txt",
        classes: 100,
        labels: 2,
    },
];

impl Layout {
    fn has(&self, name: &str) -> bool {
        self.train.contains(&name) || self.test.contains(&name)
    }

    /// The files below a directory: its own, else those of the directory or the archive of the published name in it.
    fn find(&'static self, directory: &Path) -> Option<Cifar> {
        let files = [directory.to_path_buf(), directory.join(self.directory)]
            .into_iter()
            .find(|place| {
                (self.train.iter().chain(self.test)).any(|name| place.join(name).is_file())
            })
            .map(Files::Directory)
            .or_else(|| {
                let archive = directory.join(self.archive);
                archive.is_file().then_some(Files::Archive(archive))
            })?;
        Some(Cifar {
            layout: self,
            files,
        })
    }

    /// Appends the records of one file, pixel by pixel instead of plane by plane.
    fn unpack(
        &self,
        file: &[u8],
        images: &mut Vec<u8>,
        labels: &mut Vec<u16>,
    ) -> Result<(), Error> {
        let record = self.labels + GEOMETRY.bytes();
        if file.is_empty() || !file.len().is_multiple_of(record) {
            return Err(ErrorKind::Length {
                expected: format!("a multiple of {record}"),
                found: file.len().to_string(),
            }
            .into());
        }
        let records = || {
            file.chunks_exact(record)
                .map(|record| record.split_at(self.labels))
        };
        let label = |bytes: &[u8]| bytes[self.labels - 1];
        check_labels(
            records().map(|(bytes, _)| label(bytes).into()),
            self.classes,
        )?;
        labels.extend(records().map(|(bytes, _)| u16::from(label(bytes))));
        images.reserve_exact(file.len() / record * GEOMETRY.bytes());
        for (_, planes) in records() {
            let (red, rest) = planes.split_at(GEOMETRY.height * GEOMETRY.width);
            let (green, blue) = rest.split_at(GEOMETRY.height * GEOMETRY.width);
            for ((&r, &g), &b) in red.iter().zip(green).zip(blue) {
                images.extend([r, g, b]);
            }
        }
        Ok(())
    }
}

/// CIFAR files that were found.
#[derive(Debug)]
pub(crate) struct Cifar {
    layout: &'static Layout,
    files: Files,
}

impl Cifar {
    /// All sets below a directory.
    pub(crate) fn find(directory: &Path) -> impl Iterator<Item = Self> {
        (LAYOUTS.iter()).filter_map(|layout| layout.find(directory))
    }

    /// The set in an archive of whatever name; `None` if the file is no archive or has none of the files.
    pub(crate) fn find_in_archive(path: &Path) -> Result<Option<Self>, Error> {
        let layout = find_in_archive(path, |name| LAYOUTS.iter().find(|layout| layout.has(name)))?;
        Ok(layout.map(|layout| Self {
            layout,
            files: Files::Archive(path.to_path_buf()),
        }))
    }
}

impl Reader for Cifar {
    fn name(&self) -> &'static str {
        self.layout.name
    }

    fn parts(&self) -> &[Part] {
        TRAIN_AND_TEST
    }

    fn read(&self, part: Part, _: &Options) -> Result<Dataset, Error> {
        let layout = self.layout;
        let names = if part == Part::Test {
            layout.test
        } else {
            layout.train
        };
        let wanted = [names, &[layout.class_names]].concat();
        let mut contents = self.files.read(&wanted)?;
        let classes = match contents.pop().flatten() {
            Some(text) => class_names(&text),
            None => numbered_classes(layout.classes),
        };
        if classes.len() != layout.classes {
            return Err(Error::from(ErrorKind::ClassNames {
                expected: layout.classes.to_string(),
                found: classes.len(),
            })
            .at(&self.files.path(layout.class_names)));
        }
        let (mut images, mut labels) = (Vec::new(), Vec::new());
        let mut errors = Vec::new();
        for (name, content) in names.iter().zip(contents) {
            let unpacked = content
                .ok_or_else(|| ErrorKind::Missing("the file".into()).into())
                .and_then(|file| layout.unpack(&file, &mut images, &mut labels));
            errors.extend(unpacked.err().map(|error| error.at(&self.files.path(name))));
        }
        match Error::all(errors) {
            Some(error) => Err(error),
            None => Dataset::new(GEOMETRY, classes, images, labels),
        }
    }
}
