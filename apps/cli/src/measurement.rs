//! The measurements that `quickstart`, `train`, `eval` and `lower` show, and how they are made.

use anyhow::Result;
use serde::Serialize;
use subbyte::graph::{Graph, sbg};
use subbyte::model::{self, Model};
use subbyte::train::Checkpoint;
use subbyte::{Agreement, IntegerScore, Plan, Pool};

use crate::args::Engine;
use crate::commands::inspect::{Layer, layers};
use crate::files;
use crate::images::TestImages;
use crate::output::{Bar, Table, percent, thousands};

/// One measured network; what does not apply is null. Accuracies are fractions over `images` test images.
#[derive(Debug, Default, Serialize)]
pub struct Measurement {
    /// Top-1 accuracy of the integer model.
    pub top1: Option<f64>,
    /// Top-5 accuracy of the integer model.
    pub top5: Option<f64>,
    /// Top-1 accuracy of the network's evaluation; for networks with float layers, in floats.
    pub top1_evaluated: Option<f64>,
    /// Top-5 accuracy of the network's evaluation.
    pub top5_evaluated: Option<f64>,
    /// Codes of the integer model that differ from evaluation.
    pub differing_codes: Option<u64>,
    /// Predicted classes that differ from evaluation.
    pub differing_predictions: Option<u64>,
    /// Predicted classes that differ from training's float forward.
    pub differing_float_predictions: Option<u64>,
    /// Images on which they were compared.
    pub compared_images: Option<usize>,
    /// Codes that were compared.
    pub compared_codes: Option<u64>,
    /// Test images.
    pub images: Option<usize>,
    /// Speed of the engine.
    pub images_per_second: Option<f64>,
    /// Threads that the engine used.
    pub threads: Option<usize>,
    /// Shifted inputs that multiplications by weights add up, for one image, by canonic signed digits.
    pub partial_products: Option<u64>,
    /// Length of the file.
    pub bytes: Option<usize>,
    /// Layers of the integer model.
    pub layers: Option<Vec<Layer>>,
}

/// A lowered network with what was measured on the way.
pub struct Lowered {
    /// The model, with provenance and test vectors.
    pub model: Model,
    /// Its file.
    pub bytes: Vec<u8>,
    /// Its figures.
    pub measurement: Measurement,
}

/// How much of a model is checked, and can be checked later.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Test vectors that the model carries.
    pub vectors: usize,
    /// Images on which evaluation and integers are compared; `None` for all.
    pub compared: Option<usize>,
}

impl Default for Extent {
    fn default() -> Self {
        Self {
            vectors: subbyte::TEST_VECTORS,
            compared: None,
        }
    }
}

/// Lowers `graph`, compares evaluation and integers, and puts together the model's file. Image files that cannot be
/// used are left out.
pub fn lower(
    graph: &Graph,
    checkpoint: Option<&Checkpoint>,
    images: &TestImages,
    Extent { vectors, compared }: Extent,
    engine: Engine,
) -> Result<Lowered> {
    let mut model = subbyte::lower::lower(graph)?;
    let resize = checkpoint.and_then(|c| c.recipe.resize());
    let resize = resize.or(images.resize());
    model.input.resize = resize.map(files::resize_of);
    let plan = Plan::new(&model, engine.options())?;
    subbyte::check_data(&plan, images.geometry(), images.classes())?;
    let compared = compared.unwrap_or(images.len()).min(images.len());
    let mut bar = Bar::new("comparing evaluation with integers", compared);
    let examples = images.examples(engine.threads())?.take(compared);
    let agreement = subbyte::compare(graph, &model, examples, &mut |done| bar.at(done))?;
    drop(bar);
    let (score, threads) = score(&plan, images, engine)?;
    if let Some(checkpoint) = checkpoint {
        subbyte::add_provenance(&mut model, "recipe", checkpoint.recipe.to_toml());
        subbyte::add_provenance(&mut model, "data", &checkpoint.recipe.data.path);
        subbyte::add_provenance(&mut model, "data fingerprint", &checkpoint.data);
        subbyte::add_provenance(&mut model, "seed", checkpoint.recipe.seed);
        subbyte::add_provenance(&mut model, "epochs", checkpoint.history.len());
    }
    subbyte::add_provenance(&mut model, "top1", format!("{:.4}", score.accuracy.top1()));
    subbyte::add_provenance(&mut model, "test images", score.accuracy.images);
    let chosen = images.spread(vectors);
    subbyte::add_test_vectors(&mut model, &plan, chosen.iter().map(AsRef::as_ref))?;
    let bytes = model::write(&model)?;
    let measurement = Measurement {
        layers: Some(layers(&model)?),
        bytes: Some(bytes.len()),
        ..Measurement::of_model(&score, threads).with(&agreement)
    };
    Ok(Lowered {
        model,
        bytes,
        measurement,
    })
}

