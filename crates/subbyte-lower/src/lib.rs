//! Graph to model, one way.
//!
//! The fusing pass of `subbyte-graph` has already decided every integer but the thresholds; this crate finds those, adds what a
//! model file carries beside its operators, and has the result proved sound. It never looks at data.
#![forbid(unsafe_code)]

use subbyte_graph::Graph;
use subbyte_graph::fuse::{FuseError, Fused, FusedNode, FusedOp, RequantFn, fuse};
use subbyte_model::{Input, Model, Node, Op, Problems, Requant};

/// Why a graph has no integer model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LowerError {
    /// Operators without an integer form.
    #[error(transparent)]
    Fuse(#[from] FuseError),
    /// The model would not be sound, such as an accumulator that may overflow.
    #[error(transparent)]
    Model(#[from] Problems),
}

/// Lowers a fully quantized classifier.
///
/// The model has the graph's class names and neither provenance nor test vectors yet.
///
/// # Errors
/// With every operator that has no integer form, or with the proof that fails.
pub fn lower(graph: &Graph) -> Result<Model, LowerError> {
    let mut model = translate(&fuse(graph)?)?;
    model.classes.clone_from(&graph.classes);
    model.analyse()?;
    Ok(model)
}

/// The integer model of a fused network; node `i` of one is node `i` of the other.
///
/// # Errors
/// If the model is not sound.
pub fn translate(fused: &Fused) -> Result<Model, Problems> {
    let [colours, height, width] = fused.image;
    let model = Model {
        input: Input {
            colours,
            height,
            width,
            resize: None,
        },
        nodes: fused.nodes.iter().map(node).collect(),
        classes: Vec::new(),
        provenance: Vec::new(),
        vectors: Vec::new(),
    };
    model.analyse()?;
    Ok(model)
}

fn node(fused: &FusedNode) -> Node {
    let op = match &fused.op {
        FusedOp::Integer(op) => op.clone(),
        FusedOp::Requant(function) => Op::Requant(requant(function, fused.shape[0])),
    };
    Node {
        name: fused.name.clone(),
        inputs: fused.inputs.clone(),
        op,
    }
}

fn requant(function: &RequantFn, channels: usize) -> Requant {
    let code = function.grid.code_type();
    match &function.integers {
        Some(channels) => Requant::MulShift {
            code,
            channels: channels.clone(),
        },
        None => {
            let (mut thresholds, mut descending) = (Vec::new(), Vec::new());
            for channel in 0..channels {
                let (t, falls) = function.thresholds(channel);
                thresholds.extend(t);
                descending.push(falls);
            }
            Requant::Thresholds {
                code,
                thresholds,
                descending,
            }
        }
    }
}
