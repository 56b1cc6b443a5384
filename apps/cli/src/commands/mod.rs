//! One file a command: reads its arguments, calls the library, shows the result.

mod bench;
mod cpu;
mod data;
mod diff;
#[cfg(test)]
mod documented;
mod eval;
mod export;
pub mod inspect;
mod lower;
mod plot;
mod predict;
mod quantize;
mod quickstart;
mod sample;
mod score;
mod sweep;
mod train;
mod verify;
mod zoo;

use std::process::ExitCode;

use anyhow::Result;
use subbyte::Level;

use crate::args::{Args, Command};

/// Runs the command that was asked for. A check that fails is no error, but its exit code is 1.
pub fn run(args: Args) -> Result<ExitCode> {
    // A level in the environment that cannot be used is a mistake for commands too that do not obey it.
    Level::resolve(None)?;
    match args.command {
        Command::Quickstart(args) => quickstart::run(&args)?,
        Command::Train(args) => return train::run(&args),
        Command::Sweep(args) => return sweep::run(&args),
        Command::Zoo(args) => return zoo::run(&args),
        Command::Eval(args) => return eval::run(&args),
        Command::Diff(args) => return diff::run(&args),
        Command::Predict(args) => return predict::run(&args),
        Command::Bench(args) => bench::run(&args)?,
        Command::Quantize(args) => return quantize::run(&args),
        Command::Sample(args) => return sample::run(&args),
        Command::Score(args) => return score::run(&args),
        Command::Lower(args) => lower::run(&args)?,
        Command::Export(args) => export::run(&args)?,
        Command::Inspect(args) => inspect::run(&args)?,
        Command::Verify(args) => return verify::run(&args),
        Command::Plot(args) => plot::run(&args)?,
        Command::Data(args) => return data::run(&args),
        Command::Cpu(args) => cpu::run(&args)?,
    }
    Ok(ExitCode::SUCCESS)
}
