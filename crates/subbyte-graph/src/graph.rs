use std::collections::BTreeMap;

use crate::{Diffusion, Op, Param, Quantizer, Role, Window};

/// Index of a node, and of the tensor it makes.
pub type NodeId = usize;

/// A network: nodes in topological order, each making one tensor, and named parameters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    /// What the network is called, such as `resnet20`.
    pub name: String,
    /// Nodes; every input of a node comes before it.
    pub nodes: Vec<Node>,
    /// Tensors that leave the network; a classifier has one, its logits.
    pub outputs: Vec<NodeId>,
    /// Parameters by name.
    pub params: BTreeMap<String, Param>,
    /// Class names in logit order; empty where unknown.
    pub classes: Vec<String>,
    /// How pictures are made with it, where it is a diffusion network.
    pub diffusion: Option<Diffusion>,
}

/// One operator with its inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Unique, for people and error messages.
    pub name: String,
    /// What is done.
    pub op: Op,
    /// Nodes whose tensors are read.
    pub inputs: Vec<NodeId>,
}

/// Building: each method appends a node (and the parameters it needs) and returns its id.
impl Graph {
    /// An empty graph.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// Appends a node.
    pub fn push(&mut self, name: impl Into<String>, op: Op, inputs: &[NodeId]) -> NodeId {
        self.nodes.push(Node {
            name: name.into(),
            op,
            inputs: inputs.to_vec(),
        });
        self.nodes.len() - 1
    }

    /// Adds a parameter and the node that reads it.
    pub fn param(&mut self, name: impl Into<String>, param: Param) -> NodeId {
        let name = name.into();
        self.params.insert(name.clone(), param);
        self.push(name.clone(), Op::Param { name }, &[])
    }

    /// Convolution without bias, `[x, weight]`.
    pub fn conv2d(
        &mut self,
        name: &str,
        x: NodeId,
        weight: NodeId,
        stride: usize,
        padding: usize,
        groups: usize,
    ) -> NodeId {
        let op = Op::Conv2d {
            stride: [stride; 2],
            padding: [padding; 4],
            groups,
        };
        self.push(name, op, &[x, weight])
    }

    /// Batch norm over `channels` with fresh parameters `NAME.gamma`, `.beta`, `.mean`, `.variance`.
    pub fn batch_norm(&mut self, name: &str, x: NodeId, channels: usize) -> NodeId {
        let mut param = |part: &str, role, value| {
            self.param(
                format!("{name}.{part}"),
                Param::new([channels], role, vec![value; channels]),
            )
        };
        let inputs = [
            x,
            param("gamma", Role::Norm, 1.0),
            param("beta", Role::Norm, 0.0),
            param("mean", Role::Statistic, 0.0),
            param("variance", Role::Statistic, 1.0),
        ];
        self.push(name, Op::BatchNorm { eps: 1e-5 }, &inputs)
    }

    /// Learned-step quantizer with the scale parameter that node `scale` reads.
    pub fn lsq(&mut self, name: &str, x: NodeId, scale: NodeId, bits: u8, signed: bool) -> NodeId {
        self.push(
            name,
            Op::Quantize(Quantizer::Lsq { bits, signed }),
            &[x, scale],
        )
    }

    /// Max pool of a square window without padding.
    pub fn max_pool(&mut self, name: &str, x: NodeId, kernel: usize, stride: usize) -> NodeId {
        self.push(
            name,
            Op::MaxPool(Window {
                kernel: [kernel; 2],
                stride: [stride; 2],
                padding: [0; 4],
            }),
            &[x],
        )
    }

    /// Height, width and colours of the images that the network reads; `None` where it reads floats alone.
    pub fn image(&self) -> Option<[usize; 3]> {
        self.nodes.iter().find_map(|node| match node.op {
            Op::Image {
                colours,
                height,
                width,
            } => Some([height, width, colours]),
            _ => None,
        })
    }

    /// The parameter that node `id` reads, with its name.
    pub fn param_of(&self, id: NodeId) -> Option<(&str, &Param)> {
        match &self.nodes.get(id)?.op {
            Op::Param { name } => self
                .params
                .get_key_value(name)
                .map(|(name, param)| (name.as_str(), param)),
            _ => None,
        }
    }

    /// The parameter that node `id` reads, quantized or not.
    pub fn source_param(&self, id: NodeId) -> Option<(&str, &Param)> {
        self.param_of(self.before_quantizers(id)?)
    }

    /// The node that makes what quantizers turn into the tensor of node `id`; `id` itself where it is no quantizer.
    pub(crate) fn before_quantizers(&self, mut id: NodeId) -> Option<NodeId> {
        // Ids fall from node to input in a sound graph; this also ends in one that is not.
        for _ in 0..self.nodes.len() {
            match self.nodes.get(id)? {
                Node {
                    op: Op::Quantize(_) | Op::Minifloat { .. },
                    inputs,
                    ..
                } => id = *inputs.first()?,
                _ => return Some(id),
            }
        }
        None
    }

    /// For every node, the nodes that read it.
    ///
    /// # Panics
    /// If an input does not exist.
    pub fn consumers(&self) -> Vec<Vec<NodeId>> {
        let mut consumers = vec![Vec::new(); self.nodes.len()];
        for (id, node) in self.nodes.iter().enumerate() {
            for &input in &node.inputs {
                consumers[input].push(id);
            }
        }
        consumers
    }
}
