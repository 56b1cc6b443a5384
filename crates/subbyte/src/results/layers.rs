//! How many bits the layers of a network have.

use serde::{Deserialize, Serialize};
use subbyte_graph::{Graph, NodeId, Op, Problems};
use subbyte_train::{
    Recipe,
    recipe::{Bits, End, Input},
};

/// Bits of a layer that multiplies: a convolution or the classifier. Shown as `w2a2`, as `float`, or, where only one side is in floats,
/// with 32 for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerBits {
    /// Name of its node.
    pub name: String,
    /// Bits of a weight; `None` for floats.
    pub weight_bits: Option<u8>,
    /// Bits of the codes that it reads, also where pooling adds them up first; `None` for floats.
    pub input_bits: Option<u8>,
    /// Channels that it reads.
    pub input_channels: usize,
}

impl std::fmt::Display for LayerBits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bits = |bits: Option<u8>| bits.unwrap_or(32);
        match (self.weight_bits, self.input_bits) {
            (None, None) => f.write_str("float"),
            (weights, inputs) => write!(f, "w{}a{}", bits(weights), bits(inputs)),
        }
    }
}

/// The layers of a network that multiply, in their order.
///
/// # Errors
/// If the graph is not valid.
pub fn layer_bits(graph: &Graph) -> Result<Vec<LayerBits>, Problems> {
    let shapes = graph.shapes()?;
    let multiplying = graph
        .nodes
        .iter()
        .filter(|node| matches!(node.op, Op::Conv2d { .. } | Op::Linear));
    let layers = multiplying.map(|node| LayerBits {
        name: node.name.clone(),
        weight_bits: code_bits(graph, node.inputs[1]),
        input_bits: code_bits(graph, node.inputs[0]),
        input_channels: shapes[node.inputs[0]].dims()[0],
    });
    Ok(layers.collect())
}

/// Bits of the codes that node `id` gives or pools.
fn code_bits(graph: &Graph, id: NodeId) -> Option<u8> {
    let node = &graph.nodes[id];
    match &node.op {
        Op::Image { .. } => Some(8),
        Op::Quantize(quantizer) => Some(quantizer.code_type().bits),
        Op::Minifloat { format, .. } => Some(format.bits()),
        Op::Param { name } => graph.params[name].code_bits(),
        Op::PixelTable => code_bits(graph, node.inputs[1]),
        Op::MaxPool(_)
        | Op::AvgPool(_)
        | Op::GlobalAvgPool
        | Op::Flatten
        | Op::Slice { .. }
        | Op::PadChannels { .. }
        | Op::Upsample { .. } => code_bits(graph, node.inputs[0]),
        _ => None,
    }
}

/// How a network takes its input, in one word for tables: `float` (no quantizers), `body` (first and last layer in float),
/// `eight-bit` (both in 8 bits), or, where both are like the body, what makes codes of pixels. `mixed` is all else.
pub fn input_kind(recipe: &Recipe) -> &'static str {
    match (recipe.bits, recipe.first, recipe.last) {
        (Bits::Float, ..) => "float",
        (_, End::Float, End::Float) => "body",
        (_, End::EightBit, End::EightBit) => "eight-bit",
        (_, End::Body, End::Body) => match recipe.input() {
            Input::Table => "table",
            Input::Naive => "naive",
            Input::Planes => "planes",
            Input::Thermometer => "thermometer",
            Input::GeneralisedThermometer => "generalised-thermometer",
        },
        _ => "mixed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(settings: &[&str]) -> (&'static str, Vec<String>, usize) {
        let mut recipe = Recipe::default();
        for setting in settings {
            recipe.set(setting).unwrap();
        }
        let data = subbyte_data::fashion_mnist_subset().test;
        let layers = layer_bits(&recipe.network(&data).unwrap()).unwrap();
        let texts = layers.iter().map(ToString::to_string).collect();
        (input_kind(&recipe), texts, layers[0].input_channels)
    }

    #[test]
    fn bits_and_inputs_are_those_of_the_recipe() {
        for (settings, kind, first, body, last, channels) in [
            (vec!["bits=float"], "float", "float", "float", "float", 1),
            (
                vec!["first=float", "last=float"],
                "body",
                "float",
                "w2a2",
                // Its codes are those of the layer before.
                "w32a2",
                1,
            ),
            (
                vec!["first=eight-bit", "last=eight-bit"],
                "eight-bit",
                "w8a8",
                "w2a2",
                "w8a8",
                1,
            ),
            (vec!["bits=w3a4"], "table", "w3a4", "w3a4", "w3a4", 10),
            (vec!["table.bits=1"], "table", "w2a1", "w2a2", "w2a2", 10),
            (vec!["input=naive"], "naive", "w2a2", "w2a2", "w2a2", 1),
            (vec!["input=planes"], "planes", "w2a1", "w2a2", "w2a2", 8),
            (
                vec!["input=thermometer"],
                "thermometer",
                "w2a1",
                "w2a2",
                "w2a2",
                10,
            ),
            (
                vec!["input=generalised-thermometer"],
                "generalised-thermometer",
                "w2a2",
                "w2a2",
                "w2a2",
                10,
            ),
            (vec!["last=float"], "mixed", "w2a2", "w2a2", "w32a2", 10),
        ] {
            let (found, layers, found_channels) = of(&settings);
            assert_eq!((found, found_channels), (kind, channels), "{settings:?}");
            let ends = (
                &layers[0][..],
                &layers[1][..],
                &layers[layers.len() - 1][..],
            );
            assert_eq!(ends.0, first, "{settings:?}: {layers:?}");
            assert_eq!(ends.1, body, "{settings:?}: {layers:?}");
            assert_eq!(ends.2, last, "{settings:?}: {layers:?}");
        }
    }
}
