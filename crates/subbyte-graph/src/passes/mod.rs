//! Structural passes: a graph in, a graph out, without data.

mod fold_norms;
mod place_minifloats;
mod place_quantizers;
mod prune;

pub use place_quantizers::{LayerBits, Placement};
