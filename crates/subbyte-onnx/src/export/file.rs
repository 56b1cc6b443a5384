//! The file under construction: names are unique, constants that several nodes read are written once.

use std::collections::{HashMap, HashSet};

use subbyte_graph::Graph;

use crate::schema::{
    AttributeProto, DimensionProto, DimensionValue, GraphProto, ModelProto, NodeProto,
    OperatorSetIdProto, StringStringEntryProto, TensorProto, TensorShapeProto, TensorTypeProto,
    TypeProto, ValueInfoProto, attribute_type, data_type,
};

/// Opset of the file; 4-bit integers need it.
const OPSET: i64 = 21;
/// The version of ONNX's file format that belongs to it.
const IR_VERSION: i64 = 10;
/// Domain of the operators of QONNX.
const QONNX: &str = "qonnx.custom_op.general";
/// Name of the batch axis.
const BATCH: &str = "N";

#[derive(Default)]
pub struct File {
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
    inputs: Vec<ValueInfoProto>,
    outputs: Vec<ValueInfoProto>,
    /// Names of tensors that are taken.
    tensor_names: HashSet<String>,
    /// Names of nodes that are taken.
    node_names: HashSet<String>,
    /// Index of a constant by the name that it was asked for under.
    shared: HashMap<String, usize>,
}

/// `name`, or the first of `name.2`, `name.3`, … that is not taken.
fn unique(names: &mut HashSet<String>, name: &str) -> String {
    let numbered = (2usize..).map(|i| format!("{name}.{i}"));
    let mut candidates = std::iter::once(name.to_owned()).chain(numbered);
    let free = candidates.find(|name| !names.contains(name));
    let name = free.unwrap_or_else(|| name.to_owned());
    names.insert(name.clone());
    name
}

impl File {
    /// The image, named `name`.
    pub fn input(&mut self, name: &str, lengths: &[usize], doc: &str) -> String {
        let name = unique(&mut self.tensor_names, name);
        self.inputs.push(ValueInfoProto {
            doc_string: Some(doc.to_owned()),
            ..value_info(&name, lengths)
        });
        name
    }

    /// Lets tensor `name` leave the network.
    pub fn output(&mut self, name: &str, lengths: &[usize]) {
        self.outputs.push(value_info(name, lengths));
    }

    /// Appends a node and returns its result; both are called `name` where that is free.
    pub fn node(
        &mut self,
        name: &str,
        operator: &str,
        inputs: &[&str],
        attributes: Vec<AttributeProto>,
    ) -> String {
        self.node_of([name, name], "", operator, inputs, attributes)
    }

    /// The same with an operator of QONNX.
    pub fn qonnx_node(
        &mut self,
        name: &str,
        operator: &str,
        inputs: &[&str],
        attributes: Vec<AttributeProto>,
    ) -> String {
        self.node_of([name, name], QONNX, operator, inputs, attributes)
    }

    /// Appends a node with a name for itself and one for its result.
    pub fn node_of(
        &mut self,
        [name, result]: [&str; 2],
        domain: &str,
        operator: &str,
        inputs: &[&str],
        attributes: Vec<AttributeProto>,
    ) -> String {
        let result = unique(&mut self.tensor_names, result);
        self.nodes.push(NodeProto {
            name: Some(unique(&mut self.node_names, name)),
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: vec![result.clone()],
            op_type: Some(operator.to_owned()),
            domain: (!domain.is_empty()).then(|| domain.to_owned()),
            attribute: attributes,
        });
        result
    }

    /// A constant of floats.
    pub fn floats(&mut self, name: &str, dims: &[usize], values: &[f32]) -> String {
        let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.constant(name, dims, data_type::FLOAT, bytes)
    }

    /// A single float.
    pub fn float(&mut self, name: &str, value: f32) -> String {
        self.floats(name, &[], &[value])
    }

