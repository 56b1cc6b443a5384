use crate::{Graph, NodeId, Op, Param, Role, Storage};

/// Share of a step that a weight keeps from the border of its code's cell, so that rounding keeps its code.
const MARGIN: f32 = 0.05;

impl Graph {
    /// Turns layers' weights that are signed codes, as post-training methods leave them, into weights that can be trained: floats behind a
    /// quantizer whose steps are the codes' scales. Every weight is the value nearest to that of `float`, the network it was made of, that
    /// keeps its code, so the network computes what it did.
    ///
    /// Weights with other codes than `-2^(bits-1)..2^(bits-1)`, or with several kinds of them, stay as they are.
    pub fn learn_codes(&mut self, float: &Graph) {
        let layers = 0..self.nodes.len();
        let mut quantized: Vec<(NodeId, NodeId)> = Vec::new();
        for layer in layers {
            let node = &self.nodes[layer];
            if !matches!(node.op, Op::Conv2d { .. } | Op::Linear) {
                continue;
            }
            let (name, weight) = (node.name.clone(), node.inputs[1]);
            let Some((param_name, learned)) = self.learned(weight, float) else {
                continue;
            };
            let Learned {
                weights,
                scales,
                bits,
            } = learned;
            self.params.insert(param_name, weights);
            let scale = self.fresh_param(format!("{name}.weight.scale"), scales);
            let quantizer = format!("{name}.weight.quantize");
            let quantizer = self.lsq(&quantizer, weight, scale, bits, true);
            self.nodes[layer].inputs[1] = quantizer;
            quantized.push((layer, quantizer));
        }
        // Parameters are in front already; every quantizer stands right before its layer.
        let is_quantizer = |id: &NodeId| quantized.iter().any(|(_, q)| q == id);
        let stay = (0..self.nodes.len()).filter(|id| !is_quantizer(id));
        let order: Vec<NodeId> = stay
            .flat_map(|id| {
                let quantizer = quantized.iter().find(|(layer, _)| *layer == id);
                [quantizer.map(|(_, q)| *q), Some(id)]
            })
            .flatten()
            .collect();
        self.reorder(&order);
        self.parameters_first();
    }

    fn learned(&self, weight: NodeId, float: &Graph) -> Option<(String, Learned)> {
        let (name, param) = self.param_of(weight)?;
        let Storage::Codes(runs) = &param.storage else {
            return None;
        };
        let original = float.params.get(name)?;
        let [run] = &runs[..] else { return None };
        let bits = run.codes.bits();
        let half = 1i32 << (bits - 1);
        let signed = (-half..half).map(|level| level as f32);
        let usable = bits > 1
            && run.multipliers.is_none()
            && run.codebook.iter().copied().eq(signed)
            && original.shape == param.shape;
        if !usable {
            return None;
        }
        let row = param.row();
        let rows = param.shape[0];
        let scale = |i: usize| run.scales[i / row * run.scales.len() / rows];
        let (low, high) = (-(half as f32), (half - 1) as f32);
        let values = param
            .to_vec()
            .into_iter()
            .zip(original.to_vec())
            .enumerate();
        let weights = values.map(|(i, (value, original))| {
            let level = (value / scale(i)).round();
            let ratio = original / scale(i);
            let reach = 0.5 - MARGIN;
            // Beyond the outermost codes there is no border to keep away from.
            let least = if level <= low {
                ratio.min(level)
            } else {
                level - reach
            };
            let most = if level >= high {
                ratio.max(level)
            } else {
                level + reach
            };
            ratio.clamp(least, most) * scale(i)
        });
        let learned = Learned {
            weights: Param::new(param.shape.clone(), Role::Weight, weights.collect()),
            scales: Param::new([run.scales.len()], Role::Scale, run.scales.clone()),
            bits,
        };
        Some((name.to_owned(), learned))
    }
}

struct Learned {
    weights: Param,
    scales: Param,
    bits: u8,
}
