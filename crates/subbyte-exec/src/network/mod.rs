//! Running a graph.

mod packed;
mod plan;
mod run;
mod scales;
mod statistics;
mod walk;

use burn::tensor::{Device, Tensor};
use subbyte_graph::{Graph, NodeId, Op, Role, Storage};

use crate::ops::BatchStatistics;
use crate::{ExecError, Inputs, Parameters};
use plan::Plan;
use run::Run;
pub use walk::Walk;

/// How batch norms work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// By the statistics of the batch, which are returned.
    Train,
    /// By the running statistics of the graph.
    Evaluate,
}

/// What a forward pass makes.
#[derive(Debug)]
pub struct Forward {
    /// The graph's outputs, channels-last; logits are `[N][1][1][classes]`.
    pub outputs: Vec<Tensor<4>>,
    /// Statistics of each batch norm in training, for [`Network::update_statistics`].
    pub statistics: Statistics,
}

/// Batch statistics by the node of the batch norm.
pub type Statistics = Vec<(NodeId, BatchStatistics)>;

/// A graph with its parameters on a device. Activations are channels-last, f32.
#[derive(Clone, Debug)]
pub struct Network {
    graph: Graph,
    parameters: Parameters,
    device: Device,
    equalise_tables: bool,
    /// Steps that may cover several nodes.
    fused: Plan,
    /// One step a node.
    plain: Plan,
}

impl Network {
    /// Prepares `graph` for `device`. Gradients can be taken where the device has a tape ([`Device::autodiff`]); activations are
    /// never computed again for them, whatever the device says of checkpointing.
    ///
    /// # Errors
    /// If the graph is not valid; every problem is listed.
    pub fn new(graph: &Graph, device: &Device) -> Result<Self, ExecError> {
        let invalid = |problems| ExecError::Graph {
            name: graph.name.clone(),
            problems,
        };
        graph.validate().map_err(invalid)?;
        let shapes = graph.shapes().map_err(invalid)?;
        let device = &match device.is_autodiff() {
            true => device.clone().inner().autodiff(),
            false => device.clone(),
        };
        Ok(Self {
            parameters: Parameters::new(graph, device),
            fused: Plan::new(graph, &shapes, true),
            plain: Plan::new(graph, &shapes, false),
            graph: graph.clone(),
            device: device.clone(),
            equalise_tables: false,
        })
    }

    /// [`Network::new`] on the CPU, without gradients.
    ///
    /// # Errors
    /// If the graph is not valid; every problem is listed.
    pub fn on_cpu(graph: &Graph) -> Result<Self, ExecError> {
        Self::new(graph, &Device::flex())
    }

    /// Whether the gradient of a pixel table's row is divided by the square root of how many pixels read it, so that rare and
    /// frequent pixel values learn at like speed. Off at first.
    pub fn equalise_tables(&mut self, equalise: bool) {
        self.equalise_tables = equalise;
    }

    /// The graph as it was given; its numbers are not those of [`Network::parameters`].
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Where the parameters are.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The parameters.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The parameters, to change their numbers.
    pub fn parameters_mut(&mut self) -> &mut Parameters {
        &mut self.parameters
    }

    /// Runs the network; gradients reach the parameters where the device has a tape.
    ///
    /// # Errors
    /// If the inputs do not fit the graph's.
    pub fn forward(&self, inputs: impl Into<Inputs>, mode: Mode) -> Result<Forward, ExecError> {
        let inputs = self.checked(inputs)?;
        Ok(Run::new(self, inputs, mode, true).all(&self.fused))
    }

    /// First output in evaluation mode, without a tape.
    ///
    /// # Errors
    /// If the inputs do not fit the graph's.
    pub fn predict(&self, inputs: impl Into<Inputs>) -> Result<Tensor<4>, ExecError> {
        let inputs = self.checked(inputs)?;
        let mut forward = Run::new(self, inputs, Mode::Evaluate, false).all(&self.fused);
        Ok(forward.outputs.swap_remove(0))
    }

    /// Runs the network node by node without a tape and shows every activation to `see`, in the order of the nodes.
    ///
    /// # Errors
    /// If the inputs do not fit the graph's.
    pub fn observe(
        &self,
        inputs: impl Into<Inputs>,
        mode: Mode,
        mut see: impl FnMut(NodeId, &Tensor<4>),
    ) -> Result<Forward, ExecError> {
        let inputs = self.checked(inputs)?;
        let mut run = Run::new(self, inputs, mode, false);
        for step in &self.plain.steps {
            run.step(step);
            if let Some(tensor) = run.feature_of(step.node) {
                see(step.node, tensor);
            }
            run.free(step);
        }
        Ok(run.finish())
    }

    /// The graph with the numbers of now.
    pub fn to_graph(&self) -> Graph {
        let mut graph = self.graph.clone();
        for (info, tensor) in self.parameters.iter() {
            if info.role == Role::Constant {
                continue;
            }
            if let Some(param) = graph.params.get_mut(&info.name) {
                param.storage = Storage::F32(tensor.val().into_data().iter::<f32>().collect());
            }
        }
        graph
    }

    /// The inputs where they are those of the graph.
    fn checked(&self, inputs: impl Into<Inputs>) -> Result<Inputs, ExecError> {
        let inputs = inputs.into();
        if inputs.is_empty() {
            return Err(ExecError::NoImages);
        }
        let mut unread: Vec<&str> = inputs.floats().map(|(name, _)| name).collect();
        for node in &self.graph.nodes {
            match node.op {
                Op::Image {
                    colours,
                    height,
                    width,
                } => {
                    let expected = [height, width, colours];
                    let images = inputs.images().ok_or(ExecError::MissingImages)?;
                    let [_, found @ ..] = images.shape();
                    if expected != found {
                        return Err(ExecError::Images { expected, found });
                    }
                }
                Op::Input {
                    channels,
                    height,
                    width,
                } => {
                    let name = || node.name.clone();
                    let floats = inputs.get(&node.name);
                    let floats = floats.ok_or_else(|| ExecError::MissingInput(name()))?;
                    let expected = [inputs.len(), height, width, channels];
                    if floats.shape() != expected {
                        return Err(ExecError::Input {
                            name: name(),
                            expected,
                            found: floats.shape(),
                        });
                    }
                    unread.retain(|unread| *unread != node.name);
                }
                _ => {}
            }
        }
        match unread.first() {
            Some(&name) => Err(ExecError::UnknownInput(name.to_owned())),
            None => Ok(inputs),
        }
    }
}

#[cfg(test)]
mod tests;
