//! Quantizers of activations, and the integers that quantizers make.

use subbyte_graph::{NodeId, Quantizer};

use super::{
    Export, Form, Tensor,
    file::{File, int, text},
};
use crate::schema::data_type;

/// Integers of up to 8 bits as files know them: signed or unsigned, all of them or without the lowest, and one of them for 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Integers {
    pub bits: u8,
    pub signed: bool,
    /// Without the lowest integer.
    pub narrow: bool,
    /// The integer that stands for level 0.
    pub zero: u8,
}

impl Integers {
    /// The integers for levels from `low` to `high`: exactly these where their number is a power of two, otherwise the fewest bits
    /// that hold them.
    pub fn of(low: i32, high: i32) -> Option<Self> {
        let (low, high) = (low.min(0), high.max(0));
        let bits = |fits: &dyn Fn(i32) -> bool| (1..=8u8).find(|&bits| fits(1 << bits));
        if low == 0 {
            return Some(Self {
                bits: bits(&|count| high < count)?,
                signed: false,
                narrow: false,
                zero: 0,
            });
        }
        let signed = bits(&|count| count > 2 && low >= -count / 2 && high < count / 2);
        let exact = bits(&|count| high - low + 1 == count);
        match (signed, exact) {
            (Some(signed), exact) if exact.is_none_or(|exact| exact == signed) => Some(Self {
                bits: signed,
                signed: true,
                narrow: low == -high,
                zero: 0,
            }),
            (_, exact) => Some(Self {
                bits: exact?,
                signed: false,
                narrow: false,
                zero: u8::try_from(-low).ok()?,
            }),
        }
    }

    /// The lowest and the highest integer.
    pub fn range(self) -> (i32, i32) {
        let count = 1 << self.bits;
        match self.signed {
            true => (-count / 2 + i32::from(self.narrow), count / 2 - 1),
            false => (0, count - 1),
        }
    }

    /// ONNX's 8-bit type that holds them.
    pub fn byte_type(self) -> i32 {
        match self.signed {
            true => data_type::INT8,
            false => data_type::UINT8,
        }
    }

    /// Limits `x`, integers of [`Self::byte_type`], to these.
    pub fn clip(self, file: &mut File, name: &str, x: String) -> String {
        let (low, high) = self.range();
        if high - low == 255 {
            return x;
        }
        let bound = |file: &mut File, value: i32| {
            let name = format!("{}.{value}", self.type_name());
            file.constant(&name, &[], self.byte_type(), vec![value as u8])
        };
        let bounds = [bound(file, low), bound(file, high)];
        file.node(name, "Clip", &[&x, &bounds[0], &bounds[1]], Vec::new())
    }

    /// Name of [`Self::byte_type`].
    pub fn type_name(self) -> &'static str {
        match self.signed {
            true => "int8",
            false => "uint8",
        }
    }

    /// Appends QONNX's quantizer with these integers.
    pub fn quant(
        self,
        file: &mut File,
        name: &str,
        [x, scale]: [&str; 2],
        rounding: &str,
    ) -> String {
        let zero = file.float(&format!("zero.{}", self.zero), f32::from(self.zero));
        let bits = file.float(&format!("bits.{}", self.bits), f32::from(self.bits));
        let attributes = vec![
            int("signed", self.signed.into()),
            int("narrow", self.narrow.into()),
            text("rounding_mode", rounding),
        ];
        file.qonnx_node(name, "Quant", &[x, scale, &zero, &bits], attributes)
    }
}

