//! Pictures of a diffusion network, with progress, time and memory.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use anyhow::{Result, bail};
use subbyte::diffusion::{DiffusionError, Pictures, Sampler, Settings};
use subbyte::graph::Graph;
use subbyte_plot::PictureGrid;

use crate::args::Sampling;
use crate::files::{self, Network};
use crate::interrupt;
use crate::note;
use crate::output::Bar;

/// Pictures that a sampler computes together, as progress counts them.
const BATCH: usize = 16;

/// Pictures, and how long they took.
pub struct Sampled {
    pub pictures: Pictures,
    pub seconds: f64,
}

/// Reads a network that may be sampled.
pub fn load(path: &Path) -> Result<Graph> {
    match files::load(path)? {
        Network::Graph(graph, _) => Ok(*graph),
        Network::Model(..) => bail!(
            "{} is a model of integers; pictures are made with diffusion networks (.sbg, .onnx)",
            path.display()
        ),
    }
}

/// What was chosen on the command line, with another seed.
pub fn settings(args: &Sampling, seed: u64) -> Settings {
    Settings {
        steps: args.steps,
        seed,
        set: args.sets.iter().cloned().collect(),
    }
}

/// Says which inputs have random numbers.
pub fn note_unset(sampler: &Sampler) {
    for name in sampler.unset() {
        note!(
            "note: every picture has a {name} of its own, from 0 to 1; --set {name}=NUMBER gives all the same"
        );
    }
}

/// Makes the first `count` pictures; `None` where it was interrupted.
pub fn sample(
    label: &str,
    graph: &Graph,
    sampler: &Sampler,
    count: usize,
) -> Result<Option<Sampled>> {
    let network = subbyte::exec::Network::on_cpu(graph)?;
    let steps = sampler.schedule().len();
    let mut bar = Bar::steps(label, steps * count.div_ceil(BATCH));
    let started = Instant::now();
    let made = sampler.sample(&network, 0..count, |step, _| {
        bar.at(step.pictures.div_ceil(BATCH) * steps + step.step);
        match interrupt::asked() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    match made {
        Err(DiffusionError::Stopped) => Ok(None),
        // A sampler of one step has no step left at which it could stop.
        Ok(_) if interrupt::asked() => Ok(None),
        made => Ok(Some(Sampled {
            pictures: made?,
            seconds: started.elapsed().as_secs_f64(),
        })),
    }
}

/// Pictures as a grid, numbers from -1 to 1 being black to white.
pub fn grid(pictures: &[&[f32]], shape: [usize; 3], columns: usize) -> PictureGrid {
    let [height, width, channels] = shape;
    PictureGrid {
        height,
        width,
        colours: if channels == 3 { 3 } else { 1 },
        columns,
        pictures: pictures
            .iter()
            .map(|picture| {
                // Of other numbers of channels the first is shown.
                let shown = if channels == 3 { 1 } else { channels };
                picture
                    .iter()
                    .step_by(shown)
                    .map(|&x| subbyte::diffusion::pixel(x))
                    .collect()
            })
            .collect(),
    }
}

/// Most memory that this process has had so far, in bytes, where the system says.
pub fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(1024 * kibibytes)
}
