//! Parameters: weights as integers where they have codes, everything else as floats.

use subbyte_graph::{NodeId, Op, fuse::Coded};

use super::{Export, Form, levels::Levels, quantizers::Integers};
use crate::schema::data_type;

/// Suffix of integers that stand for a constant of floats.
pub const SUFFIX: &str = "_quantized";

impl Export<'_> {
    /// The floats that node `id`, a parameter or the quantizer of one, makes.
    pub(super) fn constant(&mut self, id: NodeId) -> Result<String, String> {
        if let Some(written) = self.constants.get(&id) {
            return Ok(written.clone());
        }
        let name = match (self.levels(id)?, self.graph.source_param(id)) {
            (Some(levels), Some((name, _))) => match levels.integers() {
                Some(integers) => self.quantized(id, name, &levels, integers),
                None => self.file.floats(name, &levels.shape, &levels.values()),
            },
            (_, Some((name, param))) => self.file.floats(name, &param.shape, &param.to_vec()),
            (_, None) => return Err("reads no parameter where one belongs".to_owned()),
        };
        self.constants.insert(id, name.clone());
        Ok(name)
    }

    /// The levels that node `id` makes; `None` where it makes floats.
    pub(super) fn levels(&self, id: NodeId) -> Result<Option<Levels>, String> {
        let node = &self.graph.nodes[id];
        match node.op {
            Op::Quantize(_) => match Coded::of(self.graph, id) {
                Ok(coded) => Ok(Some(Levels::coded(&coded))),
                Err(what) => Err(format!("`{}`: {what}", node.name)),
            },
            _ => Ok(self
                .graph
                .param_of(id)
                .and_then(|(_, param)| Levels::stored(param))),
        }
    }

    /// Writes the levels of parameter `name`, which node `id` makes, with their quantizer.
    fn quantized(&mut self, id: NodeId, name: &str, levels: &Levels, integers: Integers) -> String {
        let node = &self.graph.nodes[id];
        let quantizer = match node.op {
            Op::Quantize(_) => node.name.clone(),
            _ => format!("{name}.quantize"),
        };
        let scale = self.scale_name(id, name);
        match self.form {
            Form::Qonnx => self.quantized_qonnx(name, &quantizer, &scale, levels, integers),
            Form::Qdq => {
                let codes = self.integers(name, &levels.shape, levels, integers);
                let codes = match integers.bits {
                    4 => codes,
                    _ => integers.clip(&mut self.file, &format!("{quantizer}.clip"), codes),
                };
                self.dequantized(&quantizer, &codes, &scale, levels, integers)
            }
        }
    }

    fn quantized_qonnx(
        &mut self,
        name: &str,
        quantizer: &str,
        scale: &str,
        levels: &Levels,
        integers: Integers,
    ) -> String {
        let mut dims = Vec::new();
        if levels.scales.len() > 1 {
            dims.push(levels.scales.len());
            dims.resize(levels.shape.len(), 1);
        }
        let values = self.file.floats(name, &levels.shape, &levels.values());
        let scale = self.file.floats(scale, &dims, &levels.scales);
        match levels.are_signs() {
            true => {
                let inputs = [values.as_str(), &scale];
                self.file
                    .qonnx_node(quantizer, "BipolarQuant", &inputs, Vec::new())
            }
            false => integers.quant(&mut self.file, quantizer, [&values, &scale], "ROUND"),
        }
    }

    /// The levels of parameter `name` as a constant of integers, those of 4 bits in half a byte each.
    fn integers(
        &mut self,
        name: &str,
        shape: &[usize],
        levels: &Levels,
        integers: Integers,
    ) -> String {
        let zero = i32::from(integers.zero);
        // Within 8 bits, so that the lowest byte is all of it.
        let bytes = levels.levels.iter().map(|level| (level + zero) as u8);
        let bytes: Vec<u8> = match integers.bits {
            4 => bytes
                .collect::<Vec<u8>>()
                .chunks(2)
                .map(|pair| pair[0] & 15 | pair.get(1).unwrap_or(&0) << 4)
                .collect(),
            _ => bytes.collect(),
        };
        let name = format!("{name}{SUFFIX}");
        self.file
            .constant(&name, shape, weight_type(integers), bytes)
    }

    /// Appends the DequantizeLinear of `codes` that were written of `levels`.
    fn dequantized(
        &mut self,
        quantizer: &str,
        codes: &str,
        scale: &str,
        levels: &Levels,
        integers: Integers,
    ) -> String {
        let dims: Vec<usize> = match levels.scales.len() {
            1 => Vec::new(),
            n => vec![n],
        };
        let count = levels.scales.len();
        let scale = self.file.floats(scale, &dims, &levels.scales);
        let zeros = match integers.bits {
            4 => vec![integers.zero | integers.zero << 4; count.div_ceil(2)],
            _ => vec![integers.zero; count],
        };
        let zero = match count {
            1 => format!("{}.{}", type_name(integers), integers.zero),
            n => format!("{}.{}.{n}", type_name(integers), integers.zero),
        };
        let zero = self
            .file
            .constant(&zero, &dims, weight_type(integers), zeros);
        let axis = match count {
            1 => Vec::new(),
            _ => vec![super::file::int("axis", 0)],
        };
        let inputs = [codes, scale.as_str(), &zero];
        self.file.node(quantizer, "DequantizeLinear", &inputs, axis)
    }

    /// What the scales of the parameter `name`, which node `id` makes, are called.
    pub(super) fn scale_name(&self, id: NodeId, name: &str) -> String {
        let node = &self.graph.nodes[id];
        let scale = node
            .inputs
            .get(1)
            .and_then(|&scale| self.graph.param_of(scale));
        match scale {
            Some((scale, _)) => scale.to_owned(),
            None => format!("{name}.scale"),
        }
    }
}

/// ONNX's type of weights with these integers.
fn weight_type(integers: Integers) -> i32 {
    match (integers.bits, integers.signed) {
        (4, true) => data_type::INT4,
        (4, false) => data_type::UINT4,
        _ => integers.byte_type(),
    }
}

fn type_name(integers: Integers) -> &'static str {
    match (integers.bits, integers.signed) {
        (4, true) => "int4",
        (4, false) => "uint4",
        _ => integers.type_name(),
    }
}
