use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use serde::Serialize;
use subbyte::data::Geometry;
use subbyte::{Model, Plan, Pool};

use crate::args::{Engine, Eval};
use crate::files::{self, Network};
use crate::images::{Broken, TestImages};
use crate::interrupt;
use crate::measurement::{self, Measurement};
use crate::output::{Bar, percent, print, print_json};

/// Measures a model, or a network and the integer model that it becomes. Image files are decoded as they are needed; those that
/// cannot be used are left out and named at the end, as an error. What was measured until an interruption is shown.
pub fn run(args: &Eval) -> Result<ExitCode> {
    let preprocess = args.preprocess.map(Into::into);
    let mut subject = files::load_with(&args.file, preprocess)?;
    if let Some(digits) = args.digits {
        let Network::Model(model, _) = &mut subject else {
            bail!(
                "{} is a network; --digits is for models, lower it first",
                args.file.display()
            );
        };
        **model = model.with_digits(digits);
    }
    let images = open(args, &subject)?.until_interrupted();
    let other = match &args.against {
        Some(path) => Some((path, comparable(path, &subject)?)),
        None => None,
    };
    // The comparison of a network with its integer model is of no use before its end, so Ctrl-C may end the process there.
    let others = other.iter().map(|(_, other)| other);
    if !others.chain([&subject]).any(is_lowered) {
        interrupt::watch()?;
    }
    let measurement = measure(&subject, &images, args.engine)?;
    let done = measurement.images.unwrap_or(0);
    let mut against = None;
    if let (Some((path, other)), false) = (other, interrupt::asked()) {
        let found = measure(&other, &images, args.engine)?;
        // Figures of different images cannot be compared.
        if found.images == measurement.images {
            against = Against::new(path, &found, &measurement);
        }
    }
    if done > 0 {
        let interrupted = interrupt::asked();
        show(args, &measurement, against, interrupted, &images)?;
    }
    images.end(done)
}

/// The images on which a network or model is measured.
fn open(args: &Eval, subject: &Network) -> Result<TestImages> {
    let given = args.data.as_ref().or(args.positional.as_ref());
    match subject {
        Network::Model(model, _) => {
            let path = files::data_path(given.or(files::noted_data(model)), None, &args.file)?;
            let geometry = files::model_geometry(model);
            let count = Plan::new(model, args.engine.options())?.classes();
            let resize = files::resize(model);
            TestImages::open(&path, geometry, resize, &model.classes, Some(count))
        }
        Network::Graph(graph, checkpoint) => {
            let recipe = checkpoint.as_ref().map(|c| &c.recipe);
            let path = files::data_path(given, recipe, &args.file)?;
            let geometry = files::geometry(graph)?;
            let resize = files::resize_for(recipe, geometry);
            let count = files::classes(graph);
            TestImages::open(&path, geometry, resize, &graph.classes, count)
        }
    }
}

/// A network that can be measured on the images of another one.
fn comparable(path: &Path, subject: &Network) -> Result<Network> {
    let facts = |network: &Network| -> Result<(Geometry, Vec<String>)> {
        Ok(match network {
            Network::Model(model, _) => (files::model_geometry(model), model.classes.clone()),
            Network::Graph(graph, _) => (files::geometry(graph)?, graph.classes.clone()),
        })
    };
    let other = files::load(path)?;
    let ((geometry, classes), (theirs, names)) = (facts(subject)?, facts(&other)?);
    if geometry != theirs {
        bail!(
            "{} reads images of {theirs}, the other network {geometry}; compare networks for the same images",
            path.display()
        );
    }
    if classes != names && !classes.is_empty() && !names.is_empty() {
        bail!(
            "{} has other classes, or has them in another order; compare networks of the same classes",
            path.display()
        );
    }
    Ok(other)
}

/// Whether a network is measured by the integer model that it becomes.
fn is_lowered(network: &Network) -> bool {
    matches!(network, Network::Graph(graph, _) if graph.is_fully_quantized())
}

fn measure(network: &Network, images: &TestImages, engine: Engine) -> Result<Measurement> {
    match network {
        Network::Model(model, bytes) => evaluate(model, bytes.len(), images, engine),
        Network::Graph(graph, checkpoint) => {
            let checkpoint = checkpoint.as_deref();
            let (measurement, _) = measurement::network(graph, checkpoint, images, engine)?;
            Ok(measurement)
        }
    }
}

/// Measures a model until it is done or interrupted.
fn evaluate(
    model: &Model,
    bytes: usize,
    images: &TestImages,
    engine: Engine,
) -> Result<Measurement> {
    let plan = Plan::new(model, engine.options())?;
    let mut pool = Pool::new(engine.threads)?;
    subbyte::check_data(&plan, images.geometry(), images.classes())?;
    let mut bar = Bar::new("integer model", images.len());
    let examples = images.examples(engine.threads())?;
    let score = subbyte::score(&plan, &mut pool, examples, |accuracy| {
        bar.at(accuracy.images)
    })?;
    Ok(Measurement {
        partial_products: Some(model.multiplications()?.partial_products),
        bytes: Some(bytes),
        layers: Some(super::inspect::layers(model)?),
        ..Measurement::of_model(&score, pool.threads())
    })
}

/// How another network does on the same images.
#[derive(Serialize)]
struct Against<'a> {
    file: &'a Path,
    top1: f64,
    top5: f64,
    /// By how much its accuracy is above that of the measured network.
    gap_top1: f64,
    gap_top5: f64,
}

impl<'a> Against<'a> {
    fn new(file: &'a Path, theirs: &Measurement, ours: &Measurement) -> Option<Self> {
        let ([top1, top5], [our_top1, our_top5]) = (theirs.accuracy()?, ours.accuracy()?);
        Some(Self {
            file,
            top1,
            top5,
            gap_top1: top1 - our_top1,
            gap_top5: top5 - our_top5,
        })
    }
}

/// The figures, and the files that are not in them.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    measurement: &'a Measurement,
    against: Option<Against<'a>>,
    interrupted: bool,
    broken: &'a [Broken],
}

fn show(
    args: &Eval,
    measurement: &Measurement,
    against: Option<Against<'_>>,
    interrupted: bool,
    images: &TestImages,
) -> Result<()> {
    if args.json {
        let broken = &images.broken();
        return print_json(&Report {
            measurement,
            against,
            interrupted,
            broken,
        });
    }
    let mut table = measurement.table();
    if let Some(against) = against {
        let mut row = |name: &str, value: String| table.row([name.to_owned(), value]);
        row("compared network, top-1", percent(against.top1));
        row("compared network, top-5", percent(against.top5));
        row("gap, top-1", points(against.gap_top1));
        row("gap, top-5", points(against.gap_top5));
    }
    print(&table.to_string())
}

/// `0.0123` as `1.23 points`.
fn points(share: f64) -> String {
    format!("{:.2} points", 100.0 * share)
}
