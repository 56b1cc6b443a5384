//! A trained network whose logits another one learns from.

use std::fs;

use burn::tensor::{Device, Tensor};
use subbyte_data::ImageSet;
use subbyte_exec::{Images, Network};
use subbyte_graph::{Graph, Op, sbg};

use crate::{TrainError, recipe::Recipe};

/// A network in evaluation mode, without a gradient tape.
#[derive(Debug)]
pub(crate) struct Teacher {
    network: Network,
    /// Hash of the file, which tells it from another network whatever the file is called.
    pub(crate) fingerprint: String,
}

impl Teacher {
    /// The recipe's teacher, if it has one, for images and classes like those of `data`.
    ///
    /// # Errors
    /// If the file cannot be read, or its network is for other images or another number of classes.
    pub(crate) fn of(recipe: &Recipe, data: &ImageSet) -> Result<Option<Self>, TrainError> {
        let Some(path) = &recipe.teacher else {
            return Ok(None);
        };
        let bytes = fs::read(path).map_err(|e| TrainError::io("read", path, e))?;
        let (graph, _) = sbg::load(path)?;
        if let Some(problem) = misfit(&graph, data)? {
            return Err(TrainError::Damaged {
                path: path.clone(),
                problem: format!("as a teacher it does not fit: {problem}"),
            });
        }
        let network = Network::new(&graph, &Device::flex())?;
        Ok(Some(Self {
            network,
            fingerprint: subbyte_data::fingerprint(&bytes),
        }))
    }

    /// Its logits of a batch.
    pub(crate) fn logits(&self, images: &Images) -> Result<Tensor<4>, TrainError> {
        let logits = self.network.predict(images)?;
        Ok(Tensor::from_inner(logits))
    }
}

/// In what a network differs from what `data` need.
fn misfit(graph: &Graph, data: &ImageSet) -> Result<Option<String>, TrainError> {
    let geometry = data.geometry();
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
    let needed = data.classes().len();
    Ok((classes != needed).then(|| format!("it knows {classes} classes, the data have {needed}")))
}
