//! The tensors of a network in a file: subbyte's own, or one that was trained elsewhere.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use pytorch_reader::{DType, PytorchReader};
use safetensors::{Dtype, SafeTensors};
use subbyte_graph::sbg::{self, SbgErrorKind};

use super::names;
use crate::TrainError;

/// Shapes and row-major numbers by the names that built-in networks have for them.
pub(crate) type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Reads a `.sbg`, or a safetensors file or a PyTorch file of a network whose names are known, recognised by content. Tensors that no
/// built-in network has are left out.
///
/// # Errors
/// If the file cannot be read, is damaged, or has no tensor of a known name, or one of another type than f32.
pub(crate) fn read(path: &Path) -> Result<Tensors, TrainError> {
    let io_error = |e| TrainError::io("read", path, e);
    let damaged = |problem| TrainError::Damaged {
        path: path.into(),
        problem,
    };
    // Before it is opened, which for a pipe waits until somebody writes to it.
    if !fs::metadata(path).map_err(io_error)?.is_file() {
        return Err(io_error(io::Error::other("it is no regular file")));
    }
    let tensors = if is_safetensors(path).map_err(io_error)? {
        match sbg::load(path) {
            Ok((graph, _)) => {
                let params = graph.params.into_iter();
                let tensor = |param: subbyte_graph::Param| (param.shape.clone(), param.to_vec());
                return Ok(params.map(|(name, param)| (name, tensor(param))).collect());
            }
            Err(error) if matches!(error.kind(), SbgErrorKind::NoGraph) => {
                safetensors(&fs::read(path).map_err(io_error)?)
            }
            Err(error) => return Err(error.into()),
        }
    } else {
        pytorch(path)
    };
    let tensors = tensors.map_err(damaged)?;
    if tensors.is_empty() {
        return Err(damaged(
            "none of its tensors has a name of a known network; subbyte reads .sbg files, and ResNets under the names of \
             torchvision, timm and the customary CIFAR repositories"
                .into(),
        ));
    }
    Ok(tensors)
}

/// Whether a file is named or looks like safetensors: 8 bytes of length, then a JSON object.
fn is_safetensors(path: &Path) -> io::Result<bool> {
    if path.extension().is_some_and(|found| found == "sbg") {
        return Ok(true);
    }
    let mut start = Vec::new();
    File::open(path)?.take(9).read_to_end(&mut start)?;
    Ok(start.get(8) == Some(&b'{'))
}

fn safetensors(bytes: &[u8]) -> Result<Tensors, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|e| e.to_string())?;
    let mut tensors = Tensors::new();
    for (theirs, view) in file.iter() {
        let Some(name) = names::ours(theirs) else {
            continue;
        };
        if view.dtype() != Dtype::F32 {
            return Err(not_f32(theirs, view.dtype()));
        }
        let (numbers, _) = view.data().as_chunks();
        let numbers = numbers.iter().map(|b| f32::from_le_bytes(*b)).collect();
        add(&mut tensors, name, theirs, (view.shape().to_vec(), numbers))?;
    }
    Ok(tensors)
}

fn pytorch(path: &Path) -> Result<Tensors, String> {
    let length = fs::metadata(path).map_err(|e| e.to_string())?.len();
    let file = PytorchReader::new(path)
        .map_err(|e| format!("it is neither safetensors nor a file of PyTorch ({e})"))?;
    let mut tensors = Tensors::new();
    for (theirs, tensor) in file.tensors() {
        let Some(name) = names::ours(theirs) else {
            continue;
        };
        if tensor.dtype() != DType::F32 {
            return Err(not_f32(theirs, tensor.dtype()));
        }
        // PyTorch compresses nothing; a view may repeat its numbers, of which no trained tensor has need.
        if tensor.byte_len() as u64 > length {
            return Err(format!("tensor `{theirs}` is larger than the file"));
        }
        let bytes = tensor.read().map_err(|e| e.to_string())?;
        let (numbers, _) = bytes.as_chunks();
        let numbers = numbers.iter().map(|b| f32::from_ne_bytes(*b)).collect();
        add(
            &mut tensors,
            name,
            theirs,
            (tensor.shape().to_vec(), numbers),
        )?;
    }
    Ok(tensors)
}

fn add(
    tensors: &mut Tensors,
    name: String,
    theirs: &str,
    tensor: (Vec<usize>, Vec<f32>),
) -> Result<(), String> {
    match tensors.insert(name, tensor) {
        None => Ok(()),
        Some(_) => Err(format!(
            "tensor `{theirs}` is there twice under different prefixes; keep one of them"
        )),
    }
}

fn not_f32(name: &str, dtype: impl std::fmt::Debug) -> String {
    format!("tensor `{name}` is {dtype:?}; convert the network to F32")
}
