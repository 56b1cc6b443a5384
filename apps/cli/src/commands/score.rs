use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use serde::Serialize;
use subbyte::diffusion::distribution::{Vectors, frechet_distance, precision_recall};
use subbyte::diffusion::{DiffusionError, Features, Pictures, Sampler, compare};
use subbyte::graph::{Graph, Role, sbg};
use subbyte::onnx::Preprocess;

use crate::args::Score;
use crate::files::{self, Network};
use crate::output::{Bar, Table, percent, print, print_json, thousands};
use crate::sampling::{self, Sampled};
use crate::{interrupt, note};

/// Fewest samples whose sets are compared: distances of fewer say more about chance than about networks.
const FEWEST: usize = 50;

/// Compares the pictures of two networks that start from the same noise.
pub fn run(args: &Score) -> Result<ExitCode> {
    let float = sampling::load(&args.float)?;
    let quantized = sampling::load(&args.quantized)?;
    let settings = sampling::settings(&args.sampling, args.sampling.seed);
    let samplers = [
        Sampler::new(&float, &settings)?,
        Sampler::new(&quantized, &settings)?,
    ];
    if samplers[0].schedule() != samplers[1].schedule() {
        bail!(
            "{} and {} are not sampled alike; compare networks that know the same noise",
            args.float.display(),
            args.quantized.display()
        );
    }
    let features = features(args)?;
    sampling::note_unset(&samplers[0]);
    interrupt::watch()?;
    let Some(report) = measure(args, [&float, &quantized], &samplers, features.as_ref())? else {
        note!("interrupted; nothing was written");
        return Ok(interrupt::exit_code());
    };
    if args.json {
        print_json(&report)?;
    } else {
        print(&report.table().to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The network of features, where one is given and there are samples enough.
fn features(args: &Score) -> Result<Option<Features>> {
    let Some(path) = &args.features else {
        return Ok(None);
    };
    if args.samples.get() < FEWEST {
        bail!(
            "FID of {} samples would be chance; compare {FEWEST} or more with --samples",
            args.samples
        );
    }
    // The FID network reads pixels as they are.
    let raw = path.extension().is_some_and(|e| e == "onnx");
    let raw = raw.then_some(Preprocess::Raw);
    match files::load_with(path, raw)? {
        Network::Graph(graph, _) => Ok(Some(Features::new(*graph)?)),
        Network::Model(..) => bail!(
            "{} is a model of integers; features are told by networks (.sbg, .onnx)",
            path.display()
        ),
    }
}

/// Makes and compares the pictures; `None` where it was interrupted.
fn measure<'a>(
    args: &'a Score,
    [float, quantized]: [&Graph; 2],
    [first, second]: &[Sampler; 2],
    features: Option<&Features>,
) -> Result<Option<Report<'a>>> {
    let count = args.samples.get();
    let Some(wanted) = sampling::sample("float", float, first, count)? else {
        return Ok(None);
    };
    let float_memory = sampling::peak_memory();
    let Some(found) = sampling::sample("quantized", quantized, second, count)? else {
        return Ok(None);
    };
    let sets = match features {
        None => Sets::default(),
        Some(features) => {
            // Another seed of the float network: what a distance is worth.
            let other = sampling::settings(&args.sampling, args.sampling.seed.wrapping_add(1));
            let other = Sampler::new(float, &other)?;
            let Some(other) = sampling::sample("float, next seed", float, &other, count)? else {
                return Ok(None);
            };
            let all = [&wanted, &found, &other].map(|sampled| &sampled.pictures);
            match Sets::of(features, all)? {
                Some(sets) => sets,
                None => return Ok(None),
            }
        }
    };
    let psnr = compare::psnr(&wanted.pictures, &found.pictures)?;
    let ssim = compare::ssim(&wanted.pictures, &found.pictures)?;
    if let Some(path) = &args.output {
        files::write(path, &side_by_side(&wanted.pictures, &found.pictures))?;
        note!("wrote {}", path.display());
    }
    let seconds = |sampled: &Sampled| sampled.seconds / count as f64;
    Ok(Some(Report {
        float: &args.float,
        quantized: &args.quantized,
        samples: count,
        seed: args.sampling.seed,
        steps: first.schedule().len(),
        psnr_db: mean(&psnr),
        psnr_db_least: psnr.iter().copied().fold(f64::INFINITY, f64::min),
        ssim: mean(&ssim),
        ssim_least: ssim.iter().copied().fold(f64::INFINITY, f64::min),
        sets,
        features: features.map(|f| match f.is_inception() {
            true => "inception",
            false => "classifier",
        }),
        float_sparsity: sparsity(float),
        quantized_sparsity: sparsity(quantized),
        float_bytes: sbg::to_bytes(float, &sbg::Extras::default())?.len(),
        quantized_bytes: sbg::to_bytes(quantized, &sbg::Extras::default())?.len(),
        float_seconds_per_picture: seconds(&wanted),
        quantized_seconds_per_picture: seconds(&found),
        float_peak_memory: float_memory,
    }))
}

fn mean(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / numbers.len() as f64
}

/// The share of weights that are exactly zero.
fn sparsity(graph: &Graph) -> f64 {
    let weights = graph.params.values().filter(|p| p.role == Role::Weight);
    let (mut zeros, mut all) = (0, 0);
    for weight in weights {
        let numbers = weight.to_vec();
        zeros += numbers.iter().filter(|x| **x == 0.0).count();
        all += numbers.len();
    }
    zeros as f64 / all.max(1) as f64
}

/// Rows of pictures, and below each row that of the other network; at most 64 of each.
fn side_by_side(wanted: &Pictures, found: &Pictures) -> Vec<u8> {
    let count = wanted.len().min(64);
    let columns = (1..).find(|c| c * c >= count).unwrap_or(1);
    let [wanted_all, found_all] = [wanted, found].map(|p| p.iter().take(count).collect::<Vec<_>>());
    let blank = vec![0.0; wanted.size()];
    let mut pictures: Vec<&[f32]> = Vec::new();
    for (wanted, found) in wanted_all.chunks(columns).zip(found_all.chunks(columns)) {
        for row in [wanted, found] {
            pictures.extend(row);
            pictures.extend(std::iter::repeat_n(&blank[..], columns - row.len()));
        }
    }
    sampling::grid(&pictures, wanted.shape, columns).to_png()
}

/// How sets of pictures differ. `float_` says how a second run of the float network differs from the first, with the next seed.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Sets {
    fid: Option<f64>,
    sfid: Option<f64>,
    precision: Option<f64>,
    recall: Option<f64>,
    float_fid: Option<f64>,
    float_sfid: Option<f64>,
    float_precision: Option<f64>,
    float_recall: Option<f64>,
}

