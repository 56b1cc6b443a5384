//! Images that networks are measured on.

use std::borrow::Cow;
use std::cell::{Ref, RefCell};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use subbyte::data::{self, Dataset, Geometry, ImageStream, Resize, read_image};

use crate::files::{self, BUILTIN};
use crate::{classes, interrupt, note};

/// A label and an image, `[height][width][colours]`.
pub type Example<'a> = (usize, Cow<'a, [u8]>);

/// Labelled images to measure on, of one geometry.
pub struct TestImages {
    images: Images,
    /// Files that could not be used when the images were last gone through.
    broken: RefCell<Vec<Broken>>,
}

enum Images {
    /// In memory.
    Loaded(Dataset),
    /// In files of their own, of which there may be more than fit into memory.
    Files {
        classes: Vec<String>,
        files: Arc<[PathBuf]>,
        labels: Vec<u16>,
        geometry: Geometry,
        resize: Option<Resize>,
    },
}

impl From<Dataset> for TestImages {
    fn from(data: Dataset) -> Self {
        Self {
            images: Images::Loaded(data),
            broken: RefCell::default(),
        }
    }
}

impl TestImages {
    /// Those that [`files::test_data`] reads, with image files left where they are. Labels follow the network's classes as
    /// [`classes::of_folders`] says, else the order of the folders' names. `names` are the network's class names, if it has any;
    /// `count` is the number of its classes, where that is known without names.
    pub fn open(
        path: &str,
        geometry: Geometry,
        resize: Option<Resize>,
        names: &[String],
        count: Option<usize>,
    ) -> Result<Self> {
        if path == BUILTIN {
            return Ok(files::builtin(geometry)?.into());
        }
        let source = files::open(path, geometry, resize)?;
        let Some(mut list) = source.held_out_files()? else {
            return Ok(source.held_out()?.into());
        };
        let count = match (names.len(), count) {
            (0, None) => list.classes.len(),
            (named, count) => count.unwrap_or(named),
        };
        let numbers = classes::of_folders(&list.classes, names, count);
        if let Some(numbers) = numbers.with_context(|| path.to_owned())? {
            for label in &mut list.labels {
                *label = u16::try_from(numbers[usize::from(*label)])?;
            }
            list.classes = (0..count).map(|class| class.to_string()).collect();
            list.classes[..names.len()].clone_from_slice(names);
        } else {
            let why = if names.is_empty() {
                "the network does not know its classes' names"
            } else {
                "none is named like a class of the network"
            };
            note!(
                "note: the class folders of {path} are numbered in the order of their names, since {why}"
            );
        }
        Ok(Self {
            images: Images::Files {
                classes: list.classes,
                files: list.files.into(),
                labels: list.labels,
                geometry,
                resize,
            },
            broken: RefCell::default(),
        })
    }

    /// How many there are, broken ones included.
    pub fn len(&self) -> usize {
        match &self.images {
            Images::Loaded(data) => data.len(),
            Images::Files { files, .. } => files.len(),
        }
    }

    pub fn geometry(&self) -> Geometry {
        match &self.images {
            Images::Loaded(data) => data.geometry(),
            Images::Files { geometry, .. } => *geometry,
        }
    }

    /// Class names in the order of the labels.
    pub fn classes(&self) -> &[String] {
        match &self.images {
            Images::Loaded(data) => data.classes(),
            Images::Files { classes, .. } => classes,
        }
    }

    /// The images with their labels, one after the other. Files are decoded on so many threads, a few ahead; those that cannot be
    /// used are left out.
    pub fn examples(
        &self,
        threads: NonZeroUsize,
    ) -> Result<Box<dyn Iterator<Item = Example<'_>> + '_>> {
        self.broken.borrow_mut().clear();
        Ok(match &self.images {
            Images::Loaded(data) => {
                let borrowed = |(label, image)| (label, Cow::Borrowed(image));
                Box::new(data.examples().map(borrowed))
            }
            Images::Files {
                files,
                labels,
                geometry,
                resize,
                ..
            } => {
                let stream = ImageStream::new(Arc::clone(files), *geometry, *resize, threads)?;
                let images = labels.iter().zip(files.iter()).zip(stream);
                Box::new(images.filter_map(|((&label, file), image)| match image {
                    Ok(image) => Some((label.into(), Cow::Owned(image))),
                    Err(problem) => {
                        self.broken.borrow_mut().push(Broken::new(file, &problem));
                        None
                    }
                }))
            }
        })
    }

    /// How going through the images ended, of which `done` could be used; as [`end`].
    pub fn end(&self, done: usize) -> Result<ExitCode> {
        end(done, &self.broken.borrow(), self.len())
    }

    /// The files that could not be used when the images were last gone through.
    pub fn broken(&self) -> Ref<'_, [Broken]> {
        Ref::map(self.broken.borrow(), Vec::as_slice)
    }

    /// At most `count` images, spread evenly.
    pub fn spread(&self, count: usize) -> Vec<Cow<'_, [u8]>> {
        match &self.images {
            Images::Loaded(data) => data.spread(count).map(Cow::Borrowed).collect(),
            Images::Files {
                files,
                geometry,
                resize,
                ..
            } => {
                let count = count.min(files.len());
                let chosen = (0..count).map(|i| &files[i * files.len() / count]);
                let images = chosen.map(|file| read_image(file, *geometry, *resize));
                // Those that are broken have been noticed.
                images.flatten().map(Cow::Owned).collect()
            }
        }
    }
}

/// An image file that cannot be used.
#[derive(Serialize)]
pub struct Broken {
    /// Where it is.
    pub file: String,
    /// What is wrong, with the file's name.
    pub problem: String,
}

impl Broken {
    /// Notes why a file cannot be used.
    pub fn new(file: &Path, problem: &data::Error) -> Self {
        Self {
            file: file.display().to_string(),
            problem: problem.to_string(),
        }
    }
}

/// How work on `count` images ends of which `done` could be used: interrupted, where there are more; with an error that names all
/// files that could not be used, where there are any.
pub fn end(done: usize, broken: &[Broken], count: usize) -> Result<ExitCode> {
    let problems: Vec<&str> = broken.iter().map(|b| b.problem.as_str()).collect();
    let problems = format!(
        "{} of {count} images cannot be used:\n{}",
        broken.len(),
        problems.join("\n")
    );
    let seen = done + broken.len();
    if seen < count {
        if !broken.is_empty() {
            note!("error: {problems}");
        }
        note!("interrupted after {seen} of {count} images");
        return Ok(interrupt::exit_code());
    }
    if !broken.is_empty() {
        bail!(problems);
    }
    Ok(ExitCode::SUCCESS)
}
