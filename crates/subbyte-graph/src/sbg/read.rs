use std::collections::{BTreeMap, HashMap};

use safetensors::{
    Dtype,
    tensor::{Metadata, TensorInfo},
};
use subbyte_num::Packed;

use super::{
    Extras, SbgError, SbgErrorKind, checksum,
    description::{
        CodesDescription, Description, KEY, RunDescription, VERSION, Version, of_run, tensor_name,
    },
};
use crate::{CodedRows, Graph, Node, Param, RunMultipliers, Storage};

/// Graph and extras of a `.sbg` file.
///
/// # Errors
/// If the bytes are no `.sbg` file, are damaged, or hold a graph that is not valid.
pub fn from_bytes(bytes: &[u8]) -> Result<(Graph, Extras), SbgError> {
    let mut tensors = Tensors::open(bytes)?;
    let description = tensors.description()?;
    if !checksum::is_sealed(bytes) {
        return Err(SbgErrorKind::Checksum.into());
    }
    let mut graph = Graph {
        name: description.name,
        outputs: description.outputs,
        classes: description.classes,
        diffusion: description.diffusion,
        ..Graph::default()
    };
    graph
        .nodes
        .extend(description.nodes.into_iter().map(|node| Node {
            name: node.name,
            op: node.op,
            inputs: node.inputs,
        }));
    for (name, param) in description.params {
        let (shape, storage) = match param.codes {
            None => {
                let (shape, data) = tensors.take_f32("param", &name)?;
                (shape, Storage::F32(data))
            }
            Some(codes) => tensors.take_codes(&name, codes)?,
        };
        let role = param.role;
        let param = Param {
            shape,
            role,
            storage,
        };
        graph.params.insert(name, param);
    }
    let extras = tensors.into_extras(description.text)?;
    graph.validate().map_err(SbgErrorKind::Graph)?;
    Ok((graph, extras))
}

/// The tensors of a file that have not been taken yet.
struct Tensors<'a> {
    metadata: HashMap<String, String>,
    infos: HashMap<String, TensorInfo>,
    data: &'a [u8],
}

impl<'a> Tensors<'a> {
    /// Checks that the header is whole and that the tensors fill the data without gaps or overlaps.
    fn open(bytes: &'a [u8]) -> Result<Self, SbgError> {
        let container = |what: &str| SbgErrorKind::Container(what.to_owned());
        let (length, rest) = bytes
            .split_first_chunk()
            .ok_or_else(|| container("it is shorter than a header"))?;
        let (header, data) = usize::try_from(u64::from_le_bytes(*length))
            .ok()
            .and_then(|length| rest.split_at_checked(length))
            .ok_or_else(|| container("its header is cut off"))?;
        let metadata: Metadata = serde_json::from_slice(header)
            .map_err(|e| container(&format!("its header cannot be read ({e})")))?;
        if metadata.data_len() != data.len() {
            return Err(container("it is cut off or has bytes after its end").into());
        }
        let infos = metadata.tensors().into_iter();
        Ok(Self {
            infos: infos.map(|(name, info)| (name, info.clone())).collect(),
            metadata: metadata.metadata().clone().unwrap_or_default(),
            data,
        })
    }

    fn description(&self) -> Result<Description, SbgError> {
        let json = self.metadata.get(KEY).ok_or(SbgErrorKind::NoGraph)?;
        let content = |e: serde_json::Error| SbgErrorKind::Content(format!("its graph: {e}"));
        let Version { version } = serde_json::from_str(json).map_err(content)?;
        if version != VERSION {
            let known = VERSION;
            return Err(SbgErrorKind::Version {
                found: version,
                known,
            }
            .into());
        }
        Ok(serde_json::from_str(json).map_err(content)?)
    }

    /// Shape and bytes of a tensor.
    fn take(
        &mut self,
        kind: &str,
        name: &str,
        dtype: Dtype,
    ) -> Result<(Vec<usize>, &'a [u8]), SbgError> {
        let tensor = tensor_name(kind, name);
        let info = self
            .infos
            .remove(&tensor)
            .ok_or_else(|| SbgErrorKind::Content(format!("tensor `{tensor}` is missing")))?;
        if info.dtype != dtype {
            let what = format!("tensor `{tensor}` is {:?}, not {dtype:?}", info.dtype);
            return Err(SbgErrorKind::Content(what).into());
        }
        let (start, end) = info.data_offsets;
        Ok((info.shape, &self.data[start..end]))
    }

    fn take_f32(&mut self, kind: &str, name: &str) -> Result<(Vec<usize>, Vec<f32>), SbgError> {
        let (shape, bytes) = self.take(kind, name, Dtype::F32)?;
        let (numbers, _) = bytes.as_chunks();
        Ok((
            shape,
            numbers.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        ))
    }

    fn take_codes(
        &mut self,
        name: &str,
        codes: CodesDescription,
    ) -> Result<(Vec<usize>, Storage), SbgError> {
        let shape = codes.shape;
        let content = |what| SbgErrorKind::Content(format!("codes of `{name}`: {what}"));
        let row = shape
            .iter()
            .skip(1)
            .try_fold(1usize, |n, &d| n.checked_mul(d))
            .ok_or_else(|| content(format!("the shape {shape:?} is too large")))?;
        let first = RunDescription {
            rows: codes.rows.unwrap_or(shape.first().copied().unwrap_or(1)),
            bits: codes.bits,
            multiplied: codes.multiplied,
        };
        let runs = [first].into_iter().chain(codes.more).enumerate();
        let runs = runs.map(|(i, run)| {
            let (_, codebook) = self.take_f32(&of_run("codebook", i), name)?;
            let (_, scales) = self.take_f32(&of_run("scales", i), name)?;
            let (_, bytes) = self.take(&of_run("codes", i), name, Dtype::U8)?;
            let len = run
                .rows
                .checked_mul(row)
                .ok_or_else(|| content(format!("{} rows are too many", run.rows)))?;
            let codes = Packed::from_bytes(run.bits, len, bytes.to_vec())
                .map_err(|e| content(e.to_string()))?;
            let multipliers = match run.multiplied {
                None => None,
                Some(length) => {
                    let kind = of_run("multipliers", i);
                    let (_, bytes) = self.take(&kind, name, Dtype::I16)?;
                    let (numbers, _) = bytes.as_chunks();
                    let values = numbers.iter().map(|b| i16::from_le_bytes(*b)).collect();
                    Some(RunMultipliers { length, values })
                }
            };
            Ok(CodedRows {
                codebook,
                scales,
                multipliers,
                codes,
            })
        });
        let runs = runs.collect::<Result<_, SbgError>>()?;
        Ok((shape, Storage::Codes(runs)))
    }

    /// Everything that is left must be extras.
    fn into_extras(mut self, text: BTreeMap<String, String>) -> Result<Extras, SbgError> {
        let mut extras = Extras {
            tensors: BTreeMap::new(),
            text,
        };
        let names: Vec<String> = self.infos.keys().cloned().collect();
        for tensor in names {
            let Some(name) = tensor.strip_prefix("extra/") else {
                let what = format!("nothing uses tensor `{tensor}`");
                return Err(SbgErrorKind::Content(what).into());
            };
            let content = self.take_f32("extra", name)?;
            extras.tensors.insert(name.to_owned(), content);
        }
        Ok(extras)
    }
}
