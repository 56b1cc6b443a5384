use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;
use subbyte::model::Model;
use subbyte::{Plan, Pool};

use crate::args::Eval;
use crate::files::{self, Network};
use crate::images::{Broken, TestImages};
use crate::measurement::{self, Measurement};
use crate::output::{Bar, percent, print, print_json};
use crate::{interrupt, note};

/// Measures a model, or a network and the integer model that it becomes. Image files are decoded as they are needed; those that
/// cannot be used are left out and named at the end, as an error.
pub fn run(args: &Eval) -> Result<ExitCode> {
    let given = args.data.as_ref().or(args.positional.as_ref());
    match files::load(&args.file)? {
        Network::Model(model, bytes) => {
            let path = files::data_path(given.or(files::noted_data(&model)), None, &args.file)?;
            let geometry = files::model_geometry(&model);
            let plan = Plan::new(&model, args.engine.options())?;
            let (resize, count) = (files::resize(&model), plan.classes());
            let images = TestImages::open(&path, geometry, resize, &model.classes, Some(count))?;
            evaluate(args, (&model, &plan), bytes.len(), &images)
        }
        Network::Graph(graph, checkpoint) => {
            let recipe = checkpoint.as_ref().map(|c| &c.recipe);
            let path = files::data_path(given, recipe, &args.file)?;
            let images =
                TestImages::open(&path, files::geometry(&graph), None, &graph.classes, None)?;
            let (measurement, _) =
                measurement::network(&graph, checkpoint.as_deref(), &images, args.engine)?;
            let done = images.len() - images.broken().len();
            if done > 0 {
                show(args, &measurement, &images)?;
            }
            images.end(done)
        }
    }
}

/// The figures, and the files that are not in them.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    measurement: &'a Measurement,
    broken: &'a [Broken],
}

fn show(args: &Eval, measurement: &Measurement, images: &TestImages) -> Result<()> {
    if args.json {
        let broken = &images.broken();
        print_json(&Report {
            measurement,
            broken,
        })
    } else {
        print(&measurement.table().to_string())
    }
}

/// Measures a model until it is done or interrupted.
fn evaluate(
    args: &Eval,
    (model, plan): (&Model, &Plan),
    bytes: usize,
    images: &TestImages,
) -> Result<ExitCode> {
    let mut pool = Pool::new(args.engine.threads)?;
    subbyte::check_data(plan, images.geometry(), images.classes())?;
    interrupt::watch()?;
    let mut bar = Bar::new("integer model", images.len());
    let examples = images.examples(args.engine.threads())?;
    let wanted = examples.take_while(|_| !interrupt::asked());
    let score = subbyte::score(plan, &mut pool, wanted, |accuracy| bar.at(accuracy.images))?;
    drop(bar);
    let done = score.accuracy.images;
    if done + images.broken().len() < images.len() {
        note!("top-1 so far {}", percent(score.accuracy.top1()));
    } else if done > 0 {
        let measurement = Measurement {
            bytes: Some(bytes),
            layers: Some(super::inspect::layers(model)?),
            ..Measurement::of_model(&score, pool.threads())
        };
        show(args, &measurement, images)?;
    }
    images.end(done)
}
