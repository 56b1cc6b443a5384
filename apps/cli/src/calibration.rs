//! Images that ranges and rounding are measured on; their labels do not matter.

use std::path::Path;

use anyhow::{Result, bail};
use subbyte::data::{self, Geometry, ImageFiles, ImageSet, Part, Resize};
use subbyte::quantize::Images;

use crate::files::BUILTIN;
use crate::images::{Labelled, TestImages};
use crate::note;

/// Images of a batch.
const BATCH: usize = 16;

/// At most `count` images of the data set at `path`, spread evenly, in batches: of its training part where it is divided, else of all;
/// or the images that lie in a folder. Files that cannot be used are named and left out.
///
/// # Errors
/// If there is no image that can be used.
pub fn batches(
    path: &str,
    geometry: Geometry,
    resize: Option<Resize>,
    count: usize,
) -> Result<Vec<Images>> {
    let images = TestImages::from(open(path, geometry, resize)?);
    if images.geometry() != geometry {
        bail!(
            "the images of {path} are {}, the network reads {geometry}; give others to calibrate with",
            images.geometry()
        );
    }
    let (chosen, broken) = images.spread_checked(count);
    if !broken.is_empty() {
        note!(
            "{} of {} images cannot be used for calibration:",
            broken.len(),
            broken.len() + chosen.len()
        );
        for broken in &broken {
            note!("{}", broken.problem);
        }
    }
    if chosen.is_empty() {
        bail!("{path} holds no image to calibrate with");
    }
    let Geometry {
        height,
        width,
        colours,
    } = geometry;
    let batch = |images: &[_]| {
        let shape = [images.len(), height, width, colours];
        Images::new(images.concat(), shape)
    };
    Ok(chosen.chunks(BATCH).map(batch).collect())
}

/// At most `count` labelled images of the data set at `path` to search by, beside the `calibrating` ones that [`batches`] takes of it;
/// `None` where they have no labels. Labels are the network's classes.
///
/// # Errors
/// If the data cannot be read, or their classes are not the network's.
pub fn labelled(
    path: &str,
    geometry: Geometry,
    resize: Option<Resize>,
    (names, classes): (&[String], Option<usize>),
    count: usize,
    calibrating: usize,
) -> Result<Option<Labelled>> {
    let images = match open(path, geometry, resize)? {
        ImageSet::Files(list) if list.classes == [UNKNOWN] => return Ok(None),
        ImageSet::Files(list) => TestImages::numbered(path, list.as_ref().clone(), names, classes)?,
        loaded => loaded.into(),
    };
    Ok(Some(images.labelled(count, calibrating)))
}

/// Class of images that lie in a folder.
const UNKNOWN: &str = "unknown";

fn open(path: &str, geometry: Geometry, resize: Option<Resize>) -> Result<ImageSet> {
    if path == BUILTIN {
        return Ok(data::fashion_mnist_subset().train.into());
    }
    let lying = match Path::new(path).is_dir() {
        true => data::image_files(Path::new(path))?,
        false => Vec::new(),
    };
    if !lying.is_empty() {
        return Ok(ImageFiles {
            classes: vec![UNKNOWN.into()],
            labels: vec![0; lying.len()],
            files: lying.into(),
            geometry,
            resize,
        }
        .into());
    }
    let source = crate::files::open(path, geometry, resize)?;
    let part = match source.parts().contains(&Part::Train) {
        true => Part::Train,
        false => Part::Undivided,
    };
    Ok(source.set(part)?)
}
