//! The pieces that all built-in networks are made of.
//!
//! Every layer is `weight -> quantize -> convolution -> batch norm -> (ReLU) -> quantize`, named after the layer: `LAYER.weight`,
//! `LAYER.weight.scale`, `LAYER.norm`, `LAYER.quantize` and so on. Without bits the same nodes stand there, less the quantizers.

use super::{
    ActivationQuantizer, BinaryScale, FirstLayer, Input, LastLayer, NetworkConfig, TableConfig,
};
use crate::{Encoder, Graph, NodeId, Op, Param, Quantizer, Role, Window, rng::Rng};

/// Value of the largest code of a learned table at the start; batch norm makes any positive value equally good.
const TABLE_MAX: f32 = 2.0;

/// A graph under construction.
pub(super) struct Builder<'a> {
    pub(super) graph: Graph,
    pub(super) config: &'a NetworkConfig,
}

/// A feature tensor under construction.
#[derive(Clone, Copy)]
pub(super) struct Tensor {
    pub(super) id: NodeId,
    /// Channels, height, width.
    pub(super) shape: [usize; 3],
}

/// Geometry of a square convolution.
#[derive(Clone, Copy)]
pub(super) struct Conv {
    pub(super) out: usize,
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) padding: usize,
}

impl Conv {
    /// 3x3 with padding 1.
    pub(super) const fn three(out: usize, stride: usize) -> Self {
        Self {
            out,
            kernel: 3,
            stride,
            padding: 1,
        }
    }

    /// Pixels along an axis after the convolution.
    fn shrink(self, pixels: usize) -> usize {
        (pixels + 2 * self.padding).saturating_sub(self.kernel) / self.stride + 1
    }
}

impl<'a> Builder<'a> {
    pub(super) fn new(name: &str, config: &'a NetworkConfig) -> Self {
        Self {
            graph: Graph::new(name),
            config,
        }
    }

    /// Bits of the body's weights.
    pub(super) fn weight_bits(&self) -> Option<u8> {
        self.config.bits.map(|bits| bits.weights)
    }

