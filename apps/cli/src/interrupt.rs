//! Ctrl-C: the first one asks a command to come to an end, the second one ends the process.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

static STOP: AtomicBool = AtomicBool::new(false);

/// Exit code of a command that was interrupted, as shells have it for Ctrl-C.
const CODE: u8 = 130;

/// Has Ctrl-C ask the command to stop from now on.
pub fn watch() -> Result<()> {
    let stop = || {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(CODE.into());
        }
    };
    ctrlc::set_handler(stop).context("cannot watch for Ctrl-C")
}

/// Whether the command was asked to stop.
pub fn asked() -> bool {
    STOP.load(Ordering::Relaxed)
}

/// The exit code of a command that did.
pub fn exit_code() -> ExitCode {
    ExitCode::from(CODE)
}
