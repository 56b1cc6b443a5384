//! Runs integer models, without floating point and without allocating.
//!
//! A [`Plan`] is a model prepared for one processor: nodes grouped into steps, a kernel chosen for each, weights packed, memory
//! laid out. It is made once and shared by any number of threads; each brings its own [`Arena`]. Whatever the kernels, the
//! grouping and the threads, the logits are those of [`subbyte_model::reference`], bit for bit.
//!
//! ```
//! # let model = subbyte_model::testing::random_model(3);
//! # let image = subbyte_model::testing::random_image(&model, 0);
//! use subbyte_engine::{Options, Plan};
//!
//! let plan = Plan::new(&model, Options::default())?;
//! let mut arena = plan.arena();
//! let logits: &[i32] = plan.run(&mut arena, &image)?;
//! assert_eq!(logits, subbyte_model::reference::run(&model, &image)?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Plan::packed`] and [`Plan::with_packed`] keep packed weights from one start of a program to the next.
//!
//! The engine knows models and plans; what happens inside a step is `subbyte-kernels`' own affair.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(test, feature = "threads"))]
extern crate std;

mod error;
mod layout;
mod memory;
mod packed;
mod plan;
mod run;
mod steps;
#[cfg(feature = "threads")]
mod threads;

pub use error::{PackedError, PlanError, RunError};
pub use plan::{Options, Plan, Step, StepKernel};
pub use run::{Arena, Observed};
pub use subbyte_kernels::{Innermost, Kernel, LEVEL_VARIABLE, Level, LevelError, Mix, REGISTRY};
#[cfg(feature = "threads")]
pub use threads::Pool;
