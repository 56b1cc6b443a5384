//! A node of the file with what it reads.

use std::rc::Rc;

use super::{layout::axis_index, value::Value};
use crate::{
    error::Refusal,
    schema::{AttributeProto, NodeProto},
    tensor::Tensor,
};

/// A node with the values of its inputs.
pub struct Call<'a> {
    /// For the graph and for messages: the node's name, or that of its first output.
    pub name: &'a str,
    pub proto: &'a NodeProto,
    /// `None` where an optional input is left out.
    pub inputs: Vec<Option<Value>>,
    /// Whether only the network's output reads the result.
    pub is_last: bool,
}

/// The name that people know a node by.
pub fn node_name(node: &NodeProto) -> &str {
    let own = node.name.as_deref().filter(|name| !name.is_empty());
    let first = || node.output.iter().find(|name| !name.is_empty());
    own.or_else(|| first().map(String::as_str))
        .unwrap_or("without name")
}

impl Call<'_> {
    pub fn operator(&self) -> &str {
        self.proto.op_type.as_deref().unwrap_or("")
    }

    /// Input `i`, which must be there.
    pub fn input(&self, i: usize) -> Result<&Value, Refusal> {
        self.optional(i)
            .ok_or_else(|| Refusal::broken(format!("its input {i} is missing")))
    }

    /// Input `i`, where it is there.
    pub fn optional(&self, i: usize) -> Option<&Value> {
        self.inputs.get(i)?.as_ref()
    }

    /// Input `i` as a constant.
    pub fn constant(&self, i: usize) -> Result<Rc<Tensor>, Refusal> {
        self.input(i)?.as_constant(i)
    }

    /// Input `i` as a constant, where it is there.
    pub fn optional_constant(&self, i: usize) -> Result<Option<Rc<Tensor>>, Refusal> {
        self.optional(i)
            .map(|value| value.as_constant(i))
            .transpose()
    }

    fn attribute(&self, name: &str) -> Option<&AttributeProto> {
        let mut attributes = self.proto.attribute.iter();
        attributes.find(|a| a.name.as_deref() == Some(name))
    }

    pub fn has(&self, name: &str) -> bool {
        self.attribute(name).is_some()
    }

    pub fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).and_then(|a| a.i).unwrap_or(default)
    }

    pub fn float(&self, name: &str, default: f32) -> f32 {
        self.attribute(name).and_then(|a| a.f).unwrap_or(default)
    }

    pub fn text(&self, name: &str, default: &'static str) -> &str {
        let text = self.attribute(name).and_then(|a| a.s.as_deref());
        text.and_then(|bytes| std::str::from_utf8(bytes).ok())
            .unwrap_or(default)
    }

    /// Integers of an attribute; `None` without it.
    pub fn ints(&self, name: &str) -> Option<&[i64]> {
        self.attribute(name).map(|a| a.ints.as_slice())
    }

    pub fn floats(&self, name: &str) -> Option<&[f32]> {
        self.attribute(name).map(|a| a.floats.as_slice())
    }

    pub fn tensor(&self, name: &str) -> Option<&crate::schema::TensorProto> {
        self.attribute(name)?.t.as_ref()
    }

    /// Lengths of an attribute, `N` of them; `default` without it.
    pub fn sizes<const N: usize>(
        &self,
        name: &str,
        default: [usize; N],
    ) -> Result<[usize; N], Refusal> {
        let Some(ints) = self.ints(name) else {
            return Ok(default);
        };
        let sizes = ints.iter().map(|&i| usize::try_from(i).ok());
        let sizes = sizes.collect::<Option<Vec<_>>>();
        sizes.and_then(|s| s.try_into().ok()).ok_or_else(|| {
            Refusal::new(
                format!("its {name} is {ints:?}; {N} lengths are needed"),
                "only operators on images, with two spatial axes and nothing negative, can be taken over",
            )
        })
    }

    /// Integers that are input `i` in newer opsets and an attribute in older ones.
    pub fn ints_of(&self, i: usize, name: &str) -> Result<Option<Vec<i64>>, Refusal> {
        match self.optional_constant(i)? {
            Some(tensor) => Ok(Some(tensor.as_ints()?.to_vec())),
            None => Ok(self.ints(name).map(<[i64]>::to_vec)),
        }
    }

    /// Axes, as [`Call::ints_of`], as indices below `rank`.
    pub fn axes(&self, i: usize, rank: usize) -> Result<Option<Vec<usize>>, Refusal> {
        let axes = self.ints_of(i, "axes")?;
        axes.map(|axes| axes.iter().map(|&a| axis_index(a, rank)).collect())
            .transpose()
    }
}

impl Value {
    /// The constant that input `i` is, quantized where it is.
    pub fn as_constant(&self, i: usize) -> Result<Rc<Tensor>, Refusal> {
        match self {
            Value::Constant(tensor) => Ok(tensor.clone()),
            Value::Weights(weights) => Ok(Rc::new(weights.rounded())),
            _ => Err(Refusal::new(
                format!("its input {i} is computed from the image"),
                "it must be a constant; fold constants before exporting",
            )),
        }
    }
}
