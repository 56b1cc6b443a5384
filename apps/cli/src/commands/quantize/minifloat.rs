//! `quantize --method minifloat`: a network whose layers multiply floats of few bits.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use serde::Serialize;
use subbyte::diffusion::{DiffusionError, Sampler, Settings, Step};
use subbyte::exec::Network;
use subbyte::graph::{Graph, sbg};
use subbyte::quantize::{self, Images, Inputs, Learning, Minifloats, Progress, State, WeightFit};
use subbyte::train::Recipe;

use super::{layers, tell, unless_stopped};
use crate::args::{Quantize, Reach, WeightRounding};
use crate::calibration;
use crate::files;
use crate::images::TestImages;
use crate::interrupt;
use crate::measurement::{self, Measurement};
use crate::note;
use crate::output::{Bar, TaskBar, percent, print, print_json, thousands};

/// Whether anything is measured on images.
pub fn needs_images(args: &Quantize) -> bool {
    let method = method(args);
    method.activations.is_some() || method.rounding != quantize::WeightRounding::Nearest
}

/// Quantizes a network and measures it, where it is said on what.
pub fn run(
    args: &Quantize,
    graph: &Graph,
    recipe: Option<&Recipe>,
    output: &Path,
) -> Result<ExitCode> {
    let method = method(args);
    interrupt::watch()?;
    let Some((batches, images)) = (match graph.diffusion {
        Some(_) => on_the_way(args, graph)?.map(|batches| (batches, None)),
        None => Some(from_data(args, graph, recipe)?),
    }) else {
        note!("interrupted; nothing was written");
        return Ok(interrupt::exit_code());
    };
    let mut bar = TaskBar::new("quantizing", "layer", 0, layers(graph));
    let told = |progress| tell(&mut bar, progress);
    let quantized = quantize(graph, &batches, &method, args.state.as_deref(), told)?;
    drop(bar);
    let Some(quantized) = quantized else {
        match &args.state {
            Some(state) => note!(
                "interrupted; the layers that were rounded lie in {}",
                state.display()
            ),
            None => note!("interrupted; nothing was written"),
        }
        return Ok(interrupt::exit_code());
    };
    let bytes = sbg::to_bytes(&quantized, &sbg::Extras::default())?;
    let measured = match &images {
        Some(images) => Some([
            measurement::network(graph, None, images, args.engine)?.0,
            measurement::network(&quantized, None, images, args.engine)?.0,
        ]),
        None => None,
    };
    files::write(output, &bytes)?;
    if let Some(state) = args.state.as_ref().filter(|state| state.exists()) {
        std::fs::remove_file(state)?;
    }
    let weights = match method.weights {
        Some(_) => quantize::weight_fits(graph, &method)?,
        None => Vec::new(),
    };
    let report = Report::new(output, bytes.len(), graph, measured, &weights)?;
    if args.json {
        print_json(&report)?;
        return Ok(ExitCode::SUCCESS);
    }
    note!("wrote {}", output.display());
    let mut table = report.measurement.table();
    if let Some(top1) = report.float_top1 {
        table.row(["float network, top-1".to_owned(), percent(top1)]);
    }
    let float_bytes = thousands(report.float_bytes as u64);
    table.row(["bytes of the float network".to_owned(), float_bytes]);
    print(&table.to_string())?;
    Ok(ExitCode::SUCCESS)
}

/// Images to calibrate with, and images to measure on.
fn from_data(
    args: &Quantize,
    graph: &Graph,
    recipe: Option<&Recipe>,
) -> Result<(Vec<Inputs>, Option<TestImages>)> {
    let geometry = files::geometry(graph)?;
    let resize = files::resize_for(recipe, geometry);
    let of_recipe = recipe.map(|recipe| recipe.data.path.clone());
    let known = |first: &Option<String>, second: &Option<String>| {
        first.clone().or(second.clone()).or(of_recipe.clone())
    };
    let batches = match known(&args.calibration, &args.data) {
        Some(path) if needs_images(args) => {
            calibration::batches(&path, geometry, resize, args.images.get())?
        }
        _ => Vec::new(),
    };
    let images = known(&args.data, &args.calibration).map(|path| {
        let classes = files::classes(graph);
        TestImages::open(&path, geometry, resize, &graph.classes, classes)
    });
    let batches = batches.into_iter().map(Inputs::from).collect();
    Ok((batches, images.transpose()?))
}

/// Time steps at which a sampler's way is looked at (methods.md 4.7), and the seed of its noise, which is not that of any picture
/// that is shown unless somebody asks for it.
const TIMES: usize = 20;
const SEED: u64 = 0x5eed;
/// Most pictures on whose way a diffusion network is calibrated: each is there at every time step.
const PICTURES: usize = 16;

