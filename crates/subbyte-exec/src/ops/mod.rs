//! Fused operations on channels-last tensors. Each runs as a custom autodiff operation on the CPU backend and by tensor
//! operations, with the same results up to rounding, elsewhere.

mod add;
mod affine;
mod avg_pool;
mod batch_norm;
mod batch_norm_lsq;
mod batch_statistics;
mod binary_mean;
mod buffers;
mod code_conv2d;
mod code_conv2d_grad;
mod columns;
mod conv2d;
mod conv2d_grad;
mod cross_entropy;
mod custom;
mod depthwise;
mod distillation;
mod dorefa_weight;
mod geometry;
mod levels;
mod linear;
mod lsq;
mod max_pool;
mod mid_tread_half;
mod minifloat;
mod pact;
mod phase;
mod pixel_table;
mod ste;
#[cfg(test)]
pub(crate) mod testing;
mod workspace;

pub use add::add;
pub use affine::affine;
pub use avg_pool::{avg_pool, global_avg_pool};
pub use batch_norm::batch_norm;
pub use batch_norm_lsq::batch_norm_lsq;
pub use batch_statistics::BatchStatistics;
pub use binary_mean::binary_mean;
pub use code_conv2d::code_conv2d;
pub use conv2d::conv2d;
pub use cross_entropy::cross_entropy;
pub(crate) use custom::recycle;
pub use distillation::distillation;
pub use dorefa_weight::dorefa_weight;
pub use geometry::ConvOptions;
pub use levels::Levels;
pub use linear::linear;
pub use lsq::{lsq, relu_lsq};
pub use max_pool::max_pool;
pub use mid_tread_half::mid_tread_half;
pub use minifloat::minifloat;
pub use pact::pact;
pub use pixel_table::pixel_table;
