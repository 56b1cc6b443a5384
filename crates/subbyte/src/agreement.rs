use burn::tensor::Device;
use subbyte_engine::{Observed, Options, Plan, RunError};
use subbyte_exec::evaluate::IntegerNetwork;
use subbyte_exec::{Images, Network};
use subbyte_graph::Graph;
use subbyte_model::reference::Value;
use subbyte_model::{Input, Model};

use crate::{Accuracy, Error, predicted_class};

/// Images that are evaluated at a time.
const CHUNK: usize = 64;

/// How far the evaluation of a network and its integer model agree. Expected: nothing differs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    /// Accuracy of the evaluation.
    pub evaluated: Accuracy,
    /// Accuracy of the integer model.
    pub integer: Accuracy,
    /// Codes that were compared, of every tensor between two layers of every image.
    pub codes: u64,
    /// Codes that differ.
    pub differing_codes: u64,
    /// Images whose predicted classes differ.
    pub differing_predictions: u64,
    /// Images whose predicted classes differ between the model and the float forward that training uses. It computes the same
    /// network in f32, so sums that lie next to a threshold may fall on its other side.
    pub differing_float_predictions: u64,
}

/// Runs labelled images, u8 `[height][width][colours]` each, through the evaluation of `graph` and through `model` and compares
/// every code; `progress` is told how many images are done.
///
/// # Errors
/// If the graph has float parts, or an image has another size than its input.
///
/// # Panics
/// If a label is not below the number of classes.
pub fn compare<P: AsRef<[u8]>>(
    graph: &Graph,
    model: &Model,
    examples: impl IntoIterator<Item = (usize, P)>,
    progress: &mut dyn FnMut(usize),
) -> Result<Agreement, Error> {
    let network = IntegerNetwork::new(graph, &Device::flex())?;
    let float = Network::new(graph, &Device::flex())?;
    let options = Options {
        fuse: false,
        ..Options::default()
    };
    let plan = Plan::new(model, options)?;
    let mut arena = plan.arena();
    let mut agreement = Agreement::default();
    let mut examples = examples.into_iter().fuse();
    loop {
        let (mut labels, mut images) = (Vec::new(), Vec::new());
        for (label, image) in examples.by_ref().take(CHUNK) {
            let (expected, found) = (plan.image_bytes(), image.as_ref().len());
            if found != expected {
                return Err(RunError::ImageSize { expected, found }.into());
            }
            labels.push(label);
            images.extend_from_slice(image.as_ref());
        }
        if labels.is_empty() {
            return Ok(agreement);
        }
        let evaluated = network.trace(&images);
        let Input {
            height,
            width,
            colours,
            ..
        } = model.input;
        let batch = Images::new(images.clone(), [labels.len(), height, width, colours]);
        let float: Vec<f32> = float.predict(&batch)?.into_data().iter::<f32>().collect();
        let float = float.chunks(network.classes());
        let images = images.chunks(network.image_bytes());
        for (((image, values), float), &label) in images.zip(evaluated).zip(float).zip(&labels) {
            let logits = plan.observe(&mut arena, image, &mut |node, seen| {
                let (codes, differing) = differences(&values[node], seen);
                agreement.codes += codes;
                agreement.differing_codes += differing;
            })?;
            let Some(Value::Sums(expected)) = values.last() else {
                unreachable!("the last node is the output")
            };
            agreement.evaluated.add(expected, label);
            agreement.integer.add(logits, label);
            let differs = predicted_class(expected) != predicted_class(logits);
            agreement.differing_predictions += u64::from(differs);
            let differs = predicted_class(float) != predicted_class(logits);
            agreement.differing_float_predictions += u64::from(differs);
        }
        progress(agreement.integer.images);
    }
}

/// Codes compared and codes that differ, in one tensor; tensors of sums are compared through the codes made of them.
fn differences(evaluated: &Value, seen: Observed<'_>) -> (u64, u64) {
    match (evaluated, seen) {
        (Value::Codes(a), Observed::Codes(b)) => {
            let differing = a.iter().zip(b).filter(|(a, b)| a != b).count();
            (
                a.len() as u64,
                (differing + a.len().abs_diff(b.len())) as u64,
            )
        }
        _ => (0, 0),
    }
}
