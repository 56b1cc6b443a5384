//! Several batches that pass through a network together, node by node.

use burn::tensor::{Tensor, TensorData};
use subbyte_graph::NodeId;

use super::run::Run;
use super::{Mode, Network};
use crate::{ExecError, Inputs};

/// Passes of several batches, all of them as far as the same node, in evaluation mode and without a tape.
///
/// Between two nodes parameters can be replaced for the rest of the way, so that what comes later is computed by layers that have
/// been quantized already. Only tensors that a later node reads are kept, in 16 bits a number where these can hold them.
#[derive(Clone)]
pub struct Walk<'a> {
    network: &'a Network,
    runs: Vec<Run<'a>>,
    /// Nodes that have run.
    done: usize,
}

impl<'a> Walk<'a> {
    /// Passes that have not started.
    ///
    /// # Errors
    /// If there is no batch, or one does not fit the graph's inputs.
    pub fn new<B>(network: &'a Network, batches: &[B]) -> Result<Self, ExecError>
    where
        for<'b> &'b B: Into<Inputs>,
    {
        if batches.is_empty() {
            return Err(ExecError::NoImages);
        }
        let run = |batch: &B| {
            let inputs = network.checked(batch)?;
            Ok(Run::new(network, inputs, Mode::Evaluate, false))
        };
        Ok(Self {
            network,
            runs: batches.iter().map(run).collect::<Result<_, ExecError>>()?,
            done: 0,
        })
    }

    /// Runs every node before `node` that has not run.
    pub fn run_to(&mut self, node: NodeId) {
        let steps = &self.network.plain.steps;
        for step in &steps[self.done..node.max(self.done)] {
            for run in &mut self.runs {
                run.packed_step(step);
            }
        }
        self.done = node.max(self.done);
    }

    /// What node `node` made of each batch, channels-last; nothing where it has not run or nothing later reads it.
    pub fn features(&self, node: NodeId) -> impl Iterator<Item = Tensor<4>> {
        self.runs.iter().filter_map(move |run| run.unpacked(node))
    }

    /// Replaces the parameter that `node` has read.
    ///
    /// # Panics
    /// If the node has not run.
    pub fn set_parameter(&mut self, node: NodeId, values: &[f32]) {
        assert!(node < self.done, "node {node} has not run");
        let device = self.runs[0].parameter(node).device();
        let data = TensorData::new(values.to_vec(), [values.len()]);
        let tensor = Tensor::from_data(data, &device);
        for run in &mut self.runs {
            run.set_parameter(node, tensor.clone());
        }
    }
}
