use subbyte_graph::{Graph, NodeId, Op, Shape};

/// A graph as steps in order, with the moment at which each tensor is no longer needed.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub steps: Vec<Step>,
}

/// One operator, with the ReLU behind it where `relu` is set.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// The node whose tensor is made.
    pub node: NodeId,
    pub op: Op,
    /// The node of `op`; another than `node` only where a ReLU is taken along.
    pub op_node: NodeId,
    pub relu: bool,
    pub inputs: Vec<NodeId>,
    /// Shape of the second input where that is a parameter: weight or table.
    pub weight: Vec<usize>,
    /// Nodes that no later step reads.
    pub frees: Vec<NodeId>,
}

impl Plan {
    /// Plans a valid graph; with `fuse` a batch norm takes the ReLU that alone reads it.
    pub fn new(graph: &Graph, shapes: &[Shape], fuse: bool) -> Self {
        let consumers = graph.consumers();
        let fused_relu = |id: NodeId| match consumers[id][..] {
            [relu]
                if fuse
                    && matches!(graph.nodes[id].op, Op::BatchNorm { .. })
                    && graph.nodes[relu].op == Op::Relu
                    && !graph.outputs.contains(&id) =>
            {
                Some(relu)
            }
            _ => None,
        };
        let mut steps: Vec<Step> = Vec::with_capacity(graph.nodes.len());
        for (id, node) in graph.nodes.iter().enumerate() {
            if node.op == Op::Relu && fused_relu(node.inputs[0]).is_some() {
                continue;
            }
            let relu = fused_relu(id);
            let weight = node.inputs.get(1).map(|&input| &shapes[input]);
            steps.push(Step {
                node: relu.unwrap_or(id),
                op: node.op.clone(),
                op_node: id,
                relu: relu.is_some(),
                inputs: node.inputs.clone(),
                weight: weight.map_or_else(Vec::new, |shape| shape.dims().to_vec()),
                frees: Vec::new(),
            });
        }
        let mut needed = vec![false; graph.nodes.len()];
        for &output in &graph.outputs {
            needed[output] = true;
        }
        for step in steps.iter_mut().rev() {
            for &input in &step.inputs {
                if !needed[input] {
                    needed[input] = true;
                    step.frees.push(input);
                }
            }
        }
        Self { steps }
    }
}