/// What a diffusion network reads while it makes pictures out of noise; `None` where it was interrupted.
fn on_the_way(args: &Quantize, graph: &Graph) -> Result<Option<Vec<Inputs>>> {
    if args.calibration.is_some() || args.data.is_some() {
        bail!(
            "{} makes pictures out of noise; it is calibrated on its own way there, without --calibration and --data",
            args.network.display()
        );
    }
    if !needs_images(args) {
        return Ok(Some(Vec::new()));
    }
    let settings = Settings {
        seed: SEED,
        ..Settings::default()
    };
    let sampler = Sampler::new(graph, &settings)?;
    let steps = sampler.schedule().len();
    let pictures = (args.images.get() / steps.min(TIMES)).clamp(1, PICTURES);
    let network = Network::on_cpu(graph)?;
    let mut bar = Bar::steps("sampling", steps);
    let see = |step: Step| {
        bar.at(step.step);
        match interrupt::asked() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    };
    match sampler.trajectory(&network, 0..pictures, TIMES, see) {
        Err(DiffusionError::Stopped) => Ok(None),
        batches => Ok(Some(batches?)),
    }
}

/// Key of the text by which a state knows what it belongs to.
const OF: &str = "quantize";

/// The quantized network, `None` where it was interrupted; what is done is kept in `state` after every layer.
fn quantize(
    graph: &Graph,
    calibration: &[Inputs],
    method: &Minifloats,
    state: Option<&Path>,
    told: impl FnMut(Progress) -> ControlFlow<()>,
) -> Result<Option<Graph>> {
    let Some(path) = state else {
        return unless_stopped(quantize::minifloat(graph, calibration, method, told));
    };
    let mut inputs = DefaultHasher::new();
    sbg::to_bytes(graph, &sbg::Extras::default())?.hash(&mut inputs);
    for batch in calibration {
        batch.images().map(Images::data).hash(&mut inputs);
        for (name, floats) in batch.floats() {
            name.hash(&mut inputs);
            floats
                .data()
                .iter()
                .for_each(|x| x.to_bits().hash(&mut inputs));
        }
    }
    let of = format!("{method:?} of {:016x}", inputs.finish());
    let started = match path.exists() {
        false => None,
        true => {
            let (started, extras) = sbg::load(path)?;
            if extras.text.get(OF) != Some(&of) {
                bail!(
                    "{} keeps layers of another network, of other images or of other settings; remove it to start anew",
                    path.display()
                );
            }
            Some(started)
        }
    };
    let extras = sbg::Extras {
        text: [(OF.to_owned(), of)].into(),
        ..sbg::Extras::default()
    };
    let mut failed = None;
    let mut keep = |graph: &Graph| match sbg::save(path, graph, &extras) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            failed = Some(error);
            ControlFlow::Break(())
        }
    };
    let mut state = State {
        started,
        keep: Some(&mut keep),
    };
    let made = quantize::resume_minifloat(graph, calibration, method, &mut state, told);
    match failed {
        Some(error) => Err(error.into()),
        None => unless_stopped(made),
    }
}

fn method(args: &Quantize) -> Minifloats {
    Minifloats {
        weights: args.weights.flatten(),
        activations: args.activations.flatten(),
        ends: args.ends,
        reach: match args.reach {
            Reach::Search => quantize::Reach::Search,
            Reach::Max => quantize::Reach::Largest,
        },
        per_channel: args.per_channel,
        rounding: match args.rounding {
            // Without codes there is nothing to round.
            _ if args.weights.flatten().is_none() => quantize::WeightRounding::Nearest,
            WeightRounding::Nearest => quantize::WeightRounding::Nearest,
            WeightRounding::ClosedForm => quantize::WeightRounding::ClosedForm,
            WeightRounding::Learned => quantize::WeightRounding::Learned(Learning {
                steps: args.steps.get(),
                ..Learning::default()
            }),
        },
    }
}

/// What it cost; what was not measured is null.
#[derive(Serialize)]
struct Report<'a> {
    file: &'a Path,
    #[serde(flatten)]
    measurement: Measurement,
    float_top1: Option<f64>,
    float_top5: Option<f64>,
    float_bytes: usize,
    weights: Vec<Weights<'a>>,
}

/// How well a format fits a layer's weights, each at its nearest value.
#[derive(Serialize)]
struct Weights<'a> {
    layer: &'a str,
    weights: usize,
    format: String,
    kurtosis: f64,
    sqnr_db: f64,
}

impl<'a> Report<'a> {
    fn new(
        file: &'a Path,
        bytes: usize,
        graph: &Graph,
        measured: Option<[Measurement; 2]>,
        weights: &'a [WeightFit],
    ) -> Result<Self> {
        let [float, quantized] = measured.unwrap_or_default();
        let accuracy = float.accuracy();
        Ok(Self {
            file,
            measurement: Measurement {
                bytes: Some(bytes),
                ..quantized
            },
            float_top1: accuracy.map(|a| a[0]),
            float_top5: accuracy.map(|a| a[1]),
            float_bytes: sbg::to_bytes(graph, &sbg::Extras::default())?.len(),
            weights: weights
                .iter()
                .map(|fit| Weights {
                    layer: &fit.layer,
                    weights: fit.weights,
                    format: fit.format.to_string(),
                    kurtosis: fit.kurtosis,
                    sqnr_db: fit.sqnr_db,
                })
                .collect(),
        })
    }
}
