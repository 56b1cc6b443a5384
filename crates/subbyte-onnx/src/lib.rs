//! ONNX and QONNX files as graphs of subbyte.
//!
//! [`read`] turns a network of opset 13 to 25 into a [`subbyte_graph::Graph`], node by node: batch norms stay, and quantizers become
//! quantizer nodes wherever the file has them. What the file spells in several nodes (hard-swish, flattening by computed shapes,
//! padding before a convolution) becomes the one operator that it means. Whether the result runs on integers is for later passes
//! to say.
//!
//! [`write_qonnx`] and [`write_qdq`] turn a graph back into a file: quantizers as QONNX has them, or as pairs of QuantizeLinear and
//! DequantizeLinear.
//!
//! This crate never runs a network and never changes a weight, except to fold constants that the file keeps apart.
#![forbid(unsafe_code)]

mod error;
mod export;
mod import;
mod options;
mod schema;
mod tensor;

pub use error::{NodeProblem, OnnxError, OnnxErrorKind};
pub use export::{write_qdq, write_qonnx};
pub use import::{Operator, from_bytes, operators, read};
pub use options::{Preprocess, ReadOptions};
