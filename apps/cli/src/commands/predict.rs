use std::path::PathBuf;

use anyhow::{Result, bail};
use serde::Serialize;
use subbyte::data;
use subbyte::engine::{Options, Plan};
use subbyte::model::{Model, Op};

use crate::args::Predict;
use crate::files;
use crate::output::{Table, percent, print, print_json};

#[derive(Serialize)]
struct Report {
    images: Vec<Image>,
}

#[derive(Serialize)]
struct Image {
    file: PathBuf,
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

/// Classifies images. Those that cannot be read are named at the end, as an error; the others are shown nevertheless.
pub fn run(args: &Predict) -> Result<()> {
    let (model, _) = files::load_model(&args.model)?;
    let (geometry, resize) = (files::model_geometry(&model), files::resize(&model));
    let plan = Plan::new(&model, Options::default())?;
    let mut arena = plan.arena();
    let (mut images, mut problems) = (Vec::new(), Vec::new());
    for file in expand(&args.images)? {
        match data::read_image(&file, geometry, resize) {
            Ok(pixels) => {
                let logits = plan.run(&mut arena, &pixels)?;
                let predictions = predictions(&model, logits, args.top.get());
                images.push(Image { file, predictions });
            }
            Err(problem) => problems.push(problem.to_string()),
        }
    }
    let report = Report { images };
    if args.json {
        print_json(&report)?;
    } else if !report.images.is_empty() {
        print(&report.table().to_string())?;
    }
    if problems.is_empty() {
        return Ok(());
    }
    bail!(
        "cannot classify {} of the images:\n{}",
        problems.len(),
        problems.join("\n")
    )
}

/// The image files that are meant: a folder stands for those in it.
fn expand(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let inside = data::image_files(path)?;
            if inside.is_empty() {
                bail!("{} holds no images (JPEG, PNG or WebP)", path.display());
            }
            files.extend(inside);
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
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

impl Report {
    /// One row a prediction; an image is named in the row of its first.
    fn table(&self) -> Table {
        let mut table = Table::new(["image", "class", "probability", "logit"]).text(2);
        for image in &self.images {
            let mut file = image.file.display().to_string();
            for p in &image.predictions {
                let name = p.name.clone().unwrap_or_else(|| p.class.to_string());
                let cells = [
                    std::mem::take(&mut file),
                    name,
                    percent(p.probability),
                    p.logit.to_string(),
                ];
                table.row(cells);
            }
        }
        table
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
