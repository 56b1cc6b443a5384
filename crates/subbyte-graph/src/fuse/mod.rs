//! From float operators and quantizers to quantized operators: the pass that evaluation and lowering share.
//!
//! Every tensor of the graph is seen as an integer tensor plus the [`Chain`] of scalar functions that gives it its real value.
//! Scales, biases, batch norms and activations only extend the chain; a quantizer ends it, and what lies between is one
//! [`RequantFn`]. Evaluation applies that function to convolutions of codes, lowering turns it into thresholds or integers, so
//! the two agree code for code.

mod chain;
mod fusion;
mod logits;
mod operators;
mod products;
mod quantize;
mod requant;
#[cfg(test)]
mod tests;
mod weights;

use std::fmt;

use subbyte_model::Op as IntegerOp;

pub use chain::{Chain, Step};
pub use requant::{MAX_THRESHOLD_BITS, RequantFn, RequantProblem};
pub use weights::Coded;

use crate::{Graph, NodeId, Op, Problems};

/// A network of integer operators; node 0 is the image, the last node the output.
#[derive(Clone, Debug, PartialEq)]
pub struct Fused {
    /// Colours, height and width of the image.
    pub image: [usize; 3],
    /// Nodes in topological order, one for each node of the lowered model and with the same index.
    pub nodes: Vec<FusedNode>,
}

/// One integer operator.
#[derive(Clone, Debug, PartialEq)]
pub struct FusedNode {
    /// Name of the graph node that it stands for.
    pub name: String,
    /// What is done.
    pub op: FusedOp,
    /// Nodes that are read.
    pub inputs: Vec<usize>,
    /// Channels, height and width of the result.
    pub shape: [usize; 3],
}

/// An operator of the integer model, or the function that a requantization will compute.
#[derive(Clone, Debug, PartialEq)]
pub enum FusedOp {
    /// Integer from end to end already.
    Integer(IntegerOp),
    /// Sums to codes.
    Requant(RequantFn),
}

/// Everything that keeps a graph from being integer-only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FuseError(pub Problems);

impl fmt::Display for FuseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the network cannot run on integers only:\n{}", self.0)
    }
}

impl std::error::Error for FuseError {}

/// Groups the operators of a classifier into quantized operators.
///
/// # Errors
/// With all nodes that have no integer form, each with what to change.
pub fn fuse(graph: &Graph) -> Result<Fused, FuseError> {
    fusion::Fusion::new(graph)?.run()
}

impl Graph {
    /// Whether every layer is quantized, so that [`fuse`] applies: no float first layer, no unquantized weights
    /// and no floats of few bits.
    pub fn is_fully_quantized(&self) -> bool {
        self.nodes.iter().all(|node| match node.op {
            Op::Normalize { .. }
            | Op::Minifloat { .. }
            | Op::Input { .. }
            | Op::GroupNorm { .. }
            | Op::AvgPoolInside(_)
            | Op::Attention { .. }
            | Op::Affine { .. }
            | Op::Clip { .. }
            | Op::Map { .. } => false,
            Op::Conv2d { .. } | Op::Linear | Op::PixelTable => {
                node.inputs.get(1).is_some_and(|&w| self.is_coded(w))
            }
            _ => true,
        })
    }

    /// Whether node `id` makes codes, or is a parameter that is stored as codes.
    fn is_coded(&self, id: NodeId) -> bool {
        let stored = || {
            self.param_of(id)
                .is_some_and(|(_, p)| p.code_bits().is_some())
        };
        matches!(self.nodes[id].op, Op::Quantize(_)) || stored()
    }
}
