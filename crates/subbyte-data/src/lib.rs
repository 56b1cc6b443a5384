//! Image data sets: from files to batches of u8 pixels.
//!
//! - [`open`] recognises what lies at a path (IDX, CIFAR, folders of images) and reads it into a [`Dataset`].
//! - [`fashion_mnist_subset`] is a small real set inside the binary.
//! - [`read_image`] decodes one image file to the geometry of a network, [`ImageStream`] any number of them ahead of their use.
//! - [`ImageSet`] is either kind of labelled images: a [`Dataset`] in memory, or [`ImageFiles`] of any number.
//! - [`Loader`] makes shuffled, augmented batches on a background thread.
//!
//! Images are `[height][width][colours]` bytes throughout; no pixel becomes a float here. Whatever is random depends only on the
//! seed, the epoch and the index of the image. Nothing is printed, and bad files are errors that name them.
#![forbid(unsafe_code)]

mod augment;
mod builtin;
mod dataset;
mod decode;
mod error;
mod fingerprint;
mod geometry;
mod image_set;
mod loader;
mod random;
mod read;
mod resample;
mod source;
mod stream;

pub use augment::Augment;
pub use builtin::fashion_mnist_subset;
pub use dataset::{Dataset, Split};
pub use decode::read_image;
pub use error::{Error, ErrorKind};
pub use fingerprint::fingerprint;
pub use geometry::Geometry;
pub use image_set::{Example, ImageFiles, ImageSet};
pub use loader::{Batch, Batches, Loader, LoaderOptions};
pub use read::files::read_archive;
pub use read::folder::{LabelledFiles, image_files};
pub use resample::{Filter, Resize};
pub use source::{Options, Part, Source, open};
pub use stream::{DECODED_AHEAD, ImageStream};
