//! Convolutional networks below eight bits in every layer, from the raw pixel to the logits: training, lowering to integers, and
//! integer-only inference.
//!
//! The modules are subbyte's parts, in the order in which data flows through them: [`data`], [`graph`], [`train`], [`lower`],
//! [`model`], [`engine`]. This crate adds what joins the two sides: measuring a network, comparing its evaluation with its integer
//! model code by code, and packing a model with all that its file carries.
//!
//! ```no_run
//! use subbyte::{engine, model};
//!
//! let model = model::read(&std::fs::read("net.sbm")?)?;
//! let plan = engine::Plan::new(&model, engine::Options::default())?;
//! let mut arena = plan.arena();
//! let pixels = vec![0u8; plan.image_bytes()];
//! let logits: &[i32] = plan.run(&mut arena, &pixels)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod accuracy;
mod agreement;
mod error;
mod measure;
mod package;

pub use accuracy::Accuracy;
pub use agreement::{Agreement, compare};
pub use error::Error;
pub use measure::{IntegerScore, measure_float, measure_model, threads};
pub use package::{TEST_VECTORS, add_provenance, add_test_vectors};

pub use subbyte_data as data;
pub use subbyte_engine as engine;
pub use subbyte_graph as graph;
pub use subbyte_lower as lower;
pub use subbyte_model as model;
pub use subbyte_train as train;
