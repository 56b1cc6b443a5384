//! Image files one after the other, decoded ahead of whoever reads them.

use crate::{Error, ErrorKind, Geometry, Resize, read_image};
use std::{
    iter,
    num::NonZeroUsize,
    panic,
    path::PathBuf,
    sync::{Arc, mpsc},
    thread,
};

/// Images that each thread of an [`ImageStream`] decodes before they are asked for.
pub const DECODED_AHEAD: usize = 8;

/// The images of files, in the order of the files, decoded by threads that end with this iterator. Each is `[height][width]
/// [colours]` bytes or the reason why its file cannot be used, which ends nothing. However many files there are, only
/// [`DECODED_AHEAD`] images for each thread wait in memory, beside the one that the thread is decoding.
#[derive(Debug)]
pub struct ImageStream {
    /// Thread `i` of `n` makes images `i`, `i + n`, `i + 2 n` and so on; in their order.
    decoders: Vec<Decoder>,
    next: usize,
    left: usize,
}

#[derive(Debug)]
struct Decoder {
    images: mpsc::Receiver<Result<Vec<u8>, Error>>,
    thread: thread::JoinHandle<()>,
}

impl ImageStream {
    /// Starts to decode `files` as [`read_image`] does.
    ///
    /// # Errors
    /// If the geometry or the resizing make no sense, or the system has no thread to give.
    pub fn new(
        files: Arc<[PathBuf]>,
        geometry: Geometry,
        resize: Option<Resize>,
        threads: NonZeroUsize,
    ) -> Result<Self, Error> {
        geometry.check()?;
        resize.map_or(Ok(()), |resize| resize.check(geometry))?;
        let left = files.len();
        let threads = threads.get();
        let decoder = |first: usize| {
            let (send, images) = mpsc::sync_channel(DECODED_AHEAD);
            let files = Arc::clone(&files);
            let decode = move || {
                let own = files.iter().skip(first).step_by(threads);
                for image in own.map(|file| read_image(file, geometry, resize)) {
                    // The receiver is gone when the stream is left early.
                    if send.send(image).is_err() {
                        return;
                    }
                }
            };
            let named = thread::Builder::new().name("decoder".into());
            let thread = named.spawn(decode).map_err(|error| {
                let text =
                    format!("the system does not start {threads} threads to decode: {error}");
                Error::from(ErrorKind::Argument(text))
            })?;
            Ok(Decoder { images, thread })
        };
        Ok(Self {
            decoders: (0..threads).map(decoder).collect::<Result<_, Error>>()?,
            next: 0,
            left,
        })
    }
}

impl Iterator for ImageStream {
    type Item = Result<Vec<u8>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        match self.decoders[self.next].images.recv() {
            Ok(image) => {
                self.next = (self.next + 1) % self.decoders.len();
                Some(image)
            }
            // Images are left, so the thread died; a stream must not end early without notice.
            Err(_) => match self.decoders.swap_remove(self.next).thread.join() {
                Err(cause) => panic::resume_unwind(cause),
                Ok(()) => unreachable!("a decoder ends after its last image"),
            },
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for ImageStream {}

impl iter::FusedIterator for ImageStream {}

impl Drop for ImageStream {
    /// Lets the threads go and waits for them, so that none works on behind a caller's back.
    fn drop(&mut self) {
        let (images, threads): (Vec<_>, Vec<_>) = (self.decoders.drain(..))
            .map(|decoder| (decoder.images, decoder.thread))
            .unzip();
        drop(images);
        for thread in threads {
            // A panic has been told to whoever asked for an image.
            let _ = thread.join();
        }
    }
}
