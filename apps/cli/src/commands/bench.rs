//! How fast a model runs here, layer by layer, and how fast it could.

mod ceiling;
mod measure;
mod report;

use std::num::NonZeroUsize;

use anyhow::Result;
use subbyte::engine::Step;
use subbyte::{Options, Plan};

use crate::args::Bench;
use crate::files;
use crate::output::{print, print_json};
use ceiling::Ceilings;
use report::{Layer, Report, Row};

/// Measures whole runs and layers of a model, and what the machine could do at best.
pub fn run(args: &Bench) -> Result<()> {
    let (model, bytes) = files::load_model(&args.model)?;
    let options = Options {
        level: args.level,
        ..Options::default()
    };
    let plan = Plan::new(&model, options)?;
    let threads = match args.threads {
        Some(threads) => vec![threads],
        None => one_and_all(),
    };
    let times = measure::runs(&plan, &threads, args.batch.get(), args.seconds)?;
    let rows = threads.iter().zip(&times);
    let ceilings = Ceilings::measure(plan.steps());
    let steps = measure::steps(&plan, args.seconds)?;
    let total = steps.times.iter().sum();
    let layers = plan.steps().iter().zip(&steps.times);
    let layer = |(step, &time): (&Step, _)| Layer::new(step, time, total, &ceilings);
    let report = Report {
        model: args.model.display().to_string(),
        architecture: std::env::consts::ARCH,
        level: plan.level().name(),
        file_bytes: bytes.len(),
        packed_bytes: plan.steps().iter().map(|step| step.packed_bytes).sum(),
        arena_bytes: plan.arena_bytes(),
        batch: args.batch.get(),
        macs: plan.steps().iter().map(|step| step.macs).sum(),
        runs: rows
            .map(|(&n, times)| Row::new(n, times, args.batch.get()))
            .collect(),
        layer_runs: steps.runs,
        layers: layers.filter_map(layer).collect(),
        ceilings: ceilings.report(),
    };
    if args.json {
        return print_json(&report);
    }
    print(&report.to_string())
}

/// One thread, and all of the machine's where it has more.
fn one_and_all() -> Vec<NonZeroUsize> {
    let mut threads = vec![NonZeroUsize::MIN, subbyte::threads()];
    threads.dedup();
    threads
}
