//! Keeps a model loaded and times it whenever asked, for comparisons in which several programs take turns:
//! `worker FILE.sbm [--threads N] [--batch N] [--first-layer]`. `SUBBYTE_ISA` sets the level.
//!
//! Every line of input is a number of seconds. It is answered by the number of runs that were made in that time, the shortest and
//! the median run in microseconds. A run is one image, a batch with `--batch`, or with `--first-layer` the first step of a run.

use std::{
    error::Error,
    io::{Write, stdin, stdout},
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use subbyte_engine::{Arena, Options, Plan, Pool, RunError, Step};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str| -> Result<NonZeroUsize, Box<dyn Error>> {
        match arguments.iter().position(|a| a == name) {
            None => Ok(NonZeroUsize::MIN),
            Some(at) => Ok(arguments
                .get(at + 1)
                .ok_or(format!("{name} needs a number"))?
                .parse()?),
        }
    };
    let file = arguments.first().ok_or("give a model's file")?;
    let (threads, batch) = (number("--threads")?, number("--batch")?.get());
    let first_layer = arguments.iter().any(|a| a == "--first-layer");
    if first_layer && (threads.get(), batch) != (1, 1) {
        return Err("steps are timed with one image on one thread".into());
    }

    let bytes = std::fs::read(file).map_err(|error| format!("{file}: {error}"))?;
    let model = subbyte_model::read(&bytes).map_err(|error| format!("{file}: {error}"))?;
    let options = Options {
        // Threads share either the images of a batch or the rows of one image.
        threads: if batch > 1 {
            NonZeroUsize::MIN
        } else {
            threads
        },
        ..Options::default()
    };
    let plan = Plan::new(&model, options)?;
    let mut pool = Pool::new(Some(threads))?;
    let mut arena = plan.arena();
    let images: Vec<u8> = (0..batch * plan.image_bytes())
        .map(|i| ((i * 7919) >> 3) as u8)
        .collect();
    let mut logits = vec![0; batch * plan.classes()];
    let macs = |step: &Step| step.macs;
    println!(
        r#"{{"level": "{}", "first_macs": {}, "macs": {}}}"#,
        plan.level(),
        plan.steps().iter().map(macs).find(|&m| m > 0).unwrap_or(0),
        plan.steps().iter().map(macs).sum::<u64>(),
    );

    for line in stdin().lines() {
        let patience = Duration::from_secs_f64(line?.trim().parse()?);
        let (start, mut times) = (Instant::now(), Vec::new());
        while start.elapsed() < patience {
            times.push(if first_layer {
                time_first_layer(&plan, &mut arena, &images)?
            } else {
                let run_start = Instant::now();
                if batch > 1 {
                    plan.run_batch(&mut pool, &images, &mut logits)?;
                } else if threads.get() > 1 {
                    plan.run_with(&mut pool, &mut arena, &images)?;
                } else {
                    plan.run(&mut arena, &images)?;
                }
                run_start.elapsed()
            });
        }
        times.sort_unstable();
        let micros = |at: usize| times.get(at).map_or(0.0, |t| t.as_nanos() as f64 / 1e3);
        println!(
            r#"{{"runs": {}, "minimum": {}, "median": {}}}"#,
            times.len(),
            micros(0),
            micros(times.len() / 2)
        );
        stdout().flush()?;
    }
    Ok(())
}

/// The time from the image to the end of the first step that multiplies, in a whole run, so that the caches are as they are in one.
fn time_first_layer(plan: &Plan, arena: &mut Arena, image: &[u8]) -> Result<Duration, RunError> {
    let first = plan.steps().iter().find(|step| step.macs > 0);
    let made = first.and_then(|step| step.nodes.last().copied());
    let (start, mut time) = (Instant::now(), Duration::ZERO);
    plan.observe(arena, image, &mut |node, _| {
        if Some(node) == made {
            time = start.elapsed();
        }
    })?;
    Ok(time)
}
