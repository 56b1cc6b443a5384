use std::collections::BTreeMap;

use subbyte_graph::{Graph, NodeId, Op, Shape};

/// A convolution or linear layer of a float network and the same layer with quantizers.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    /// Name of its node in both graphs.
    pub name: String,
    /// Its node in the float graph.
    pub float: NodeId,
    /// Its node in the graph with quantizers.
    pub placed: NodeId,
    pub geometry: Geometry,
}

/// What a layer reads for one output pixel; a linear layer is a 1x1 convolution.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    /// Channels, height and width of the input.
    pub input: [usize; 3],
    /// Channels, height and width of the output.
    pub output: [usize; 3],
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    /// Rows above and columns left.
    pub padding: [usize; 2],
    pub groups: usize,
}

impl Geometry {
    /// Weights of an output channel.
    pub fn row(&self) -> usize {
        self.input[0] / self.groups * self.kernel[0] * self.kernel[1]
    }

    /// Output pixels of an image.
    pub fn pixels(&self) -> usize {
        self.output[1] * self.output[2]
    }
}

/// The nodes of a graph by their names.
pub(crate) fn by_name(graph: &Graph) -> BTreeMap<&str, NodeId> {
    let nodes = graph.nodes.iter().enumerate();
    nodes.map(|(id, node)| (&node.name[..], id)).collect()
}

/// All layers, in the order in which they run.
pub(crate) fn layers(float: &Graph, placed: &Graph) -> Vec<Layer> {
    let shapes = float.shapes().unwrap_or_default();
    let by_name = by_name(float);
    let layer = |(id, node): (NodeId, &subbyte_graph::Node)| {
        if !matches!(node.op, Op::Conv2d { .. } | Op::Linear) {
            return None;
        }
        let float_id = *by_name.get(&node.name[..])?;
        let input = shapes[float.nodes[float_id].inputs[0]].feature()?;
        let output = shapes[float_id].feature()?;
        let weight = match &shapes[float.nodes[float_id].inputs[1]] {
            Shape::Param(dims) => dims,
            _ => return None,
        };
        let geometry = match node.op {
            Op::Conv2d {
                stride,
                padding,
                groups,
            } => Geometry {
                input,
                output,
                kernel: [weight[2], weight[3]],
                stride,
                padding: [padding[0], padding[1]],
                groups,
            },
            _ => Geometry {
                input,
                output,
                kernel: [1, 1],
                stride: [1, 1],
                padding: [0, 0],
                groups: 1,
            },
        };
        Some(Layer {
            name: node.name.clone(),
            float: float_id,
            placed: id,
            geometry,
        })
    };
    placed.nodes.iter().enumerate().filter_map(layer).collect()
}
