//! How fast a model runs here, layer by layer, and how fast it could.

mod ceiling;
mod measure;
mod report;

use std::num::NonZeroUsize;

use anyhow::Result;
use subbyte::engine::Step;
use subbyte::{Options, Plan};

use crate::args::{self, Bench};
use crate::files;
use crate::note;
use crate::output::{print, print_json, thousands};
use ceiling::Ceilings;
use report::{Layer, Report, Row};

/// Most bytes of the images of a run.
const MOST_BYTES: usize = 1 << 30;

/// Measures whole runs and layers of a model, and what the machine could do at best.
pub fn run(args: &Bench) -> Result<()> {
    let (model, bytes) = files::load_model(&args.model)?;
    let plan_for = |threads| {
        let options = Options {
            level: args.level,
            threads,
            ..Options::default()
        };
        Plan::new(&model, options)
    };
    let plan = plan_for(NonZeroUsize::MIN)?;
    let batch = args.batch.get();
    let most = MOST_BYTES / plan.image_bytes().max(4 * plan.classes());
    if batch > most {
        args::refuse(&format!(
            "--batch {batch}: give at most {most}, so that images and logits take no more than {} bytes each",
            thousands(MOST_BYTES as u64)
        ));
    }
    let mut plans = Vec::new();
    for threads in args
        .threads
        .map_or_else(one_and_all, |threads| vec![threads])
    {
        // Threads share either the rows of one image or images, each of which one of them computes.
        let sharing = if batch == 1 {
            threads
        } else {
            NonZeroUsize::MIN
        };
        plans.push((threads, plan_for(sharing)?));
    }
    // Whole runs are warmed up and measured, layers measured.
    let patience = args.seconds.as_secs_f64() * (1.1 * plans.len() as f64 + 1.0);
    note!("measuring for about {patience:.1} s");
    let times = measure::runs(&plans, batch, args.seconds)?;
    let rows = plans.iter().zip(&times);
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
        batch,
        macs: plan.steps().iter().map(|step| step.macs).sum(),
        runs: rows
            .map(|((threads, plan), times)| Row::new(*threads, plan, times, batch))
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
