//! Networks that were trained elsewhere, as training takes them up.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;
use subbyte_data::{Dataset, Geometry};
use subbyte_exec::{Mode, Network};
use subbyte_graph::{
    ChannelMoments, Graph, LayerBits, NodeId, Op, Placement, Role, Storage, networks::FirstLayer,
    sbg,
};
use subbyte_onnx::ReadOptions;

use crate::{
    TrainError,
    evaluate::images,
    recipe::{Bits, End, Preprocess, Recipe},
};

/// Value of [`Recipe::network`] that stands for the network in [`Recipe::from`].
pub(crate) const IMPORTED: &str = "imported";

/// Images of a batch when channels are measured.
const BATCH: usize = 32;

/// Reads a float network: ONNX by its name, else `.sbg`.
///
/// # Errors
/// If there is none, or it cannot be read.
pub(crate) fn read(path: &Path, preprocess: Option<Preprocess>) -> Result<Graph, TrainError> {
    if path.extension().is_some_and(|found| found == "onnx") {
        let options = ReadOptions {
            preprocess: preprocess.map(Into::into),
            size: None,
        };
        return Ok(subbyte_onnx::read(path, &options)?);
    }
    Ok(sbg::load(path)?.0)
}

impl Recipe {
    /// The network of the file at `path` with this recipe's quantizers in every layer and its pixel table in the place of normalized
    /// pixels. Its norms are taken off and put back, behind every layer but the one that makes logits, so that they are where training
    /// needs them whatever the exporter did. Channels are measured on `data`.
    ///
    /// A network that has quantizers already stays as it is, so that codes which post-training methods have chosen are kept, and what can
    /// still be trained beside them is.
    ///
    /// # Errors
    /// If the network cannot be read, is for other images or classes, or cannot be given quantizers.
    pub(crate) fn imported(&self, path: &Path, data: &Dataset) -> Result<Graph, TrainError> {
        let unusable = |problem: String| TrainError::Damaged {
            path: path.into(),
            problem,
        };
        let mut graph = read(path, self.preprocess)?;
        if let Some(problem) = misfit(&graph, data.geometry(), data.classes().len())? {
            return Err(unusable(problem));
        }
        graph.classes = data.classes().to_vec();
        if is_quantized(&graph) {
            return Ok(graph);
        }
        graph.fold_norms();
        graph.own_parameters();
        let moments = channel_moments(&graph, data)?;
        graph.insert_norms(&moments);
        let Some(placement) = self.placement(&graph) else {
            return Ok(graph);
        };
        let mut placed = graph.place_quantizers(&placement).map_err(|problems| {
            unusable(format!("it cannot be quantized in every layer: {problems}"))
        })?;
        // Steps of 0 are measured on the first batch, like those of built-in networks.
        for param in placed.params.values_mut().filter(|p| p.role == Role::Scale) {
            param.storage = Storage::F32(vec![0.0; param.len()]);
        }
        Ok(placed)
    }

    /// Which quantizers the float network `graph` gets; `None` where it stays one.
    fn placement(&self, graph: &Graph) -> Option<Placement> {
        let Bits::Low(body) = self.bits else {
            return None;
        };
        let bits = |weights, activations| LayerBits {
            weights: Some(weights),
            activations,
        };
        let mut layers = BTreeMap::new();
        for (id, node) in graph.nodes.iter().enumerate() {
            let first = node.inputs.first().is_some_and(|&x| reads_pixels(graph, x));
            let end = if is_logits(graph, id) {
                self.last
            } else if first {
                self.first
            } else {
                continue;
            };
            if is_layer(&node.op) && end == End::EightBit {
                layers.insert(node.name.clone(), bits(8, 8));
            }
        }
        Some(Placement {
            body: bits(body.weights, body.activations),
            layers,
            wide: self.residual_bits,
            weight_quantizer: self.weight_quantizer,
            input: match self.first_layer() {
                FirstLayer::Body(input) => Some(input),
                FirstLayer::EightBit | FirstLayer::Float => None,
            },
        })
    }
}

