//! Networks that were trained elsewhere, as training takes them up.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use burn::tensor::Device;
use subbyte_data::{Dataset, Geometry};
use subbyte_exec::{Images, Mode, Network};
use subbyte_graph::networks::{self, FirstLayer};
use subbyte_graph::{ChannelMoments, Graph, LayerBits, NodeId, Op, Placement, sbg};
use subbyte_onnx::ReadOptions;
use subbyte_quantize::{Clip, QuantizeError, Rounding, Uniform};

use crate::{
    TrainError,
    evaluate::images,
    recipe::{Bits, End, Preprocess, Recipe},
};

/// Value of [`Recipe::network`] that stands for the network in [`Recipe::from`].
pub(crate) const IMPORTED: &str = "imported";

/// Most images that ranges, codes and channels are found on; of image files only a sample is there.
const IMAGES: usize = 512;
/// Images of a batch when channels are measured.
const BATCH: usize = 32;

/// Reads a float network: ONNX by its name, else `.sbg`.
///
/// # Errors
/// If there is none, or it cannot be read.
pub(crate) fn read(path: &Path, preprocess: Option<Preprocess>) -> Result<Graph, TrainError> {
    if path.extension().is_some_and(|found| found == "onnx") {
        let options = ReadOptions {
            preprocess,
            size: None,
        };
        return Ok(subbyte_onnx::read(path, &options)?);
    }
    Ok(sbg::load(path)?.0)
}

impl Recipe {
    /// The network of the file at `path` with this recipe's quantizers in every layer and its pixel table in the place of normalized
    /// pixels. It starts where post-training quantization ends: ranges and codes are found on `data`. Its norms are taken off before and put
    /// back behind every layer but the one that makes logits, with the moments of what these layers then make, so that they are where
    /// training needs them whatever the exporter did.
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
        let Bits::Low(bits) = self.bits else {
            graph.insert_norms(&channel_moments(&graph, data)?);
            return Ok(graph);
        };
        let impossible =
            |problem: String| unusable(format!("it cannot be quantized in every layer: {problem}"));
        if let FirstLayer::Body(input) = self.first_layer() {
            graph.read_table(input).map_err(impossible)?;
        }
        let placement = self.placement(&graph, bits);
        let mut placed = match bits.weights {
            // Mean magnitudes are all that weights of 1 bit keep; training makes the rest.
            1 => graph
                .place_quantizers(&placement)
                .map_err(|problems| impossible(problems.to_string()))?,
            _ => self
                .rounded(&graph, placement, data)
                .map_err(|e| impossible(e.to_string()))?,
        };
        let moments = match bits.weights {
            1 => channel_moments(&graph, data)?,
            _ => channel_moments(&placed, data)?,
        };
        placed.insert_norms(&moments);
        Ok(placed)
    }

    /// The float network `graph` with codes by closed-form rounding, as weights that can be trained.
    fn rounded(
        &self,
        graph: &Graph,
        placement: Placement,
        data: &Dataset,
    ) -> Result<Graph, QuantizeError> {
        let method = Uniform {
            placement,
            clip: Clip::Mse,
            rounding: Rounding::ClosedForm,
        };
        let calibration: Vec<Images> = batches(data).collect();
        let mut placed =
            subbyte_quantize::uniform(graph, &calibration, &method, |_| ControlFlow::Continue(()))?;
        placed.learn_codes(graph);
        Ok(placed)
    }

    /// Which quantizers the float network `graph` gets.
    fn placement(&self, graph: &Graph, body: networks::Bits) -> Placement {
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
        Placement {
            body: bits(body.weights, body.activations),
            layers,
            wide: self.residual_bits,
        }
    }
}

/// The images that everything is measured on.
fn batches(data: &Dataset) -> impl Iterator<Item = Images> {
    let chosen: Vec<&[u8]> = data.spread(IMAGES).collect();
    let batches: Vec<Images> = chosen
        .chunks(BATCH)
        .map(|batch| images(batch.concat(), data.geometry()))
        .collect();
    batches.into_iter()
}

fn is_quantized(graph: &Graph) -> bool {
    let quantizer = |node: &subbyte_graph::Node| matches!(node.op, Op::Quantize(_));
    graph.nodes.iter().any(quantizer)
}

fn is_layer(op: &Op) -> bool {
    matches!(op, Op::Conv2d { .. } | Op::Linear)
}

fn reads_pixels(graph: &Graph, input: NodeId) -> bool {
    matches!(graph.nodes[input].op, Op::Normalize { .. } | Op::PixelTable)
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
    for batch in batches(data) {
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
    let Some([height, width, colours]) = graph.image() else {
        return Ok(Some("it reads floats, no images".into()));
    };
    if [height, width, colours] != [geometry.height, geometry.width, geometry.colours] {
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
