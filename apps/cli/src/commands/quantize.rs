mod auto;
mod front;
mod minifloat;
mod search;

use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use serde::Serialize;
use subbyte::data::Resize;
use subbyte::graph::{Graph, LayerBits, Op, Placement, sbg};
use subbyte::quantize::{
    self, Images, Progress, Ptilmpq, Qsq, QuantizeError, Ranked, Rounding, Uniform,
};
use subbyte::train::Recipe;

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
    for (other, what) in [(&args.network, "network"), (&output, "model")] {
        if let Some(graph) = &args.graph
            && (graph == other || same_file(graph, other))
        {
            bail!(
                "the quantized network would overwrite the {what} {}; give another file with --graph",
                other.display()
            );
        }
    }
    let recipe = checkpoint.as_ref().map(|c| &c.recipe);
    if args.method == Method::Minifloat {
        return minifloat::run(args, &graph, recipe, &output);
    }
    let task = Task::open(args, *graph, recipe)?;
    if !args.front.is_empty() {
        return front::run(&task);
    }
    interrupt::watch()?;
    let quantized = match args.drop {
        Some(points) => search::within(&task, points)?,
        None => quantize(&task)?,
    };
    let Some(quantized) = quantized else {
        note!("interrupted; nothing was written");
        return Ok(interrupt::exit_code());
    };
    let measured = task.measure(&quantized, task.vectors(args.budget));
    if interrupt::asked() {
        note!("interrupted; nothing was written");
        return Ok(interrupt::exit_code());
    }
    let (bytes, measurement, float) = measured?;
    if let Some(budget) = args.budget
        && bytes.len() > budget
    {
        bail!(
            "the model takes {} bytes, more than the budget of {budget}; give a budget that is a little less",
            bytes.len()
        );
    }
    if let Some(path) = &args.graph {
        files::write(path, &sbg::to_bytes(&quantized, &sbg::Extras::default())?)?;
        note!("wrote {}", path.display());
    }
    files::write(&output, &bytes)?;
    let report = Report::new(&output, &task.graph, float, &measurement)?;
    if args.json {
        print_json(&report)?;
        return Ok(ExitCode::SUCCESS);
    }
    note!("wrote {}", output.display());
    let mut table = measurement.table();
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
        Method::Minifloat
            if args
                .output
                .as_ref()
                .is_some_and(|o| o.extension().is_some_and(|e| e == "sbm")) =>
        {
            refuse("the method minifloat writes a network, not a model: name it .sbg")
        }
        Method::Minifloat => {}
        _ if args.state.is_some() => refuse("--state is for --method minifloat"),
        _ if formats => refuse(
            "--weights and --activations are for --method minifloat; other methods have --bits",
        ),
        _ => {}
    }
    if args.bits.weights > 8 || !(1..=8).contains(&args.bits.activations) {
        refuse("--bits: weights have 2 to 8 bits, activations 1 to 8");
    }
    if args.bits.weights < 2 {
        refuse("weights need 2 bits or more here; networks of 1-bit weights have to be trained");
    }
    let aimed = args.budget.is_some() || args.drop.is_some() || !args.front.is_empty();
    match args.method {
        Method::Ptilmpq if !aimed => {
            refuse("the method ptilmpq needs a --budget, such as 9.5MB, a --drop or a --front")
        }
        Method::Auto if args.budget.is_none() => {
            refuse("the method auto needs a --budget, such as 9.5MB")
        }
        Method::Ptilmpq | Method::Auto => {}
        _ if aimed => refuse(
            "--budget, --drop and --front are for --method ptilmpq; other methods have --bits",
        ),
        _ => {}
    }
    let no_data = args.calibration.is_none() && args.data.is_none();
    if no_data && args.drop.is_some() {
        refuse("a --drop is searched on labelled images: give --calibration PATH or --data PATH");
    }
    if no_data
        && !(args.method == Method::Ptilmpq && args.criterion != Some(Criterion::OutputError))
        && args.network.extension().is_some_and(|e| e == "onnx")
        && args.method != Method::Minifloat
    {
        refuse("an ONNX network needs images to calibrate with: give --calibration PATH");
    }
}

/// What is quantized, and by which images.
struct Task<'a> {
    args: &'a Quantize,
    graph: Graph,
    /// The data set that calibrates, if any.
    source: Option<String>,
    resize: Option<Resize>,
    /// Images that calibrate; none where the method looks at weights alone.
    calibration: Vec<Images>,
    /// Labelled images to measure on.
    images: Option<TestImages>,
}

impl<'a> Task<'a> {
    fn open(args: &'a Quantize, graph: Graph, recipe: Option<&Recipe>) -> Result<Self> {
        let geometry = files::geometry(&graph)?;
        let resize = files::resize_for(recipe, geometry);
        let own = || recipe.map(|recipe| recipe.data.path.clone());
        let source = args.calibration.clone().or_else(own);
        // The published criterion takes no part of the images that are kept for measuring.
        let alone =
            args.method == Method::Ptilmpq && args.criterion != Some(Criterion::OutputError);
        let source = match alone {
            true => source,
            false => Some(files::data_path(
                source.as_ref().or(args.data.as_ref()),
                None,
                &args.network,
            )?),
        };
        let calibration = match &source {
            Some(path) => calibration::batches(path, geometry, resize, args.images.get())?,
            None => {
                note!(
                    "note: no images calibrate: ranges of activations follow from the network's norms and from noise"
                );
                Vec::new()
            }
        };
        let measured = args.data.as_ref().or(source.as_ref());
        let images = measured.map(|path| {
            let classes = files::classes(&graph);
            let images = TestImages::open(path, geometry, resize, &graph.classes, classes);
            images.map(TestImages::until_interrupted)
        });
        Ok(Self {
            images: images.transpose()?,
            args,
            graph,
            source,
            resize,
            calibration,
        })
    }

