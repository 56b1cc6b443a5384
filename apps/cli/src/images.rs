//! Images that networks are measured on.

use std::borrow::Cow;
use std::cell::{Ref, RefCell};
use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use subbyte::data::{self, Example, Geometry, ImageFiles, ImageSet, Resize};

use crate::files::{self, BUILTIN};
use crate::{classes, interrupt, note};

/// Images with their labels.
pub type Labelled = Vec<(usize, Vec<u8>)>;

/// Labelled images to measure on, of one geometry.
pub struct TestImages {
    images: ImageSet,
    /// Whether no more images are wanted.
    stop: fn() -> bool,
    /// Files that could not be used when the images were last gone through.
    broken: RefCell<Vec<Broken>>,
}

impl<I: Into<ImageSet>> From<I> for TestImages {
    fn from(images: I) -> Self {
        Self {
            images: images.into(),
            stop: || false,
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
        let Some(list) = source.held_out_files()? else {
            return Ok(source.held_out()?.into());
        };
        let list = ImageFiles {
            classes: list.classes,
            files: list.files.into(),
            labels: list.labels,
            geometry,
            resize,
        };
        Self::numbered(path, list, names, count)
    }

    /// Image files with labels that are the network's classes, as [`TestImages::open`] finds them.
    pub fn numbered(
        path: &str,
        mut list: ImageFiles,
        names: &[String],
        count: Option<usize>,
    ) -> Result<Self> {
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
        Ok(Self::from(list))
    }

    /// Ends [`TestImages::examples`] early when Ctrl-C asks for it.
    pub fn until_interrupted(self) -> Self {
        Self {
            stop: interrupt::asked,
            ..self
        }
    }

    /// How many there are, broken ones included.
    pub fn len(&self) -> usize {
        self.images.len()
    }

    pub fn geometry(&self) -> Geometry {
        self.images.geometry()
    }

    /// Class names in the order of the labels.
    pub fn classes(&self) -> &[String] {
        self.images.classes()
    }

    /// The images with their labels, one after the other. Files are decoded on so many threads, a few ahead; those that cannot be
    /// used are left out.
    pub fn examples(
        &self,
        threads: NonZeroUsize,
    ) -> Result<Box<dyn Iterator<Item = Example<'_>> + '_>> {
        self.broken.borrow_mut().clear();
        let examples = self.images.examples(threads)?;
        let examples = examples.take_while(|_| !(self.stop)());
        Ok(Box::new(examples.filter_map(|example| match example {
            Ok(example) => Some(example),
            Err(problem) => {
                let file = problem.path().unwrap_or(Path::new(""));
                self.broken.borrow_mut().push(Broken::new(file, &problem));
                None
            }
        })))
    }

    /// How going through the images ended, of which `done` could be used; as [`end`].
    pub fn end(&self, done: usize) -> Result<ExitCode> {
        end(done, &self.broken.borrow(), self.len())
    }

    /// The files that could not be used when the images were last gone through.
    pub fn broken(&self) -> Ref<'_, [Broken]> {
        Ref::map(self.broken.borrow(), Vec::as_slice)
    }

    /// How images of other sizes are brought to this one.
    pub fn resize(&self) -> Option<Resize> {
        match &self.images {
            ImageSet::Loaded(_) => None,
            ImageSet::Files(set) => set.resize,
        }
    }

    /// At most `count` images, spread evenly, and the files of those that cannot be used.
    pub fn spread_checked(&self, count: usize) -> (Vec<Cow<'_, [u8]>>, Vec<Broken>) {
        let ImageSet::Files(set) = &self.images else {
            return (self.spread(count), Vec::new());
        };
        let count = count.min(self.len());
        let (mut images, mut broken) = (Vec::new(), Vec::new());
        for i in (0..count).map(|i| i * self.len() / count) {
            match set.read(i) {
                Ok(image) => images.push(Cow::Owned(image)),
                Err(problem) => broken.push(Broken::new(&set.files[i], &problem)),
            }
        }
        (images, broken)
    }

    /// At most `count` labelled images, spread evenly over those that [`TestImages::spread_checked`] does not choose of `without`; over
    /// all where it leaves none. Broken ones are left out.
    pub fn labelled(&self, count: usize, without: usize) -> Labelled {
        let all = self.len();
        let taken = without.min(all);
        let chosen: BTreeSet<usize> = (0..taken).map(|i| i * all / taken).collect();
        let mut free: Vec<usize> = (0..all).filter(|i| !chosen.contains(i)).collect();
        if free.is_empty() {
            free = (0..all).collect();
        }
        let count = count.min(free.len());
        let indices = (0..count).map(|i| free[i * free.len() / count]);
        let image = |i: usize| match &self.images {
            ImageSet::Loaded(data) => Some(data.image(i).to_vec()),
            ImageSet::Files(set) => set.read(i).ok(),
        };
        let labelled = |i| Some((usize::from(self.images.label(i)), image(i)?));
        indices.filter_map(labelled).collect()
    }

    /// At most `count` images, spread evenly.
    pub fn spread(&self, count: usize) -> Vec<Cow<'_, [u8]>> {
        match &self.images {
            ImageSet::Loaded(data) => data.spread(count).map(Cow::Borrowed).collect(),
            ImageSet::Files(set) => {
                let count = count.min(self.len());
                let chosen = (0..count).map(|i| set.read(i * self.len() / count));
                // Those that are broken have been noticed.
                chosen.flatten().map(Cow::Owned).collect()
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
