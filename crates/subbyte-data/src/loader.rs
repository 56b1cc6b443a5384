use crate::{
    Augment, Error, ErrorKind, ImageSet,
    decode::read_pixels,
    random::{Purpose, Random},
};
use rayon::prelude::*;
use std::{borrow::Cow, panic, sync::mpsc, thread};

/// Batches that wait to be used while the next one is made.
const PREFETCHED: usize = 4;

/// How batches are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LoaderOptions {
    /// Images in a batch.
    pub batch: usize,
    /// Whether to go through the images in a new random order each epoch; otherwise in the order of the data set.
    pub shuffle: bool,
    /// Random changes of the images.
    pub augment: Augment,
    /// Whether to leave out a last batch that is not full.
    pub drop_last: bool,
    /// What order and changes depend on, together with the epoch.
    pub seed: u64,
}

/// Images with their labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// `[labels.len()][height][width][colours]`.
    pub images: Vec<u8>,
    /// Each below the number of classes.
    pub labels: Vec<u16>,
}

/// Makes the batches of any epoch. They depend only on the data, the options and the number of the epoch, so that a resumed run
/// goes on exactly as an uninterrupted one.
#[derive(Clone, Debug)]
pub struct Loader {
    data: ImageSet,
    options: LoaderOptions,
}

/// The batches of one epoch, made ahead on a background thread that ends with this iterator. A file that cannot be used is an error
/// in place of its batch and ends the epoch.
#[derive(Debug)]
pub struct Batches {
    ready: mpsc::Receiver<Result<Batch, Error>>,
    worker: Option<thread::JoinHandle<()>>,
    left: usize,
}

impl Loader {
    /// Makes batches of `data`.
    ///
    /// # Errors
    /// If a batch has no images, an epoch has no batches, padding or cutout is wider than the images, or the share of a crop is none.
    pub fn new(data: impl Into<ImageSet>, options: LoaderOptions) -> Result<Self, Error> {
        let data = data.into();
        let geometry = data.geometry();
        if options.batch == 0 {
            return Err(ErrorKind::Argument("a batch needs at least one image".into()).into());
        }
        if options.drop_last && options.batch > data.len() {
            return Err(ErrorKind::Argument(format!(
                "a batch of {} images cannot be filled from {}; make it smaller",
                options.batch,
                data.len()
            ))
            .into());
        }
        let Augment { pad, cutout, .. } = options.augment;
        for (what, pixels) in [("padding", pad), ("cutout", cutout)] {
            if pixels > geometry.height.min(geometry.width) {
                return Err(ErrorKind::Argument(format!(
                    "{what} of {pixels} pixels is wider than the images ({geometry})"
                ))
                .into());
            }
        }
        if let Some(area) = options.augment.crop
            && !(area > 0.0 && area <= 1.0)
        {
            let text = format!("a crop of {area} of an image; give a share above 0, at most 1");
            return Err(ErrorKind::Argument(text).into());
        }
        Ok(Self { data, options })
    }

    /// Number of batches of an epoch.
    pub fn batches(&self) -> usize {
        let (len, batch) = (self.data.len(), self.options.batch);
        if self.options.drop_last {
            len / batch
        } else {
            len.div_ceil(batch)
        }
    }

    /// Number of images of an epoch.
    pub fn images(&self) -> usize {
        self.data
            .len()
            .min(self.batches().saturating_mul(self.options.batch))
    }

    /// The batches of an epoch.
    ///
    /// # Errors
    /// If the system has no thread to give.
    pub fn epoch(&self, epoch: u64) -> Result<Batches, Error> {
        let (send, ready) = mpsc::sync_channel(PREFETCHED);
        let loader = self.clone();
        let worker = thread::Builder::new()
            .name("batches".into())
            .spawn(move || {
                let order = loader.order(epoch);
                for indices in order.chunks(loader.options.batch).take(loader.batches()) {
                    let batch = loader.batch(epoch, indices);
                    let failed = batch.is_err();
                    // The receiver is gone when the epoch is left early.
                    if send.send(batch).is_err() || failed {
                        return;
                    }
                }
            })?;
        Ok(Batches {
            ready,
            worker: Some(worker),
            left: self.batches(),
        })
    }

    /// The order of the images in an epoch.
    fn order(&self, epoch: u64) -> Vec<usize> {
        if self.options.shuffle {
            Random::new(Purpose::Shuffle, self.options.seed, epoch, 0).permutation(self.data.len())
        } else {
            (0..self.data.len()).collect()
        }
    }

    fn batch(&self, epoch: u64, indices: &[usize]) -> Result<Batch, Error> {
        let bytes = self.data.geometry().bytes();
        let mut images = vec![0; indices.len() * bytes];
        match self.data {
            // Copies, which are done before other threads would have begun.
            ImageSet::Loaded(_) => {
                for (&index, out) in indices.iter().zip(images.chunks_exact_mut(bytes)) {
                    self.image(epoch, index, out)?;
                }
            }
            ImageSet::Files(_) => (indices.par_iter())
                .zip(images.par_chunks_exact_mut(bytes))
                .try_for_each(|(&index, out)| self.image(epoch, index, out))?,
        }
        Ok(Batch {
            images,
            labels: indices.iter().map(|&i| self.data.label(i)).collect(),
        })
    }

    /// Writes an image as the epoch sees it.
    fn image(&self, epoch: u64, index: usize, out: &mut [u8]) -> Result<(), Error> {
        let geometry = self.data.geometry();
        let augment = self.options.augment;
        let (from, image) = match &self.data {
            ImageSet::Loaded(data) => (geometry, Cow::Borrowed(data.image(index))),
            ImageSet::Files(set) if augment.crop.is_some() => {
                let (from, image) = read_pixels(&set.files[index], geometry.colours)?;
                (from, Cow::Owned(image))
            }
            ImageSet::Files(set) => (geometry, Cow::Owned(set.read(index)?)),
        };
        let mut random = Random::new(Purpose::Augment, self.options.seed, epoch, index as u64);
        augment.apply((from, &image), geometry, out, &mut random)
    }
}

impl Iterator for Batches {
    type Item = Result<Batch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.ready.recv() {
            Ok(batch) => {
                self.left -= 1;
                Some(batch)
            }
            Err(_) => {
                // Either all batches were sent or the worker died; an epoch must not end early without notice.
                if let Some(Err(cause)) = self.worker.take().map(thread::JoinHandle::join) {
                    panic::resume_unwind(cause);
                }
                None
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Batches {}