    /// What makes a channel important.
    fn criterion(&self) -> Criterion {
        let by_images = match self.calibration.is_empty() {
            true => Criterion::Published,
            false => Criterion::OutputError,
        };
        self.args.criterion.unwrap_or(by_images)
    }

    /// Layers and channels by their importance; `None` where it was interrupted.
    fn ranked(&self, criterion: Criterion) -> Result<Option<Ranked<'_>>> {
        let method = Ptilmpq {
            placement: placement(self.args, &self.graph),
            clip: clip(self.args.clip),
            criterion: match criterion {
                Criterion::OutputError => quantize::Criterion::OutputError,
                Criterion::Published => quantize::Criterion::Published,
            },
        };
        let mut bar = self.bar("ranking");
        let tell = |progress| tell(&mut bar, progress);
        unless_stopped(quantize::ptilmpq(
            &self.graph,
            &self.calibration,
            &method,
            tell,
        ))
    }

    /// What a budget for a file leaves beside test vectors and provenance.
    fn for_codes(&self, budget: usize) -> usize {
        let beside = self.vectors(Some(budget)) * vector_bytes(&self.graph) + PROVENANCE;
        budget.saturating_sub(beside)
    }

    /// The least budget for a file that leaves so much for codes.
    fn file_of(&self, for_codes: usize) -> usize {
        let mut budget = for_codes + PROVENANCE;
        // More bytes may ask for more test vectors, which are at most a hundredth of them.
        while self.for_codes(budget) < for_codes {
            budget += for_codes - self.for_codes(budget);
        }
        budget
    }

    /// The network within a budget for its file; `None` where it was interrupted.
    fn within(&self, ranked: &Ranked<'_>, budget: usize) -> Result<Option<Graph>> {
        let mut bar = self.bar("quantizing");
        let tell = |progress| tell(&mut bar, progress);
        let for_codes = self.for_codes(budget);
        match ranked.within(for_codes, tell) {
            // What lies beside the codes counts too.
            Err(QuantizeError::Budget { .. }) => Err(QuantizeError::Budget {
                asked: budget,
                least: self.file_of(ranked.least()?),
            }
            .into()),
            made => unless_stopped(made),
        }
    }

    fn bar(&self, label: &str) -> TaskBar {
        TaskBar::new(label, "layer", 0, layers(&self.graph))
    }

    /// Test vectors that a model carries: at most a hundredth of a budget unless their number is given.
    fn vectors(&self, budget: Option<usize>) -> usize {
        let few = || few(&self.graph, budget);
        match self.images {
            Some(_) => self.args.vectors.unwrap_or_else(few),
            None => 0,
        }
    }

    /// The model's file, its figures and those of the float network, where there are images to measure on.
    fn measure(
        &self,
        quantized: &Graph,
        vectors: usize,
    ) -> Result<(Vec<u8>, Measurement, Option<Measurement>)> {
        let Some(images) = &self.images else {
            let mut model = subbyte::lower::lower(quantized)?;
            model.input.resize = self.resize.map(files::resize_of);
            let bytes = subbyte::model::write(&model)?;
            let measurement = Measurement {
                bytes: Some(bytes.len()),
                layers: Some(super::inspect::layers(&model)?),
                ..Measurement::default()
            };
            return Ok((bytes, measurement, None));
        };
        let engine = self.args.engine;
        let (float, _) = measurement::network(&self.graph, None, images, engine)?;
        let lowered = measurement::lower(quantized, None, images, extent(vectors), engine)?;
        Ok((lowered.bytes, lowered.measurement, Some(float)))
    }
}

/// How models are checked.
fn extent(vectors: usize) -> Extent {
    Extent {
        vectors,
        compared: Some(COMPARED),
    }
}

/// Bytes of provenance that lowering adds.
const PROVENANCE: usize = 256;

/// Runs the method that was asked for; `None` where it was interrupted.
fn quantize(task: &Task<'_>) -> Result<Option<Graph>> {
    let Task {
        args,
        graph,
        calibration,
        ..
    } = task;
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
            let mut bar = task.bar("quantizing");
            let tell = |progress| tell(&mut bar, progress);
            return unless_stopped(quantize::qsq(graph, calibration, &method, tell));
        }
        Method::Ptilmpq => {
            let Some(ranked) = task.ranked(task.criterion())? else {
                return Ok(None);
            };
            return task.within(&ranked, args.budget.unwrap_or_default());
        }
        Method::Auto => return auto::best(task, args.budget.unwrap_or_default()),
        Method::Minifloat => unreachable!("makes no model"),
    };
    let method = Uniform {
        placement,
        clip,
        rounding,
    };
    let mut bar = task.bar("quantizing");
    let tell = |progress| tell(&mut bar, progress);
    unless_stopped(quantize::uniform(graph, calibration, &method, tell))
}

fn unless_stopped<T>(made: Result<T, QuantizeError>) -> Result<Option<T>> {
    match made {
        Err(QuantizeError::Stopped) => Ok(None),
        made => Ok(Some(made?)),
    }
}

/// Bytes of a test vector in a file, its logits included.
fn vector_bytes(graph: &Graph) -> usize {
    files::geometry(graph).map_or(0, |g| g.bytes()) + 5 * graph.classes.len().max(1000)
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
        float: Option<Measurement>,
        measurement: &'a Measurement,
    ) -> Result<Self> {
        let accuracy = float.and_then(|float| float.accuracy());
        Ok(Self {
            file,
            measurement,
            float_top1: accuracy.map(|a| a[0]),
            float_top5: accuracy.map(|a| a[1]),
            float_bytes: sbg::to_bytes(graph, &sbg::Extras::default())?.len(),
        })
    }
}
