//! One file from whichever mirror has it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow, bail};
use sha2::{Digest, Sha256};
use ureq::Agent;
use ureq::http::StatusCode;

use super::sets::RemoteFile;

/// Time to wait for a connection, and for its next bytes.
const PATIENCE: Duration = Duration::from_secs(30);

/// What speaks to servers.
pub fn agent() -> Agent {
    Agent::config_builder()
        .user_agent(concat!("subbyte/", env!("CARGO_PKG_VERSION")))
        .timeout_resolve(Some(PATIENCE))
        .timeout_connect(Some(PATIENCE))
        .timeout_recv_response(Some(PATIENCE))
        .timeout_per_read(Some(PATIENCE))
        .build()
        .new_agent()
}

/// Whether a file is there, of the right length and content.
pub fn is_whole(file: &RemoteFile, path: &Path) -> Result<bool> {
    Ok(length(path) == Some(file.bytes) && sha256(path)? == file.sha256)
}

/// Fetches a file from the first of `urls` that has it, to a file beside `to` that is renamed when its checksum is right. What an
/// earlier call or a broken connection has left there is gone on from. `tell` is told how many bytes are there, and may stop.
///
/// # Errors
/// If no server delivers the file, or it cannot be written.
pub fn download(
    agent: &Agent,
    urls: &[String],
    file: &RemoteFile,
    to: &Path,
    tell: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<ControlFlow<()>> {
    if is_whole(file, to)? {
        return Ok(tell(file.bytes));
    }
    let part = part_of(to);
    let mut failures = Vec::new();
    for url in urls {
        // As long as each connection brings something, the next one goes on from there.
        loop {
            let before = length(&part).unwrap_or(0);
            match attempt(agent, url, file, &part, tell) {
                Ok(ControlFlow::Break(())) => return Ok(ControlFlow::Break(())),
                Ok(ControlFlow::Continue(())) if is_whole(file, &part)? => {
                    fs::rename(&part, to).map_err(|error| local(error, to))?;
                    return Ok(ControlFlow::Continue(()));
                }
                Ok(ControlFlow::Continue(())) => {
                    fs::remove_file(&part).map_err(|error| local(error, &part))?;
                    // The wrong bytes may be those of an earlier server.
                    if before == 0 {
                        let text = "its checksum is wrong: another file, or one that was changed";
                        failures.push(format!("{url}: {text}"));
                        break;
                    }
                }
                Err(Failure::Local(error)) => return Err(error),
                Err(Failure::Remote(problem)) => {
                    if length(&part).unwrap_or(0) <= before {
                        failures.push(format!("{url}: {problem}"));
                        break;
                    }
                }
            }
        }
    }
    let kept = match length(&part) {
        Some(bytes) if bytes > 0 => format!(
            "\nThe first {bytes} of {} bytes are kept; the same command goes on from there.",
            file.bytes
        ),
        _ => String::new(),
    };
    bail!(
        "cannot fetch {}:\n  {}\nCheck the network, give another server with --mirror URL, or put the file into {} yourself.{kept}",
        file.name,
        failures.join("\n  "),
        to.parent().unwrap_or(to).display()
    )
}

/// Why an attempt failed.
enum Failure {
    /// The server or the network; another one may do better.
    Remote(String),
    /// This machine.
    Local(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Local(error)
    }
}

fn remote(error: impl ToString) -> Failure {
    Failure::Remote(error.to_string())
}

/// Fetches what `part` lacks over one connection.
fn attempt(
    agent: &Agent,
    url: &str,
    file: &RemoteFile,
    part: &Path,
    tell: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, Failure> {
    let have = length(part)
        .filter(|&bytes| bytes <= file.bytes)
        .unwrap_or(0);
    if have == file.bytes {
        return Ok(ControlFlow::Continue(()));
    }
    let mut request = agent.get(url);
    if have > 0 {
        request = request.header("Range", format!("bytes={have}-"));
    }
    let response = request.call().map_err(remote)?;
    // A server that knows no ranges sends the whole file.
    let mut done = 0;
    if response.status() == StatusCode::PARTIAL_CONTENT {
        let range = response.headers().get("Content-Range");
        let range = range
            .and_then(|range| range.to_str().ok())
            .unwrap_or_default();
        if !range.starts_with(&format!("bytes {have}-")) {
            return Err(Failure::Remote(format!(
                "it sends another part of the file ({range})"
            )));
        }
        done = have;
    }
    let mut options = OpenOptions::new();
    let mut output = (options.create(true).truncate(false).write(true).open(part))
        .map_err(|error| local(error, part))?;
    (output
        .set_len(done)
        .and_then(|()| output.seek(SeekFrom::Start(done))))
    .map_err(|error| local(error, part))?;
    let mut input = response.into_body().into_reader();
    let mut buffer = vec![0; 1 << 16];
    loop {
        if tell(done).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        let bytes = input.read(&mut buffer).map_err(remote)?;
        if bytes == 0 {
            break;
        }
        done += bytes as u64;
        if done > file.bytes {
            fs::remove_file(part).map_err(|error| local(error, part))?;
            let text = format!("it sends more than the file's {} bytes", file.bytes);
            return Err(Failure::Remote(text));
        }
        output
            .write_all(&buffer[..bytes])
            .map_err(|error| local(error, part))?;
    }
    if done < file.bytes {
        let text = format!("it ended after {done} of {} bytes", file.bytes);
        return Err(Failure::Remote(text));
    }
    output.sync_all().map_err(|error| local(error, part))?;
    Ok(ControlFlow::Continue(()))
}

/// Where a file is until it is whole.
fn part_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

/// Length of a regular file.
fn length(path: &Path) -> Option<u64> {
    let metadata = path.metadata().ok()?;
    metadata.is_file().then_some(metadata.len())
}

fn sha256(path: &Path) -> Result<String> {
    let read = || -> io::Result<String> {
        let (mut file, mut hash) = (File::open(path)?, Sha256::new());
        let mut buffer = vec![0; 1 << 16];
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                bytes => hash.update(&buffer[..bytes]),
            }
        }
        Ok(hash
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect())
    };
    read().with_context(|| format!("cannot read {}", path.display()))
}

/// What this machine refuses, with what to do.
fn local(error: io::Error, path: &Path) -> Error {
    let hint = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; free some space, then the same command goes on from what is there"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "; choose a folder that can be written to with -o"
        }
        _ => "",
    };
    anyhow!("cannot write {}: {error}{hint}", path.display())
}

#[cfg(test)]
mod tests;
