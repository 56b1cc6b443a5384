//! Fused operations on channels-last tensors. Each runs as a custom autodiff operation on the CPU backend and by tensor
//! operations, with the same results up to rounding, elsewhere.

mod affine;
mod avg_pool;
mod batch_norm;
mod binary_mean;
mod columns;
mod conv2d;
mod conv2d_grad;
mod cross_entropy;
mod custom;
mod depthwise;
mod geometry;
mod linear;
mod lsq;
mod max_pool;
mod mid_tread_half;
mod pixel_table;
mod ste;
#[cfg(test)]
pub(crate) mod testing;

pub use affine::affine;
pub use avg_pool::{avg_pool, global_avg_pool};
pub use batch_norm::{BatchStatistics, batch_norm};
pub use binary_mean::binary_mean;
pub use conv2d::conv2d;
pub use cross_entropy::cross_entropy;
pub use geometry::ConvOptions;
pub use linear::linear;
pub use lsq::lsq;
pub use max_pool::max_pool;
pub use mid_tread_half::mid_tread_half;
pub use pixel_table::pixel_table;
