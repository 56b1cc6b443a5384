use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use serde::Serialize;
use subbyte::data::{self, ImageStream};
use subbyte::model::{Model, Op};
use subbyte::{Plan, Pool};

use crate::args::Predict;
use crate::files;
use crate::images::{self, Broken};
use crate::interrupt;
use crate::output::{Bar, Rows, percent};

#[derive(Serialize)]
struct Image {
    file: String,
    predictions: Vec<Prediction>,
}

#[derive(Serialize)]
struct Prediction {
    class: usize,
    /// Null where the model does not know the classes' names.
    name: Option<String>,
    probability: f64,
    logit: i32,
}

/// Classifies images, in their order: some are decoded while others are computed, and what is known of one is shown at once, so
/// that there may be any number of them. Those that cannot be read are named at the end, as an error.
pub fn run(args: &Predict) -> Result<ExitCode> {
    let (model, _) = files::load_model(&args.model)?;
    let (geometry, resize) = (files::model_geometry(&model), files::resize(&model));
    let plan = Plan::new(&model, args.engine.options())?;
    let mut pool = Pool::new(args.engine.threads)?;
    let (files, mut broken) = expand(&args.images);
    let files: Arc<[PathBuf]> = files.into();
    let count = files.len() + broken.len();
    let threads = args.engine.threads();
    let stream = ImageStream::new(Arc::clone(&files), geometry, resize, threads)?;
    interrupt::watch()?;
    let numbered = files.iter().enumerate().zip(stream);
    let wanted = numbered.take_while(|_| !interrupt::asked());
    let images = wanted.filter_map(|((i, file), image)| match image {
        Ok(image) => Some((i, image)),
        Err(problem) => {
            broken.push(Broken::new(file, &problem));
            None
        }
    });
    let mut bar = Bar::new("predicting", files.len());
    let mut printer = match args.json {
        true => Printer::json(),
        false => Printer::table(&model, &files),
    };
    let mut printed = Ok(());
    let mut shown = 0;
    subbyte::run_all(&plan, &mut pool, images, |i, logits| {
        let image = Image {
            file: files[i].display().to_string(),
            predictions: predictions(&model, logits, args.top.get()),
        };
        printed = printer.image(&bar, &image);
        shown += 1;
        bar.at(i + 1);
        match printed {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    })?;
    printed?;
    let interrupted = shown + broken.len() < count;
    printer.end(&bar, &broken, interrupted)?;
    drop(bar);
    images::end(shown, &broken, count)
}

/// The image files that are meant, where a folder stands for those in it; and the folders that stand for none.
fn expand(paths: &[PathBuf]) -> (Vec<PathBuf>, Vec<Broken>) {
    let (mut files, mut broken) = (Vec::new(), Vec::new());
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        match data::image_files(path) {
            Ok(inside) if inside.is_empty() => broken.push(Broken {
                file: path.display().to_string(),
                problem: format!("{}: holds no images (JPEG, PNG or WebP)", path.display()),
            }),
            Ok(inside) => files.extend(inside),
            Err(problem) => broken.push(Broken::new(path, &problem)),
        }
    }
    (files, broken)
}

/// The classes with the `top` largest logits, of equal logits the first class first.
fn predictions(model: &Model, logits: &[i32], top: usize) -> Vec<Prediction> {
    let probabilities = softmax(logits, scale(model));
    let mut classes: Vec<usize> = (0..logits.len()).collect();
    classes.sort_by_key(|&class| std::cmp::Reverse(logits[class]));
    classes.truncate(top);
    let prediction = |class: usize| Prediction {
        class,
        name: model.classes.get(class).cloned(),
        probability: probabilities[class],
        logit: logits[class],
    };
    classes.into_iter().map(prediction).collect()
}

/// Real value of one unit of the logits.
fn scale(model: &Model) -> f64 {
    match model.nodes.last().map(|node| &node.op) {
        Some(&Op::Output { scale_bits }) => f32::from_bits(scale_bits).into(),
        _ => unreachable!("the last node of a valid model is its output"),
    }
}

/// `exp(scale * logit)` as shares of their sum. The largest logit is subtracted first, so that nothing overflows.
fn softmax(logits: &[i32], scale: f64) -> Vec<f64> {
    let largest = logits.iter().copied().max().unwrap_or(0);
    let power = |&logit: &i32| (scale * (f64::from(logit) - f64::from(largest))).exp();
    let powers: Vec<f64> = logits.iter().map(power).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|power| power / sum).collect()
}

/// Shows what is known of one image after the other.
enum Printer {
    /// One row a prediction; an image is named in the row of its first.
    Table { rows: Rows, header: Option<String> },
    /// One object with a list of the images, one a line, a list of the broken files, and whether images are missing. What was last known of waits until it is
    /// clear whether a comma follows it.
    Json { last: String },
}

impl Printer {
    fn table(model: &Model, files: &[PathBuf]) -> Self {
        let chars = |text: &str| text.chars().count();
        let longest = |path: &PathBuf| chars(&path.display().to_string());
        let files = files.iter().map(longest).max();
        let names = model.classes.iter().map(|name| chars(name)).max();
        let columns = [
            ("image", files.unwrap_or(0)),
            ("class", names.unwrap_or(0)),
            ("probability", 0),
            ("logit", 7),
        ];
        let (rows, header) = Rows::new(columns, 2);
        let header = Some(header);
        Self::Table { rows, header }
    }

    fn json() -> Self {
        let last = "{\n\"images\": [".to_owned();
        Self::Json { last }
    }

    fn image(&mut self, bar: &Bar, image: &Image) -> Result<()> {
        match self {
            Self::Table { rows, header } => {
                let mut file = image.file.clone();
                let predictions = image.predictions.iter().map(|p| {
                    let name = p.name.clone().unwrap_or_else(|| p.class.to_string());
                    rows.row([
                        std::mem::take(&mut file),
                        name,
                        percent(p.probability),
                        p.logit.to_string(),
                    ])
                });
                let lines: Vec<String> = header.take().into_iter().chain(predictions).collect();
                bar.print(&lines.join("\n"))
            }
            Self::Json { last } => {
                let next = serde_json::to_string(image)?;
                let comma = if last.ends_with('[') { "" } else { "," };
                bar.print(&format!("{}{comma}", std::mem::replace(last, next)))
            }
        }
    }

    fn end(self, bar: &Bar, broken: &[Broken], interrupted: bool) -> Result<()> {
        match self {
            Self::Table { .. } => Ok(()),
            Self::Json { last } => {
                let broken = serde_json::to_string(broken)?;
                bar.print(&format!(
                    "{last}\n],\n\"broken\": {broken},\n\"interrupted\": {interrupted}\n}}"
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::softmax;

    #[test]
    fn probabilities_add_up_and_follow_the_scale() {
        assert_eq!(softmax(&[5, 5], 0.25), [0.5, 0.5]);
        let odds = |p: &[f64]| (p[1] / p[0]).ln();
        assert!((odds(&softmax(&[-4, 6, 1], 0.125)) - 1.25).abs() < 1e-12);
        let extreme = softmax(&[i32::MIN, i32::MAX], 1.0);
        assert_eq!(extreme, [0.0, 1.0]);
    }
}
