use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use subbyte::data::Geometry;
use subbyte::graph::Graph;
use subbyte::{Difference, TensorDifference};
use subbyte_plot::{Histogram, TensorNoise, code_histograms, tensor_noise};

use crate::args::Diff;
use crate::files::{self, Network};
use crate::images::{self, TestImages};
use crate::output::{Bar, Table, percent, print, print_json};
use crate::{interrupt, note};

/// Compares the tensors of a model with those of a float network. What was compared until an interruption is shown.
pub fn run(args: &Diff) -> Result<ExitCode> {
    let Network::Graph(float, _) = files::load_with(&args.float, args.preprocess.map(Into::into))?
    else {
        bail!(
            "{} is a model; give the float network first, then what was made of it",
            args.float.display()
        );
    };
    let (model, noted) = files::load_lowered(
        &args.quantized,
        "it is not quantized in every layer; give a model, or the network that `subbyte quantize --graph` writes",
    )?;
    let geometry = files::model_geometry(&model);
    let theirs = files::geometry(&float)?;
    if geometry != theirs {
        bail!(
            "{} reads images of {theirs}, {} of {geometry}; compare a model with the network that it was made of",
            args.float.display(),
            args.quantized.display()
        );
    }
    let path = files::data_path(args.data.as_ref().or(noted.as_ref()), None, &args.quantized)?;
    let resize = files::resize(&model).or(files::resize_for(None, geometry));
    let images = open(&path, geometry, resize, &float)?;
    let (chosen, broken) = images.spread_checked(args.images.get());
    let count = chosen.len() + broken.len();
    if chosen.is_empty() {
        return images::end(0, &broken, count);
    }
    interrupt::watch()?;
    let mut bar = Bar::new("comparing", chosen.len());
    let wanted = chosen.iter().take_while(|_| !interrupt::asked());
    let difference = subbyte::difference(&float, &model, wanted, &mut |done| bar.at(done));
    drop(bar);
    let difference = difference
        .with_context(|| format!("{}, {}", args.float.display(), args.quantized.display()))?;
    if difference.images > 0 {
        show(args, &difference)?;
    }
    images::end(difference.images, &broken, count)
}

fn open(
    path: &str,
    geometry: Geometry,
    resize: Option<subbyte::data::Resize>,
    float: &Graph,
) -> Result<TestImages> {
    let images = TestImages::open(
        path,
        geometry,
        resize,
        &float.classes,
        files::classes(float),
    )?;
    if images.geometry() != geometry {
        bail!(
            "the images of {path} are {}, the networks read {geometry}; give others",
            images.geometry()
        );
    }
    Ok(images)
}

/// What a tensor lost.
#[derive(Serialize)]
struct Row<'a> {
    tensor: &'a str,
    /// The float network's tensor beside it.
    float: &'a str,
    bits: Option<u8>,
    /// In dB; null where there is no noise.
    sqnr: Option<f64>,
    lost: Option<f64>,
    hurts: bool,
    saturated: f64,
    codes_used: usize,
    entropy: f64,
    /// By code; empty for logits.
    histogram: &'a [u64],
}

impl<'a> From<&'a TensorDifference> for Row<'a> {
    fn from(tensor: &'a TensorDifference) -> Self {
        Self {
            tensor: &tensor.name,
            float: &tensor.float,
            bits: tensor.code.map(|code| code.bits),
            sqnr: Some(tensor.sqnr).filter(|sqnr| sqnr.is_finite()),
            lost: tensor.lost.filter(|lost| lost.is_finite()),
            hurts: tensor.hurts(),
            saturated: tensor.saturated(),
            codes_used: tensor.used(),
            entropy: tensor.entropy(),
            histogram: &tensor.counts,
        }
    }
}

#[derive(Serialize)]
struct Report<'a> {
    images: usize,
    interrupted: bool,
    first_that_hurts: Option<&'a str>,
    tensors: Vec<Row<'a>>,
    without_counterpart: &'a [String],
}

