//! The zoo of trained models.

mod add;
mod check;

use std::process::ExitCode;

use anyhow::Result;

use crate::args::Zoo;

/// Runs the command that was asked for.
pub fn run(args: &Zoo) -> Result<ExitCode> {
    match args {
        Zoo::Add(args) => add::run(args),
        Zoo::Check(args) => check::run(args),
    }
}
