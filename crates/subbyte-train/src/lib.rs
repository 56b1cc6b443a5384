//! Training of subbyte's networks.
#![forbid(unsafe_code)]

mod error;
mod event;
pub mod recipe;
mod schedule;

pub use error::TrainError;
pub use event::{Control, Epoch, Event, Metrics, Observer, Start, Step, Taken};
pub use recipe::Recipe;
