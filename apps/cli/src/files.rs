//! Networks, models and data from files.

use std::io;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use subbyte::data::{self, Dataset, Geometry};
use subbyte::graph::sbg::{self, SbgErrorKind};
use subbyte::graph::{Graph, Op};
use subbyte::model::{self, Input, Model, ReadErrorKind, Resampling};
use subbyte::onnx::{self, Preprocess, ReadOptions};
use subbyte::train::{Checkpoint, Recipe};

use crate::note;

/// What a file holds.
pub enum Network {
    /// An integer model, with the bytes of its file.
    Model(Box<Model>, Vec<u8>),
    /// A float network, with its recipe where training has written it.
    Graph(Box<Graph>, Option<Box<Checkpoint>>),
}

/// Reads a model or a network, by its content. A file named like a model is judged as one even where its first bytes are damaged.
pub fn load(path: &Path) -> Result<Network> {
    load_with(path, None)
}

/// As [`load`], for ONNX files with what their input is.
pub fn load_with(path: &Path, preprocess: Option<Preprocess>) -> Result<Network> {
    if is_named(path, "onnx") {
        let options = ReadOptions {
            preprocess,
            size: None,
        };
        let graph = onnx::read(path, &options)?;
        if preprocess.is_none() {
            note_input(path, &graph);
        }
        return Ok(Network::Graph(Box::new(graph), None));
    }
    if preprocess.is_some() {
        bail!(
            "{} says itself how its input is made of pixels; --preprocess is for ONNX files",
            path.display()
        );
    }
    let bytes = read(path)?;
    if is_model(path, &bytes) {
        return Ok(Network::Model(Box::new(parse_model(path, &bytes)?), bytes));
    }
    let (graph, extras) = match sbg::load(path) {
        Err(error)
            if matches!(error.kind(), SbgErrorKind::Container(_)) && !is_named(path, "sbg") =>
        {
            bail!(
                "{} is neither a model (.sbm) nor a network (.sbg, .onnx)",
                path.display()
            );
        }
        network => network?,
    };
    // A network that training wrote carries its recipe.
    let checkpoint = if extras.text.is_empty() {
        None
    } else {
        Some(Box::new(Checkpoint::load(path)?))
    };
    Ok(Network::Graph(Box::new(graph), checkpoint))
}

/// The model in a file, or the one that the network in it becomes, with the data path that the file names. `otherwise` says what to do
/// about a network that is not quantized in every layer.
pub fn load_lowered(path: &Path, otherwise: &str) -> Result<(Model, Option<String>)> {
    match load(path)? {
        Network::Model(model, _) => {
            let data = noted_data(&model).cloned();
            Ok((*model, data))
        }
        Network::Graph(graph, checkpoint) => {
            let model = subbyte::lower::lower(&graph)
                .with_context(|| format!("{}: {otherwise}", path.display()))?;
            Ok((model, checkpoint.map(|c| c.recipe.data.path)))
        }
    }
}

/// Says what was taken for the input of an ONNX network.
fn note_input(path: &Path, graph: &Graph) {
    for node in &graph.nodes {
        if let Op::Normalize { mean, std } = &node.op {
            note!(
                "note: {} is given pixels from 0 to 1 less {mean:.3?} over {std:.3?}; if it was trained otherwise, say so with --preprocess",
                path.display()
            );
        }
    }
}

/// Reads a model.
pub fn load_model(path: &Path) -> Result<(Model, Vec<u8>)> {
    let bytes = read(path)?;
    if is_model(path, &bytes) {
        return Ok((parse_model(path, &bytes)?, bytes));
    }
    if is_named(path, "sbg") || sbg::from_bytes(&bytes).is_ok() {
        bail!(
            "{} is a network, not a model; turn it into one with `subbyte lower {0}`",
            path.display()
        );
    }
    bail!("{} is no model (.sbm)", path.display())
}

/// The bytes of a file.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let read = || {
        // Before it is opened, which for a pipe waits until somebody writes to it.
        if !std::fs::metadata(path)?.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        std::fs::read(path)
    };
    read().with_context(|| format!("cannot read {}", path.display()))
}

fn is_model(path: &Path, bytes: &[u8]) -> bool {
    is_named(path, "sbm") || bytes.starts_with(&model::MAGIC)
}

fn is_named(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found == extension)
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
        return builtin(geometry);
    }
    Ok(open(path, geometry, resize)?.held_out()?)
}

/// The path of the data inside the binary.
pub const BUILTIN: &str = "builtin";

/// The test part of the data inside the binary.
pub fn builtin(wanted: Geometry) -> Result<Dataset> {
    let test = data::fashion_mnist_subset().test;
    if test.geometry() != wanted {
        bail!(
            "the images of `{BUILTIN}` are {}, the network reads {wanted}; give data of that size with --data PATH",
            test.geometry()
        );
    }
    Ok(test)
}

/// The data set at a path.
pub fn open(path: &str, geometry: Geometry, resize: Option<data::Resize>) -> Result<data::Source> {
    let options = data::Options {
        geometry: Some(geometry),
        resize,
    };
    Ok(data::open(Path::new(path), &options)?)
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

/// How images of other sizes are brought to what a network reads: as its recipe says; without one, as networks for such sizes are
/// measured, the shorter side to 8/7 of the height where that is 128 pixels or more, else to the height itself.
pub fn resize_for(recipe: Option<&Recipe>, geometry: Geometry) -> Option<data::Resize> {
    if let Some(recipe) = recipe {
        return recipe.resize();
    }
    let longest = geometry.height.max(geometry.width);
    Some(data::Resize {
        shorter_side: if longest >= 128 {
            longest * 8 / 7
        } else {
            longest
        },
        filter: data::Filter::Bilinear,
    })
}

/// Number of classes that a network tells apart.
pub fn classes(graph: &Graph) -> Option<usize> {
    let shapes = graph.shapes().ok()?;
    let [classes, ..] = shapes[*graph.outputs.first()?].feature()?;
    Some(classes)
}

/// Writes beside `path` and renames.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    subbyte::graph::replace_file(path, bytes)
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Size of the images that a network reads.
///
/// # Errors
/// If it reads floats instead.
pub fn geometry(graph: &Graph) -> Result<Geometry> {
    let image = graph.image().map(|[height, width, colours]| Geometry {
        height,
        width,
        colours,
    });
    image.with_context(|| {
        let inputs: Vec<&str> = graph
            .inputs()
            .map(|(_, node, _)| node.name.as_str())
            .collect();
        format!(
            "`{}` reads floats ({}), no images; `subbyte sample` makes pictures with such networks",
            graph.name,
            inputs.join(", ")
        )
    })
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

/// The rule of a recipe as a model has it.
pub fn resize_of(resize: data::Resize) -> model::Resize {
    model::Resize {
        shorter_side: resize.shorter_side,
        filter: match resize.filter {
            data::Filter::Nearest => Resampling::Nearest,
            data::Filter::Bilinear => Resampling::Bilinear,
            data::Filter::Bicubic => Resampling::Bicubic,
            data::Filter::Lanczos3 => Resampling::Lanczos3,
        },
    }
}
