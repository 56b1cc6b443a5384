use std::collections::BTreeMap;

use crate::{Graph, NodeId, Op, Param, Role};

/// Added to the variance of an inserted norm.
const EPS: f32 = 1e-5;

/// Mean and variance of every channel that a layer makes, its bias included.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelMoments {
    /// Mean by channel.
    pub mean: Vec<f32>,
    /// Variance by channel.
    pub variance: Vec<f32>,
}

impl Graph {
    /// Puts a batch norm behind every convolution and linear layer for whose node's name `moments` has an entry, in place of the bias.
    /// It takes away the mean and the deviation and gives them back, so that the network computes what it did; from there on they can
    /// be trained. This undoes [`Graph::fold_norms`] up to the scale of the weights.
    ///
    /// The graph has to be valid; entries need a number for each channel. Layers whose bias is made by other nodes stay as they are.
    pub fn insert_norms(&mut self, moments: &BTreeMap<String, ChannelMoments>) {
        let layers = 0..self.nodes.len();
        let mut moved: BTreeMap<NodeId, NodeId> = BTreeMap::new();
        for layer in layers {
            let node = &self.nodes[layer];
            let is_layer = matches!(node.op, Op::Conv2d { .. } | Op::Linear);
            let (true, Some(moments)) = (is_layer, moments.get(&node.name)) else {
                continue;
            };
            let name = node.name.clone();
            let bias = match node.inputs.get(2) {
                None => vec![0.0; moments.mean.len()],
                Some(&bias) => match self.param_of(bias) {
                    Some((_, bias)) => bias.to_vec(),
                    None => continue,
                },
            };
            self.nodes[layer].inputs.truncate(2);
            moved.insert(layer, self.norm(&name, layer, moments, &bias));
        }
        let norms: Vec<NodeId> = moved.values().copied().collect();
        for (id, node) in self.nodes.iter_mut().enumerate() {
            for input in &mut node.inputs {
                match moved.get(input) {
                    Some(&norm) if norm != id => *input = norm,
                    _ => {}
                }
            }
        }
        for output in &mut self.outputs {
            *output = moved.get(output).copied().unwrap_or(*output);
        }
        // Every norm stands right behind its layer.
        let stay = (0..self.nodes.len()).filter(|id| !norms.contains(id));
        let order: Vec<NodeId> = stay
            .flat_map(|id| [Some(id), moved.get(&id).copied()])
            .flatten()
            .collect();
        self.reorder(&order);
        self.parameters_first();
        self.prune();
    }

    fn norm(&mut self, layer: &str, x: NodeId, moments: &ChannelMoments, bias: &[f32]) -> NodeId {
        let channels = moments.mean.len();
        let deviation = moments.variance.iter().map(|v| (v + EPS).sqrt());
        let before_bias = moments.mean.iter().zip(bias).map(|(m, b)| m - b);
        let parts: [(&str, Role, Vec<f32>); 4] = [
            ("gamma", Role::Norm, deviation.collect()),
            ("beta", Role::Norm, moments.mean.clone()),
            ("mean", Role::Statistic, before_bias.collect()),
            ("variance", Role::Statistic, moments.variance.clone()),
        ];
        let mut inputs = vec![x];
        for (part, role, values) in parts {
            let param = Param::new([channels], role, values);
            inputs.push(self.fresh_param(format!("{layer}.norm.{part}"), param));
        }
        self.push(format!("{layer}.norm"), Op::BatchNorm { eps: EPS }, &inputs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::{FirstLayer, LastLayer, NetworkConfig, build};

    #[test]
    fn norms_come_back_where_they_were_folded() {
        let config = NetworkConfig {
            bits: None,
            first: FirstLayer::Float,
            last: LastLayer::Float,
            ..NetworkConfig::default()
        };
        let mut graph = build("resnet20", &config).expect("network");
        let norms = |graph: &Graph| {
            let is_norm = |node: &&crate::Node| matches!(node.op, Op::BatchNorm { .. });
            graph.nodes.iter().filter(is_norm).count()
        };
        let all = norms(&graph);
        graph.fold_norms();
        graph.own_parameters();
        for param in graph.params.values_mut().filter(|p| p.role == Role::Bias) {
            *param = Param::new(param.shape.clone(), Role::Bias, vec![0.25; param.len()]);
        }
        let shapes = graph.shapes().expect("shapes");
        let entry = |(id, node): (NodeId, &crate::Node)| {
            let is_layer = matches!(node.op, Op::Conv2d { .. } | Op::Linear);
            let moments = ChannelMoments {
                mean: vec![1.0; shapes[id].dims()[0]],
                variance: vec![4.0; shapes[id].dims()[0]],
            };
            (is_layer && !graph.outputs.contains(&id)).then(|| (node.name.clone(), moments))
        };
        let moments = graph.nodes.iter().enumerate().filter_map(entry).collect();
        graph.insert_norms(&moments);
        graph.validate().expect("valid");
        assert_eq!(norms(&graph), all);
        let norm = graph
            .nodes
            .iter()
            .find(|n| matches!(n.op, Op::BatchNorm { .. }));
        let inputs = &norm.expect("norms").inputs;
        let [gamma, beta, mean, variance] = [1, 2, 3, 4].map(|i| {
            let (_, param) = graph.param_of(inputs[i]).expect("parameter");
            f64::from(param.to_vec()[0])
        });
        // `gamma * (x - mean) / deviation + beta` is `x` and the bias that was there.
        let slope = gamma / (variance + f64::from(EPS)).sqrt();
        assert!((slope - 1.0).abs() < 1e-6);
        assert!((beta - slope * mean - 0.25).abs() < 1e-6);
    }
}
