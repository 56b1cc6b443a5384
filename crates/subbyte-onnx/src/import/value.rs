//! What a tensor of the file is while its nodes are taken over.

use std::rc::Rc;

use subbyte_graph::{NodeId, Quantizer};

use super::layout::Layout;
use super::runs::{Products, Runs};
use crate::tensor::Tensor;

/// A tensor of the file.
#[derive(Clone, Debug)]
pub enum Value {
    /// Known now.
    Constant(Rc<Tensor>),
    /// Weights behind a quantizer.
    Weights(Weights),
    /// Depends on the image.
    Activation(Activation),
    /// `sigmoid` of an activation, which the graph has only as a part of SiLU.
    Sigmoid(Activation),
    /// A tensor with its channels cut into groups or heads.
    Runs(Runs),
    /// Products of a query with a key.
    Products(Products),
    /// The integers of a QuantizeLinear that no DequantizeLinear has read yet.
    Integers(Integers),
    /// What a node that cannot be taken over would have made. It has been reported; what reads it is not.
    Unknown,
}

/// A tensor that depends on the image: `pad(affine(node))` in the axes of `layout`.
#[derive(Clone, Debug, PartialEq)]
pub struct Activation {
    pub node: NodeId,
    pub layout: Layout,
    /// A scale and shift that no node does yet.
    pub affine: Affine,
    /// Zero rows above, columns left, rows below, columns right that no node adds yet.
    pub padding: [usize; 4],
    /// Whether channels are the image's colours in reverse; the first convolution takes that into its weights.
    pub reversed: bool,
}

/// `mul * x + add`, for all channels or for each.
#[derive(Clone, Debug, PartialEq)]
pub struct Affine {
    pub mul: Vec<f64>,
    pub add: Vec<f64>,
}

/// A parameter and its quantizer.
#[derive(Clone, Debug)]
pub struct Weights {
    /// The weights as floats, where the quantizer has not rounded them yet.
    pub values: Rc<Tensor>,
    pub quantizer: Quantizer,
    /// One scale, or one for each index of `axis`; none where the quantizer takes it from the weights.
    pub scale: Option<Rc<Tensor>>,
    /// The axis of output channels.
    pub axis: usize,
}

/// Values on their way through a pair of QuantizeLinear and DequantizeLinear.
#[derive(Clone, Debug)]
pub struct Integers {
    /// Name of the QuantizeLinear.
    pub name: String,
    pub of: Quantized,
    pub scale: Rc<Tensor>,
    /// Zero points, as many as scales, or one.
    pub zero: Vec<i64>,
    /// Smallest and largest integer: those of the type, or of a clip between.
    pub range: (i64, i64),
}

/// What is being quantized.
#[derive(Clone, Debug)]
pub enum Quantized {
    Activation(Activation),
    Constant(Rc<Tensor>),
}

impl Affine {
    pub fn identity() -> Self {
        Self {
            mul: vec![1.0],
            add: vec![0.0],
        }
    }

    /// Whether it changes nothing beyond what f32 would lose anyway.
    pub fn is_identity(&self) -> bool {
        self.mul.iter().all(|m| (m - 1.0).abs() < 1e-7) && self.is_linear()
    }

    /// Whether 0 stays 0.
    pub fn is_linear(&self) -> bool {
        self.add.iter().all(|a| a.abs() < 1e-7)
    }

    /// `mul` and `add` of a channel.
    pub fn at(&self, channel: usize) -> (f64, f64) {
        let i = if self.mul.len() == 1 { 0 } else { channel };
        (self.mul[i], self.add[i])
    }

    /// This followed by `next`. Lengths other than 1 are the same.
    pub fn then(&self, next: &Affine) -> Self {
        let channels = self.mul.len().max(next.mul.len());
        let both = (0..channels).map(|c| {
            let ((m0, a0), (m1, a1)) = (self.at(c), next.at(c));
            (m0 * m1, a0 * m1 + a1)
        });
        let (mul, add) = both.unzip();
        Self { mul, add }
    }

    /// With one entry for each of `channels`.
    pub fn spread(&self, channels: usize) -> Self {
        let (mul, add) = (0..channels).map(|c| self.at(c)).unzip();
        Self { mul, add }
    }
}

impl Activation {
    /// What node `node` makes, in the order of the graph.
    pub fn of(node: NodeId) -> Self {
        Self {
            node,
            layout: Layout::nchw(),
            affine: Affine::identity(),
            padding: [0; 4],
            reversed: false,
        }
    }

    pub fn is_padded(&self) -> bool {
        self.padding != [0; 4]
    }
}

impl From<Activation> for Value {
    fn from(activation: Activation) -> Self {
        Value::Activation(activation)
    }
}

impl From<Tensor> for Value {
    fn from(tensor: Tensor) -> Self {
        Value::Constant(Rc::new(tensor))
    }
}
