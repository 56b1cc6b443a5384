use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;
use subbyte::graph::{Graph, NodeId, Op, Param, Shape, Storage};
use subbyte::train::Checkpoint;

use super::layer::{Layer, bit_operations, width, window};
use super::{Report, Totals, Training};

/// All of a network that lies in the `bytes` bytes of `file`.
pub fn report(
    file: &Path,
    graph: &Graph,
    checkpoint: Option<&Checkpoint>,
    bytes: usize,
) -> Result<Report> {
    let layers = layers(graph)?;
    let image = graph
        .image()
        .map(|[height, width, colours]| [colours, height, width]);
    let floats = graph.inputs().map(|(_, _, shape)| shape);
    Ok(Report {
        file: file.to_owned(),
        kind: "graph",
        bytes,
        // A network without image reads a picture of floats, the largest of its inputs.
        input: image
            .or_else(|| floats.max_by_key(|shape| shape.iter().product::<usize>()))
            .unwrap_or_default(),
        classes: graph.classes.clone(),
        totals: Totals::of(&layers),
        layers,
        pixel_table: None,
        items: None,
        sections: None,
        payload: None,
        test_vectors: None,
        provenance: None,
        checkpoint: checkpoint.map(|c| Training {
            recipe: c.recipe.to_toml(),
            epochs: c.history.len(),
            data: c.data.clone(),
            last_epoch: c.history.last().cloned(),
            table: c.table,
        }),
    })
}

/// The layers of a network: its nodes but for parameters and their quantizers, which belong to the first node that reads them.
fn layers(graph: &Graph) -> Result<Vec<Layer>> {
    let network = Inspected {
        graph,
        shapes: graph.shapes()?,
    };
    let macs = graph.macs(&network.shapes);
    let mut seen = BTreeSet::new();
    let mut layers = Vec::new();
    for (id, node) in graph.nodes.iter().enumerate() {
        let (Shape::Image(shape) | Shape::Feature(shape)) = network.shapes[id] else {
            continue;
        };
        let mut parameters = Vec::new();
        for &input in &node.inputs {
            network.gather(input, &mut seen, &mut parameters);
        }
        let weighs = matches!(node.op, Op::Conv2d { .. } | Op::Linear);
        let weight_bits = if weighs {
            network.bits(node.inputs[1]).map(f64::from)
        } else {
            None
        };
        let input_bits = node.inputs.first().and_then(|&input| network.bits(input));
        layers.push(Layer {
            name: node.name.clone(),
            operator: operator(&node.op),
            detail: network.detail(id),
            shape,
            weight_bits,
            input_bits,
            output_bits: network.bits(id),
            parameters: parameters.iter().map(|p| p.len() as u64).sum(),
            bytes: parameters.iter().map(|p| stored_bytes(p)).sum(),
            macs: macs[id],
            bit_operations: bit_operations(macs[id], weight_bits, input_bits),
        });
    }
    Ok(layers)
}

struct Inspected<'a> {
    graph: &'a Graph,
    /// One a node.
    shapes: Vec<Shape>,
}

impl<'a> Inspected<'a> {
    /// The parameters behind node `id`, quantizers' scales included, but for those that were `seen`.
    fn gather(&self, id: NodeId, seen: &mut BTreeSet<&'a str>, found: &mut Vec<&'a Param>) {
        if !matches!(self.shapes[id], Shape::Param(_)) {
            return;
        }
        if let Some((name, param)) = self.graph.param_of(id)
            && seen.insert(name)
        {
            found.push(param);
        }
        for &input in &self.graph.nodes[id].inputs {
            self.gather(input, seen, found);
        }
    }

    /// Bits of the elements of node `id`, where they are codes, or sums of codes as integers will average them.
    fn bits(&self, id: NodeId) -> Option<u32> {
        let node = &self.graph.nodes[id];
        let of_sum = |terms: usize| {
            Some(width(
                terms as u64 * ((1 << self.bits(node.inputs[0])?) - 1),
            ))
        };
        match &node.op {
            Op::Image { .. } => Some(u8::BITS),
            Op::Quantize(quantizer) => Some(quantizer.code_type().bits.into()),
            Op::Minifloat { format, .. } => Some(format.bits().into()),
            Op::Param { name } => self.graph.params[name].code_bits().map(u32::from),
            Op::PixelTable => self.bits(node.inputs[1]),
            Op::MaxPool(_)
            | Op::Flatten
            | Op::Slice { .. }
            | Op::PadChannels { .. }
            | Op::Upsample { .. } => self.bits(node.inputs[0]),
            Op::AvgPool(pool) => of_sum(pool.kernel[0] * pool.kernel[1]),
            Op::GlobalAvgPool => {
                let [_, height, width] = self.shapes[node.inputs[0]].feature()?;
                of_sum(height * width)
            }
            _ => None,
        }
    }

    fn detail(&self, id: NodeId) -> Option<String> {
        let node = &self.graph.nodes[id];
        match &node.op {
            Op::Conv2d { stride, groups, .. } => {
                let kernel = &self.shapes[node.inputs[1]].dims()[2..];
                let window = window([kernel[0], kernel[1]], *stride, *groups);
                let all: Vec<String> = window.into_iter().chain(self.format(id)).collect();
                (!all.is_empty()).then(|| all.join(", "))
            }
            Op::Linear => self.format(id),
            Op::Minifloat { format, offset } => Some(match offset {
                0.0 => format.to_string(),
                offset => format!("{format} from {offset:.4}"),
            }),
            Op::MaxPool(pool) | Op::AvgPool(pool) => window(pool.kernel, pool.stride, 1),
            Op::Quantize(quantizer) => Some(match quantizer.code_type() {
                code if code.offset < 0 => format!("{} bits, signed", code.bits),
                code => format!("{} bits", code.bits),
            }),
            _ => None,
        }
    }
}

impl Inspected<'_> {
    /// The float format of a layer's weights, where they have one.
    fn format(&self, layer: NodeId) -> Option<String> {
        let (_, param) = self.graph.param_of(self.graph.nodes[layer].inputs[1])?;
        match &param.storage {
            Storage::Codes(runs) => Some(runs.first()?.minifloat()?.to_string()),
            Storage::F32(_) => None,
        }
    }
}

/// Bytes of a parameter's numbers in a file.
fn stored_bytes(param: &Param) -> u64 {
    let bytes = match &param.storage {
        Storage::F32(values) => size_of_val(&values[..]),
        Storage::Codes(runs) => {
            let bytes = runs.iter().map(|run| {
                let multipliers = run.multipliers.as_ref();
                run.codes.bytes().len()
                    + size_of_val(&run.codebook[..])
                    + size_of_val(&run.scales[..])
                    + multipliers.map_or(0, |m| size_of_val(&m.values[..]))
            });
            bytes.sum()
        }
    };
    bytes as u64
}

/// Name of the variant, which comes first in its debug text.
fn operator(op: &Op) -> String {
    let text = format!("{op:?}");
    text.split(|c: char| !c.is_alphanumeric())
        .next()
        .unwrap_or_default()
        .to_owned()
}
