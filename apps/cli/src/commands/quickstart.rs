//! Three networks of one shape on the images inside the binary: in floats, with a quantized body, and quantized in every layer.

mod report;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde::Serialize;
use subbyte::data::{Split, fashion_mnist_subset};
use subbyte::engine::Level;
use subbyte::graph::sbg;
use subbyte::train::{Checkpoint, Outcome, Recipe, Run};

use crate::args::{Engine, Quickstart};
use crate::files;
use crate::measurement::{self, Lowered, Measurement};
use crate::output::{Table, TrainingBar, percent, print, print_json, thousands};

/// One of the networks that are trained.
struct Trial {
    /// Folder and name.
    name: &'static str,
    /// What it is, for the table.
    title: &'static str,
    /// What distinguishes its recipe.
    sets: &'static [&'static str],
}

/// Each starts from the weights of the float network, as far as layers agree.
const TRIALS: [Trial; 3] = [
    Trial {
        name: "float",
        title: "float network",
        sets: &["bits=float", "first=float", "last=float"],
    },
    Trial {
        name: "body-only",
        title: "w2a2 body, float first and last layer",
        sets: &["bits=w2a2", "first=float", "last=float"],
    },
    Trial {
        name: "fully-quantized",
        title: "w2a2 in every layer, pixel table",
        sets: &["bits=w2a2", "first=body", "last=body", "input=table"],
    },
];

/// What all recipes share: chosen so that all networks together train in well under three minutes on two cores.
const RECIPE: &str = r#"
network = "small"
epochs = 10
batch-size = 64
seed = 1
learning-rate = 0.1
schedule = "cosine"
warm-up-epochs = 0.5
weight-decay = 1e-4
reestimation-images = 4096

[data]
path = "builtin"
validation = 0.0

[augment]
flip = true

[table]
learning-rate-factor = 3
"#;

/// A trained network with its figures.
struct Trained {
    title: &'static str,
    name: &'static str,
    checkpoint: Checkpoint,
    top1: f64,
    bytes: usize,
    images_per_second: f64,
}

#[derive(Serialize)]
struct NetworkRow<'a> {
    name: &'a str,
    top1: f64,
    bytes: usize,
    images_per_second: f64,
}

#[derive(Serialize)]
struct Summary<'a> {
    networks: Vec<NetworkRow<'a>>,
    seconds: f64,
    #[serde(flatten)]
    measurement: &'a Measurement,
}

/// Trains, lowers, measures, draws and reports.
pub fn run(args: &Quickstart) -> Result<()> {
    Level::resolve(None)?;
    let begun = Instant::now();
    let split = fashion_mnist_subset();
    let mut networks = Vec::new();
    for trial in &TRIALS {
        networks.push(train(trial, &split, args)?);
    }
    let checkpoint = &networks.last().expect("three networks").checkpoint;
    let graph = &checkpoint.graph;
    let lowered = measurement::lower(
        graph,
        Some(checkpoint),
        &split.test.clone().into(),
        measurement::Extent::default(),
        Engine::default(),
    )?;
    // What is said of a fully quantized network is its evaluation on integers, not the float forward.
    let evaluated = lowered.measurement.top1_evaluated;
    if let (Some(last), Some(top1)) = (networks.last_mut(), evaluated) {
        last.top1 = top1;
    }
    let model = args.output.join("model.sbm");
    files::write(&model, &lowered.bytes)?;
    let time = begun.elapsed();
    let table = table(&networks, &lowered);
    report::write(&args.output, &networks, &lowered, &split.test, time)?;
    if args.json {
        return print_json(&summary(&networks, &lowered, time));
    }
    print(&format!(
        "{table}\n{}",
        remarks(&lowered, &args.output, time)
    ))
}

fn train(trial: &Trial, split: &Split, args: &Quickstart) -> Result<Trained> {
    let mut recipe = Recipe::parse(RECIPE)?;
    for set in trial.sets {
        recipe.set(set)?;
    }
    if let Some(epochs) = args.epochs {
        recipe.epochs = epochs;
    }
    if trial.name != TRIALS[0].name {
        recipe.from = Some(args.output.join(TRIALS[0].name).join("final.sbg"));
    }
    let run = Run::new(recipe, split.train.clone(), args.output.join(trial.name))?.force(true);
    let Outcome::Finished(checkpoint) =
        run.train(&mut TrainingBar::new(trial.name, || false), false)?
    else {
        bail!("{} was stopped", trial.name)
    };
    let begun = Instant::now();
    let top1 = subbyte::measure_float(
        &checkpoint.graph,
        split.test.geometry(),
        split.test.examples(),
    )?
    .top1;
    let images_per_second = split.test.len() as f64 / begun.elapsed().as_secs_f64();
    let bytes = sbg::to_bytes(&checkpoint.graph, &sbg::Extras::default())?.len();
    let (title, name) = (trial.title, trial.name);
    Ok(Trained {
        title,
        name,
        checkpoint: *checkpoint,
        top1,
        bytes,
        images_per_second,
    })
}

fn summary<'a>(networks: &'a [Trained], lowered: &'a Lowered, time: Duration) -> Summary<'a> {
    let trained = networks.iter().map(|n| NetworkRow {
        name: n.name,
        top1: n.top1,
        bytes: n.bytes,
        images_per_second: n.images_per_second,
    });
    let m = &lowered.measurement;
    let integer = NetworkRow {
        name: "integer-model",
        top1: m.top1.unwrap_or_default(),
        bytes: lowered.bytes.len(),
        images_per_second: m.images_per_second.unwrap_or_default(),
    };
    let networks = trained.chain([integer]).collect();
    Summary {
        networks,
        seconds: time.as_secs_f64(),
        measurement: m,
    }
}

fn table(networks: &[Trained], lowered: &Lowered) -> Table {
    let mut table = Table::new(["network", "top-1", "bytes", "images/s"]);
    for row in rows(networks, lowered) {
        table.row(row);
    }
    table
}

/// Cells of the table, for the terminal and the report.
fn rows(networks: &[Trained], lowered: &Lowered) -> Vec<[String; 4]> {
    let row = |title: &str, top1: f64, bytes: usize, speed: f64| {
        [
            title.to_owned(),
            percent(top1),
            thousands(bytes as u64),
            thousands(speed as u64),
        ]
    };
    let m = &lowered.measurement;
    let integer = row(
        "integer model of it",
        m.top1.unwrap_or_default(),
        lowered.bytes.len(),
        m.images_per_second.unwrap_or_default(),
    );
    let trained = networks
        .iter()
        .map(|n| row(n.title, n.top1, n.bytes, n.images_per_second));
    trained.chain([integer]).collect()
}

/// What the comparison of evaluation and integers found, and where everything is.
fn remarks(lowered: &Lowered, folder: &Path, time: Duration) -> String {
    let m = &lowered.measurement;
    let number = |n: Option<u64>| thousands(n.unwrap_or_default());
    format!(
        "Evaluation and integers: {} of {} codes differ, {} of {} predictions differ.\n\
         {:.0} seconds in all. Pictures and models are in {}; open {} in a browser.\n\
         Try: subbyte inspect {}",
        number(m.differing_codes),
        number(m.compared_codes),
        number(m.differing_predictions),
        number(m.images.map(|n| n as u64)),
        time.as_secs_f64(),
        folder.display(),
        folder.join("report.html").display(),
        folder.join("model.sbm").display(),
    )
}
