//! Oscillation dampening: weights near the border between two codes are drawn to the value of their code, so that they stop changing
//! sides (methods.md 2.8; Nagel et al., 2022).

use burn::tensor::Tensor;
use subbyte_exec::Parameters;
use subbyte_graph::{Graph, Op, Quantizer, Role};

/// A weight with a learned step.
#[derive(Clone, Debug)]
pub(crate) struct Dampened {
    weight: String,
    scale: String,
    low: f32,
    high: f32,
}

impl Dampened {
    /// All weights of a network whose one step is learned.
    pub(crate) fn all(graph: &Graph) -> Vec<Self> {
        let dampened = |node: &subbyte_graph::Node| {
            let Op::Quantize(quantizer @ Quantizer::Lsq { .. }) = node.op else {
                return None;
            };
            let (weight, param) = graph.param_of(node.inputs[0])?;
            let (scale, step) = graph.param_of(node.inputs[1])?;
            let code = quantizer.code_type();
            (param.role == Role::Weight && step.len() == 1).then(|| Self {
                weight: weight.into(),
                scale: scale.into(),
                low: code.min_level() as f32,
                high: code.max_level() as f32,
            })
        };
        graph.nodes.iter().filter_map(dampened).collect()
    }

    /// `Σ (clip(w) - value of w's code)²`, which no gradient but that of `clip(w)` reaches. The result is `[1]`.
    pub(crate) fn penalty(&self, parameters: &Parameters) -> Tensor<1> {
        let value = |name: &str| parameters.get(name).expect("parameter of the graph").val();
        let step = value(&self.scale).detach();
        let ratio = (value(&self.weight) / step.clone()).clamp(self.low, self.high);
        let code = ratio.clone().detach().round();
        ((ratio - code) * step).square().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use subbyte_exec::Network;

    #[test]
    fn the_penalty_draws_weights_to_their_codes_and_leaves_those_outside() {
        let graph = crate::test::network();
        let mut network = Network::new(&graph, &Device::flex().autodiff()).unwrap();
        let dampened = Dampened::all(&graph);
        let one = dampened
            .iter()
            .find(|d| d.weight == "conv2.weight")
            .unwrap();
        let parameters = network.parameters_mut();
        parameters.set("conv2.weight.scale", vec![0.5]).unwrap();
        let mut weights = vec![0.0; graph.params["conv2.weight"].len()];
        // Levels are -2 to 1: below a border, above it, on a level, outside.
        weights[..5].copy_from_slice(&[0.2, 0.3, -0.5, 7.0, -1.1]);
        parameters.set("conv2.weight", weights).unwrap();
        let penalty = one.penalty(parameters);
        let value = penalty.clone().into_scalar::<f32>();
        assert!((value - (0.04 + 0.04)).abs() < 1e-6, "{value}");
        let mut gradients = penalty.backward();
        let mut seen = Vec::new();
        parameters.update(&mut gradients, |info, value, gradient| {
            seen.push(info.name.clone());
            let gradient: Vec<f32> = gradient.into_data().try_into_vec_as().unwrap();
            for (found, expected) in gradient.iter().zip([0.4, -0.4, 0.0, 0.0, 0.0, 0.0]) {
                assert!((found - expected).abs() < 1e-6, "{gradient:?}");
            }
            value
        });
        assert_eq!(seen, ["conv2.weight"]);
    }
}
