use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use subbyte::data::ImageStream;
use subbyte::model::Model;
use subbyte::{Accuracy, Plan, Pool};

use crate::args::Eval;
use crate::files::{self, Broken, Network, TestImages};
use crate::measurement::{self, Measurement};
use crate::output::{Bar, percent, print, print_json};
use crate::{interrupt, note};

/// Measures a model, or a network and the integer model that it becomes.
pub fn run(args: &Eval) -> Result<ExitCode> {
    let given = args.data.as_ref().or(args.positional.as_ref());
    match files::load(&args.file)? {
        Network::Model(model, bytes) => {
            let path = files::data_path(given.or(files::noted_data(&model)), None, &args.file)?;
            evaluate(args, &model, bytes.len(), &path)
        }
        Network::Graph(graph, checkpoint) => {
            let recipe = checkpoint.as_ref().map(|c| &c.recipe);
            let path = files::data_path(given, recipe, &args.file)?;
            let data = files::test_data(&path, files::geometry(&graph), None)?;
            let (measurement, _) =
                measurement::network(&graph, checkpoint.as_deref(), &data, args.engine)?;
            show(args, &measurement)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn show(args: &Eval, measurement: &Measurement) -> Result<()> {
    if args.json {
        print_json(measurement)
    } else {
        print(&measurement.table().to_string())
    }
}

/// Measures a model. Image files are decoded as they are needed; those that cannot be used are left out and named at the end, as
/// an error.
fn evaluate(args: &Eval, model: &Model, bytes: usize, path: &str) -> Result<ExitCode> {
    let (geometry, resize) = (files::model_geometry(model), files::resize(model));
    let plan = Plan::new(model, args.engine.options())?;
    let mut pool = Pool::new(args.engine.threads)?;
    let images = files::test_images(path, geometry, resize)?;
    let (found, classes, count) = match &images {
        TestImages::Loaded(data) => (data.geometry(), data.classes(), data.len()),
        TestImages::Files(list) => (geometry, &list.classes[..], list.files.len()),
    };
    subbyte::check_data(&plan, found, classes)?;
    interrupt::watch()?;
    let mut broken = Vec::new();
    let mut bar = Bar::new("integer model", count);
    let progress = |accuracy: &Accuracy| bar.at(accuracy.images);
    let going_on = || !interrupt::asked();
    let score = match images {
        TestImages::Loaded(data) => {
            let images = data.examples().take_while(|_| going_on());
            subbyte::score(&plan, &mut pool, images, progress)?
        }
        TestImages::Files(list) => {
            let files: Arc<[_]> = list.files.into();
            let threads = args.engine.threads();
            let stream = ImageStream::new(Arc::clone(&files), geometry, resize, threads)?;
            let images = list.labels.iter().zip(files.iter()).zip(stream);
            let wanted = images.take_while(|_| going_on());
            let readable = wanted.filter_map(|((&label, file), image)| match image {
                Ok(image) => Some((usize::from(label), image)),
                Err(problem) => {
                    broken.push(Broken::new(file, &problem));
                    None
                }
            });
            subbyte::score(&plan, &mut pool, readable, progress)?
        }
    };
    drop(bar);
    let done = score.accuracy.images;
    let interrupted = done + broken.len() < count;
    if interrupted {
        note!("top-1 so far {}", percent(score.accuracy.top1()));
    } else if done > 0 {
        let measurement = Measurement {
            bytes: Some(bytes),
            layers: Some(super::inspect::layers(model)?),
            ..Measurement::of_model(&score, pool.threads())
        };
        show(args, &measurement)?;
    }
    files::end(done, &broken, count)
}
