mod minifloat;

use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use serde::Serialize;
use subbyte::graph::{Graph, LayerBits, Op, Placement, sbg};
use subbyte::quantize::{self, Images, Progress, Ptilmpq, Qsq, QuantizeError, Rounding, Uniform};

use crate::args::{Clip, Criterion, Method, Quantize, refuse};
use crate::calibration;
use crate::commands::lower::same_file;
use crate::files::{self, Network};
use crate::images::TestImages;
use crate::interrupt;
use crate::measurement::{self, Extent, Measurement};
use crate::note;
use crate::output::{TaskBar, percent, print, print_json};

/// Images on which evaluation and integers are compared.
const COMPARED: usize = 64;

/// Quantizes a network, lowers it, and measures both.
pub fn run(args: &Quantize) -> Result<ExitCode> {
    check(args);
    let preprocess = args.preprocess.map(Into::into);
    let Network::Graph(graph, checkpoint) = files::load_with(&args.network, preprocess)? else {
        bail!(
            "{} is a model already; give the float network that it was made of",
            args.network.display()
        );
    };
    let output = args.output.clone().unwrap_or_else(|| {
        let extension = match args.method {
            Method::Minifloat => "sbg",
            _ => "sbm",
        };
        args.network.with_extension(extension)
    });
    if same_file(&args.network, &output) {
        bail!(
            "the result would overwrite the network {}; give another file with -o",
            output.display()
        );
    }
    let recipe = checkpoint.as_ref().map(|c| &c.recipe);
    if args.method == Method::Minifloat {
        return minifloat::run(args, &graph, recipe, &output);
    }
    let geometry = files::geometry(&graph);
    let resize = files::resize_for(recipe, geometry);
    let path = |first: &Option<String>, second: &Option<String>| {
        files::data_path(first.as_ref().or(second.as_ref()), recipe, &args.network)
    };
    let batches = calibration::batches(
        &path(&args.calibration, &args.data)?,
        geometry,
        resize,
        args.images.get(),
    )?;
    let images = TestImages::open(
        &path(&args.data, &args.calibration)?,
        geometry,
        resize,
        &graph.classes,
        files::classes(&graph),
    )?;
    interrupt::watch()?;
    let mut bar = TaskBar::new("quantizing", "layer", 0, layers(&graph));
    let vectors = args.vectors.unwrap_or_else(|| few(&graph, args.budget));
    let quantized = quantize(args, &graph, &batches, vectors, |progress| {
        tell(&mut bar, progress)
    });
    drop(bar);
    let Some(quantized) = quantized? else {
        note!("interrupted; nothing was written");
        return Ok(interrupt::exit_code());
    };
    let (float, _) = measurement::network(&graph, None, &images, args.engine)?;
    let lowered = measurement::lower(
        &quantized,
        None,
        &images,
        Extent {
            vectors,
            compared: Some(COMPARED),
        },
        args.engine,
    )?;
    if let Some(budget) = args.budget
        && lowered.bytes.len() > budget
    {
        bail!(
            "the model takes {} bytes, more than the budget of {budget}; give a budget that is a little less",
            lowered.bytes.len()
        );
    }
    if let Some(path) = &args.graph {
        files::write(path, &sbg::to_bytes(&quantized, &sbg::Extras::default())?)?;
    }
    files::write(&output, &lowered.bytes)?;
    let report = Report::new(&output, &graph, &float, &lowered.measurement)?;
    if args.json {
        print_json(&report)?;
        return Ok(ExitCode::SUCCESS);
    }
    note!("wrote {}", output.display());
    let mut table = lowered.measurement.table();
    if let Some(top1) = report.float_top1 {
        table.row(["float network, top-1".to_owned(), percent(top1)]);
    }
    print(&table.to_string())?;
    Ok(ExitCode::SUCCESS)
}

/// Refuses wishes that make no sense before anything is read.
fn check(args: &Quantize) {
    let formats = args.weights.is_some() || args.activations.is_some();
    match args.method {
        Method::Minifloat if !formats => refuse(
            "the method minifloat needs --weights or --activations, such as --weights fp4 --activations fp8",
        ),
        Method::Minifloat if args.graph.is_some() => {
            refuse("the method minifloat writes a network, not a model: give its file with -o")
        }
        Method::Minifloat => {}
        _ if args.state.is_some() => refuse("--state is for --method minifloat"),
        _ if formats => refuse(
            "--weights and --activations are for --method minifloat; other methods have --bits",
        ),
        _ => {}
    }
    if args.bits.weights < 2 {
        refuse("weights need 2 bits or more here; networks of 1-bit weights have to be trained");
    }
    match (args.method, args.budget) {
        (Method::Ptilmpq, None) => refuse("the method ptilmpq needs a --budget, such as 9.5MB"),
        (Method::Ptilmpq, Some(_)) | (_, None) => {}
        (_, Some(_)) => refuse("a --budget is for --method ptilmpq; other methods have --bits"),
    }
    if args.calibration.is_none()
        && args.data.is_none()
        && args.network.extension().is_some_and(|e| e == "onnx")
        && (args.method != Method::Minifloat || minifloat::needs_images(args))
    {
        refuse("an ONNX network needs images to calibrate with: give --calibration PATH");
    }
}

