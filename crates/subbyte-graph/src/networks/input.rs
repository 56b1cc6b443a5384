//! What stands in front of a network: normalized pixels, a fixed encoder or a learned pixel table.

use subbyte_num::CodeType;

use super::{
    ActivationQuantizer, FirstLayer, Input, NetworkConfig, TableConfig,
    builder::{Builder, Conv, Tensor},
};
use crate::{Encoder, NodeId, Op, Param, Role};

/// Value of the largest code of a learned table at the start; batch norm makes any positive value equally good.
pub(crate) const TABLE_MAX: f32 = 2.0;

impl Builder<'_> {
    /// Image, input and first convolution with batch norm, as the configuration's first layer says.
    pub(super) fn first_conv(&mut self, name: &str, conv: Conv) -> Tensor {
        let &NetworkConfig {
            colours,
            height,
            width,
            first,
            ..
        } = self.config;
        let op = Op::Image {
            colours,
            height,
            width,
        };
        let image = self.graph.push("image", op, &[]);
        let (id, depth) = match first {
            FirstLayer::Float => (self.normalize(image), 1),
            FirstLayer::EightBit => self.encoder(image, Encoder::Identity),
            FirstLayer::Body(Input::Encoder(encoder)) => self.encoder(image, encoder),
            FirstLayer::Body(Input::Table(table)) => self.table(image, table),
        };
        let x = Tensor {
            id,
            shape: [colours * depth, height, width],
        };
        let bits = match first {
            FirstLayer::Float => None,
            FirstLayer::EightBit => self.config.bits.map(|_| 8),
            FirstLayer::Body(_) => self.weight_bits(),
        };
        self.conv_norm(name, x, conv, bits)
    }

    fn normalize(&mut self, image: NodeId) -> NodeId {
        let per_colour = |values: &[f32]| match values {
            [one] => vec![*one; self.config.colours],
            values => values.to_vec(),
        };
        let op = Op::Normalize {
            mean: per_colour(&self.config.mean),
            std: per_colour(&self.config.std),
        };
        self.graph.push("input.normalize", op, &[image])
    }

    /// A fixed encoder: codes are their own values, so the constant step is 1.
    fn encoder(&mut self, image: NodeId, encoder: Encoder) -> (NodeId, usize) {
        let mut id = self.graph.param("input.table", encoder_columns(encoder));
        if self.config.bits.is_some() {
            let step = Param::new([1], Role::Constant, vec![1.0]);
            let step = self.graph.param("input.table.scale", step);
            id = self
                .graph
                .lsq("input.table.quantize", id, step, encoder.bits(), false);
        }
        let id = self.graph.push("input", Op::PixelTable, &[image, id]);
        (id, encoder.depth())
    }

    fn table(&mut self, image: NodeId, table: TableConfig) -> (NodeId, usize) {
        let max = match self.config.activation_quantizer {
            ActivationQuantizer::Lsq | ActivationQuantizer::Pact => TABLE_MAX,
            ActivationQuantizer::Dorefa => 1.0,
            ActivationQuantizer::MidTreadHalf { max } => max,
        };
        let (param, step) = learned_columns(table, self.config.colours, max, self.config.seed);
        let mut id = self.graph.param("input.table", param);
        if self.config.bits.is_some() {
            id = self.quantize_table(id, table.bits, step);
        }
        let id = self.graph.push("input", Op::PixelTable, &[image, id]);
        (id, table.depth)
    }
}

/// The codes of a fixed encoder as the table of a [`Op::PixelTable`].
pub(crate) fn encoder_columns(encoder: Encoder) -> Param {
    let table = encoder.table();
    let values = table.codes.iter().map(|&code| f32::from(code)).collect();
    Param::new([1, 256, table.depth], Role::Constant, values)
}

/// A learned table at its start, and the step between the values of its codes, of which the largest is `max`.
pub(crate) fn learned_columns(
    table: TableConfig,
    colours: usize,
    max: f32,
    seed: u64,
) -> (Param, f32) {
    let TableConfig {
        depth,
        rows,
        bits,
        shared,
        init,
    } = table;
    let tables = if shared { 1 } else { colours };
    let step = max / f32::from(CodeType::unsigned(bits).max_code());
    let values = init.values(tables, rows, depth, bits, seed);
    let values = values.iter().map(|z| z * step).collect();
    (Param::new([tables, rows, depth], Role::Table, values), step)
}