fn is_quantized(graph: &Graph) -> bool {
    let quantizer = |node: &subbyte_graph::Node| matches!(node.op, Op::Quantize(_));
    graph.nodes.iter().any(quantizer)
}

fn is_layer(op: &Op) -> bool {
    matches!(op, Op::Conv2d { .. } | Op::Linear)
}

fn reads_pixels(graph: &Graph, input: NodeId) -> bool {
    matches!(graph.nodes[input].op, Op::Normalize { .. })
}

fn is_logits(graph: &Graph, id: NodeId) -> bool {
    graph.outputs.contains(&id)
}

/// Mean and variance of what every layer but that of the logits makes of the images.
fn channel_moments(
    graph: &Graph,
    data: &Dataset,
) -> Result<BTreeMap<String, ChannelMoments>, TrainError> {
    /// Sums of values and of their squares by channel, and how many were added.
    type Sums = (Vec<f64>, Vec<f64>, usize);
    let network = Network::new(graph, &Device::flex())?;
    let mut sums: BTreeMap<NodeId, Sums> = BTreeMap::new();
    for pixels in data.images().chunks(BATCH * data.geometry().bytes()) {
        let batch = images(pixels.to_vec(), data.geometry());
        network.observe(&batch, Mode::Evaluate, |id, tensor| {
            if !is_layer(&graph.nodes[id].op) || is_logits(graph, id) {
                return;
            }
            let channels = tensor.dims()[3];
            let data = tensor.clone().into_data();
            let values = data.as_slice::<f32>().expect("f32 activations");
            let empty = || (vec![0.0; channels], vec![0.0; channels], 0);
            let (sum, squares, count) = sums.entry(id).or_insert_with(empty);
            for pixel in values.chunks_exact(channels) {
                for ((sum, square), &x) in sum.iter_mut().zip(&mut *squares).zip(pixel) {
                    *sum += f64::from(x);
                    *square += f64::from(x) * f64::from(x);
                }
            }
            *count += values.len() / channels;
        })?;
    }
    let moments = |(sum, squares, count): Sums| {
        let count = count.max(1) as f64;
        let mean: Vec<f64> = sum.iter().map(|s| s / count).collect();
        let variance = squares.iter().zip(&mean).map(|(s, m)| s / count - m * m);
        ChannelMoments {
            variance: variance.map(|v| v.max(0.0) as f32).collect(),
            mean: mean.into_iter().map(|m| m as f32).collect(),
        }
    };
    let named = |(id, sums): (NodeId, Sums)| (graph.nodes[id].name.clone(), moments(sums));
    Ok(sums.into_iter().map(named).collect())
}

/// In what a network differs from what images of `geometry` and `needed` classes need.
pub(crate) fn misfit(
    graph: &Graph,
    geometry: Geometry,
    needed: usize,
) -> Result<Option<String>, TrainError> {
    let wanted = [geometry.colours, geometry.height, geometry.width];
    let input = graph.nodes.iter().find_map(|node| match node.op {
        Op::Image {
            colours,
            height,
            width,
        } => Some([colours, height, width]),
        _ => None,
    });
    if input != Some(wanted) {
        let [colours, height, width] = input.unwrap_or_default();
        return Ok(Some(format!(
            "it is for images of {width}x{height} pixels and {colours} colours, the data have {geometry}"
        )));
    }
    let invalid = |problems| subbyte_exec::ExecError::Graph {
        name: graph.name.clone(),
        problems,
    };
    let shapes = graph.shapes().map_err(invalid)?;
    let classes: usize = match graph.outputs.first() {
        Some(&output) => shapes[output].elements(),
        None => 0,
    };
    Ok((classes != needed).then(|| format!("it knows {classes} classes, the data have {needed}")))
}
