//! Files as bytes, with limits.

use crate::{Error, ErrorKind};
use std::{
    fs::File,
    io::{BufRead, BufReader, ErrorKind as IoKind, Read},
    path::Path,
};

/// Most bytes of one file that are read into memory. The largest published sets of these formats have a few hundred million.
pub(crate) const LIMIT: u64 = 1 << 32;

/// Opens a regular file. Others are refused before they are opened, since opening a pipe waits until somebody writes to it.
pub(crate) fn file(path: &Path) -> Result<File, Error> {
    if !path.metadata()?.is_file() {
        return Err(ErrorKind::NotAFile.into());
    }
    Ok(File::open(path)?)
}

/// Opens a file, decompressing it on the way if it starts as gzip does, whatever its name.
pub(crate) fn open(path: &Path) -> Result<Box<dyn Read>, Error> {
    let open = || -> Result<_, Error> {
        let mut file = BufReader::with_capacity(1 << 16, file(path)?);
        Ok(if file.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
            Box::new(flate2::bufread::MultiGzDecoder::new(file)) as Box<dyn Read>
        } else {
            Box::new(file)
        })
    };
    open().map_err(|error| error.at(path))
}

/// Reads `len` bytes. Memory grows with what is really there, not with what a header announces.
pub(crate) fn exactly(input: &mut impl Read, len: u64) -> Result<Vec<u8>, Error> {
    if len > LIMIT {
        return Err(ErrorKind::TooLarge { limit: LIMIT }.into());
    }
    let mut bytes = Vec::new();
    match input.take(len).read_to_end(&mut bytes) {
        Ok(found) if found as u64 == len => Ok(bytes),
        // The end of the file, or of a compressed stream that was cut off.
        Ok(_) => Err(length(len, bytes.len())),
        Err(error) if error.kind() == IoKind::UnexpectedEof => Err(length(len, bytes.len())),
        Err(error) => Err(error.into()),
    }
}

/// Reads all there is.
pub(crate) fn all(input: &mut impl Read) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    input.take(LIMIT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LIMIT {
        return Err(ErrorKind::TooLarge { limit: LIMIT }.into());
    }
    Ok(bytes)
}

/// Makes sure that nothing follows, which also has a decompressor check its sum.
pub(crate) fn end(input: &mut impl Read, len: u64) -> Result<(), Error> {
    match input.read(&mut [0])? {
        0 => Ok(()),
        _ => Err(ErrorKind::Length {
            expected: len.to_string(),
            found: "more".into(),
        }
        .into()),
    }
}

fn length(expected: u64, found: usize) -> Error {
    ErrorKind::Length {
        expected: expected.to_string(),
        found: found.to_string(),
    }
    .into()
}
