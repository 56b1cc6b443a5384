//! Training of subbyte's networks: from a recipe and images to a trained graph.
//!
//! - [`Recipe`] says everything that, with the data, determines a run; [`Recipe::network`] builds what is trained.
//! - [`Run`] trains, tells an [`Observer`] what happens, writes a log and a checkpoint after each epoch, and resumes to the same
//!   weights as if it had never stopped.
//! - [`sweep`] makes the runs of a table of results out of recipes, rows, a grid and seeds.
//!
//! This crate never writes to a terminal and never sees test images; accuracy of the integer model is measured elsewhere.
#![forbid(unsafe_code)]

mod checkpoint;
mod dampening;
mod denoising;
mod error;
mod evaluate;
mod event;
mod folder;
mod imported;
mod limits;
mod log;
mod metrics;
mod network;
mod optimizer;
mod progress;
pub mod recipe;
mod rehearsal;
mod run;
mod schedule;
mod session;
mod start;
pub mod sweep;
mod table_use;
mod teacher;
mod tensorboard;
#[cfg(test)]
mod test;

pub use checkpoint::Checkpoint;
pub use error::TrainError;
pub use evaluate::evaluate_float;
pub use event::{Control, Epoch, Event, Metrics, Observer, Start, Step, Taken};
pub use folder::RunFolder;
pub use log::{Header, Record, read_log};
pub use recipe::Recipe;
pub use rehearsal::Rehearsal;
pub use run::{Outcome, Run};
pub use table_use::TableUse;
