//! State of the pass: what every tensor of the graph is in integers so far.

use subbyte_model::{CodeType, Op as IntegerOp};

use super::{Chain, FuseError, Fused, FusedNode, FusedOp, Step};
use crate::{Graph, Node, NodeId, Op, Problems, Shape};

/// What the graph's tensors are in integers.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// The u8 image.
    Image,
    /// A parameter or a quantized parameter; its reader looks it up in the graph.
    Parameter,
    /// Levels of codes.
    Codes(Tensor, CodeType),
    /// Sums.
    Sums(Tensor),
    /// Two code tensors to be added once the codes of the result are known.
    Addition(Box<[(Tensor, CodeType); 2]>, Chain),
}

/// An integer tensor and what it stands for.
#[derive(Clone, Debug)]
pub(super) struct Tensor {
    /// The fused node that makes it.
    pub node: usize,
    pub shape: [usize; 3],
    /// Smallest and largest level or sum.
    pub range: (i64, i64),
    /// Real value of a level or sum.
    pub chain: Chain,
}

/// Node by node translation of a graph.
pub(super) struct Fusion<'a> {
    pub graph: &'a Graph,
    /// By graph node.
    pub shapes: Vec<[usize; 3]>,
    pub fused: Fused,
    /// By graph node; `None` where an earlier problem leaves nothing to go on with.
    pub values: Vec<Option<Value>>,
    problems: Problems,
}

impl<'a> Fusion<'a> {
    pub(super) fn new(graph: &'a Graph) -> Result<Self, FuseError> {
        graph.validate().map_err(FuseError)?;
        // One answer instead of one for each of its layers.
        let float = |node: &&Node| matches!(node.op, Op::Input { .. });
        if let Some(input) = graph.nodes.iter().find(float) {
            let mut problems = Problems::default();
            problems.add(
                &input.name,
                "is an input of floats; only networks of one u8 image run on integers, this one runs as it is (.sbg)",
            );
            return Err(FuseError(problems));
        }
        let dims = |shape: Shape| shape.dims().try_into().unwrap_or_default();
        let shapes = graph
            .shapes()
            .map_err(FuseError)?
            .into_iter()
            .map(dims)
            .collect();
        let fused = Fused {
            image: [0; 3],
            nodes: Vec::new(),
        };
        Ok(Self {
            graph,
            shapes,
            fused,
            values: Vec::new(),
            problems: Problems::default(),
        })
    }

    pub(super) fn run(mut self) -> Result<Fused, FuseError> {
        for id in 0..self.graph.nodes.len() {
            let value = match self.value(id) {
                Ok(value) => value,
                Err(what) => {
                    self.problems.add(&self.graph.nodes[id].name, what);
                    None
                }
            };
            self.values.push(value);
        }
        if self.problems.0.is_empty()
            && let Err(what) = self.output()
        {
            self.problems.add(&self.graph.name, what);
        }
        self.problems.or(self.fused).map_err(FuseError)
    }

    /// Appends a fused node for graph node `id`.
    pub(super) fn emit(&mut self, id: NodeId, op: IntegerOp, inputs: Vec<usize>) -> usize {
        self.emit_op(
            self.graph.nodes[id].name.clone(),
            FusedOp::Integer(op),
            inputs,
            self.shapes[id],
        )
    }

    pub(super) fn emit_op(
        &mut self,
        name: String,
        op: FusedOp,
        inputs: Vec<usize>,
        shape: [usize; 3],
    ) -> usize {
        self.fused.nodes.push(FusedNode {
            name,
            op,
            inputs,
            shape,
        });
        self.fused.nodes.len() - 1
    }

    pub(super) fn tensor(
        &mut self,
        id: NodeId,
        op: IntegerOp,
        inputs: Vec<usize>,
        range: (i64, i64),
        chain: Chain,
    ) -> Tensor {
        Tensor {
            node: self.emit(id, op, inputs),
            shape: self.shapes[id],
            range,
            chain,
        }
    }

    /// An operator that moves codes and leaves their meaning.
    pub(super) fn codes(&mut self, id: NodeId, op: IntegerOp, x: &Tensor, code: CodeType) -> Value {
        Value::Codes(
            self.tensor(id, op, vec![x.node], x.range, x.chain.clone()),
            code,
        )
    }

    pub(super) fn parameter(&self, id: NodeId) -> Vec<f64> {
        self.graph.param_of(id).map_or_else(Vec::new, |(_, p)| {
            p.to_vec().into_iter().map(f64::from).collect()
        })
    }

    /// The single scale of an operand that enters sums.
    pub(super) fn pure(&self, x: &Tensor) -> Result<f64, String> {
        x.chain.pure_scale().ok_or_else(|| {
            "its input is not quantized; put a quantizer directly before it".to_owned()
        })
    }

    pub(super) fn extend(&self, x: &Value, step: Step) -> Result<Value, String> {
        Ok(match x.clone() {
            Value::Codes(t, code) => Value::Codes(
                Tensor {
                    chain: t.chain.then(step),
                    ..t
                },
                code,
            ),
            Value::Sums(t) => Value::Sums(Tensor {
                chain: t.chain.then(step),
                ..t
            }),
            Value::Addition(sides, chain) => Value::Addition(sides, chain.then(step)),
            Value::Image | Value::Parameter => {
                return Err("needs a quantized tensor as its input".to_owned());
            }
        })
    }
}
