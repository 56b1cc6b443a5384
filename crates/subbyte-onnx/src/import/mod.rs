//! From a file to a graph.
//!
//! Nodes are taken in topological order. Each reads [`Value`]s and makes some: constants are folded as they come, and what several
//! nodes of the file spell together is held in the value until the node that can take it in.

mod builder;
mod call;
mod classes;
mod diffusion;
mod fold;
mod input;
mod layout;
mod operators;
mod ops;
mod order;
mod pending;
mod runs;
#[cfg(test)]
mod tests;
mod value;
mod weights;

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::Path,
};

use prost::Message;
use subbyte_graph::{Graph, NodeId, Op};

use builder::Builder;
use call::{Call, node_name};
pub use operators::{Operator, operators};
use runs::Runs;
use value::Value;

use crate::{
    error::{NodeProblem, OnnxError, OnnxErrorKind, Refusal},
    options::ReadOptions,
    schema::{GraphProto, ModelProto, NodeProto},
    tensor::{self, Budget, Source},
};

/// Opsets whose operators are known.
const OPSETS: std::ops::RangeInclusive<i64> = 13..=25;

/// Reads the network of an ONNX file.
///
/// # Errors
/// If the file cannot be read or is damaged, and all nodes at once that have no counterpart in a graph.
pub fn read(path: impl AsRef<Path>, options: &ReadOptions) -> Result<Graph, OnnxError> {
    let path = path.as_ref();
    let bytes = fs::read(path).map_err(|e| OnnxError::from(OnnxErrorKind::Read(e)).at(path))?;
    let folder = path.parent();
    let mut graph = from_bytes(&bytes, folder, options).map_err(|e| e.at(path))?;
    if let Some(stem) = path.file_stem() {
        graph.name = stem.to_string_lossy().into_owned();
    }
    Ok(graph)
}

/// Reads the network that `bytes` hold. Files of external data lie in `folder`; without one there may be none.
///
/// # Errors
/// As [`read`].
pub fn from_bytes(
    bytes: &[u8],
    folder: Option<&Path>,
    options: &ReadOptions,
) -> Result<Graph, OnnxError> {
    let model = ModelProto::decode(bytes).map_err(|e| OnnxErrorKind::Container(e.to_string()))?;
    let graph = model
        .graph
        .as_ref()
        .ok_or_else(|| OnnxErrorKind::Container("it has no graph".into()))?;
    check_opset(&model)?;
    let name = graph.name.as_deref().unwrap_or("");
    let mut import = Import {
        builder: Builder::new(name, Budget::new(bytes.len())),
        options,
        batch: 1,
        reads_floats: false,
        normalizations: Vec::new(),
        outputs: graph
            .output
            .iter()
            .filter_map(|o| o.name.as_deref())
            .collect(),
        values: HashMap::new(),
        problems: Vec::new(),
    };
    import.constants(graph, folder);
    import.inputs(graph);
    import.nodes(graph)?;
    import.outputs(graph)?;
    if !import.problems.is_empty() {
        return Err(OnnxErrorKind::Nodes(import.problems).into());
    }
    let mut graph = import.builder.finish();
    if let (Some(&logits), Ok(shapes)) = (graph.outputs.first(), graph.shapes())
        && let Some([classes, 1, 1]) = shapes[logits].feature()
    {
        graph.classes = classes::names(&model.metadata_props, classes);
    }
    graph.diffusion = diffusion::recognised(&graph, &model.metadata_props);
    graph.validate().map_err(OnnxErrorKind::Graph)?;
    Ok(graph)
}

fn check_opset(model: &ModelProto) -> Result<(), OnnxErrorKind> {
    let own = |domain: &str| domain.is_empty() || domain == "ai.onnx";
    let mut sets = model.opset_import.iter();
    let set = sets.find(|set| own(set.domain.as_deref().unwrap_or("")));
    let found = set.and_then(|set| set.version).ok_or_else(|| {
        OnnxErrorKind::Container("it does not say which version of ONNX's operators it uses".into())
    })?;
    match OPSETS.contains(&found) {
        true => Ok(()),
        false => Err(OnnxErrorKind::Opset { found }),
    }
}

/// A file on its way to a graph.
struct Import<'a> {
    builder: Builder,
    options: &'a ReadOptions,
    /// Images of a batch as far as the file's shapes are concerned; 1 where it leaves that open.
    batch: usize,
    /// Whether the network reads float tensors instead of an image.
    reads_floats: bool,
    /// Normalizations of the image that there are.
    normalizations: Vec<(Op, NodeId)>,
    /// Names of what leaves the network.
    outputs: HashSet<&'a str>,
    /// Tensors by name.
    values: HashMap<&'a str, Value>,
    problems: Vec<NodeProblem>,
}

impl<'a> Import<'a> {
    fn report(&mut self, node: &str, operator: &str, refusal: Refusal) {
        self.problems.push(NodeProblem {
            node: node.to_owned(),
            operator: operator.to_owned(),
            what: refusal.what,
            advice: refusal.advice,
        });
    }