    /// A list of integers of 64 bits.
    pub fn list(&mut self, name: &str, values: &[i64]) -> String {
        let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.constant(name, &[values.len()], data_type::INT64, bytes)
    }

    /// A constant of `bytes` in the order that ONNX gives `data_type`.
    pub fn constant(
        &mut self,
        name: &str,
        dims: &[usize],
        data_type: i32,
        bytes: Vec<u8>,
    ) -> String {
        let tensor = TensorProto {
            dims: dims.iter().map(|&n| n as i64).collect(),
            data_type: Some(data_type),
            raw_data: Some(bytes),
            ..TensorProto::default()
        };
        if let Some(&i) = self.shared.get(name) {
            let known = &self.constants[i];
            if (&known.dims, known.data_type, &known.raw_data)
                == (&tensor.dims, tensor.data_type, &tensor.raw_data)
            {
                return known.name.clone().unwrap_or_default();
            }
        }
        let free = unique(&mut self.tensor_names, name);
        self.shared.insert(name.to_owned(), self.constants.len());
        self.constants.push(TensorProto {
            name: Some(free.clone()),
            ..tensor
        });
        free
    }

    pub fn finish(self, graph: &Graph) -> ModelProto {
        let set = |domain: &str, version| OperatorSetIdProto {
            domain: Some(domain.to_owned()),
            version: Some(version),
        };
        let mut opset_import = vec![set("", OPSET)];
        if self.nodes.iter().any(|node| node.domain.is_some()) {
            opset_import.push(set(QONNX, 1));
        }
        let classes = serde_json::Value::from(graph.classes.clone());
        let metadata = StringStringEntryProto {
            key: Some("classes".to_owned()),
            value: Some(classes.to_string()),
        };
        ModelProto {
            ir_version: Some(IR_VERSION),
            opset_import,
            producer_name: Some("subbyte".to_owned()),
            graph: Some(GraphProto {
                node: self.nodes,
                name: Some(graph.name.clone()),
                initializer: self.constants,
                input: self.inputs,
                output: self.outputs,
            }),
            metadata_props: match graph.classes.is_empty() {
                true => Vec::new(),
                false => vec![metadata],
            },
        }
    }
}

/// A tensor of floats, a batch of `lengths`.
fn value_info(name: &str, lengths: &[usize]) -> ValueInfoProto {
    let batch = DimensionValue::Name(BATCH.to_owned());
    let lengths = lengths.iter().map(|&n| DimensionValue::Length(n as i64));
    let dim = std::iter::once(batch).chain(lengths);
    ValueInfoProto {
        name: Some(name.to_owned()),
        r#type: Some(TypeProto {
            tensor_type: Some(TensorTypeProto {
                elem_type: Some(data_type::FLOAT),
                shape: Some(TensorShapeProto {
                    dim: dim
                        .map(|value| DimensionProto { value: Some(value) })
                        .collect(),
                }),
            }),
        }),
        doc_string: None,
    }
}

/// An attribute that is a float.
pub fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto {
        f: Some(value),
        ..attribute(name, attribute_type::FLOAT)
    }
}

/// An attribute that is an integer.
pub fn int(name: &str, value: usize) -> AttributeProto {
    AttributeProto {
        i: Some(value as i64),
        ..attribute(name, attribute_type::INT)
    }
}

/// An attribute that is a list of integers.
pub fn ints(name: &str, values: &[usize]) -> AttributeProto {
    AttributeProto {
        ints: values.iter().map(|&n| n as i64).collect(),
        ..attribute(name, attribute_type::INTS)
    }
}

/// An attribute that is a text.
pub fn text(name: &str, value: &str) -> AttributeProto {
    AttributeProto {
        s: Some(value.as_bytes().to_vec()),
        ..attribute(name, attribute_type::STRING)
    }
}

fn attribute(name: &str, r#type: i32) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(r#type),
        ..AttributeProto::default()
    }
}
