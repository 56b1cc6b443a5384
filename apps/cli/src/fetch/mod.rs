//! Public data sets from the network, the one thing in subbyte that speaks to it.

mod download;
mod sets;

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use anyhow::{Context, Result, bail};
use subbyte::data;

pub use sets::{SETS, Set};

use crate::files;

/// Brings a set into its folder below `directory`; `tell` is told how many of [`Set::bytes`] are there and may stop. What is there
/// already is not fetched again. `mirror` stands in for the set's own mirrors.
pub fn fetch(
    set: &Set,
    directory: &Path,
    mirror: Option<&str>,
    tell: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<ControlFlow<()>> {
    let folder = directory.join(set.folder);
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let agent = download::agent();
    let mut before = 0;
    for file in set.files {
        let urls: Vec<String> = match mirror {
            Some(mirror) => vec![format!("{}/{}", mirror.trim_end_matches('/'), file.name)],
            None => (set
                .mirrors
                .iter()
                .map(|mirror| format!("{mirror}{}", file.name)))
            .collect(),
        };
        let to = folder.join(file.name);
        let told = &mut |bytes| tell(before + bytes);
        if download::download(&agent, &urls, file, &to, told)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        before += file.bytes;
        if !set.members.is_empty() {
            unpack(&to, set.members, &folder)?;
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Whether all of a set lies below `directory`.
pub fn is_there(set: &Set, directory: &Path) -> Result<bool> {
    let folder = directory.join(set.folder);
    if !set.members.is_empty() {
        return Ok((set.members.iter()).all(|name| folder.join(name).is_file()));
    }
    for file in set.files {
        if !download::is_whole(file, &folder.join(file.name))? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Writes files of an archive into a folder, each beside its place and then renamed, and removes the archive.
fn unpack(archive: &Path, members: &[&str], folder: &Path) -> Result<()> {
    let contents = data::read_archive(archive, members)?;
    for (name, content) in members.iter().zip(contents) {
        let Some(content) = content else {
            bail!("{} has no {name}", archive.display());
        };
        files::write(&folder.join(name), &content)?;
    }
    fs::remove_file(archive).with_context(|| format!("cannot remove {}", archive.display()))
}
