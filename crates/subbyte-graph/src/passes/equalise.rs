use std::collections::BTreeMap;

use crate::{Graph, NodeId, Op, Param};

/// Farthest that a channel's factor may be from the geometric mean of all; what is beyond belongs to channels that hardly matter.
const FARTHEST: f32 = 32.0;

impl Graph {
    /// Cross-layer equalisation (methods.md 6.6): wherever one layer alone reads what another makes, with nothing between them but what a
    /// positive factor passes through, every channel is divided by a factor in the first layer and multiplied by it in the second, so
    /// that the network computes what it did.
    ///
    /// `reach` has, by the name of the node whose tensor the second layer reads, the largest magnitude of each channel; the factor is
    /// `sqrt(reach / largest weight that reads it)`, so that channels are spread as evenly over a tensor's codes as their weights are over
    /// those of the second layer. Channels that are never anything but 0 stay as they are.
    ///
    /// The graph has to be valid, norms folded, and every layer needs parameters of its own.
    pub fn equalise(&mut self, reach: &BTreeMap<String, Vec<f32>>) {
        let consumers = self.consumers();
        for second in 0..self.nodes.len() {
            let Some(depthwise) = self.reads_channels(second) else {
                continue;
            };
            let between = self.nodes[second].inputs[0];
            let Some(reach) = reach.get(&self.nodes[between].name) else {
                continue;
            };
            let Some(first) = self.maker(between, &consumers) else {
                continue;
            };
            let factors = self.factors(second, reach, depthwise);
            self.scale_rows(first, &factors);
            self.scale_columns(second, &factors, depthwise);
        }
    }

    /// Names of the tensors whose channels [`Graph::equalise`] would want to know of.
    pub fn equalisable(&self) -> Vec<String> {
        let consumers = self.consumers();
        let between = |second: NodeId| {
            self.reads_channels(second)?;
            let between = self.nodes[second].inputs[0];
            self.maker(between, &consumers)?;
            Some(self.nodes[between].name.clone())
        };
        (0..self.nodes.len()).filter_map(between).collect()
    }

    /// Whether node `id` is a layer each of whose weights reads one channel; whether it is a depthwise one.
    fn reads_channels(&self, id: NodeId) -> Option<bool> {
        let node = &self.nodes[id];
        let (_, weight) = self.param_of(*node.inputs.get(1)?)?;
        match node.op {
            Op::Linear | Op::Conv2d { groups: 1, .. } => Some(false),
            Op::Conv2d { groups, .. } if weight.shape[..2] == [groups, 1] => Some(true),
            _ => None,
        }
    }

    /// The layer that makes tensor `id`, up to operators through which factors of channels pass, where nothing else reads any of it.
    fn maker(&self, mut id: NodeId, consumers: &[Vec<NodeId>]) -> Option<NodeId> {
        loop {
            if consumers[id].len() != 1 || self.outputs.contains(&id) {
                return None;
            }
            let node = &self.nodes[id];
            match node.op {
                Op::Conv2d { .. } | Op::Linear => {
                    let own = node.inputs.iter().skip(1);
                    return own
                        .into_iter()
                        .all(|&input| self.param_of(input).is_some())
                        .then_some(id);
                }
                Op::Relu | Op::MaxPool(_) | Op::AvgPool(_) | Op::GlobalAvgPool => {
                    id = node.inputs[0];
                }
                _ => return None,
            }
        }
    }

    fn factors(&self, second: NodeId, reach: &[f32], depthwise: bool) -> Vec<f32> {
        let (_, weight) = self
            .param_of(self.nodes[second].inputs[1])
            .expect("checked before");
        let mut largest = vec![0f32; reach.len()];
        let taps = weight.taps();
        for (i, w) in weight.to_vec().iter().enumerate() {
            let channel = match depthwise {
                true => i / weight.row(),
                false => i % weight.row() / taps,
            };
            largest[channel] = largest[channel].max(w.abs());
        }
        let factor = |(&reach, &weight): (&f32, &f32)| (reach / weight).sqrt();
        let factors: Vec<f32> = reach.iter().zip(&largest).map(factor).collect();
        let usable = |f: &&f32| f.is_finite() && **f > 0.0;
        let logs = factors.iter().filter(usable).map(|f| f.ln());
        let count = logs.clone().count().max(1) as f32;
        let middle = (logs.sum::<f32>() / count).exp();
        let bounded = |f: &f32| match usable(&f) {
            true => f.clamp(middle / FARTHEST, middle * FARTHEST),
            false => 1.0,
        };
        factors.iter().map(bounded).collect()
    }

    fn scale_rows(&mut self, layer: NodeId, factors: &[f32]) {
        for input in 1..self.nodes[layer].inputs.len() {
            self.scale(self.nodes[layer].inputs[input], |i, param| {
                1.0 / factors[i / param.row()]
            });
        }
    }

    fn scale_columns(&mut self, layer: NodeId, factors: &[f32], depthwise: bool) {
        self.scale(self.nodes[layer].inputs[1], |i, param| match depthwise {
            true => factors[i / param.row()],
            false => factors[i % param.row() / param.taps()],
        });
    }

    fn scale(&mut self, node: NodeId, factor: impl Fn(usize, &Param) -> f32) {
        let Op::Param { name } = &self.nodes[node].op else {
            unreachable!("a parameter's node")
        };
        let param = &self.params[name];
        let numbers = param.to_vec().into_iter().enumerate();
        let scaled = numbers.map(|(i, w)| w * factor(i, param)).collect();
        let scaled = Param::new(param.shape.clone(), param.role, scaled);
        self.params.insert(name.clone(), scaled);
    }
}
