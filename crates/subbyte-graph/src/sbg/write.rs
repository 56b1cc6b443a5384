use std::{borrow::Cow, collections::HashMap};

use safetensors::{Dtype, View};

use super::{
    Extras, SbgError, SbgErrorKind, checksum,
    description::{
        CodesDescription, Description, KEY, NodeDescription, ParamDescription, RunDescription,
        VERSION, of_run, tensor_name,
    },
};
use crate::{CodedRows, Graph, Param, Storage};

/// The bytes of a `.sbg` file; the same graph and extras give the same bytes.
///
/// # Errors
/// If the graph is not valid, so that it could not be read again, or an extra tensor's numbers do not fill its shape.
pub fn to_bytes(graph: &Graph, extras: &Extras) -> Result<Vec<u8>, SbgError> {
    graph.validate().map_err(SbgErrorKind::Graph)?;
    let mut tensors = Vec::new();
    for (name, param) in &graph.params {
        param_tensors(name, param, &mut tensors);
    }
    for (name, (shape, data)) in &extras.tensors {
        if shape.iter().try_fold(1, |n: usize, &d| n.checked_mul(d)) != Some(data.len()) {
            let what = format!(
                "extra tensor `{name}` has {} numbers for the shape {shape:?}",
                data.len()
            );
            return Err(SbgErrorKind::Content(what).into());
        }
        tensors.push((tensor_name("extra", name), Tensor::f32(shape, data)));
    }
    let content = |e: String| SbgErrorKind::Content(e);
    let description =
        serde_json::to_string(&description(graph, extras)).map_err(|e| content(e.to_string()))?;
    let metadata = HashMap::from([(KEY.to_owned(), description)]);
    let file = safetensors::serialize(tensors, Some(metadata));
    let mut file = file.map_err(|e| content(e.to_string()))?;
    checksum::seal(&mut file);
    Ok(file)
}

fn description(graph: &Graph, extras: &Extras) -> Description {
    let nodes = graph.nodes.iter().map(|node| NodeDescription {
        name: node.name.clone(),
        op: node.op.clone(),
        inputs: node.inputs.clone(),
    });
    let params = graph.params.iter().map(|(name, param)| {
        let codes = match &param.storage {
            Storage::F32(_) => None,
            Storage::Codes(runs) => codes(param, runs),
        };
        let role = param.role;
        (name.clone(), ParamDescription { role, codes })
    });
    Description {
        checksum: checksum::UNKNOWN.to_owned(),
        version: VERSION,
        name: graph.name.clone(),
        nodes: nodes.collect(),
        outputs: graph.outputs.clone(),
        params: params.collect(),
        classes: graph.classes.clone(),
        diffusion: graph.diffusion.clone(),
        text: extras.text.clone(),
    }
}

fn codes(param: &Param, runs: &[CodedRows]) -> Option<CodesDescription> {
    let run = |run: &CodedRows| RunDescription {
        rows: run.rows(param.row()),
        bits: run.codes.bits(),
        multiplied: run.multipliers.as_ref().map(|m| m.length),
    };
    let (first, more) = runs.split_first()?;
    let (first, more) = (run(first), more.iter().map(run).collect::<Vec<_>>());
    Some(CodesDescription {
        shape: param.shape.clone(),
        bits: first.bits,
        rows: (!more.is_empty()).then_some(first.rows),
        multiplied: first.multiplied,
        more,
    })
}

fn param_tensors(name: &str, param: &Param, tensors: &mut Vec<(String, Tensor)>) {
    let mut add = |kind: &str, tensor| tensors.push((tensor_name(kind, name), tensor));
    match &param.storage {
        Storage::F32(data) => add("param", Tensor::f32(&param.shape, data)),
        Storage::Codes(runs) => {
            for (i, run) in runs.iter().enumerate() {
                let mut add = |kind, tensor| add(&of_run(kind, i), tensor);
                add("codes", Tensor::u8(run.codes.bytes()));
                add(
                    "codebook",
                    Tensor::f32(&[run.codebook.len()], &run.codebook),
                );
                add("scales", Tensor::f32(&[run.scales.len()], &run.scales));
                if let Some(m) = &run.multipliers {
                    add("multipliers", Tensor::i16(&m.values));
                }
            }
        }
    }
}

/// A tensor as safetensors writes it.
struct Tensor {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Tensor {
    fn f32(shape: &[usize], data: &[f32]) -> Self {
        Self {
            dtype: Dtype::F32,
            shape: shape.to_vec(),
            bytes: data.iter().flat_map(|x| x.to_le_bytes()).collect(),
        }
    }

    fn i16(values: &[i16]) -> Self {
        Self {
            dtype: Dtype::I16,
            shape: vec![values.len()],
            bytes: values.iter().flat_map(|x| x.to_le_bytes()).collect(),
        }
    }

    fn u8(bytes: &[u8]) -> Self {
        Self {
            dtype: Dtype::U8,
            shape: vec![bytes.len()],
            bytes: bytes.to_vec(),
        }
    }
}

impl View for Tensor {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}
