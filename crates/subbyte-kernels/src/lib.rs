//! The integer kernels of subbyte: what runs when a model runs.
//!
//! This crate knows shapes, slices and packed layouts, and nothing of models. A [`Problem`] says what to compute; [`choose`]
//! finds the [`Kernel`] for it in the [`REGISTRY`]; [`Kernel::prepare`] packs the weights once, and a [`Store`] keeps them where that
//! is wanted; [`Prepared::run`] computes, without allocating, in memory that the caller lays out ([`memory`]).
//!
//! - Tensors are `[height][width][channels]`: a byte a code, four bytes a sum.
//! - Every kernel gives the same bits at every [`Level`]. Sums are modulo 2^32, so intermediate results may wrap; whoever
//!   states a problem proves that its final sums fit.
//! - An algorithm is written once over [`isa::Isa`] and compiled for every instruction set; kernels are chosen when a plan is
//!   made, never in a hot loop.
//! - There is no floating point.
#![no_std]
#![allow(
    clippy::needless_range_loop,
    reason = "tiles of registers are gone through by index, several of them alike"
)]

extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;

pub mod isa;
pub mod memory;

mod add;
mod ceiling;
mod code_table;
mod conv;
mod cost;
mod extent;
mod finish;
mod level;
mod linear_sums;
mod max_pool;
mod mul;
mod pixel_conv;
mod pixel_table;
mod planes;
mod problem;
pub mod products;
mod rearrange;
mod registry;
mod requant;
mod store;
mod sum_pool;
#[cfg(feature = "std")]
mod team;
mod weights;
mod window;

pub use add::Add;
pub use ceiling::{Innermost, Mix};
pub use code_table::CodeTable;
pub use conv::Conv;
pub use cost::Work;
pub use extent::Extent;
pub use finish::Finish;
pub use isa::Prepared;
pub use level::{LEVEL_VARIABLE, Level, LevelError};
pub use linear_sums::LinearSums;
pub use max_pool::MaxPool;
pub use memory::{Block, Job, Parts, Region, Split};
pub use mul::Mul;
pub use pixel_conv::{Fold, PixelConv};
pub use pixel_table::PixelTable;
pub use problem::Problem;
pub use rearrange::{Channels, Flatten, Part, Slice, Upsample};
pub use registry::{Kernel, REGISTRY, choose};
pub use requant::Requant;
pub use store::Store;
pub use sum_pool::SumPool;
#[cfg(feature = "std")]
pub use team::Team;
pub use weights::WeightLevels;
pub use window::Window;

pub(crate) use problem::KernelFor;
