//! Many runs for one table of results: trained one after the other, measured, and put together.

mod list;
mod runs;
mod tables;

use std::path::Path;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, bail};
use subbyte::engine::Level;
use subbyte::train::sweep::{Lock, Sweep, SweepRun, SweepSpec};
use subbyte::train::{Outcome, Run};

use crate::args;
use crate::commands::train;
use crate::interrupt;
use crate::note;
use crate::output::{TaskBar, TrainingBar, chain, print, print_json};
use runs::{Next, Runs};
use tables::Results;

/// Time between two looks at what another process does.
const PATIENCE: Duration = Duration::from_secs(1);

/// Trains all runs of a sweep that are not finished and writes the tables after each of them.
pub fn run(args: &args::Sweep) -> Result<ExitCode> {
    // What the end of a long run needs is looked at before it begins.
    Level::resolve(None)?;
    let name = args.recipes[0].file_stem().unwrap_or_default();
    let folder = match &args.output {
        Some(folder) => folder.clone(),
        None => Path::new("runs").join(name),
    };
    let data = args.data.iter().map(|path| format!("data.path={path}"));
    let spec = SweepSpec {
        recipes: args.recipes.clone(),
        sets: args.sets.iter().cloned().chain(data).collect(),
        grid: args.grid.clone(),
        seeds: args.seeds,
    };
    let sweep = spec.plan(&folder)?;
    if args.list {
        return list::show(&sweep, &args.only, args.json);
    }
    let mut runs = Runs::new(&sweep, &args.only, args.force)?;
    interrupt::watch()?;
    let stopped = train_all(&mut runs, &name.to_string_lossy())?;
    let results = write(&sweep)?;
    if stopped {
        note!("interrupted; the same command goes on");
        return Ok(interrupt::exit_code());
    }
    if args.json {
        print_json(&results)?;
    } else {
        print(&results.table().to_string())?;
        for file in &results.files {
            note!("wrote {}", file.display());
        }
    }
    let failed = runs.failed();
    if !failed.is_empty() {
        bail!(
            "{} failed:\n{}",
            tables::runs(failed.len()),
            failed.join("\n")
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Goes through the runs until none is left that this process can do. Returns whether it was interrupted.
fn train_all(runs: &mut Runs<'_>, label: &str) -> Result<bool> {
    let bar = TaskBar::new(label, "run", runs.finished()?, runs.chosen());
    let mut waiting = false;
    while !interrupt::asked() {
        match runs.next()? {
            Next::Run(index, _lock) => {
                waiting = false;
                let run = &runs.sweep().runs()[index];
                bar.begin(&run.name, runs.finished()?);
                match train_one(runs.sweep(), run, runs.replaces(index)) {
                    Ok(true) => drop(write(runs.sweep())?),
                    Ok(false) => return Ok(true),
                    // The others may still succeed.
                    Err(error) => {
                        note!("error: {}: {}", run.name, chain(&error));
                        runs.fail(index, chain(&error));
                    }
                }
            }
            Next::Wait(name) => {
                if !waiting {
                    note!("waiting for {name}, which another process trains");
                    waiting = true;
                }
                sleep(PATIENCE);
            }
            Next::Nothing => return Ok(false),
        }
    }
    Ok(true)
}

/// Trains or takes up a run and measures it. Returns whether it was finished rather than interrupted.
fn train_one(sweep: &Sweep, run: &SweepRun, replace: bool) -> Result<bool> {
    let split = run.recipe.open_data()?;
    let folder = sweep.run_folder(run);
    let training = Run::new(run.recipe.clone(), split.train, folder.path())?.force(replace);
    let mut bar = TrainingBar::new(&run.name, interrupt::asked);
    let Outcome::Finished(checkpoint) = training.train(&mut bar, !replace)? else {
        return Ok(false);
    };
    drop(bar);
    train::finish(&folder, &checkpoint, split.test, &run.file)?;
    Ok(true)
}

/// Writes the tables and the picture of all runs that are finished; one process at a time.
fn write(sweep: &Sweep) -> Result<Results> {
    let _lock = Lock::wait(sweep.folder())?;
    let mut results = Results::gather(sweep)?;
    results.files = results.write(sweep.folder())?;
    Ok(results)
}