    /// Bits of the body's activations.
    pub(super) fn activation_bits(&self) -> Option<u8> {
        self.config.bits.map(|bits| bits.activations)
    }

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
        let table = encoder.table();
        let values = table.codes.iter().map(|&code| f32::from(code)).collect();
        let param = Param::new([1, 256, table.depth], Role::Constant, values);
        let mut id = self.graph.param("input.table", param);
        if self.config.bits.is_some() {
            let step = Param::new([1], Role::Constant, vec![1.0]);
            let step = self.graph.param("input.table.scale", step);
            id = self
                .graph
                .lsq("input.table.quantize", id, step, table.bits, false);
        }
        let id = self.graph.push("input", Op::PixelTable, &[image, id]);
        (id, table.depth)
    }

    fn table(&mut self, image: NodeId, table: TableConfig) -> (NodeId, usize) {
        let TableConfig {
            depth,
            bits,
            shared,
            init,
        } = table;
        let tables = if shared { 1 } else { self.config.colours };
        let n = ((1u16 << bits) - 1) as f32;
        let max = match self.config.activation_quantizer {
            ActivationQuantizer::Lsq => TABLE_MAX,
            ActivationQuantizer::MidTreadHalf { max } => max,
        };
        let step = max / n;
        let values = init
            .values(tables, depth, bits, self.config.seed)
            .iter()
            .map(|z| z * step)
            .collect();
        let param = Param::new([tables, 256, depth], Role::Table, values);
        let mut id = self.graph.param("input.table", param);
        if self.config.bits.is_some() {
            id = self.quantize_activation("input.table", id, bits, step);
        }
        let id = self.graph.push("input", Op::PixelTable, &[image, id]);
        (id, depth)
    }

    /// Convolution with weights of `bits` bits (`None`: float), and batch norm.
    pub(super) fn conv_norm(
        &mut self,
        name: &str,
        x: Tensor,
        conv: Conv,
        bits: Option<u8>,
    ) -> Tensor {
        let [channels, height, width] = x.shape;
        let shape = [conv.out, channels, conv.kernel, conv.kernel];
        let per_channel = self.config.binary_scale == BinaryScale::Channel;
        let weight = self.weight(name, &shape, 2.0, bits, per_channel);
        let id = self
            .graph
            .conv2d(name, x.id, weight, conv.stride, conv.padding, 1);
        let id = self.graph.batch_norm(&format!("{name}.norm"), id, conv.out);
        Tensor {
            id,
            shape: [conv.out, conv.shrink(height), conv.shrink(width)],
        }
    }

    /// Linear layer without bias, batch norm, ReLU and quantizer of `activation` bits.
    pub(super) fn hidden_linear(
        &mut self,
        name: &str,
        x: Tensor,
        out: usize,
        activation: Option<u8>,
    ) -> Tensor {
        let per_channel = self.config.binary_scale == BinaryScale::Channel;
        let weight = self.weight(
            name,
            &[out, x.shape[0]],
            2.0,
            self.weight_bits(),
            per_channel,
        );
        let id = self.graph.push(name, Op::Linear, &[x.id, weight]);
        let id = self.graph.batch_norm(&format!("{name}.norm"), id, out);
        let x = Tensor {
            id,
            shape: [out, 1, 1],
        };
        self.relu_quantize(name, x, activation)
    }

    /// The classifier over flat features, as the configuration's last layer says; it becomes the graph's output.
    pub(super) fn classifier(&mut self, x: Tensor) {
        let classes = self.config.classes;
        let bits = match self.config.last {
            LastLayer::Float => None,
            LastLayer::EightBit => self.config.bits.map(|_| 8),
            LastLayer::Body => self.weight_bits(),
        };
        let weight = self.weight("classifier", &[classes, x.shape[0]], 1.0, bits, false);
        let bias = Param::new([classes], Role::Bias, vec![0.0; classes]);
        let bias = self.graph.param("classifier.bias", bias);
        let logits = self
            .graph
            .push("classifier", Op::Linear, &[x.id, weight, bias]);
        self.graph.outputs = vec![logits];
    }

    /// Mean over height and width, as flat features.
    pub(super) fn pool_flatten(&mut self, x: Tensor) -> Tensor {
        let id = self.graph.push("pool", Op::GlobalAvgPool, &[x.id]);
        self.flatten(Tensor {
            id,
            shape: [x.shape[0], 1, 1],
        })
    }

    /// Flat features.
    pub(super) fn flatten(&mut self, x: Tensor) -> Tensor {
        Tensor {
            id: self.graph.push("flatten", Op::Flatten, &[x.id]),
            shape: [x.shape.iter().product(), 1, 1],
        }
    }

    /// Max pool.
    pub(super) fn max_pool(
        &mut self,
        name: &str,
        x: Tensor,
        kernel: usize,
        stride: usize,
        padding: usize,
    ) -> Tensor {
        let window = Window {
            kernel: [kernel; 2],
            stride: [stride; 2],
            padding: [padding; 4],
        };
        let [channels, height, width] = x.shape;
        let shrink = |pixels: usize| (pixels + 2 * padding).saturating_sub(kernel) / stride + 1;
        Tensor {
            id: self.graph.push(name, Op::MaxPool(window), &[x.id]),
            shape: [channels, shrink(height), shrink(width)],
        }
    }

    /// ReLU.
    pub(super) fn relu(&mut self, name: &str, x: Tensor) -> Tensor {
        let id = self.graph.push(format!("{name}.relu"), Op::Relu, &[x.id]);
        Tensor { id, ..x }
    }

    /// Activation quantizer `NAME.quantize` of `bits` bits with a step of its own; `None` leaves `x` as it is.
    pub(super) fn quantize(&mut self, name: &str, x: Tensor, bits: Option<u8>) -> Tensor {
        match bits {
            Some(bits) => Tensor {
                id: self.quantize_activation(name, x.id, bits, 0.0),
                ..x
            },
            None => x,
        }
    }

    /// ReLU and activation quantizer.
    pub(super) fn relu_quantize(&mut self, name: &str, x: Tensor, bits: Option<u8>) -> Tensor {
        let x = self.relu(name, x);
        self.quantize(name, x, bits)
    }

    /// Bits of the activations that the classifier reads where no residual stream feeds it.
    pub(super) fn last_activation_bits(&self) -> Option<u8> {
        match self.config.last {
            LastLayer::EightBit => self.config.bits.map(|_| 8),
            LastLayer::Float | LastLayer::Body => self.activation_bits(),
        }
    }

    /// A step of 0 is set from the first training batch.
    fn quantize_activation(&mut self, name: &str, x: NodeId, bits: u8, step: f32) -> NodeId {
        let node = format!("{name}.quantize");
        match self.config.activation_quantizer {
            ActivationQuantizer::Lsq => {
                let scale = Param::new([1], Role::Scale, vec![step]);
                let scale = self.graph.param(format!("{name}.scale"), scale);
                self.graph.lsq(&node, x, scale, bits, false)
            }
            ActivationQuantizer::MidTreadHalf { max } => {
                let op = Op::Quantize(Quantizer::MidTreadHalf { bits, max });
                self.graph.push(node, op, &[x])
            }
        }
    }

    /// Weight `LAYER.weight` with normal random numbers of variance `gain / inputs` (He's initialization at gain 2), behind a
    /// quantizer of `bits` bits.
    fn weight(
        &mut self,
        layer: &str,
        shape: &[usize],
        gain: f32,
        bits: Option<u8>,
        per_channel: bool,
    ) -> NodeId {
        let name = format!("{layer}.weight");
        let inputs: usize = shape[1..].iter().product();
        let deviation = (gain / inputs as f32).sqrt();
        let mut rng = Rng::named(self.config.seed, &name);
        let data: Vec<f32> = (0..inputs * shape[0])
            .map(|_| rng.normal() * deviation)
            .collect();
        let step = bits.map(|bits| lsq_step(&data, bits));
        let weight = self
            .graph
            .param(&name, Param::new(shape, Role::Weight, data));
        let node = format!("{name}.quantize");
        match (bits, step) {
            (Some(1), _) => {
                let op = Op::Quantize(Quantizer::BinaryMean { per_channel });
                self.graph.push(node, op, &[weight])
            }
            (Some(bits), Some(step)) => {
                let scale = Param::new([1], Role::Scale, vec![step]);
                let scale = self.graph.param(format!("{name}.scale"), scale);
                self.graph.lsq(&node, weight, scale, bits, true)
            }
            _ => weight,
        }
    }
}

/// First step of a learned-step quantizer of signed weights, `2 mean |w| / sqrt(Qp)` (methods.md 2.3).
fn lsq_step(data: &[f32], bits: u8) -> f32 {
    let mean = data.iter().map(|w| f64::from(w.abs())).sum::<f64>() / data.len() as f64;
    let largest = f64::from((1u16 << (bits - 1)) - 1);
    (2.0 * mean / largest.sqrt()) as f32
}
