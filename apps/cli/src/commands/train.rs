use crate::note;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;
use subbyte::engine::Level;
use subbyte::train::{Outcome, Recipe, Run};

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
    let (measurement, lowered) = measurement::network(
        &checkpoint.graph,
        Some(&checkpoint),
        &split.test.into(),
        Engine::default(),
    )?;
    let model = run.folder().model();
    if let Some(lowered) = &lowered {
        files::write(&model, &lowered.bytes)?;
        note!("wrote {}", model.display());
    }
    if args.json {
        print_json(&Report {
            network: run.folder().finished(),
            model: lowered.map(|_| model),
            epochs: &checkpoint.history,
            measurement,
        })?;
    } else {
        print(&measurement.table().to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}
