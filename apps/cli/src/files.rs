//! Networks, models and data from files.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use serde::Serialize;
use subbyte::data::{self, Dataset, Geometry, LabelledFiles};
use subbyte::graph::{Graph, Op, sbg};
use subbyte::model::{self, Input, Model, ReadErrorKind, Resampling};
use subbyte::train::{Checkpoint, Recipe};

use crate::{interrupt, note};

/// What a file holds.
pub enum Network {
    /// An integer model, with the bytes of its file.
    Model(Box<Model>, Vec<u8>),
    /// A float network, with its recipe where training has written it.
    Graph(Box<Graph>, Option<Box<Checkpoint>>),
}

/// Reads a model or a network, by its content. A file named like a model is judged as one even where its first bytes are damaged.
pub fn load(path: &Path) -> Result<Network> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let named_model = path.extension().is_some_and(|extension| extension == "sbm");
    if named_model || bytes.starts_with(&model::MAGIC) {
        return Ok(Network::Model(Box::new(parse_model(path, &bytes)?), bytes));
    }
    let (graph, extras) = sbg::load(path)?;
    // A network that training wrote carries its recipe.
    let checkpoint = if extras.text.is_empty() {
        None
    } else {
        Some(Box::new(Checkpoint::load(path)?))
    };
    Ok(Network::Graph(Box::new(graph), checkpoint))
}

/// Reads a model.
pub fn load_model(path: &Path) -> Result<(Model, Vec<u8>)> {
    match load(path)? {
        Network::Model(model, bytes) => Ok((*model, bytes)),
        Network::Graph(..) => bail!(
            "{} is a network, not a model; turn it into one with `subbyte lower {0}`",
            path.display()
        ),
    }
}

fn parse_model(path: &Path, bytes: &[u8]) -> Result<Model> {
    model::read(bytes).map_err(|error| {
        let remedy = match error.kind {
            ReadErrorKind::Version(_) => "update subbyte",
            _ => "copy the file again, or make it anew with `subbyte lower`",
        };
        anyhow!("{} cannot be used: {error}; {remedy}", path.display())
    })
}

/// The images that a network is measured on, never trained on: the test part of the data set at `path`, or all of a folder that
/// is not divided.
pub fn test_data(path: &str, geometry: Geometry, resize: Option<data::Resize>) -> Result<Dataset> {
    if path == BUILTIN {
        return Ok(data::fashion_mnist_subset().test);
    }
    Ok(open(path, geometry, resize)?.held_out()?)
}

/// Images to measure a model on.
pub enum TestImages {
    /// In memory.
    Loaded(Dataset),
    /// In files of their own, of which there may be more than fit into memory.
    Files(LabelledFiles),
}

/// As [`test_data`], with image files left where they are.
pub fn test_images(
    path: &str,
    geometry: Geometry,
    resize: Option<data::Resize>,
) -> Result<TestImages> {
    if path != BUILTIN
        && let Some(files) = open(path, geometry, resize)?.held_out_files()?
    {
        return Ok(TestImages::Files(files));
    }
    Ok(TestImages::Loaded(test_data(path, geometry, resize)?))
}

/// The path of the data inside the binary.
const BUILTIN: &str = "builtin";

fn open(path: &str, geometry: Geometry, resize: Option<data::Resize>) -> Result<data::Source> {
    let options = data::Options {
        geometry: Some(geometry),
        resize,
    };
    Ok(data::open(Path::new(path), &options)?)
}

/// An image file that cannot be used.
#[derive(Serialize)]
pub struct Broken {
    /// Where it is.
    pub file: String,
    /// What is wrong, with the file's name.
    pub problem: String,
}

impl Broken {
    /// Notes why a file cannot be used.
    pub fn new(file: &Path, problem: &data::Error) -> Self {
        Self {
            file: file.display().to_string(),
            problem: problem.to_string(),
        }
    }
}

/// How work on `count` images ends of which `done` could be used: interrupted, where there are more; with an error that names all
/// files that could not be used, where there are any.
pub fn end(done: usize, broken: &[Broken], count: usize) -> Result<ExitCode> {
    let problems: Vec<&str> = broken.iter().map(|b| b.problem.as_str()).collect();
    let problems = format!(
        "{} of {count} images cannot be used:\n{}",
        broken.len(),
        problems.join("\n")
    );
    let seen = done + broken.len();
    if seen < count {
        if !broken.is_empty() {
            note!("error: {problems}");
        }
        note!("interrupted after {seen} of {count} images");
        return Ok(interrupt::exit_code());
    }
    if !broken.is_empty() {
        bail!(problems);
    }
    Ok(ExitCode::SUCCESS)
}

/// The data path to use: the given one, else the recipe's.
pub fn data_path(given: Option<&String>, recipe: Option<&Recipe>, file: &Path) -> Result<String> {
    match (given, recipe) {
        (Some(path), _) => Ok(path.clone()),
        (None, Some(recipe)) => Ok(recipe.data.path.clone()),
        (None, None) => bail!(
            "{} does not say which data it was trained on; give --data PATH",
            file.display()
        ),
    }
}

/// The data path that a model notes of its training.
pub fn noted_data(model: &Model) -> Option<&String> {
    model
        .provenance
        .iter()
        .find(|(name, _)| name == "data")
        .map(|(_, path)| path)
}

/// Writes beside `path` and renames.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    subbyte::graph::replace_file(path, bytes)
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Size of the images that a network reads.
pub fn geometry(graph: &Graph) -> Geometry {
    let image = graph.nodes.iter().find_map(|node| match node.op {
        Op::Image {
            colours,
            height,
            width,
        } => Some(Geometry {
            height,
            width,
            colours,
        }),
        _ => None,
    });
    image.expect("a valid graph has an image input")
}

/// Size of the images that a model reads.
pub fn model_geometry(model: &Model) -> Geometry {
    let Input {
        colours,
        height,
        width,
        ..
    } = model.input;
    Geometry {
        height,
        width,
        colours,
    }
}

/// How a model wants images of other sizes to be brought to its own.
pub fn resize(model: &Model) -> Option<data::Resize> {
    let filter = |filter| match filter {
        Resampling::Nearest => data::Filter::Nearest,
        Resampling::Bilinear => data::Filter::Bilinear,
        Resampling::Bicubic => data::Filter::Bicubic,
        Resampling::Lanczos3 => data::Filter::Lanczos3,
    };
    let resize = model.input.resize?;
    Some(data::Resize {
        shorter_side: resize.shorter_side,
        filter: filter(resize.filter),
    })
}
