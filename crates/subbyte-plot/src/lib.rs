//! Pictures and reports: plain data in, a file out.
//!
//! A function per figure turns numbers into a [`Figure`], which is written as PNG or SVG by its file's extension; a [`Report`]
//! gathers text, tables and figures into one HTML file that needs nothing beside it. The typeface is compiled in, so that a
//! picture is the same on every machine. Nothing here knows of graphs, models or training, and nothing touches the network.
//!
//! ```
//! use subbyte_plot::{Epoch, Run, training_curves};
//!
//! let epochs = (1..=3)
//!     .map(|epoch| Epoch {
//!         epoch,
//!         train_loss: 2.0 / f64::from(epoch),
//!         train_accuracy: 0.5 + 0.1 * f64::from(epoch),
//!         validation_accuracy: f64::NAN,
//!     })
//!     .collect();
//! let run = Run { name: "w2a2".into(), epochs };
//! assert!(training_curves(&[run])?.to_svg().contains("w2a2"));
//! # Ok::<(), subbyte_plot::Error>(())
//! ```
#![forbid(unsafe_code)]

mod axis;
mod colour;
mod error;
mod escape;
mod figure;
mod figures;
mod file;
mod font;
mod grid;
mod label;
mod legend;
mod plot;
mod render;
mod report;

pub use error::Error;
pub use figure::Figure;
pub use figures::{
    Epoch, Histogram, PixelTablePicture, Point, Run, TensorNoise, accuracy_bytes, code_histograms,
    pixel_table, tensor_noise, training_curves,
};
pub use grid::PictureGrid;
pub use report::{Column, Report, Table};
