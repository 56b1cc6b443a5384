use subbyte_graph::{Graph, NodeId, Op, Quantizer, Shape};

/// A graph as steps in order, with the moment at which each tensor is no longer needed.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub steps: Vec<Step>,
}

/// One operator, with the ReLU and the quantizer behind it that it takes along, or a quantizer with the ReLU before it.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// The node whose tensor is made.
    pub node: NodeId,
    /// The node of `op`; another than `node` where a batch norm takes others along.
    pub op_node: NodeId,
    pub op: Op,
    /// Whether a ReLU is taken along.
    pub relu: bool,
    /// Quantizer that a batch norm takes along; the last input is its scale.
    pub quantizer: Option<Quantizer>,
    pub inputs: Vec<NodeId>,
    /// Shape of the second input where that is a parameter: weight or table.
    pub weight: Vec<usize>,
    /// The quantizers on whose levels the input and the weights of a convolution lie, where that is so.
    pub levels: Option<[NodeId; 2]>,
    /// Nodes that no later step reads.
    pub frees: Vec<NodeId>,
}

impl Plan {
    /// Plans a valid graph; with `fuse` a step may cover several nodes, at the place of the last one.
    pub fn new(graph: &Graph, shapes: &[Shape], fuse: bool) -> Self {
        let consumers = graph.consumers();
        // Whether nothing else sees what node `id` makes.
        let alone = |id: NodeId| fuse && consumers[id].len() == 1 && !graph.outputs.contains(&id);
        let mut covered = vec![false; graph.nodes.len()];
        let mut steps: Vec<Step> = Vec::with_capacity(graph.nodes.len());
        for (id, node) in graph.nodes.iter().enumerate().rev() {
            if covered[id] {
                continue;
            }
            let weight = node.inputs.get(1).map(|&input| &shapes[input]);
            let mut step = Step {
                node: id,
                op_node: id,
                op: node.op.clone(),
                relu: false,
                quantizer: None,
                inputs: node.inputs.clone(),
                weight: weight.map_or_else(Vec::new, |shape| shape.dims().to_vec()),
                levels: match node.op {
                    Op::Conv2d { .. } => quantizer_behind(graph, node.inputs[0])
                        .zip(quantizer_behind(graph, node.inputs[1]))
                        .map(<[NodeId; 2]>::from),
                    _ => None,
                },
                frees: Vec::new(),
            };
            let quantizer = match node.op {
                Op::Quantize(lsq @ Quantizer::Lsq { .. })
                    if shapes[node.inputs[1]].elements() == 1 =>
                {
                    Some(lsq)
                }
                _ => None,
            };
            let unsigned = quantizer.is_some_and(|lsq| lsq.code_type().min_level() == 0);
            let mut source = id;
            if unsigned {
                let before = node.inputs[0];
                if graph.nodes[before].op == Op::Relu && alone(before) {
                    source = before;
                    covered[before] = true;
                    step.relu = true;
                    step.inputs[0] = graph.nodes[before].inputs[0];
                }
            }
            if quantizer.is_some() || node.op == Op::Relu {
                let norm = graph.nodes[source].inputs[0];
                if let Op::BatchNorm { .. } = graph.nodes[norm].op
                    && alone(norm)
                {
                    covered[norm] = true;
                    step.op_node = norm;
                    step.op = graph.nodes[norm].op.clone();
                    step.relu |= node.op == Op::Relu;
                    step.quantizer = quantizer;
                    let scale = node.inputs.get(1).copied();
                    step.inputs = graph.nodes[norm]
                        .inputs
                        .iter()
                        .copied()
                        .chain(scale)
                        .collect();
                }
            }
            steps.push(step);
        }
        let mut needed = vec![false; graph.nodes.len()];
        for &output in &graph.outputs {
            needed[output] = true;
        }
        // Still from the last step to the first.
        for step in &mut steps {
            let scales = step.levels.iter().flatten();
            let scales = scales.filter_map(|&id| graph.nodes[id].inputs.get(1));
            for &input in step.inputs.iter().chain(scales) {
                if !needed[input] {
                    needed[input] = true;
                    step.frees.push(input);
                }
            }
        }
        steps.reverse();
        Self { steps }
    }
}

/// The quantizer on whose levels all values of a tensor lie.
fn quantizer_behind(graph: &Graph, id: NodeId) -> Option<NodeId> {
    let node = &graph.nodes[id];
    match node.op {
        Op::Quantize(_) => Some(id),
        Op::PixelTable => quantizer_behind(graph, node.inputs[1]),
        Op::Relu
        | Op::MaxPool(_)
        | Op::Slice { .. }
        | Op::PadChannels { .. }
        | Op::Flatten
        | Op::Upsample { .. } => quantizer_behind(graph, node.inputs[0]),
        _ => None,
    }
}
