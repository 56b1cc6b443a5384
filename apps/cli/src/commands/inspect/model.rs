use std::path::Path;

use anyhow::Result;
use subbyte::model::{self, Input, Kind, Model, Op, Requant, Tensor, Weights};

use super::layer::{Layer, bit_operations, width, window};
use super::{Item, Payload, PixelTable, Report, Section, Totals};

/// Sections that say where a model comes from and what its parts are called; none of it is needed to run it.
const EXTRAS: [&str; 3] = ["VECTORS", "NAMES", "PROVENANCE"];

/// All of a model that lies in `bytes` at `file`.
pub fn report(file: &Path, model: &Model, bytes: &[u8]) -> Result<Report> {
    let layers = layers(model)?;
    let items = model::itemise(bytes)?;
    let sections = model::sections(bytes)?;
    let Input {
        colours,
        height,
        width,
        ..
    } = model.input;
    let extras = items.iter().filter(|item| EXTRAS.contains(&item.section));
    let extras: usize = extras.map(|item| item.bytes).sum();
    let item = |item: model::Item| Item {
        section: item.section,
        layer: item.node.map(|node| model.nodes[node].name.clone()),
        bytes: item.bytes,
    };
    let section = |s: model::SectionInfo| Section {
        name: s.name,
        offset: s.offset,
        bytes: s.bytes,
    };
    Ok(Report {
        file: file.to_owned(),
        kind: "model",
        bytes: bytes.len(),
        input: [colours, height, width],
        classes: model.classes.clone(),
        totals: Totals::of(&layers),
        layers,
        pixel_table: PixelTable::of(model),
        items: Some(items.into_iter().map(item).collect()),
        sections: Some(sections.into_iter().map(section).collect()),
        payload: Some(payload(model, bytes.len() - extras)),
        test_vectors: Some(model.vectors.len()),
        provenance: Some(model.provenance.clone()),
        checkpoint: None,
    })
}

fn payload(model: &Model, bytes: usize) -> Payload {
    let weights = model.nodes.iter().filter_map(|node| weights(&node.op));
    let bits: usize = weights.clone().map(Weights::bits).sum();
    let weight_bytes = bits as f64 / 8.0;
    let count: usize = weights.clone().map(Weights::len).sum();
    let zeros = weights
        .flat_map(Weights::levels)
        .filter(|level| *level == 0);
    let zeros = zeros.count();
    Payload {
        bytes,
        weight_bytes,
        ratio: (bits > 0).then(|| bytes as f64 / weight_bytes),
        zero_weights: (count > 0).then(|| zeros as f64 / count as f64),
    }
}

/// The layers of a model, one a node.
///
/// # Errors
/// If the model is not valid.
pub fn layers(model: &Model) -> Result<Vec<Layer>> {
    let tensors = model.analyse()?;
    let mut bytes = vec![0; model.nodes.len()];
    for item in model::itemise(&model::write(model)?)? {
        if let Some(node) = item.node {
            bytes[node] += item.bytes as u64;
        }
    }
    let layer = |(id, node): (usize, &model::Node)| {
        let shape = tensors[id].shape;
        let weights = weights(&node.op);
        let weight_bits = weights.map(|w| w.bits() as f64 / w.len() as f64);
        let input_bits = node.inputs.first().map(|&input| bits(&tensors[input]));
        // Every element of the result reads one output channel of the weights.
        let macs = weights.map_or(0, |w| shape.len() as u64 * w.per_channel as u64);
        Layer {
            name: node.name.clone(),
            operator: operator(&node.op).to_owned(),
            detail: detail(&node.op),
            shape: [shape.channels, shape.height, shape.width],
            weight_bits,
            input_bits,
            output_bits: Some(bits(&tensors[id])),
            parameters: parameters(&node.op),
            bytes: bytes[id],
            macs,
            bit_operations: bit_operations(macs, weight_bits, input_bits),
        }
    };
    Ok(model.nodes.iter().enumerate().map(layer).collect())
}

/// Bits of an element.
fn bits(tensor: &Tensor) -> u32 {
    let magnitude = |level: i32| u64::from(if level < 0 { !level } else { level }.unsigned_abs());
    match tensor.kind {
        Kind::Image => u8::BITS,
        Kind::Codes(code) => code.bits.into(),
        Kind::Sums { lo, hi } => width(magnitude(lo).max(magnitude(hi))) + u32::from(lo < 0),
    }
}

fn weights(op: &Op) -> Option<&Weights> {
    match op {
        Op::Conv2d(conv) => Some(&conv.weights),
        Op::Linear(linear) => Some(&linear.weights),
        _ => None,
    }
}

fn parameters(op: &Op) -> u64 {
    let count = match op {
        Op::PixelTable(table) => table.codes.len(),
        Op::Conv2d(conv) => conv.weights.len() + conv.bias.len(),
        Op::Linear(linear) => linear.weights.len() + linear.bias.len(),
        Op::Requant(Requant::Thresholds { thresholds, .. }) => thresholds.len(),
        // Multiplier, bias and shift.
        Op::Requant(Requant::MulShift { channels, .. }) => 3 * channels.len(),
        Op::CodeTable { table, .. } => table.len(),
        _ => 0,
    };
    count as u64
}

fn detail(op: &Op) -> Option<String> {
    match op {
        Op::Conv2d(conv) => window(conv.kernel, conv.stride, conv.groups),
        Op::MaxPool(pool) | Op::AvgPool(pool) => window(pool.kernel, pool.stride, 1),
        _ => None,
    }
}

fn operator(op: &Op) -> &'static str {
    match op {
        Op::Image => "Image",
        Op::PixelTable(_) => "PixelTable",
        Op::Conv2d(_) => "Conv2d",
        Op::Linear(_) => "Linear",
        Op::Add { .. } => "Add",
        Op::Mul => "Mul",
        Op::MaxPool(_) => "MaxPool",
        Op::AvgPool(_) => "AvgPool",
        Op::GlobalAvgPool => "GlobalAvgPool",
        Op::Concat => "Concat",
        Op::Slice { .. } => "Slice",
        Op::PadChannels { .. } => "PadChannels",
        Op::Flatten => "Flatten",
        Op::Upsample { .. } => "Upsample",
        Op::Requant(_) => "Requant",
        Op::CodeTable { .. } => "CodeTable",
        Op::Output { .. } => "Output",
    }
}
