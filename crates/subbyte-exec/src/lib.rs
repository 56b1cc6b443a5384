//! The one executor of a graph over burn tensors: training, evaluation, calibration.
//!
//! [`Network`] walks a graph. Its activations are channels-last, `[N][H][W][C]`, whatever the graph's operators say in terms of
//! `[N][C][H][W]`; parameters keep the shapes that the graph gives them. The arithmetic is in [`ops`]. [`evaluate`] runs a fully
//! quantized network on integers.
//!
//! Nothing here depends on the number of threads: work is cut by the sizes of the data alone, and partial sums are added in order.
#![forbid(unsafe_code)]

mod error;
pub mod evaluate;
mod images;
mod inputs;
mod network;
pub mod ops;
mod params;
mod simd;

pub use error::ExecError;
pub use images::Images;
pub use inputs::{Floats, Inputs};
pub use network::{Forward, Mode, Network, Statistics, Walk};
pub use params::{ParameterInfo, Parameters};