impl Sets {
    /// Distances of the second and third set from the first; `None` where it was interrupted.
    fn of(features: &Features, [wanted, found, other]: [&Pictures; 3]) -> Result<Option<Self>> {
        let mut all = Vec::new();
        for (i, pictures) in [wanted, found, other].into_iter().enumerate() {
            let mut bar = Bar::new(format!("features {} of 3", i + 1), pictures.len());
            let vectors = features.of(pictures, |done| {
                bar.at(done);
                match interrupt::asked() {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            });
            match vectors {
                Err(DiffusionError::Stopped) => return Ok(None),
                vectors => all.push(vectors?),
            }
        }
        let distances = |other: usize, kind: usize| -> Result<Option<f64>> {
            Ok(frechet_distance(&all[0][kind], &all[other][kind])?)
        };
        let shares = |other: &Vectors| precision_recall(&all[0][0], other);
        let [found, other] = [&all[1][0], &all[2][0]].map(shares);
        Ok(Some(Self {
            fid: distances(1, 0)?,
            sfid: distances(1, 1)?,
            precision: found.map(|[precision, _]| precision),
            recall: found.map(|[_, recall]| recall),
            float_fid: distances(2, 0)?,
            float_sfid: distances(2, 1)?,
            float_precision: other.map(|[precision, _]| precision),
            float_recall: other.map(|[_, recall]| recall),
        }))
    }
}

/// What was found.
#[derive(Serialize)]
struct Report<'a> {
    float: &'a Path,
    quantized: &'a Path,
    samples: usize,
    seed: u64,
    steps: usize,
    /// Mean and least over the samples.
    psnr_db: f64,
    psnr_db_least: f64,
    ssim: f64,
    ssim_least: f64,
    #[serde(flatten)]
    sets: Sets,
    /// Whose features the sets are compared by.
    features: Option<&'static str>,
    float_sparsity: f64,
    quantized_sparsity: f64,
    float_bytes: usize,
    quantized_bytes: usize,
    float_seconds_per_picture: f64,
    quantized_seconds_per_picture: f64,
    /// Most memory of the process when the float network had run, in bytes.
    float_peak_memory: Option<u64>,
}

impl Report<'_> {
    fn table(&self) -> Table {
        let mut table = Table::new(["compared", "value"]);
        let mut row = |name: &str, value: String| table.row([name.to_owned(), value]);
        row(
            "samples",
            format!("{} of {} steps", self.samples, self.steps),
        );
        row("PSNR, mean", format!("{:.2} dB", self.psnr_db));
        row("PSNR, least", format!("{:.2} dB", self.psnr_db_least));
        row("SSIM, mean", format!("{:.4}", self.ssim));
        row("SSIM, least", format!("{:.4}", self.ssim_least));
        let Sets {
            fid,
            sfid,
            precision,
            recall,
            float_fid,
            float_sfid,
            float_precision,
            float_recall,
        } = self.sets;
        let features = self.features.unwrap_or_default();
        for (name, found, float) in [
            (format!("FID ({features})"), fid, float_fid),
            (format!("sFID ({features})"), sfid, float_sfid),
            ("precision".to_owned(), precision, float_precision),
            ("recall".to_owned(), recall, float_recall),
        ] {
            if let (Some(found), Some(float)) = (found, float) {
                row(&name, format!("{found:.3} (float, next seed: {float:.3})"));
            }
        }
        let sparsities = [self.float_sparsity, self.quantized_sparsity].map(percent);
        row("weights of zero, float", sparsities[0].clone());
        row("weights of zero, quantized", sparsities[1].clone());
        row("bytes, float", thousands(self.float_bytes as u64));
        row("bytes, quantized", thousands(self.quantized_bytes as u64));
        let speed = |seconds: f64| format!("{seconds:.3} s");
        row(
            "time a picture, float",
            speed(self.float_seconds_per_picture),
        );
        row(
            "time a picture, quantized",
            speed(self.quantized_seconds_per_picture),
        );
        table
    }
}
