//! The `subbyte` command.
//!
//! What a command finds out goes to stdout, as a table or with `--json` as one object; progress and remarks go to stderr. The exit
//! code is 0 for success, 1 for an error, 2 for a wrong command line.

mod args;
mod calibration;
mod classes;
mod commands;
mod fetch;
mod files;
mod images;
mod interrupt;
mod measurement;
mod output;
mod pictures;
mod sampling;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match commands::run(args::Args::parse()) {
        Ok(code) => code,
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            note!("error: {}", output::chain(&error));
            ExitCode::FAILURE
        }
    }
}
