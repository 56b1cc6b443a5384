use crate::note;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use indicatif::HumanDuration;
use serde::Serialize;
use subbyte::data::ImageSet;
use subbyte::engine::Level;
use subbyte::graph::sbg;
use subbyte::results::{RunResult, input_kind, layer_bits, machine};
use subbyte::train::{Checkpoint, Outcome, Recipe, Rehearsal, Run, RunFolder};

use crate::args::{Engine, Train, refuse};
use crate::files::{self, Network};
use crate::interrupt;
use crate::measurement::{self, Measurement};
use crate::output::{Table, TrainingBar, print, print_json, thousands};

#[derive(Serialize)]
struct Report<'a> {
    network: PathBuf,
    model: Option<PathBuf>,
    epochs: &'a [subbyte::train::Epoch],
    #[serde(flatten)]
    measurement: Measurement,
}

/// Trains by a recipe, then measures the last epoch's network on the test images.
pub fn run(args: &Train) -> Result<ExitCode> {
    // What the end of a long run needs is looked at before it begins.
    Level::resolve(None)?;
    let mut recipe = recipe(args)?;
    for assignment in &args.sets {
        recipe.set(assignment)?;
    }
    if let Some(path) = &args.data {
        recipe.data.path.clone_from(path);
    }
    recipe.validate()?;
    let split = recipe.open_data()?;
    let folder = match &args.output {
        Some(folder) => folder.clone(),
        None => PathBuf::from("runs").join(name(args)),
    };
    let run = Run::new(recipe, split.train, &folder)?
        .force(args.force)
        .tensorboard(args.tensorboard);
    if args.dry_run {
        return rehearse(&run, args.json);
    }
    interrupt::watch()?;
    let bar = &mut TrainingBar::new(name(args).to_string_lossy(), interrupt::asked);
    let outcome = run.train(bar, args.resume)?;
    let Outcome::Finished(checkpoint) = outcome else {
        note!("interrupted; go on with the same command and --resume");
        return Ok(interrupt::exit_code());
    };
    let written = run.folder().recipe();
    let recipe = args.recipe.as_deref().unwrap_or(&written);
    let (measurement, model) = finish(run.folder(), &checkpoint, split.test, recipe)?;
    if args.json {
        print_json(&Report {
            network: run.folder().finished(),
            model,
            epochs: &checkpoint.history,
            measurement,
        })?;
    } else {
        print(&measurement.table().to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The recipe before keys are changed one by one.
fn recipe(args: &Train) -> Result<Recipe> {
    let mut recipe = match &args.recipe {
        Some(path) => Recipe::load(path)?,
        None if args.data.is_none() => {
            refuse("without a recipe the images to train on have to be given: --data PATH")
        }
        None => Recipe::fine_tuning(),
    };
    if let Some(path) = &args.from {
        recipe.preprocess = args.preprocess.map(Into::into);
        let Network::Graph(graph, _) = files::load_with(path, args.preprocess.map(Into::into))?
        else {
            bail!(
                "{} is a model of integers; give the float network that it was made of",
                path.display()
            );
        };
        // A network that is quantized already has less to teach than the one that it was made of.
        let teacher = recipe.teacher.clone();
        recipe.import(path.clone());
        if graph.is_fully_quantized() {
            recipe.teacher = teacher;
        }
        let geometry = files::geometry(&graph)?;
        let resize = files::resize_for(None, geometry);
        // Only images in colour are brought to a size.
        let square = geometry.height == geometry.width && geometry.colours == 3;
        if let (Some(resize), None, true) = (resize, recipe.data.size, square) {
            recipe.data.size = Some(geometry.height);
            recipe.data.shorter_side = Some(resize.shorter_side);
        }
    }
    Ok(recipe)
}

/// What the run is called.
fn name(args: &Train) -> &OsStr {
    let file = args.recipe.as_ref().or(args.from.as_ref());
    file.and_then(|path| path.file_stem()).unwrap_or_default()
}

#[derive(Serialize)]
struct DryRun {
    network: String,
    parameters: usize,
    images: usize,
    epochs: usize,
    steps_per_epoch: usize,
    step_ms: f64,
    images_per_second: f64,
    training_seconds: f64,
    /// Where the system tells it.
    peak_memory_bytes: Option<u64>,
}

/// Says what a run would take.
fn rehearse(run: &Run, json: bool) -> Result<ExitCode> {
    let Rehearsal {
        network,
        parameters,
        images,
        steps,
        epochs,
        step,
    } = run.rehearse()?;
    let seconds = step.as_secs_f64();
    let dry_run = DryRun {
        network,
        parameters,
        images,
        epochs,
        steps_per_epoch: steps,
        step_ms: seconds * 1e3,
        images_per_second: images as f64 / (steps as f64 * seconds),
        training_seconds: seconds * (steps * epochs) as f64,
        peak_memory_bytes: peak_memory(),
    };
    if json {
        print_json(&dry_run)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(["a run of this recipe", ""]);
    let mut row = |name: &str, value: String| table.row([name.to_owned(), value]);
    row("network", dry_run.network);
    row("parameters", thousands(parameters as u64));
    row("images of an epoch", thousands(images as u64));
    row("steps", format!("{} x {}", epochs, thousands(steps as u64)));
    row("a step", format!("{:.0} ms", dry_run.step_ms));
    let rate = dry_run.images_per_second;
    row("training speed", format!("{rate:.0} images/s"));
    let whole = Duration::from_secs(dry_run.training_seconds as u64);
    row("training time", HumanDuration(whole).to_string());
    let memory = dry_run.peak_memory_bytes;
    let memory = memory.map_or_else(|| "unknown".to_owned(), |b| format!("{} MB", b / 1_000_000));
    row("peak memory", memory);
    print(&table.to_string())?;
    Ok(ExitCode::SUCCESS)
}

/// The most memory that this process has had in use at once, where the system tells it (Linux).
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// Measures a trained network on test images and writes its integer model, where it has one, and the result into its folder; the
/// recipe's file is as the command named it. Returns the model's path.
pub fn finish(
    folder: &RunFolder,
    checkpoint: &Checkpoint,
    test: ImageSet,
    recipe: &Path,
) -> Result<(Measurement, Option<PathBuf>)> {
    let graph = &checkpoint.graph;
    if graph.diffusion.is_some() {
        note!(
            "make pictures with `subbyte sample {}`",
            folder.finished().display()
        );
        let bytes = Some(sbg::to_bytes(graph, &sbg::Extras::default())?.len());
        let measurement = Measurement {
            bytes,
            ..Measurement::default()
        };
        return Ok((measurement, None));
    }
    let (measurement, lowered) =
        measurement::network(graph, Some(checkpoint), &test.into(), Engine::default())?;
    let model = match lowered {
        Some(lowered) => {
            files::write(&folder.model(), &lowered.bytes)?;
            note!("wrote {}", folder.model().display());
            Some(folder.model())
        }
        None => None,
    };
    let words = std::env::args().skip(1);
    let command: Vec<String> = std::iter::once("subbyte".to_owned()).chain(words).collect();
    let result = RunResult {
        seed: checkpoint.recipe.seed,
        input: input_kind(&checkpoint.recipe).to_owned(),
        layers: layer_bits(graph)?,
        top1: measurement.top1,
        top5: measurement.top5,
        top1_evaluated: measurement.top1_evaluated.unwrap_or_default(),
        top5_evaluated: measurement.top5_evaluated.unwrap_or_default(),
        images: measurement.images.unwrap_or_default(),
        epochs: checkpoint.history.len(),
        bytes: measurement.bytes.unwrap_or_default(),
        seconds: checkpoint.history.iter().map(|epoch| epoch.seconds).sum(),
        machine: machine(),
        recipe: recipe.display().to_string(),
        command: command.join(" "),
    };
    let path = folder.result();
    result
        .save(&path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok((measurement, model))
}
