//! From a graph to a file.
//!
//! The input of a written file is a batch of images `[N][colours][height][width]` of pixels from 0 to 255 in floats, red first; what
//! the network does with pixels (normalization, pixel table) is in the file. Every quantizer node becomes one quantizer of the file
//! under the same name, and quantized weights are written as the values of their codes.

mod file;
mod input;
mod levels;
mod operators;
mod quantizers;
mod weights;

use std::collections::HashMap;

use prost::Message;
use subbyte_graph::{Graph, NodeId, Problem, Problems, Shape};

use crate::{
    error::{OnnxError, OnnxErrorKind},
    schema::ModelProto,
};
use file::File;

/// ONNX's limit of a file: a message of protocol buffers has less than 2 GiB.
const MAX_BYTES: usize = i32::MAX as usize;

/// An ONNX file with the quantizers of QONNX (`Quant`, `BipolarQuant`); a float network is plain ONNX.
///
/// # Errors
/// If the graph is not valid, a quantizer has no scale yet, or the file would be larger than ONNX allows.
pub fn write_qonnx(graph: &Graph) -> Result<Vec<u8>, OnnxError> {
    write(graph, Form::Qonnx)
}

/// An ONNX file of ONNX's own operators, with QuantizeLinear and DequantizeLinear as quantizers and weights as integers; a float
/// network is plain ONNX.
///
/// # Errors
/// As [`write_qonnx`].
pub fn write_qdq(graph: &Graph) -> Result<Vec<u8>, OnnxError> {
    write(graph, Form::Qdq)
}

/// How quantizers are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Qonnx,
    Qdq,
}

fn write(graph: &Graph, form: Form) -> Result<Vec<u8>, OnnxError> {
    graph.validate().map_err(OnnxErrorKind::Write)?;
    let mut export = Export {
        graph,
        shapes: graph.shapes().map_err(OnnxErrorKind::Write)?,
        form,
        file: File::default(),
        tensors: Vec::with_capacity(graph.nodes.len()),
        constants: HashMap::new(),
    };
    let mut problems = Vec::new();
    for (id, node) in graph.nodes.iter().enumerate() {
        let tensor = export.node(id).unwrap_or_else(|what| {
            problems.push(Problem {
                place: node.name.clone(),
                what,
            });
            Tensor::default()
        });
        export.tensors.push(tensor);
    }
    if !problems.is_empty() {
        return Err(OnnxErrorKind::Write(Problems(problems)).into());
    }
    let model = export.finish();
    match model.encoded_len() {
        0..=MAX_BYTES => Ok(model.encode_to_vec()),
        bytes => Err(OnnxErrorKind::Write(Problems(vec![Problem {
            place: graph.name.clone(),
            what: format!(
                "takes {bytes} bytes, an ONNX file at most {MAX_BYTES}: use a smaller network"
            ),
        }]))
        .into()),
    }
}

/// A tensor of the file that depends on the image.
#[derive(Clone, Default)]
struct Tensor {
    name: String,
    /// Whether it is `[N][C]` instead of `[N][C][H][W]`.
    flat: bool,
}

/// A graph on its way to a file.
struct Export<'a> {
    graph: &'a Graph,
    shapes: Vec<Shape>,
    form: Form,
    file: File,
    /// By node: what it makes. Parameters, quantized or not, are written where they are read.
    tensors: Vec<Tensor>,
    /// Parameters that are written, by node.
    constants: HashMap<NodeId, String>,
}

impl Export<'_> {
    fn node(&mut self, id: NodeId) -> Result<Tensor, String> {
        match self.shapes[id] {
            Shape::Param(_) => Ok(Tensor::default()),
            Shape::Image(_) => Ok(self.image(id)),
            Shape::Feature(_) => self.operator(id),
        }
    }

    /// Channels, height and width of what node `id` makes.
    fn dims(&self, id: NodeId) -> [usize; 3] {
        match &self.shapes[id] {
            Shape::Image(dims) | Shape::Feature(dims) => *dims,
            // Only asked of tensors.
            Shape::Param(_) => [1; 3],
        }
    }

    /// The file. Outputs of height and width 1, such as logits, are `[N][C]`.
    fn finish(mut self) -> ModelProto {
        for &id in &self.graph.outputs {
            let dims = self.dims(id);
            let name = &self.graph.nodes[id].name;
            let x = self.tensors[id].clone();
            let (x, lengths) = match dims {
                [channels, 1, 1] => (self.flat(name, &x), vec![channels]),
                _ => (self.spatial(name, &x), dims.to_vec()),
            };
            self.file.output(&x, &lengths);
        }
        self.file.finish(self.graph)
    }
}
