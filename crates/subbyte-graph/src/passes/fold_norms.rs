use crate::{Graph, Node, NodeId, Op, Param, Role};

impl Graph {
    /// Folds every batch norm into the convolution or linear layer before it, where nothing else reads that layer's result:
    /// weights are scaled by output channel and the rest becomes a bias. Other batch norms stay as they are.
    ///
    /// The graph has to be valid; layers with quantized weights keep their norms.
    pub fn fold_norms(&mut self) {
        let consumers = self.consumers();
        let mut moved: Vec<NodeId> = (0..self.nodes.len()).collect();
        // Folding appends parameters behind the nodes that are gone through.
        for (id, moved) in moved.iter_mut().enumerate() {
            let Op::BatchNorm { eps } = self.nodes[id].op else {
                continue;
            };
            let layer = self.nodes[id].inputs[0];
            let alone = consumers[layer].len() == 1 && !self.outputs.contains(&layer);
            let foldable = matches!(self.nodes[layer].op, Op::Conv2d { .. } | Op::Linear)
                && self.param_of(self.nodes[layer].inputs[1]).is_some();
            if alone && foldable {
                self.fold(layer, id, eps);
                *moved = layer;
            }
        }
        let inputs = self.nodes.iter_mut().flat_map(|node| &mut node.inputs);
        inputs
            .chain(&mut self.outputs)
            .for_each(|id| *id = moved.get(*id).copied().unwrap_or(*id));
        self.parameters_first();
        self.prune();
    }

    /// Gives every convolution and linear layer weights that nothing else reads and a bias, of zeros where it has none.
    pub fn own_parameters(&mut self) {
        let Ok(shapes) = self.shapes() else { return };
        for (layer, shape) in shapes.iter().enumerate() {
            if !matches!(self.nodes[layer].op, Op::Conv2d { .. } | Op::Linear) {
                continue;
            }
            let node = &self.nodes[layer];
            let name = node.name.clone();
            let inputs = node.inputs.clone();
            for (i, part) in [(1, "weight"), (2, "bias")] {
                let reads = |node: &Node, of: NodeId| node.inputs.contains(&of);
                let param = inputs.get(i).and_then(|&id| self.param_of(id));
                let param = match (inputs.get(i), param) {
                    (None, _) => {
                        let outputs = shape.dims()[0];
                        Param::new([outputs], Role::Bias, vec![0.0; outputs])
                    }
                    (Some(&id), Some((_, param)))
                        if self.nodes.iter().filter(|node| reads(node, id)).count() > 1 =>
                    {
                        param.clone()
                    }
                    _ => continue,
                };
                let own = self.fresh_param(format!("{name}.{part}"), param);
                let inputs = &mut self.nodes[layer].inputs;
                inputs.splice(i..(i + 1).min(inputs.len()), [own]);
            }
        }
        self.parameters_first();
        self.prune();
    }

    fn fold(&mut self, layer: NodeId, norm: NodeId, eps: f32) {
        let numbers = |id: NodeId| -> Vec<f64> {
            let (_, param) = self.param_of(id).expect("a norm's inputs are parameters");
            param.to_vec().into_iter().map(f64::from).collect()
        };
        let [gamma, beta, mean, variance] =
            [1, 2, 3, 4].map(|i| numbers(self.nodes[norm].inputs[i]));
        let mul: Vec<f64> = (0..gamma.len())
            .map(|c| gamma[c] / (variance[c] + f64::from(eps)).sqrt())
            .collect();
        let old = self.nodes[layer].inputs.get(2).map(|&bias| numbers(bias));
        let bias = (0..mul.len())
            .map(|c| {
                let old = old.as_ref().map_or(0.0, |old| old[c]);
                ((old - mean[c]) * mul[c] + beta[c]) as f32
            })
            .collect();
        let (_, weight) = self
            .param_of(self.nodes[layer].inputs[1])
            .expect("checked before");
        let row = weight.len() / mul.len();
        let scaled = weight.to_vec().into_iter().enumerate();
        let scaled = scaled
            .map(|(i, w)| (f64::from(w) * mul[i / row]) as f32)
            .collect();
        let weight = Param::new(weight.shape.clone(), weight.role, scaled);
        // Other layers may share the old parameters.
        let name = self.nodes[layer].name.clone();
        let weight = self.fresh_param(format!("{name}.folded.weight"), weight);
        let bias = Param::new([mul.len()], Role::Bias, bias);
        let bias = self.fresh_param(format!("{name}.folded.bias"), bias);
        self.nodes[layer].inputs.splice(1.., [weight, bias]);
    }
}

#[cfg(test)]
mod tests {
    use crate::Op;
    use crate::networks::{FirstLayer, LastLayer, NetworkConfig, build};

    #[test]
    fn a_residual_network_keeps_no_norm() {
        let config = NetworkConfig {
            bits: None,
            first: FirstLayer::Float,
            last: LastLayer::Float,
            ..NetworkConfig::default()
        };
        let mut graph = build("resnet20", &config).expect("network");
        let layers = graph.nodes.len();
        graph.fold_norms();
        graph.own_parameters();
        graph.validate().expect("valid");
        assert!(graph.nodes.len() < layers);
        assert!(
            graph
                .nodes
                .iter()
                .all(|node| !matches!(node.op, Op::BatchNorm { .. }))
        );
    }
}
