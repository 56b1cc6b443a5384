//! What a file holds: its layers, its pixel table, and where its bytes go.

mod graph;
mod layer;
mod model;
mod table;
mod text;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Serialize, Serializer};
use subbyte::train::{Epoch, TableUse};

use crate::args::Inspect;
use crate::files::{self, Network};
use crate::output::{print, print_json};
pub use layer::Layer;
pub use model::layers;
use table::PixelTable;

/// What is known of a file; what does not apply to its kind is null.
#[derive(Serialize)]
struct Report {
    file: PathBuf,
    /// `model` or `graph`.
    kind: &'static str,
    /// Length of the file.
    bytes: usize,
    /// Colours, height and width of the image.
    input: [usize; 3],
    /// Names in logit order.
    classes: Vec<String>,
    layers: Vec<Layer>,
    totals: Totals,
    pixel_table: Option<PixelTable>,
    items: Option<Vec<Item>>,
    sections: Option<Vec<Section>>,
    payload: Option<Payload>,
    test_vectors: Option<usize>,
    #[serde(serialize_with = "pairs_as_object")]
    provenance: Option<Vec<(String, String)>>,
    checkpoint: Option<Training>,
}

/// Sums over all layers.
#[derive(Serialize)]
struct Totals {
    parameters: u64,
    bytes: u64,
    macs: u64,
    /// Null where a layer multiplies floats.
    bit_operations: Option<u64>,
}

/// Bytes of a file that serve one purpose.
#[derive(Serialize)]
struct Item {
    section: &'static str,
    /// Name of the layer that they belong to, if to one.
    layer: Option<String>,
    bytes: usize,
}

/// A part of a file.
#[derive(Serialize)]
struct Section {
    name: &'static str,
    offset: usize,
    bytes: usize,
}

/// The part of a file that a smallest possible one would need too.
#[derive(Serialize)]
struct Payload {
    /// Bytes without test vectors, names and provenance.
    bytes: usize,
    /// Sum of the bits of all weights, in bytes.
    weight_bytes: f64,
    /// The first by the second; null without weights.
    ratio: Option<f64>,
    /// Share of the weights that are 0; null without weights.
    zero_weights: Option<f64>,
}

/// Facts of the run that wrote a file.
#[derive(Serialize)]
struct Training {
    recipe: String,
    /// Epochs that were finished.
    epochs: usize,
    /// Fingerprint of the training images.
    data: String,
    last_epoch: Option<Epoch>,
    /// What became of a learned pixel table.
    table: Option<TableUse>,
}

/// Shows what is in a model or a network.
pub fn run(args: &Inspect) -> Result<()> {
    let report = report(&args.file)?;
    if args.json {
        print_json(&report)
    } else {
        print(&text::render(&report))
    }
}

fn report(file: &Path) -> Result<Report> {
    match files::load(file)? {
        Network::Model(model, bytes) => model::report(file, &model, &bytes),
        Network::Graph(graph, checkpoint) => {
            let meta = std::fs::metadata(file);
            let bytes = meta
                .with_context(|| format!("cannot read {}", file.display()))?
                .len();
            graph::report(file, &graph, checkpoint.as_deref(), bytes as usize)
        }
    }
}

impl Totals {
    fn of(layers: &[Layer]) -> Self {
        let sum = |value: fn(&Layer) -> u64| layers.iter().map(value).sum();
        let multiplying = layers.iter().filter(|layer| layer.macs > 0);
        Self {
            parameters: sum(|layer| layer.parameters),
            bytes: sum(|layer| layer.bytes),
            macs: sum(|layer| layer.macs),
            bit_operations: multiplying.map(|layer| layer.bit_operations).sum(),
        }
    }
}

fn pairs_as_object<S: Serializer>(
    pairs: &Option<Vec<(String, String)>>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match pairs {
        Some(pairs) => to.collect_map(pairs.iter().map(|(name, value)| (name, value))),
        None => to.serialize_none(),
    }
}
