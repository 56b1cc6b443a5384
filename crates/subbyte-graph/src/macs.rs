use crate::{Graph, Op, Shape};

impl Graph {
    /// Multiply-adds of every node for one image; `shapes` are [`Graph::shapes`]. Only convolutions and linear layers have any.
    pub fn macs(&self, shapes: &[Shape]) -> Vec<u64> {
        let node_macs = |(id, node): (usize, &crate::Node)| match node.op {
            Op::Conv2d { .. } | Op::Linear => {
                // Every element of the output reads one output channel of the weight.
                let weight = shapes[node.inputs[1]].dims();
                let per_output: usize = weight[1..].iter().product();
                shapes[id].elements() as u64 * per_output as u64
            }
            _ => 0,
        };
        self.nodes.iter().enumerate().map(node_macs).collect()
    }
}
