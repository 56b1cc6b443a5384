//! The float network: operators and quantizers as nodes of one list.
//!
//! Everything passes through [`Graph`]: built-in networks and imported ones, training, post-training quantization, lowering and
//! export. A quantization method takes a graph and returns a graph whose tensors carry [`Op::Quantize`] nodes.
//!
//! This crate never runs a network; it describes it, checks it, stores it and rewrites it.
#![forbid(unsafe_code)]

mod diffusion;
mod encoder;
pub mod fuse;
mod graph;
mod macs;
pub mod networks;
mod op;
mod param;
mod passes;
mod problem;
mod quantizer;
mod replace;
pub mod rng;
pub mod sbg;
mod shape;
mod table;
mod validate;

pub use diffusion::{Diffusion, DiffusionKind};
pub use encoder::{Encoder, EncoderTable};
pub use graph::{Graph, Node, NodeId};
pub use op::{Function, Op, Window};
pub use param::{CodedRows, Param, Role, RunMultipliers, Storage};
pub use passes::{ChannelMoments, LayerBits, Placement, spread_colours};
pub use problem::{Problem, Problems};
pub use quantizer::{Quantizer, squash};
pub use replace::replace_file;
pub use shape::Shape;
pub use table::{TABLE_ROWS, TableInit};
