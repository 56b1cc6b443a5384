//! Folders of images, one for each class.

use super::Reader;
use crate::{
    Dataset, Error, ErrorKind, Geometry, Options, Part, Resize,
    decode::{geometry_of, read_image},
};
use rayon::prelude::*;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// What a folder of images is recognised by.
pub(crate) const LOOKED_FOR: &str = "Images: a directory with a folder for each class, which has .jpg, .jpeg, .png or .webp files, \
     or with train/ and test/ (or val/) that have such folders";

const READ: [&str; 4] = ["jpg", "jpeg", "png", "webp"];

/// Images that people have but that are not read. Skipping them without a word would change the data.
const REFUSED: [&str; 10] = [
    "avif", "bmp", "gif", "heic", "jp2", "jxl", "pgm", "ppm", "tif", "tiff",
];

/// As many as labels can tell apart.
const MOST_CLASSES: usize = 1 << 16;

/// Image files with their labels, class by class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelledFiles {
    /// Class names in the order of the labels.
    pub classes: Vec<String>,
    /// At least one.
    pub files: Vec<PathBuf>,
    /// One a file, each below the number of classes.
    pub labels: Vec<u16>,
}

/// A folder whose sub-folders are classes, or a folder divided into such folders.
#[derive(Debug)]
pub(crate) struct Folder {
    /// Each part with its directory.
    places: Vec<(Part, PathBuf)>,
    parts: Vec<Part>,
}

impl Folder {
    /// Finds class folders with at least one image. A folder named like a part is one if it has folders in it, else it is a class.
    /// Where there are `test/` and `val/`, `val/` is left alone.
    pub(crate) fn find(directory: &Path) -> Result<Option<Self>, Error> {
        let mut places = Vec::new();
        for (part, names) in [
            (Part::Train, &["train"][..]),
            (Part::Test, &["test", "val"]),
        ] {
            for path in names.iter().map(|name| directory.join(name)) {
                if path.is_dir() && !folders(&path)?.is_empty() {
                    places.push((part, path));
                    break;
                }
            }
        }
        if places.is_empty() {
            places.push((Part::Undivided, directory.to_path_buf()));
        }
        for (_, place) in &places {
            for class in folders(place)? {
                if entries(&class)?.iter().any(|path| is_image(path)) {
                    let parts = places.iter().map(|&(part, _)| part).collect();
                    return Ok(Some(Self { places, parts }));
                }
            }
        }
        Ok(None)
    }

    /// Names of the class folders of the first part, in order; the other part may lack some but have no others.
    fn classes(&self) -> Result<Vec<String>, Error> {
        let (_, first) = &self.places[0];
        let classes: Vec<String> = folders(first)?.iter().map(|path| name(path)).collect();
        if classes.len() > MOST_CLASSES {
            let text = format!("{} class folders; at most {MOST_CLASSES}", classes.len());
            return Err(Error::from(ErrorKind::Argument(text)).at(first));
        }
        Ok(classes)
    }

    /// The image files of a part.
    fn list(&self, part: Part) -> Result<LabelledFiles, Error> {
        let classes = self.classes()?;
        let (mut files, mut labels) = (Vec::new(), Vec::new());
        for (_, place) in self.places.iter().filter(|(found, _)| *found == part) {
            for (file, label) in labelled(place, &classes)? {
                files.push(file);
                labels.push(label);
            }
        }
        if files.is_empty() {
            return Err(ErrorKind::Empty.into());
        }
        Ok(LabelledFiles {
            classes,
            files,
            labels,
        })
    }
}

impl Reader for Folder {
    fn name(&self) -> &'static str {
        "image folder"
    }

    fn parts(&self) -> &[Part] {
        &self.parts
    }

    fn read(&self, part: Part, options: &Options) -> Result<Dataset, Error> {
        let list = self.list(part)?;
        let first = &list.files[0];
        let geometry = options.geometry.map_or_else(|| geometry_of(first), Ok)?;
        let images = decode_all(&list.files, geometry, options.resize)?;
        Dataset::new(geometry, list.classes, images, list.labels)
    }

    fn files(&self, part: Part) -> Result<Option<LabelledFiles>, Error> {
        self.list(part).map(Some)
    }
}

/// The image files of a part with their labels, class by class.
fn labelled(place: &Path, classes: &[String]) -> Result<Vec<(PathBuf, u16)>, Error> {
    let (mut files, mut errors) = (Vec::new(), Vec::new());
    for folder in folders(place)? {
        let class = name(&folder);
        let label = classes.iter().position(|known| *known == class);
        let Some(label) = label.and_then(|label| u16::try_from(label).ok()) else {
            errors.push(Error::from(ErrorKind::UnknownClass).at(&folder));
            continue;
        };
        for path in entries(&folder)? {
            if is_image(&path) {
                files.push((path, label));
            } else if has_extension(&path, &REFUSED) {
                let kind = ErrorKind::Undecodable("its format is not read".into());
                errors.push(Error::from(kind).at(&path));
            }
        }
    }
    Error::all(errors).map_or(Ok(files), Err)
}

/// Decodes all files side by side into one piece of memory.
fn decode_all(
    files: &[PathBuf],
    geometry: Geometry,
    resize: Option<Resize>,
) -> Result<Vec<u8>, Error> {
    let mut images = Vec::new();
    let reserved =
        (geometry.checked_bytes(files.len())).filter(|&len| images.try_reserve_exact(len).is_ok());
    let Some(len) = reserved else {
        let text = format!(
            "{} images of {geometry} do not fit into memory",
            files.len()
        );
        return Err(ErrorKind::Argument(text).into());
    };
    images.resize(len, 0);
    let errors = images
        .par_chunks_exact_mut(geometry.bytes())
        .zip(files)
        .filter_map(|(out, path)| {
            read_image(path, geometry, resize)
                .map(|image| out.copy_from_slice(&image))
                .err()
        })
        .collect();
    Error::all(errors).map_or(Ok(images), Err)
}

/// The image files (JPEG, PNG, WebP, by extension) that lie in a directory itself, in order of names, without hidden ones.
///
/// # Errors
/// If the directory cannot be read.
pub fn image_files(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut paths = entries(directory)?;
    paths.retain(|path| is_image(path));
    Ok(paths)
}

/// What lies in a directory, in order of names, without hidden entries.
fn entries(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let list = || -> std::io::Result<Vec<PathBuf>> {
        let mut paths = (fs::read_dir(directory)?.map(|entry| Ok(entry?.path())))
            .collect::<std::io::Result<Vec<_>>>()?;
        paths.retain(|path| !name(path).starts_with('.'));
        paths.sort();
        Ok(paths)
    };
    list().map_err(|error| Error::from(error).at(directory))
}

fn folders(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut paths = entries(directory)?;
    paths.retain(|path| path.is_dir());
    Ok(paths)
}

fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn is_image(path: &Path) -> bool {
    has_extension(path, &READ)
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    path.extension().is_some_and(|found| {
        extensions
            .iter()
            .any(|extension| found.eq_ignore_ascii_case(extension))
    })
}
