//! Numbers in a file of their own.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Component, Path, PathBuf},
};

use super::Source;
use crate::{error::Refusal, schema::StringStringEntryProto};

/// The `wanted` bytes that `entries` point to, `len` numbers. The file must lie in the model's folder and be as long as the entries say.
pub fn read(
    entries: &[StringStringEntryProto],
    wanted: usize,
    len: usize,
    source: &mut Source,
) -> Result<Vec<u8>, Refusal> {
    let entry = |key: &str| {
        let found = entries.iter().find(|e| e.key.as_deref() == Some(key));
        found.and_then(|e| e.value.as_deref())
    };
    let number = |key: &str| match entry(key) {
        None => Ok(None),
        Some(text) => text
            .parse::<u64>()
            .map(Some)
            .map_err(|_| Refusal::broken(format!("its external {key} is `{text}`"))),
    };
    let location =
        entry("location").ok_or_else(|| Refusal::broken("its external data names no file"))?;
    let path = locate(location, source.folder)?;
    let refuse = |what: String| {
        let advice = "put the file back that was exported with the model";
        Refusal::new(format!("its external data `{location}` {what}"), advice)
    };
    let unreadable = |e: std::io::Error| refuse(format!("cannot be read: {e}"));
    let mut file = File::open(&path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    let offset = number("offset")?.unwrap_or(0);
    let length = number("length")?.unwrap_or(wanted as u64);
    if length != wanted as u64 {
        return Err(Refusal::broken(format!(
            "its external data has {length} bytes, its shape needs {wanted}"
        )));
    }
    if offset.checked_add(length).is_none_or(|end| end > size) {
        return Err(refuse(format!(
            "has {size} bytes, too few for {length} from byte {offset} on"
        )));
    }
    // Only now is the length known to be real.
    source.budget.extend(&path, size);
    source.budget.take(len)?;
    let mut bytes = vec![0; wanted];
    file.seek(SeekFrom::Start(offset)).map_err(unreadable)?;
    file.read_exact(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

/// The path of `location`, which may not leave the folder, neither by its name nor by a link.
fn locate(location: &str, folder: Option<&Path>) -> Result<PathBuf, Refusal> {
    let Some(folder) = folder else {
        return Err(Refusal::new(
            format!("its numbers are in the file `{location}`, but no folder was given"),
            "read the model from its file, or give the folder",
        ));
    };
    let outside = || {
        let what = format!("its external data `{location}` lies outside the model's folder");
        Refusal::new(what, "move it beside the model and export again")
    };
    let inside = |part: Component| matches!(part, Component::Normal(_) | Component::CurDir);
    if !Path::new(location).components().all(inside) {
        return Err(outside());
    }
    let missing = |e: std::io::Error| {
        let what = format!("its external data `{location}` cannot be read: {e}");
        Refusal::new(what, "put the file back that was exported with the model")
    };
    let folder = match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    };
    let root = folder.canonicalize().map_err(missing)?;
    let path = root.join(location).canonicalize().map_err(missing)?;
    match path.starts_with(&root) && path.is_file() {
        true => Ok(path),
        false => Err(outside()),
    }
}
