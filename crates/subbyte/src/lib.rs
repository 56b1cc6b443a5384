//! Convolutional networks below eight bits in every layer, from the raw pixel to the logits: training, lowering to integers, and
//! integer-only inference.
//!
//! As it comes, this crate runs models: [`model`] reads `.sbm` files, [`engine`] plans and runs them, with integers only and
//! without any dependency on what trains networks.
//!
//! ```
//! # let path = std::env::temp_dir().join(format!("subbyte-doc-{}.sbm", std::process::id()));
//! # let random = subbyte_model::testing::random_model(3);
//! # std::fs::write(&path, subbyte_model::write(&random)?)?;
//! # let pixels = subbyte_model::testing::random_image(&random, 0);
//! use subbyte::{Level, Options, Plan, Pool, model, predicted_class};
//!
//! let model = model::read(&std::fs::read(&path)?)?;
//! let level = Some(Level::best()); // None obeys the variable SUBBYTE_ISA
//! let threads = std::thread::available_parallelism()?;
//! let plan = Plan::new(&model, Options { level, threads, ..Options::default() })?;
//! let mut pool = Pool::new(Some(threads))?;
//! let mut arena = plan.arena(); // all the memory of a run
//! let logits = plan.run_with(&mut pool, &mut arena, &pixels)?; // u8 [height][width][colours]
//! let class = predicted_class(logits);
//! println!("class {class}, logit {}", logits[class]);
//! # assert_eq!(logits, model::reference::run(&random, &pixels)?);
//! # std::fs::remove_file(path)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Plan::run`] needs no pool, `Plan::run_batch` takes many images at once and [`run_all`](fn.run_all.html) any number; one plan
//! serves any number of threads, each with its own arena.
//!
//! Features: `threads` (default) for [`Pool`]; `std` (default) for finding the processor's instruction sets at run time, without
//! which the crate is `no_std`; `train` for everything in front of a model. With `train` there are also the modules `data`,
//! `onnx`, `graph`, `train`, `quantize`, `diffusion` and `lower`, in the order in which data flow through them, and what joins the two sides: measuring a network,
//! comparing its evaluation with its integer model code by code, keeping the `results`, and the `zoo` of trained models.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod accuracy;
#[cfg(feature = "train")]
mod agreement;
#[cfg(feature = "train")]
mod difference;
#[cfg(feature = "train")]
mod error;
#[cfg(feature = "train")]
mod measure;
mod package;
#[cfg(feature = "train")]
pub mod results;
#[cfg(feature = "threads")]
mod stream;
#[cfg(feature = "train")]
pub mod zoo;

pub use accuracy::{Accuracy, predicted_class};
#[cfg(feature = "train")]
pub use agreement::{Agreement, compare};
#[cfg(feature = "train")]
pub use difference::{Difference, TOO_NOISY, TensorDifference, difference};
#[cfg(feature = "train")]
pub use error::Error;
#[cfg(feature = "train")]
pub use measure::{check_data, measure_float};
pub use package::{TEST_VECTORS, add_provenance, add_test_vectors};
#[cfg(feature = "threads")]
pub use stream::{IntegerScore, run_all, score, threads};

pub use subbyte_engine as engine;
#[cfg(feature = "threads")]
pub use subbyte_engine::Pool;
pub use subbyte_engine::{Arena, Level, Options, Plan};
pub use subbyte_model as model;
pub use subbyte_model::Model;

#[cfg(feature = "train")]
pub use subbyte_data as data;
#[cfg(feature = "train")]
pub use subbyte_diffusion as diffusion;
#[cfg(feature = "train")]
pub use subbyte_exec as exec;
#[cfg(feature = "train")]
pub use subbyte_graph as graph;
#[cfg(feature = "train")]
pub use subbyte_lower as lower;
#[cfg(feature = "train")]
pub use subbyte_onnx as onnx;
#[cfg(feature = "train")]
pub use subbyte_quantize as quantize;
#[cfg(feature = "train")]
pub use subbyte_train as train;
