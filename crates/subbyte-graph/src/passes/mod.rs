//! Structural passes: a graph in, a graph out, without data.

mod edit;
mod fold_norms;
mod insert_norms;
mod learn_codes;
mod place_minifloats;
mod place_quantizers;
mod prune;
mod read_table;
mod spread_colours;

pub use insert_norms::ChannelMoments;
pub use place_quantizers::{LayerBits, Placement};
pub use spread_colours::spread_colours;
