//! Residual streams and basic blocks.
//!
//! A stream has one learned step. Its codes are unsigned; a branch ends in signed codes of the same step, so that the addition is
//! one of integers. Low-bit layers read the stream through a quantizer of their own.

use super::{
    LastLayer,
    builder::{Builder, Conv, Tensor},
};
use crate::{NodeId, Op, Param, Role};

/// A tensor in a residual stream.
#[derive(Clone, Copy)]
pub(super) struct Stream {
    pub(super) x: Tensor,
    /// Node of the stream's step; `None` in a float network.
    scale: Option<NodeId>,
}

/// How a stream gets into the next stage, where shape and step change.
#[derive(Clone, Copy)]
pub(super) enum Shortcut {
    /// Every second pixel and zero channels on both sides: shortcut A of CIFAR ResNets, without parameters.
    Pad,
    /// 1x1 convolution and batch norm.
    Conv,
}

impl Builder<'_> {
    /// Ends a layer in a new stream: ReLU and quantization to the stream's unsigned codes.
    pub(super) fn start_stream(&mut self, layer: &str, stage: usize, x: Tensor) -> Stream {
        let scale = self.stream_scale(stage);
        let x = self.relu(layer, x);
        Stream {
            x: self.quantize_to_stream(layer, x, scale, false),
            scale,
        }
    }

    /// One residual block of two 3x3 convolutions that stays in its stream.
    pub(super) fn basic_block(&mut self, name: &str, stream: Stream) -> Stream {
        let input = self.read_stream(name, stream.x);
        self.finish_block(name, input, stream.x, stream.scale, 1)
    }

    /// The first block of stage `stage`, which makes `out` channels at stride `stride` in a new stream.
    pub(super) fn crossing_block(
        &mut self,
        name: &str,
        stage: usize,
        stream: Stream,
        out: usize,
        stride: usize,
        shortcut: Shortcut,
    ) -> Stream {
        let scale = self.stream_scale(stage);
        let input = self.read_stream(name, stream.x);
        let layer = format!("{name}.shortcut");
        let shortcut = match shortcut {
            Shortcut::Pad => {
                let x = self.thin_and_pad(&layer, stream.x, out, stride);
                self.quantize_to_stream(&layer, x, scale, false)
            }
            Shortcut::Conv => {
                let conv = Conv {
                    out,
                    kernel: 1,
                    stride,
                    padding: 0,
                };
                let x = self.conv_norm(&layer, input, conv, self.weight_bits());
                self.quantize_to_stream(&layer, x, scale, true)
            }
        };
        self.finish_block(name, input, shortcut, scale, stride)
    }

    /// The low-bit codes by which a layer reads a stream.
    pub(super) fn read_stream(&mut self, name: &str, x: Tensor) -> Tensor {
        self.quantize(&format!("{name}.input"), x, self.activation_bits())
    }

    /// The classifier over a stream. A float or 8-bit one reads the stream's own codes.
    pub(super) fn stream_classifier(&mut self, stream: Stream) {
        let x = match self.config.last {
            LastLayer::Body => self.read_stream("classifier", stream.x),
            LastLayer::Float | LastLayer::EightBit => stream.x,
        };
        let x = self.pool_flatten(x);
        self.classifier(x);
    }

    /// Branch, addition and return to the stream. The output has the shortcut's shape.
    fn finish_block(
        &mut self,
        name: &str,
        input: Tensor,
        shortcut: Tensor,
        scale: Option<NodeId>,
        stride: usize,
    ) -> Stream {
        let [first, second] = ["conv1", "conv2"].map(|conv| format!("{name}.{conv}"));
        let out = shortcut.shape[0];
        let x = self.conv_norm(&first, input, Conv::three(out, stride), self.weight_bits());
        let x = self.relu_quantize(&first, x, self.activation_bits());
        let x = self.conv_norm(&second, x, Conv::three(out, 1), self.weight_bits());
        let x = self.quantize_to_stream(&second, x, scale, true);
        let id = self
            .graph
            .push(format!("{name}.add"), Op::Add, &[x.id, shortcut.id]);
        let x = self.relu(name, Tensor { id, ..x });
        Stream {
            x: self.quantize_to_stream(name, x, scale, false),
            scale,
        }
    }

    /// Shortcut A: every `stride`-th pixel, zero channels on both sides.
    fn thin_and_pad(&mut self, name: &str, x: Tensor, out: usize, stride: usize) -> Tensor {
        let slice = Op::Slice {
            start: [0; 3],
            end: x.shape,
            step: [1, stride, stride],
        };
        let id = self.graph.push(format!("{name}.slice"), slice, &[x.id]);
        let [channels, height, width] = x.shape;
        let before = (out - channels) / 2;
        let pad = Op::PadChannels {
            before,
            after: out - channels - before,
        };
        Tensor {
            id: self.graph.push(format!("{name}.pad"), pad, &[id]),
            shape: [out, height.div_ceil(stride), width.div_ceil(stride)],
        }
    }

    /// The step that all quantizers of a stage's stream share, set from the first training batch.
    fn stream_scale(&mut self, stage: usize) -> Option<NodeId> {
        self.config.bits?;
        let scale = Param::new([1], Role::Scale, vec![0.0]);
        Some(
            self.graph
                .param(format!("stage{stage}.stream.scale"), scale),
        )
    }

    fn quantize_to_stream(
        &mut self,
        name: &str,
        x: Tensor,
        scale: Option<NodeId>,
        signed: bool,
    ) -> Tensor {
        let Some(scale) = scale else { return x };
        let bits = self.config.residual_bits;
        let id = self
            .graph
            .lsq(&format!("{name}.quantize"), x.id, scale, bits, signed);
        Tensor { id, ..x }
    }
}
