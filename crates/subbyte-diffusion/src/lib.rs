//! Diffusion networks: samplers that make pictures of seeded noise, calibration along what they pass through, and how pictures are
//! compared.
//!
//! [`Sampler`] knows from [`subbyte_graph::Diffusion`] what a network predicts. Everything is the same for the same seed, whatever
//! the size of the batches: every picture has noise of its own. [`compare`] judges pictures one by one, [`distribution`] sets of
//! pictures by the [`Features`] that another network finds in them.
//!
//! Nothing here reads files or prints.
#![forbid(unsafe_code)]

pub mod compare;
pub mod distribution;
mod error;
mod features;
mod pictures;
mod resize;
mod sampler;
mod schedule;

pub use error::DiffusionError;
pub use features::{Features, pixel};
pub use pictures::Pictures;
pub use sampler::{Sampler, Settings, Step};
pub use schedule::{Schedule, signal};
