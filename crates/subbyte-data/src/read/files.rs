use super::bytes;
use crate::{Error, ErrorKind};
use std::{
    io::{self, Read},
    path::{Path, PathBuf},
};

/// Where the files of a data set lie.
#[derive(Debug)]
pub(crate) enum Files {
    /// Side by side in a directory.
    Directory(PathBuf),
    /// In a tar archive, plain or gzip, in directories of any name.
    Archive(PathBuf),
}

impl Files {
    /// What error messages call a file.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        match self {
            Files::Directory(path) | Files::Archive(path) => path.join(name),
        }
    }

    /// The contents of each of the files `names`, `None` for those that are not there.
    pub(crate) fn read(&self, names: &[&str]) -> Result<Vec<Option<Vec<u8>>>, Error> {
        match self {
            Files::Directory(_) => (names.iter())
                .map(|name| self.read_from_directory(&self.path(name)))
                .collect(),
            Files::Archive(path) => read_archive(path, names),
        }
    }

    fn read_from_directory(&self, path: &Path) -> Result<Option<Vec<u8>>, Error> {
        let read = match bytes::file(path) {
            Ok(mut file) => bytes::all(&mut file).map(Some),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error),
        };
        read.map_err(|error| error.at(path))
    }
}

fn is_missing(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Io(error) if error.kind() == io::ErrorKind::NotFound)
}

/// The first thing that `recognise` makes of the name of a file in an archive. A file that is no archive has none.
pub(crate) fn find_in_archive<T>(
    path: &Path,
    recognise: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, Error> {
    let mut archive = tar::Archive::new(bytes::open(path)?);
    for (index, entry) in archive.entries()?.enumerate() {
        match entry {
            Ok(entry) => {
                if let Some(found) = file_name(&entry).and_then(|name| recognise(&name)) {
                    return Ok(Some(found));
                }
            }
            Err(_) if index == 0 => return Ok(None),
            Err(error) => return Err(Error::from(error).at(path)),
        }
    }
    Ok(None)
}

/// Reads files of a tar archive, plain or gzip, by their names without directories; `None` for those that are not in it.
///
/// # Errors
/// If the archive cannot be read or is damaged anywhere.
pub fn read_archive(path: &Path, names: &[&str]) -> Result<Vec<Option<Vec<u8>>>, Error> {
    read_from_archive(path, names).map_err(|error| error.at(path))
}

fn read_from_archive(path: &Path, names: &[&str]) -> Result<Vec<Option<Vec<u8>>>, Error> {
    let mut contents = vec![None; names.len()];
    let mut archive = tar::Archive::new(bytes::open(path)?);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let name = file_name(&entry);
        if let Some(index) = names
            .iter()
            .position(|wanted| name.as_deref() == Some(wanted))
        {
            let len = entry.size();
            contents[index] = Some(bytes::exactly(&mut entry, len)?);
        }
    }
    // To the end of the compressed stream, where its checksum is.
    io::copy(&mut archive.into_inner(), &mut io::sink())?;
    Ok(contents)
}

fn file_name<R: Read>(entry: &tar::Entry<'_, R>) -> Option<String> {
    let path = entry.path().ok()?;
    Some(path.file_name()?.to_str()?.to_string())
}
