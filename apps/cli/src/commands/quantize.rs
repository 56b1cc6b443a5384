use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use anyhow::{Result, bail};
use serde::Serialize;
use subbyte::graph::networks::Bits;
use subbyte::graph::{Graph, LayerBits, Op, Placement, sbg};
use subbyte::quantize::{self, Images, Progress, Rounding, Uniform};
use subbyte::train::Recipe;

use crate::args::{Clip, Method, Quantize};
use crate::files::{self, Network};
use crate::images::TestImages;
use crate::interrupt;
use crate::measurement::{self, Measurement};
use crate::note;
use crate::output::{TaskBar, percent, print, print_json};

/// Images of a calibration batch.
const BATCH: usize = 16;

/// Quantizes a network, lowers it, and measures both.
pub fn run(args: &Quantize) -> Result<()> {
    let Network::Graph(graph, checkpoint) = files::load(&args.network)? else {
        bail!(
            "{} is a model already; give the float network that it was made of",
            args.network.display()
        );
    };
    let output = args
        .output
        .clone()
        .unwrap_or_else(|| args.network.with_extension("sbm"));
    let recipe = checkpoint.as_ref().map(|c| &c.recipe);
    let resize = recipe.and_then(Recipe::resize);
    let open = |given: Option<&String>| -> Result<TestImages> {
        let path = files::data_path(given, recipe, &args.network)?;
        TestImages::open(&path, files::geometry(&graph), resize, &graph.classes, None)
    };
    let calibration = open(args.calibration.as_ref().or(args.data.as_ref()))?;
    let images = open(args.data.as_ref().or(args.calibration.as_ref()))?;
    let batches = batches(&calibration, args.images.get());
    if batches.is_empty() {
        calibration.end(0)?;
        bail!("there are no images to calibrate with");
    }
    interrupt::watch()?;
    let mut bar = TaskBar::new("quantizing", "layer", 0, layers(&graph));
    let quantized = quantize::uniform(&graph, &batches, &method(args, &graph), |progress| {
        tell(&mut bar, progress)
    });
    drop(bar);
    let quantized = quantized?;
    let (float, _) = measurement::network(&graph, None, &images, args.engine)?;
    let lowered = measurement::lower(
        &quantized,
        None,
        &images,
        subbyte::TEST_VECTORS,
        args.engine,
    )?;
    files::write(&output, &lowered.bytes)?;
    let report = Report::new(&output, &graph, &float, &lowered.measurement)?;
    if args.json {
        return print_json(&report);
    }
    note!("wrote {}", output.display());
    let mut table = lowered.measurement.table();
    if let Some(top1) = report.float_top1 {
        table.row(["float network, top-1".to_owned(), percent(top1)]);
    }
    print(&table.to_string())
}

fn method(args: &Quantize, graph: &Graph) -> Uniform {
    let Bits {
        weights,
        activations,
    } = args.bits;
    let layers = first_and_last(graph).into_iter().map(|name| {
        let bits = LayerBits {
            weights: Some(8),
            activations: 8,
        };
        (name, bits)
    });
    Uniform {
        placement: Placement {
            body: LayerBits {
                weights: Some(weights),
                activations,
            },
            layers: layers.collect::<BTreeMap<_, _>>(),
            wide: 8,
        },
        clip: match args.clip {
            Clip::MinMax => quantize::Clip::MinMax,
            Clip::Percentile => quantize::Clip::Percentile(1e-4),
            Clip::Mse => quantize::Clip::Mse,
        },
        rounding: match args.method {
            Method::Uniform => Rounding::ClosedForm,
            Method::Nearest => Rounding::Nearest,
        },
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

/// At most `count` images in batches.
fn batches(images: &TestImages, count: usize) -> Vec<Images> {
    let geometry = images.geometry();
    let chosen = images.spread(count);
    let batch = |images: &[std::borrow::Cow<'_, [u8]>]| {
        let shape = [
            images.len(),
            geometry.height,
            geometry.width,
            geometry.colours,
        ];
        Images::new(images.concat(), shape)
    };
    chosen.chunks(BATCH).map(batch).collect()
}

fn tell(bar: &mut TaskBar, progress: Progress) -> ControlFlow<()> {
    if let Progress::Layer {
        name, done, error, ..
    } = progress
    {
        bar.end(
            &format!("{name}, {} of its variance lost", percent(error)),
            done,
        );
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
