//! Post-training quantization: from a trained float network and a few images to a network with an integer form.
//!
//! Every method is a pass, a graph in and a graph out, in a file of its own; what they share is here: [`ranges`] of activations from
//! streamed histograms, [`gram`] matrices of what layers read, and [`rounding`] by them.
//!
//! Nothing here reads files or prints; progress is told through a function that the caller gives.
#![forbid(unsafe_code)]

mod allocation;
mod codebook;
mod density;
mod divergence;
mod error;
mod format_search;
mod formats;
mod gram;
mod histogram;
mod layer;
mod learned;
mod minifloat;
mod output_error;
mod overhead;
mod prepared;
mod progress;
mod ptilmpq;
mod qsq;
mod ranges;
mod round_network;
mod rounding;
mod scales;
mod synthetic;
mod uniform;
mod vector_fit;

pub use divergence::output_divergence;
pub use error::QuantizeError;
pub use format_search::{FormatChoice, Reach};
pub use learned::Learning;
pub use minifloat::{
    Minifloats, WeightFit, WeightRounding, minifloat, resume_minifloat, weight_fits,
};
pub use progress::Progress;
pub use ptilmpq::{Criterion, Ptilmpq, Ranked, ptilmpq};
pub use qsq::{Qsq, qsq};
pub use ranges::Clip;
pub use round_network::{Keep, State};
pub use subbyte_exec::{Images, Inputs};
pub use subbyte_num::{FormatError, Minifloat};
pub use uniform::{Rounding, Uniform, uniform};
