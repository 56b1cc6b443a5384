//! Parameters with their quantizers.

use subbyte_num::CodeType;

use super::{
    ActivationQuantizer,
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
                id: self.quantize_activation(name, x.id, bits, 0.0),
                ..x
            },
            None => x,
        }
    }

    /// A step of 0 is set from the first training batch.
    pub(super) fn quantize_activation(
        &mut self,
        name: &str,
        x: NodeId,
        bits: u8,
        step: f32,
    ) -> NodeId {
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
