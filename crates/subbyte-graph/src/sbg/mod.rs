//! `.sbg`: a graph on disk, also used as checkpoint.
//!
//! The file is a safetensors file. Its metadata has one key, `subbyte.graph`: a JSON object with a checksum over the whole file, the format's
//! version, nodes, outputs, class names, the parameters' roles, and texts. Tensors are named by what they hold, `KIND/NAME`:
//!
//! | kind | holds | type |
//! |---|---|---|
//! | `param` | a parameter's numbers | f32 `[shape]` |
//! | `codes` | a parameter's packed codes | u8 `[bytes]`, order of [`subbyte_num::Packed`] |
//! | `codebook` | value of every code before scaling | f32 `[2^bits]` |
//! | `scales` | its scales | f32 `[1]` or `[first axis]` |
//! | `extra` | a tensor of [`Extras`] | f32 `[shape]` |
//!
//! Writing is deterministic and reading is exact: the same graph makes the same bytes, and bytes make the same graph again.

mod checksum;
mod description;
mod error;
mod read;
mod write;

use std::{collections::BTreeMap, path::Path};

pub use error::{SbgError, SbgErrorKind};
pub use read::from_bytes;
pub use write::to_bytes;

use crate::{Graph, replace_file};

/// What a file carries beside the graph: the state of a training run, the recipe, where the graph comes from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Extras {
    /// Tensors by name: shape and row-major numbers.
    pub tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
    /// Texts by name.
    pub text: BTreeMap<String, String>,
}

/// Writes a file beside `path` and renames it, so that `path` is the old file or the whole new one, never a part.
///
/// # Errors
/// If the graph is not valid, an extra tensor's numbers do not fill its shape, or the file cannot be written.
pub fn save(path: impl AsRef<Path>, graph: &Graph, extras: &Extras) -> Result<(), SbgError> {
    let path = path.as_ref();
    to_bytes(graph, extras)
        .and_then(|bytes| replace_file(path, &bytes).map_err(|e| SbgErrorKind::Write(e).into()))
        .map_err(|e| e.at(path))
}

/// Reads a file.
///
/// # Errors
/// If the file cannot be read, is damaged or no `.sbg` file, or its graph is not valid.
pub fn load(path: impl AsRef<Path>) -> Result<(Graph, Extras), SbgError> {
    let path = path.as_ref();
    std::fs::read(path)
        .map_err(|e| SbgErrorKind::Read(e).into())
        .and_then(|bytes| from_bytes(&bytes))
        .map_err(|e: SbgError| e.at(path))
}

#[cfg(test)]
mod tests;
