use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use serde::Serialize;
use subbyte::zoo::{Card, cards, data_folder};
use subbyte::{Plan, Pool};

use crate::args::ZooCheck;
use crate::files::{self, BUILTIN, Network};
use crate::images::TestImages;
use crate::measurement;
use crate::note;
use crate::output::{Bar, Table, TaskBar, chain, percent, print, print_json};

/// How far the accuracy of a network in floats may be from its card: sums of floats depend on the processor, and with them the few
/// images that lie next to a decision. Integers may differ nowhere.
const FLOAT_TOLERANCE: f64 = 0.001;

#[derive(Serialize)]
struct Report {
    models: Vec<Checked>,
}

/// A model as it is and as its card has it.
#[derive(Serialize)]
struct Checked {
    name: String,
    file: String,
    network: String,
    data: String,
    /// Of the body; null in floats.
    weight_bits: Option<u8>,
    /// Of the body; null in floats.
    activation_bits: Option<u8>,
    input: String,
    seed: u32,
    /// Null where the data are not there, or the file cannot be used.
    top1: Option<f64>,
    card_top1: f64,
    top5: Option<f64>,
    card_top5: f64,
    /// What is wrong, if something is.
    problem: Option<String>,
}

/// Measures every model whose data are there. The exit code is 1 if one is not what its card says.
pub fn run(args: &ZooCheck) -> Result<ExitCode> {
    let cards = cards(&args.zoo)?;
    if cards.is_empty() {
        bail!("there are no cards in {}", args.zoo.display());
    }
    let bar = TaskBar::new("zoo", "model", 0, cards.len());
    let mut models = Vec::new();
    for (name, card) in cards {
        bar.begin(&name, models.len());
        models.push(check(args, name, &card));
    }
    drop(bar);
    let mut code = ExitCode::SUCCESS;
    for model in &models {
        if let Some(problem) = &model.problem {
            note!("error: {}: {problem}", model.name);
            code = ExitCode::FAILURE;
        }
    }
    let report = Report { models };
    if args.json {
        print_json(&report)?;
    } else {
        print(&report.table().to_string())?;
    }
    Ok(code)
}

fn check(args: &ZooCheck, name: String, card: &Card) -> Checked {
    let measured = measure(args, card);
    let (card_top1, card_top5) = (card.result.best_top1(), card.result.best_top5());
    let (top1, top5) = match &measured {
        Ok(Some((top1, top5))) => (Some(*top1), Some(*top5)),
        _ => (None, None),
    };
    let tolerance = if card.result.top1.is_some() {
        0.0
    } else {
        FLOAT_TOLERANCE
    };
    let differs = top1.is_some_and(|top1| (top1 - card_top1).abs() > tolerance);
    let problem = match measured {
        Err(error) => Some(chain(&error)),
        Ok(_) if differs => Some("its accuracy is not that of its card".to_owned()),
        Ok(_) => None,
    };
    Checked {
        name,
        file: card.file.clone(),
        network: card.network.clone(),
        data: card.data.clone(),
        weight_bits: card.weight_bits,
        activation_bits: card.activation_bits,
        input: card.result.input.clone(),
        seed: card.result.seed,
        top1,
        card_top1,
        top5,
        card_top5,
        problem,
    }
}

/// Top-1 and top-5 of a model as its file is now; `None` where its data are not there.
fn measure(args: &ZooCheck, card: &Card) -> Result<Option<(f64, f64)>> {
    let path = args.zoo.join(&card.file);
    let bytes = files::read(&path)?;
    if !card.is_of(&bytes) {
        bail!(
            "{} is not the file that its card was made of (sha256)",
            path.display()
        );
    }
    let Some(data) = data_path(&args.data, &card.data) else {
        return Ok(None);
    };
    match files::load(&path)? {
        Network::Model(model, _) => {
            let plan = Plan::new(&model, args.engine.options())?;
            let geometry = files::model_geometry(&model);
            let (resize, count) = (files::resize(&model), plan.classes());
            let images = TestImages::open(&data, geometry, resize, &model.classes, Some(count))?;
            subbyte::check_data(&plan, images.geometry(), images.classes())?;
            let mut pool = Pool::new(args.engine.threads)?;
            let mut bar = Bar::new("integer model", images.len());
            let examples = images.examples(args.engine.threads())?;
            let score = subbyte::score(&plan, &mut pool, examples, |done| bar.at(done.images))?;
            images.end(score.accuracy.images)?;
            Ok(Some((score.accuracy.top1(), score.accuracy.top5())))
        }
        Network::Graph(graph, checkpoint) => {
            let geometry = files::geometry(&graph)?;
            let resize = checkpoint.and_then(|c| c.recipe.resize());
            let images = TestImages::open(&data, geometry, resize, &graph.classes, None)?;
            let (measured, _) = measurement::network(&graph, None, &images, args.engine)?;
            images.end(measured.images.unwrap_or(0))?;
            Ok(measured.top1_evaluated.zip(measured.top5_evaluated))
        }
    }
}

/// Where a data set lies in the folder of all of them; `None` where it does not.
fn data_path(folder: &Path, name: &str) -> Option<String> {
    if name == BUILTIN {
        return Some(BUILTIN.to_owned());
    }
    let path = folder.join(data_folder(name));
    path.exists().then(|| path.display().to_string())
}

impl Report {
    fn table(&self) -> Table {
        let header = [
            "model", "data", "bits", "input", "seed", "top-1", "card", "result",
        ];
        let mut table = Table::new(header).text(4);
        for model in &self.models {
            let bits = match (model.weight_bits, model.activation_bits) {
                (Some(weights), Some(activations)) => format!("w{weights}a{activations}"),
                _ => "float".to_owned(),
            };
            let result = match (&model.problem, model.top1) {
                (Some(_), Some(_)) => "differs",
                (Some(_), None) => "unusable",
                (None, Some(_)) => "ok",
                (None, None) => "no data",
            };
            table.row([
                model.name.clone(),
                model.data.clone(),
                bits,
                model.input.clone(),
                model.seed.to_string(),
                model.top1.map_or("-".to_owned(), percent),
                percent(model.card_top1),
                result.to_owned(),
            ]);
        }
        table
    }
}