    /// Takes the initializers.
    fn constants(&mut self, graph: &'a GraphProto, folder: Option<&Path>) {
        for proto in &graph.initializer {
            let name = proto.name.as_deref().unwrap_or("");
            let mut source = Source {
                folder,
                budget: &mut self.builder.budget,
            };
            let value = match tensor::decode(proto, name, &mut source) {
                Ok(tensor) => tensor.into(),
                Err(refusal) => {
                    self.report(name, "initializer", refusal);
                    Value::Unknown
                }
            };
            self.values.insert(name, value);
        }
    }

    /// Takes all nodes over, each after those that it reads.
    fn nodes(&mut self, graph: &'a GraphProto) -> Result<(), OnnxErrorKind> {
        let known = self.values.keys().copied();
        let sorted = order::sort(graph, known).map_err(OnnxErrorKind::Model)?;
        let readers = order::readers(graph);
        for &i in &sorted {
            let node = &graph.node[i];
            let made = self.node(node, &readers);
            let values = made.unwrap_or_else(|refusal| {
                self.report(node_name(node), &operators::label(node), refusal);
                Vec::new()
            });
            let values = values.into_iter().chain(std::iter::repeat(Value::Unknown));
            for (name, value) in node.output.iter().zip(values) {
                let name = name.as_str();
                let value = match readers.get(name) {
                    Some(2..) => self.shared(value),
                    _ => Ok(value),
                };
                let value = value.unwrap_or_else(|refusal| {
                    self.report(node_name(node), &operators::label(node), refusal);
                    Value::Unknown
                });
                if !name.is_empty() {
                    self.values.insert(name, value);
                }
            }
        }
        Ok(())
    }

    fn node(
        &mut self,
        node: &'a NodeProto,
        readers: &HashMap<&str, usize>,
    ) -> Result<Vec<Value>, Refusal> {
        let operator = operators::find(node)?;
        let inputs = node.input.iter().map(|name| match name.as_str() {
            "" => None,
            name => self.values.get(name).cloned(),
        });
        let call = Call {
            name: node_name(node),
            proto: node,
            inputs: inputs.collect(),
            // The output itself counts as one reader.
            is_last: node.output.iter().all(|name| {
                self.outputs.contains(name.as_str()) && readers.get(name.as_str()) == Some(&1)
            }),
        };
        if call
            .inputs
            .iter()
            .flatten()
            .any(|v| matches!(v, Value::Unknown))
        {
            return Ok(Vec::new());
        }
        if let Some(folded) = fold::fold(&call, &mut self.builder.budget)? {
            return Ok(vec![folded.into()]);
        }
        (operator.import)(self, &call)
    }

    /// A value that several nodes read: its scale and shift become nodes once. The image waits for its normalization, which all its
    /// readers share anyway.
    fn shared(&mut self, value: Value) -> Result<Value, Refusal> {
        match value {
            Value::Runs(runs) => {
                let x = self.settled(&runs.x)?;
                Ok(Value::Runs(Runs { x, ..runs }))
            }
            Value::Activation(x) if !matches!(self.builder.node(x.node).op, Op::Image { .. }) => {
                Ok(self.settled(&x)?.into())
            }
            other => Ok(other),
        }
    }

    fn outputs(&mut self, graph: &'a GraphProto) -> Result<(), OnnxErrorKind> {
        if graph.output.is_empty() {
            return Err(OnnxErrorKind::Model(
                "has no outputs: name the logits as output and export again".into(),
            ));
        }
        for output in &graph.output {
            let name = output.name.as_deref().unwrap_or("");
            let refusal = match self.values.get(name).cloned() {
                Some(Value::Activation(x)) => match self.output(&x) {
                    Ok(node) => {
                        self.builder.graph.outputs.push(node);
                        continue;
                    }
                    Err(refusal) => refusal,
                },
                Some(Value::Unknown) => continue,
                Some(Value::Sigmoid(_)) => operators::lone_sigmoid(),
                Some(Value::Integers(_)) => operators::lone_integers(),
                Some(Value::Runs(_) | Value::Products(_)) => operators::lone_runs(),
                Some(Value::Constant(_) | Value::Weights(_)) => {
                    Refusal::new("does not depend on the image", "name the logits as output")
                }
                None => Refusal::broken("no node makes it"),
            };
            self.report(name, "output", refusal);
        }
        Ok(())
    }

    fn output(&mut self, x: &value::Activation) -> Result<NodeId, Refusal> {
        let sizes = self.sizes(x);
        if x.layout.0.len() == 2 && sizes.of(layout::Dim::H) * sizes.of(layout::Dim::W) > 1 {
            let (flat, places) = self.flattened(x)?;
            return match places {
                None => Ok(flat.node),
                Some(_) => Err(Refusal::new(
                    "is flattened with channels last",
                    "transpose it to channels first, or end in a linear layer",
                )),
            };
        }
        let x = self.plain(x)?;
        let axes = x.layout.significant(sizes).concat();
        match axes.is_sorted() {
            true => Ok(x.node),
            false => Err(Refusal::new(
                "has its axes in another order than batch, channels, height, width",
                "transpose it, or end in a linear layer",
            )),
        }
    }
}