fn show(args: &Diff, difference: &Difference) -> Result<()> {
    if let Some(folder) = &args.output {
        draw(folder, difference)?;
    }
    let hurts = difference.first_that_hurts();
    if args.json {
        return print_json(&Report {
            images: difference.images,
            interrupted: interrupt::asked(),
            first_that_hurts: hurts.map(|tensor| &tensor.name[..]),
            tensors: difference.tensors.iter().map(Row::from).collect(),
            without_counterpart: &difference.without_counterpart,
        });
    }
    let mut table = Table::new([
        "tensor",
        "codes",
        "bits",
        "SQNR, dB",
        "lost, dB",
        "saturated",
        "used",
        "entropy",
    ])
    .text(2);
    for tensor in &difference.tensors {
        let of_codes = |text: String| match tensor.code {
            Some(_) => text,
            None => String::new(),
        };
        table.row([
            tensor.name.clone(),
            sparkline(&tensor.counts),
            tensor.code.map_or("sums".into(), |c| c.bits.to_string()),
            decibels(tensor.sqnr),
            tensor.lost.map_or(String::new(), decibels),
            of_codes(percent(tensor.saturated())),
            of_codes(format!("{} of {}", tensor.used(), tensor.counts.len())),
            of_codes(format!("{:.2}", tensor.entropy())),
        ]);
    }
    let verdict = match hurts {
        Some(tensor) => format!(
            "The first tensor that hurts is {}: {} dB, less than 20, and it adds more noise than it gets.",
            tensor.name,
            decibels(tensor.sqnr)
        ),
        None => "No tensor hurts: none adds more noise than it gets and ends below 20 dB.".into(),
    };
    let without = match &difference.without_counterpart[..] {
        [] => String::new(),
        names => format!(
            "\nWithout a counterpart of its shape in the float network: {}.",
            names.join(", ")
        ),
    };
    print(&format!("{table}\n{verdict}{without}"))
}

/// A ratio in dB.
fn decibels(ratio: f64) -> String {
    match ratio == f64::INFINITY {
        true => "exact".into(),
        false => format!("{ratio:.1}"),
    }
}

/// Columns of a histogram in a table.
const COLUMNS: usize = 16;

/// Heights of so many counts as characters, neighbours being added up where there are more; a column that is not empty is seen.
fn sparkline(counts: &[u64]) -> String {
    let width = counts.len().div_ceil(COLUMNS).max(1);
    let columns: Vec<u64> = counts.chunks(width).map(|c| c.iter().sum()).collect();
    let highest = columns.iter().copied().max().unwrap_or(0).max(1) as f64;
    let heights = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let column = |&count: &u64| match count {
        0 => ' ',
        _ => heights[((count as f64 / highest * 8.0) as usize).clamp(1, 8) - 1],
    };
    columns.iter().map(column).collect()
}

/// Writes the pictures.
fn draw(folder: &Path, difference: &Difference) -> Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot create the folder {}", folder.display()))?;
    let noise = difference.tensors.iter().map(|tensor| TensorNoise {
        name: tensor.name.clone(),
        ratio: tensor.sqnr,
        marked: tensor.hurts(),
    });
    let noise: Vec<TensorNoise> = noise.collect();
    let codes = difference.tensors.iter().filter(|t| t.code.is_some());
    let codes = codes.map(|tensor| Histogram {
        name: tensor.name.clone(),
        counts: tensor.counts.clone(),
    });
    let codes: Vec<Histogram> = codes.collect();
    for (name, figure) in [
        ("noise.png", tensor_noise(&noise, subbyte::TOO_NOISY)?),
        ("codes.png", code_histograms(&codes)?),
    ] {
        let path = folder.join(name);
        figure.write(&path)?;
        note!("wrote {}", path.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::sparkline;

    #[test]
    fn a_histogram_fits_a_cell() {
        assert_eq!(sparkline(&[8, 0, 4, 1]), "█ ▄▁");
        let wide: Vec<u64> = (0..256).collect();
        assert_eq!(sparkline(&wide).chars().count(), 16);
        assert_eq!(sparkline(&[]), "");
        assert_eq!(sparkline(&[u64::MAX / 2]), "█");
    }
}