impl Export<'_> {
    /// Quantizer node `id` of a tensor.
    pub(super) fn quantizer(&mut self, id: NodeId, quantizer: Quantizer) -> Result<Tensor, String> {
        let node = &self.graph.nodes[id];
        let name = &node.name;
        let x = self.tensors[node.inputs[0]].clone();
        let code = quantizer.code_type();
        let integers = Integers::of(code.min_level(), code.max_level())
            .ok_or("its codes are no integers of 8 bits; use another quantizer")?;
        let scale = self.activation_scale(id, quantizer)?;
        let rounding = match quantizer {
            Quantizer::MidTreadHalf { .. } => "HALF_UP",
            _ => "ROUND",
        };
        let name = match self.form {
            Form::Qonnx => integers.quant(&mut self.file, name, [&x.name, &scale], rounding),
            Form::Qdq => {
                let zero = format!("{}.{}", integers.type_name(), integers.zero);
                let file = &mut self.file;
                let zero = file.constant(&zero, &[], integers.byte_type(), vec![integers.zero]);
                let codes = format!("{name}.integers");
                let inputs = [x.name.as_str(), &scale, &zero];
                let codes = file.node_of([name, &codes], "", "QuantizeLinear", &inputs, Vec::new());
                let codes = integers.clip(file, &format!("{name}.clip"), codes);
                let own = format!("{name}.values");
                let inputs = [codes.as_str(), &scale, &zero];
                file.node_of([&own, name], "", "DequantizeLinear", &inputs, Vec::new())
            }
        };
        Ok(Tensor { name, ..x })
    }

    /// The constant that is the step of quantizer node `id` of a tensor.
    fn activation_scale(&mut self, id: NodeId, quantizer: Quantizer) -> Result<String, String> {
        let node = &self.graph.nodes[id];
        let param = node
            .inputs
            .get(1)
            .and_then(|&scale| self.graph.param_of(scale));
        let Some((name, param)) = param else {
            let scale = quantizer.grid(1.0).scale() as f32;
            return Ok(self.file.float(&format!("{}.scale", node.name), scale));
        };
        let value = param.to_vec().first().copied().unwrap_or(0.0);
        let step = quantizer.grid(value).scale() as f32;
        if !(step > 0.0 && step.is_finite()) {
            return Err(format!(
                "its scale `{name}` is not set; train or calibrate the network first"
            ));
        }
        // A clip value is another number than the step.
        let name = match quantizer.parameter_for(step) == step {
            true => name.to_owned(),
            false => format!("{name}.step"),
        };
        Ok(self.file.float(&name, step))
    }
}

#[cfg(test)]
mod tests {
    use subbyte_num::CodeType;

    use super::*;

    #[test]
    fn all_code_types_have_integers() {
        let of = |code: CodeType| Integers::of(code.min_level(), code.max_level());
        let integers = |bits, signed, narrow, zero| {
            Some(Integers {
                bits,
                signed,
                narrow,
                zero,
            })
        };
        for bits in 1..=8 {
            assert_eq!(
                of(CodeType::unsigned(bits)),
                integers(bits, false, false, 0)
            );
            let wide = integers(bits + 1, true, true, 0);
            let wide = if bits == 8 { None } else { wide };
            assert_eq!(of(CodeType::bipolar(bits)), wide);
            if bits > 1 {
                assert_eq!(of(CodeType::signed(bits)), integers(bits, true, false, 0));
            }
            for zero in 1..=CodeType::unsigned(bits).max_code() {
                let affine = CodeType {
                    bits,
                    step: 1,
                    offset: -i16::from(zero),
                };
                let found = of(affine);
                let (low, high) = (affine.min_level(), affine.max_level());
                let range = found.map(|i| {
                    let zero = i32::from(i.zero);
                    (i.range().0 - zero, i.range().1 - zero)
                });
                assert_eq!(range, Some((low, high)), "{bits} bits, zero {zero}");
            }
        }
    }

    #[test]
    fn other_levels_have_the_fewest_bits_that_hold_them() {
        let bits = |low, high| Integers::of(low, high).map(|i| (i.bits, i.signed));
        assert_eq!(bits(-5, 3), Some((4, true)));
        assert_eq!(bits(-128, 100), Some((8, true)));
        assert_eq!(bits(3, 9), Some((4, false)));
        assert_eq!(bits(-129, 100), None);
        assert_eq!(bits(0, 300), None);
    }
}
