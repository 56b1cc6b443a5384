use crate::note;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use serde::Serialize;
use subbyte::data::Dataset;
use subbyte::engine::Level;
use subbyte::results::{RunResult, input_kind, layer_bits, machine};
use subbyte::train::{Checkpoint, Outcome, Recipe, Run, RunFolder};

use crate::args::{Engine, Train};
use crate::files;
use crate::interrupt;
use crate::measurement::{self, Measurement};
use crate::output::{TrainingBar, print, print_json};

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
    let mut recipe = Recipe::load(&args.recipe)?;
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
        None => PathBuf::from("runs").join(args.recipe.file_stem().unwrap_or_default()),
    };
    let run = Run::new(recipe, split.train, &folder)?.force(args.force);
    interrupt::watch()?;
    let name = args
        .recipe
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy();
    let outcome = run.train(&mut TrainingBar::new(name, interrupt::asked), args.resume)?;
    let Outcome::Finished(checkpoint) = outcome else {
        note!("interrupted; go on with the same command and --resume");
        return Ok(interrupt::exit_code());
    };
    let (measurement, model) = finish(run.folder(), &checkpoint, split.test, &args.recipe)?;
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

/// Measures a trained network on test images and writes its integer model, where it has one, and the result into its folder; the
/// recipe's file is as the command named it. Returns the model's path.
pub fn finish(
    folder: &RunFolder,
    checkpoint: &Checkpoint,
    test: Dataset,
    recipe: &Path,
) -> Result<(Measurement, Option<PathBuf>)> {
    let graph = &checkpoint.graph;
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
