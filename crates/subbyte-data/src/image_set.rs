use crate::{
    Dataset, Error, Geometry, ImageStream, Resize, dataset::validation_split,
    fingerprint::Fingerprint, read_image,
};
use std::{borrow::Cow, num::NonZeroUsize, path::PathBuf, sync::Arc};

/// Labelled images of one geometry, in memory or in files that are decoded whenever they are needed.
#[derive(Clone, Debug)]
pub enum ImageSet {
    /// In memory.
    Loaded(Arc<Dataset>),
    /// In files of their own, of which there may be more than fit into memory.
    Files(Arc<ImageFiles>),
}

/// Labelled image files that are brought to one geometry.
#[derive(Clone, Debug)]
pub struct ImageFiles {
    /// Class names in the order of the labels.
    pub classes: Vec<String>,
    /// At least one.
    pub files: Arc<[PathBuf]>,
    /// One a file, each below the number of classes.
    pub labels: Vec<u16>,
    /// What images are brought to.
    pub geometry: Geometry,
    /// How those of other sizes are; `None` makes them an error.
    pub resize: Option<Resize>,
}

/// A label and an image, `[height][width][colours]`.
pub type Example<'a> = (usize, Cow<'a, [u8]>);

impl From<Dataset> for ImageSet {
    fn from(data: Dataset) -> Self {
        Self::Loaded(data.into())
    }
}

impl From<Arc<Dataset>> for ImageSet {
    fn from(data: Arc<Dataset>) -> Self {
        Self::Loaded(data)
    }
}

impl From<ImageFiles> for ImageSet {
    fn from(files: ImageFiles) -> Self {
        Self::Files(files.into())
    }
}

impl ImageSet {
    /// Number of images, at least one.
    #[expect(clippy::len_without_is_empty, reason = "no set is empty")]
    pub fn len(&self) -> usize {
        match self {
            Self::Loaded(data) => data.len(),
            Self::Files(set) => set.files.len(),
        }
    }

    /// Size of every image.
    pub fn geometry(&self) -> Geometry {
        match self {
            Self::Loaded(data) => data.geometry(),
            Self::Files(set) => set.geometry,
        }
    }

    /// Class names in the order of the labels.
    pub fn classes(&self) -> &[String] {
        match self {
            Self::Loaded(data) => data.classes(),
            Self::Files(set) => &set.classes,
        }
    }

    /// Label of image `i`.
    ///
    /// # Panics
    /// If `i` is not below [`ImageSet::len`].
    pub fn label(&self, i: usize) -> u16 {
        match self {
            Self::Loaded(data) => data.label(i),
            Self::Files(set) => set.labels[i],
        }
    }

    /// All images in memory; at most `count` of files, spread evenly.
    ///
    /// # Errors
    /// If a file cannot be used.
    pub fn sample(&self, count: usize) -> Result<Cow<'_, Dataset>, Error> {
        match self {
            Self::Loaded(data) => Ok(Cow::Borrowed(data)),
            Self::Files(set) => set.sample(count).map(Cow::Owned),
        }
    }

    /// All images with their labels, in order. Files are decoded on so many threads, a few ahead; each may be an error.
    ///
    /// # Errors
    /// If the system has no thread to give.
    pub fn examples(
        &self,
        threads: NonZeroUsize,
    ) -> Result<Box<dyn Iterator<Item = Result<Example<'_>, Error>> + '_>, Error> {
        Ok(match self {
            Self::Loaded(data) => {
                let borrowed = |(label, image)| Ok((label, Cow::Borrowed(image)));
                Box::new(data.examples().map(borrowed))
            }
            Self::Files(set) => {
                let images = set.labels.iter().zip(set.stream(threads)?);
                Box::new(images.map(|(&label, image)| Ok((label.into(), Cow::Owned(image?)))))
            }
        })
    }

    /// As [`Dataset::split_validation`].
    ///
    /// # Errors
    /// If the fraction leaves either side without an image.
    pub fn split_validation(&self, fraction: f64, seed: u64) -> Result<(Self, Self), Error> {
        match self {
            Self::Loaded(data) => {
                let (train, validation) = data.split_validation(fraction, seed)?;
                Ok((train.into(), validation.into()))
            }
            Self::Files(set) => {
                let (train, validation) = validation_split(set.files.len(), fraction, seed)?;
                Ok((set.select(&train).into(), set.select(&validation).into()))
            }
        }
    }

    /// A hash as [`Dataset::fingerprint`]; of files their names, lengths and labels count, not their content.
    ///
    /// # Errors
    /// If a file is not there.
    pub fn fingerprint(&self) -> Result<String, Error> {
        match self {
            Self::Loaded(data) => Ok(data.fingerprint()),
            Self::Files(set) => set.fingerprint(),
        }
    }
}

impl ImageFiles {
    /// Decodes the files in their order on so many threads, a few ahead.
    ///
    /// # Errors
    /// If the system has no thread to give.
    pub fn stream(&self, threads: NonZeroUsize) -> Result<ImageStream, Error> {
        ImageStream::new(Arc::clone(&self.files), self.geometry, self.resize, threads)
    }

    /// Decodes file `i`.
    ///
    /// # Errors
    /// If it cannot be used.
    ///
    /// # Panics
    /// If `i` is not below their number.
    pub fn read(&self, i: usize) -> Result<Vec<u8>, Error> {
        read_image(&self.files[i], self.geometry, self.resize)
    }

    fn select(&self, indices: &[usize]) -> Self {
        Self {
            classes: self.classes.clone(),
            files: indices.iter().map(|&i| self.files[i].clone()).collect(),
            labels: indices.iter().map(|&i| self.labels[i]).collect(),
            ..*self
        }
    }

    fn sample(&self, count: usize) -> Result<Dataset, Error> {
        let count = count.min(self.files.len());
        let (mut images, mut labels) = (Vec::new(), Vec::new());
        for i in (0..count).map(|i| i * self.files.len() / count) {
            images.extend(self.read(i)?);
            labels.push(self.labels[i]);
        }
        Dataset::new(self.geometry, self.classes.clone(), images, labels)
    }

    fn fingerprint(&self) -> Result<String, Error> {
        let labels: Vec<u8> = self.labels.iter().flat_map(|l| l.to_le_bytes()).collect();
        let mut hash = Fingerprint::new()
            .number(self.geometry.height)
            .number(self.geometry.width)
            .number(self.geometry.colours)
            .bytes(&labels);
        for file in self.files.iter() {
            let length = file.metadata().map_err(|e| Error::from(e).at(file))?.len();
            let name = file.file_name().unwrap_or_default();
            hash = hash
                .bytes(name.as_encoded_bytes())
                .bytes(&length.to_le_bytes());
        }
        Ok(hash.text())
    }
}