/// Measures a network: where every layer is quantized the integer model that it becomes, which comes back too, else the network in
/// floats. Image files that cannot be used are left out.
pub fn network(
    graph: &Graph,
    checkpoint: Option<&Checkpoint>,
    images: &TestImages,
    engine: Engine,
) -> Result<(Measurement, Option<Lowered>)> {
    if graph.is_fully_quantized() {
        let mut lowered = lower(graph, checkpoint, images, Extent::default(), engine)?;
        return Ok((std::mem::take(&mut lowered.measurement), Some(lowered)));
    }
    let examples = images.examples(engine.threads())?;
    let mut bar = Bar::new("network in floats", images.len());
    let mut seen = 0;
    let counted = examples.inspect(|_| {
        seen += 1;
        bar.at(seen);
    });
    let metrics = subbyte::measure_float(graph, images.geometry(), counted)?;
    let bytes = sbg::to_bytes(graph, &sbg::Extras::default())?.len();
    let measurement = Measurement {
        top1_evaluated: Some(metrics.top1),
        top5_evaluated: Some(metrics.top5),
        images: Some(seen),
        bytes: Some(bytes),
        ..Measurement::default()
    };
    Ok((measurement, None))
}

/// Accuracy and speed of a model, with a progress bar; also the threads that were used.
fn score(plan: &Plan, images: &TestImages, engine: Engine) -> Result<(IntegerScore, usize)> {
    let mut pool = Pool::new(engine.threads)?;
    let mut bar = Bar::new("integer model", images.len());
    let examples = images.examples(engine.threads())?;
    let score = subbyte::score(plan, &mut pool, examples, |accuracy| {
        bar.at(accuracy.images)
    })?;
    Ok((score, pool.threads()))
}

impl Measurement {
    /// Figures of a model alone.
    pub fn of_model(score: &IntegerScore, threads: usize) -> Self {
        Self {
            top1: Some(score.accuracy.top1()),
            top5: Some(score.accuracy.top5()),
            images: Some(score.accuracy.images),
            images_per_second: Some(score.images_per_second()),
            threads: Some(threads),
            ..Self::default()
        }
    }

    fn with(self, agreement: &Agreement) -> Self {
        Self {
            top1_evaluated: Some(agreement.evaluated.top1()),
            top5_evaluated: Some(agreement.evaluated.top5()),
            differing_codes: Some(agreement.differing_codes),
            differing_predictions: Some(agreement.differing_predictions),
            differing_float_predictions: Some(agreement.differing_float_predictions),
            compared_images: Some(agreement.evaluated.images),
            compared_codes: Some(agreement.codes),
            ..self
        }
    }

    /// Top-1 and top-5 accuracy of the integer model, where there is one, else of the evaluation.
    pub fn accuracy(&self) -> Option<[f64; 2]> {
        let top1 = self.top1.or(self.top1_evaluated)?;
        let top5 = self.top5.or(self.top5_evaluated)?;
        Some([top1, top5])
    }

    /// The figures that apply, one a line.
    pub fn table(&self) -> Table {
        let mut table = Table::new(["measured", "value"]);
        let mut row = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                table.row([name.to_owned(), value]);
            }
        };
        row("test images", self.images.map(|n| thousands(n as u64)));
        row("integer model, top-1", self.top1.map(percent));
        row("integer model, top-5", self.top5.map(percent));
        row("evaluation, top-1", self.top1_evaluated.map(percent));
        row("evaluation, top-5", self.top5_evaluated.map(percent));
        let of = |n: u64, all: Option<u64>| {
            all.map_or(thousands(n), |all| {
                format!("{} of {}", thousands(n), thousands(all))
            })
        };
        row(
            "codes that differ",
            self.differing_codes.map(|n| of(n, self.compared_codes)),
        );
        let images = self.compared_images.map(|n| n as u64);
        row(
            "predictions that differ",
            self.differing_predictions.map(|n| of(n, images)),
        );
        let float = self.differing_float_predictions.map(|n| of(n, images));
        row("predictions that differ from the float forward", float);
        let threads = self.threads.map_or(String::new(), |n| {
            format!(" ({n} thread{})", if n == 1 { "" } else { "s" })
        });
        row(
            "images per second",
            self.images_per_second
                .map(|v| format!("{}{threads}", thousands(v as u64))),
        );
        row(
            "partial products of an image",
            self.partial_products.map(thousands),
        );
        row("bytes of the file", self.bytes.map(|n| thousands(n as u64)));
        table
    }
}