/// Bytes of provenance that lowering adds.
const PROVENANCE: usize = 256;

/// Runs the method that was asked for; `None` where it was interrupted.
fn quantize(
    args: &Quantize,
    graph: &Graph,
    calibration: &[Images],
    vectors: usize,
    tell: impl FnMut(Progress) -> ControlFlow<()>,
) -> Result<Option<Graph>> {
    let (placement, clip) = (placement(args, graph), clip(args.clip));
    let rounding = match args.method {
        Method::Uniform => Rounding::ClosedForm,
        Method::Nearest => Rounding::Nearest,
        Method::Qsq => {
            let method = Qsq {
                placement,
                clip,
                rounding: Rounding::ClosedForm,
                vector: args.vector.get(),
                quality: args.quality.parse()?,
            };
            return unless_stopped(quantize::qsq(graph, calibration, &method, tell));
        }
        Method::Ptilmpq => {
            let budget = args.budget.unwrap_or_default();
            let beside = vectors * vector_bytes(graph) + PROVENANCE;
            let method = Ptilmpq {
                placement,
                clip,
                criterion: match args.criterion {
                    Criterion::OutputError => quantize::Criterion::OutputError,
                    Criterion::Published => quantize::Criterion::Published,
                },
                budget: budget.saturating_sub(beside),
            };
            return unless_stopped(quantize::ptilmpq(graph, calibration, &method, tell));
        }
        Method::Minifloat => unreachable!("makes no model"),
    };
    let method = Uniform {
        placement,
        clip,
        rounding,
    };
    unless_stopped(quantize::uniform(graph, calibration, &method, tell))
}

fn unless_stopped(made: Result<Graph, QuantizeError>) -> Result<Option<Graph>> {
    match made {
        Err(QuantizeError::Stopped) => Ok(None),
        made => Ok(Some(made?)),
    }
}

/// Bytes of a test vector in a file, its logits included.
fn vector_bytes(graph: &Graph) -> usize {
    files::geometry(graph).bytes() + 5 * graph.classes.len().max(1000)
}

/// Test vectors that take at most a hundredth of the file.
fn few(graph: &Graph, budget: Option<usize>) -> usize {
    match budget {
        None => subbyte::TEST_VECTORS,
        Some(bytes) => subbyte::TEST_VECTORS.min(bytes / 100 / vector_bytes(graph)),
    }
}

fn clip(clip: Clip) -> quantize::Clip {
    match clip {
        Clip::MinMax => quantize::Clip::MinMax,
        Clip::Percentile => quantize::Clip::Percentile(1e-4),
        Clip::Mse => quantize::Clip::Mse,
        Clip::Auto => quantize::Clip::Auto,
    }
}

fn placement(args: &Quantize, graph: &Graph) -> Placement {
    let bits = |weights, activations| LayerBits {
        weights: Some(weights),
        activations,
    };
    let ends = first_and_last(graph).into_iter();
    Placement {
        body: bits(args.bits.weights, args.bits.activations),
        layers: ends.map(|name| (name, bits(8, 8))).collect(),
        wide: 8,
    }
}

/// Layers that read the pixels or make the logits.
fn first_and_last(graph: &Graph) -> Vec<String> {
    let layer = |id: &usize| {
        let node = &graph.nodes[*id];
        let first = matches!(graph.nodes[*node.inputs.first()?].op, Op::Normalize { .. });
        let is_layer = matches!(node.op, Op::Conv2d { .. } | Op::Linear);
        (is_layer && (first || graph.outputs.contains(id))).then(|| node.name.clone())
    };
    (0..graph.nodes.len()).filter_map(|id| layer(&id)).collect()
}

fn layers(graph: &Graph) -> usize {
    let is_layer = |op: &Op| matches!(op, Op::Conv2d { .. } | Op::Linear);
    graph.nodes.iter().filter(|node| is_layer(&node.op)).count()
}

fn tell(bar: &mut TaskBar, progress: Progress) -> ControlFlow<()> {
    match progress {
        Progress::Rounding { name, done, of } => {
            bar.within(&format!("{name}, {}", percent(done as f64 / of as f64)));
        }
        Progress::Layer {
            name, done, error, ..
        } => {
            bar.end(
                &format!("{name}, {} of its variance lost", percent(error)),
                done,
            );
        }
        Progress::Sensitivity {
            name, done, loss, ..
        } => bar.end(
            &format!("{name} alone moves the output by {loss:.4} nats"),
            done,
        ),
        _ => {}
    }
    match interrupt::asked() {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    }
}

/// What it cost.
#[derive(Serialize)]
struct Report<'a> {
    file: &'a Path,
    #[serde(flatten)]
    measurement: &'a Measurement,
    float_top1: Option<f64>,
    float_top5: Option<f64>,
    float_bytes: usize,
}

impl<'a> Report<'a> {
    fn new(
        file: &'a Path,
        graph: &Graph,
        float: &Measurement,
        measurement: &'a Measurement,
    ) -> Result<Self> {
        let accuracy = float.accuracy();
        Ok(Self {
            file,
            measurement,
            float_top1: accuracy.map(|a| a[0]),
            float_top5: accuracy.map(|a| a[1]),
            float_bytes: sbg::to_bytes(graph, &sbg::Extras::default())?.len(),
        })
    }
}
