//! The pieces that all built-in networks are made of.
//!
//! Every layer is `weight -> quantize -> convolution -> batch norm -> (ReLU) -> quantize`, named after the layer: `LAYER.weight`,
//! `LAYER.weight.scale`, `LAYER.norm`, `LAYER.quantize` and so on. Without bits the same nodes stand there, less the quantizers.

use super::{BinaryScale, LastLayer, NetworkConfig};
use crate::{Graph, NodeId, Op, Param, Role, Window};

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
}
