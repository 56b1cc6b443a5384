//! Several models of one network: accuracy against bytes.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use subbyte::graph::Graph;
use subbyte::quantize::{self, Ranked, Rounding, Uniform};
use subbyte_plot::{Point, accuracy_bytes};

use super::{Task, clip, placement, tell, unless_stopped};
use crate::args::{Criterion, Place};
use crate::files;
use crate::measurement;
use crate::output::{Table, percent, print, print_json, thousands};
use crate::{interrupt, note};

/// One model of the front.
#[derive(Serialize)]
struct Row {
    name: String,
    file: PathBuf,
    /// Bytes that the file may take; null for flat bits.
    budget: Option<usize>,
    bytes: usize,
    top1: Option<f64>,
    /// By how much the float network is better.
    drop: Option<f64>,
}

#[derive(Serialize)]
struct Report {
    float_top1: Option<f64>,
    interrupted: bool,
    models: Vec<Row>,
}

/// Quantizes, measures and writes one model for every place. What was done until an interruption is shown.
pub fn run(task: &Task<'_>) -> Result<ExitCode> {
    let Some(folder) = &task.args.output else {
        bail!("--front writes several files; name their folder with -o DIR");
    };
    let Some(images) = &task.images else {
        bail!("a front needs labelled images; give --data PATH");
    };
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot create the folder {}", folder.display()))?;
    interrupt::watch()?;
    let (float, _) = measurement::network(&task.graph, None, images, task.args.engine)?;
    let float_top1 = float.accuracy().map(|[top1, _]| top1);
    let mut models = Models {
        task,
        ranked: Vec::new(),
    };
    let mut rows: Vec<Row> = Vec::new();
    for &place in &task.args.front {
        let Some(graph) = models.quantize(place)? else {
            break;
        };
        let budget = match place {
            Place::Budget(bytes, _) => Some(bytes),
            Place::Flat(_) => None,
        };
        let lowered = measurement::lower(
            &graph,
            None,
            images,
            super::extent(task.vectors(budget)),
            task.args.engine,
        )?;
        let name = name(task, place);
        let file = folder.join(format!("{}.sbm", name.replace(", ", "-").replace(' ', "-")));
        files::write(&file, &lowered.bytes)?;
        let top1 = lowered.measurement.top1;
        note!(
            "{name}: {} bytes, top-1 {}",
            thousands(lowered.bytes.len() as u64),
            top1.map_or(String::new(), percent)
        );
        rows.push(Row {
            name,
            file,
            budget,
            bytes: lowered.bytes.len(),
            top1,
            drop: float_top1.zip(top1).map(|(float, top1)| float - top1),
        });
    }
    if rows.is_empty() {
        return Ok(interrupt::exit_code());
    }
    let picture = folder.join("accuracy-bytes.png");
    let points = rows.iter().map(|row| Point {
        name: row.name.clone(),
        bytes: row.bytes as u64,
        accuracy: row.top1.unwrap_or(f64::NAN),
    });
    accuracy_bytes(&points.collect::<Vec<_>>())?.write(&picture)?;
    note!("wrote {} models and {}", rows.len(), picture.display());
    show(
        task,
        Report {
            float_top1,
            interrupted: interrupt::asked(),
            models: rows,
        },
    )
}

fn show(task: &Task<'_>, report: Report) -> Result<ExitCode> {
    let code = match report.interrupted {
        true => interrupt::exit_code(),
        false => ExitCode::SUCCESS,
    };
    if task.args.json {
        print_json(&report)?;
        return Ok(code);
    }
    let mut table = Table::new(["model", "budget", "bytes", "top-1", "below float"]);
    for row in &report.models {
        table.row([
            row.name.clone(),
            row.budget.map_or(String::new(), |b| thousands(b as u64)),
            thousands(row.bytes as u64),
            row.top1.map_or(String::new(), percent),
            row.drop
                .map_or(String::new(), |drop| format!("{:.2}", 100.0 * drop)),
        ]);
    }
    print(&table.to_string())?;
    Ok(code)
}

/// How a place is called in tables and pictures, and its file.
fn name(task: &Task<'_>, place: Place) -> String {
    let activations = task.args.bits.activations;
    match place {
        Place::Flat(bits) => format!("w{bits}a{activations}"),
        Place::Budget(bytes, criterion) => {
            let size = match bytes {
                0..1_000_000 => format!("{} kB", bytes as f64 / 1e3),
                _ => format!("{} MB", bytes as f64 / 1e6),
            };
            match criterion.unwrap_or(task.criterion()) {
                Criterion::OutputError => size,
                Criterion::Published => format!("{size}, published"),
            }
        }
    }
}

/// Quantizes one network in several ways; what a criterion needs is measured once.
struct Models<'a> {
    task: &'a Task<'a>,
    ranked: Vec<(Criterion, Ranked<'a>)>,
}

impl Models<'_> {
    /// `None` where it was interrupted.
    fn quantize(&mut self, place: Place) -> Result<Option<Graph>> {
        let task = self.task;
        let (budget, criterion) = match place {
            Place::Budget(budget, criterion) => (budget, criterion.unwrap_or(task.criterion())),
            Place::Flat(bits) => {
                let mut placement = placement(task.args, &task.graph);
                placement.body.weights = Some(bits);
                let method = Uniform {
                    placement,
                    clip: clip(task.args.clip),
                    rounding: match task.calibration.is_empty() {
                        true => Rounding::Nearest,
                        false => Rounding::ClosedForm,
                    },
                };
                let mut bar = task.bar("quantizing");
                let tell = |progress| tell(&mut bar, progress);
                let (graph, images) = (&task.graph, &task.calibration);
                return unless_stopped(quantize::uniform(graph, images, &method, tell));
            }
        };
        let known = self.ranked.iter().position(|(c, _)| *c == criterion);
        let known = match known {
            Some(known) => known,
            None => {
                let Some(ranked) = task.ranked(criterion)? else {
                    return Ok(None);
                };
                self.ranked.push((criterion, ranked));
                self.ranked.len() - 1
            }
        };
        task.within(&self.ranked[known].1, budget)
    }
}
