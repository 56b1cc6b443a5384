//! Parameters with their quantizers.

use subbyte_num::CodeType;

use super::{
    ActivationQuantizer, WeightQuantizer,
    builder::{Builder, Tensor},
};
use crate::{NodeId, Op, Param, Quantizer, Role, rng::Rng};

impl Builder<'_> {
    /// Bits of the body's weights.
    pub(super) fn weight_bits(&self) -> Option<u8> {
        self.config.bits.map(|bits| bits.weights)
    }

    /// Bits of the body's activations.
    pub(super) fn activation_bits(&self) -> Option<u8> {
        self.config.bits.map(|bits| bits.activations)
    }

    /// Activation quantizer `NAME.quantize` of `bits` bits with a step of its own; `None` leaves `x` as it is.
    pub(super) fn quantize(&mut self, name: &str, x: Tensor, bits: Option<u8>) -> Tensor {
        match bits {
            Some(bits) => Tensor {
                id: self.quantize_activation(name, x.id, bits),
                ..x
            },
            None => x,
        }
    }

    /// Steps and clip values of 0 are set from the first training batch.
    fn quantize_activation(&mut self, name: &str, x: NodeId, bits: u8) -> NodeId {
        let node = format!("{name}.quantize");
        match self.config.activation_quantizer {
            ActivationQuantizer::Lsq => self.quantize_by_step(name, x, bits, Role::Scale, 0.0),
            ActivationQuantizer::MidTreadHalf { max } => {
                let op = Op::Quantize(Quantizer::MidTreadHalf { bits, max });
                self.graph.push(node, op, &[x])
            }
            ActivationQuantizer::Dorefa => {
                let step = 1.0 / f32::from(CodeType::unsigned(bits).max_code());
                self.quantize_by_step(name, x, bits, Role::Constant, step)
            }
            ActivationQuantizer::Pact => {
                let clip = Param::new([1], Role::Clip, vec![0.0]);
                let clip = self.graph.param(format!("{name}.clip"), clip);
                let op = Op::Quantize(Quantizer::Pact { bits });
                self.graph.push(node, op, &[x, clip])
            }
        }
    }

    /// Quantizer of the learned table that node `x` reads, whose entries were made for steps of size `step`. Only entries in units of the
    /// step matter, since batch norm follows; and the step's gradient is the sum over all pixels of all images, which would make it
    /// jump. So it is not trained.
    pub(super) fn quantize_table(&mut self, x: NodeId, bits: u8, step: f32) -> NodeId {
        const NAME: &str = "input.table";
        match self.config.activation_quantizer {
            ActivationQuantizer::Lsq | ActivationQuantizer::Pact => {
                self.quantize_by_step(NAME, x, bits, Role::Constant, step)
            }
            ActivationQuantizer::MidTreadHalf { .. } | ActivationQuantizer::Dorefa => {
                self.quantize_activation(NAME, x, bits)
            }
        }
    }

    fn quantize_by_step(
        &mut self,
        name: &str,
        x: NodeId,
        bits: u8,
        role: Role,
        step: f32,
    ) -> NodeId {
        let scale = Param::new([1], role, vec![step]);
        let scale = self.graph.param(format!("{name}.scale"), scale);
        self.graph
            .lsq(&format!("{name}.quantize"), x, scale, bits, false)
    }

    /// Weight `LAYER.weight` with normal random numbers of variance `gain / inputs` (He's initialization at gain 2), behind a
    /// quantizer of `bits` bits.
    pub(super) fn weight(
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
        let mean = data.iter().map(|w| f64::from(w.abs())).sum::<f64>() / data.len() as f64;
        let weight = self
            .graph
            .param(&name, Param::new(shape, Role::Weight, data));
        let node = format!("{name}.quantize");
        match bits {
            None => weight,
            Some(1) => {
                let op = Op::Quantize(Quantizer::BinaryMean { per_channel });
                self.graph.push(node, op, &[weight])
            }
            Some(bits) if self.config.weight_quantizer == WeightQuantizer::Dorefa => {
                let op = Op::Quantize(Quantizer::DorefaWeight { bits });
                self.graph.push(node, op, &[weight])
            }
            Some(bits) => {
                // The customary first step, 2 mean |w| / sqrt(Qp) (methods.md 2.3).
                let largest = f64::from(CodeType::signed(bits).max_level());
                let step = (2.0 * mean / largest.sqrt()) as f32;
                let scale = Param::new([1], Role::Scale, vec![step]);
                let scale = self.graph.param(format!("{name}.scale"), scale);
                self.graph.lsq(&node, weight, scale, bits, true)
            }
        }
    }
}
