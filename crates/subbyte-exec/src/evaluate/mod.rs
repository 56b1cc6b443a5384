//! Integer evaluation: the accuracy of a network is that of its integers.
//!
//! Convolutions run over codes in f32, which is exact as long as no partial sum can reach 2^24, and the function that turns sums
//! into codes is the f64 chain of the float network itself. Neither knows of thresholds or packed weights, so comparing its codes
//! with an engine's tests the whole way down. Operators that only move or add codes are those of the reference interpreter.

mod convolution;

use burn::tensor::Device;
use rayon::prelude::*;
use subbyte_graph::Graph;
use subbyte_graph::fuse::{Fused, FusedOp, fuse};
use subbyte_lower::{LowerError, translate};
use subbyte_model::reference::{Value, step};
use subbyte_model::{Node, Op, Tensor};

use convolution::Convolution;

/// A fully quantized network, ready to be evaluated on integers.
pub struct IntegerNetwork {
    fused: Fused,
    /// The lowered nodes; of these only the ones without arithmetic of their own are used.
    nodes: Vec<Node>,
    tensors: Vec<Tensor>,
    /// By node, for convolutions.
    convolutions: Vec<Option<Convolution>>,
}

impl IntegerNetwork {
    /// Fuses `graph` for evaluation on `device`.
    ///
    /// # Errors
    /// If the graph has float parts or would not be sound; every problem is listed.
    pub fn new(graph: &Graph, device: &Device) -> Result<Self, LowerError> {
        let fused = fuse(graph)?;
        let model = translate(&fused)?;
        let tensors = model.analyse()?;
        let convolution = |node: &subbyte_graph::fuse::FusedNode| match &node.op {
            FusedOp::Integer(Op::Conv2d(conv)) => {
                Some(Convolution::new(conv, tensors[node.inputs[0]], device))
            }
            _ => None,
        };
        let convolutions = fused.nodes.iter().map(convolution).collect();
        Ok(Self {
            fused,
            nodes: model.nodes,
            tensors,
            convolutions,
        })
    }

    /// Bytes of one image, `height * width * colours`.
    pub fn image_bytes(&self) -> usize {
        self.fused.image.iter().product()
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.tensors.last().map_or(0, |t| t.shape.channels)
    }

    /// Every node's tensor for each of `images` (u8 `[N][height][width][colours]`), as `[image][node]`; nodes are those of the
    /// lowered model.
    ///
    /// # Panics
    /// If `images` is not a whole number of images.
    pub fn trace(&self, images: &[u8]) -> Vec<Vec<Value>> {
        assert_eq!(
            images.len() % self.image_bytes(),
            0,
            "a whole number of images"
        );
        let images: Vec<&[u8]> = images.chunks(self.image_bytes()).collect();
        let mut values: Vec<Vec<Value>> =
            vec![Vec::with_capacity(self.tensors.len()); images.len()];
        for (id, node) in self.fused.nodes.iter().enumerate() {
            let made: Vec<Value> = match (&node.op, &self.convolutions[id]) {
                (_, Some(convolution)) => {
                    let input = node.inputs[0];
                    let codes: Vec<&[u8]> = values.iter().map(|v| codes(&v[input])).collect();
                    convolution
                        .run(&codes)
                        .into_iter()
                        .map(Value::Sums)
                        .collect()
                }
                (FusedOp::Requant(function), _) => {
                    let channels = self.tensors[id].shape.channels;
                    let requant = |v: &Vec<Value>| {
                        let sums = sums(&v[node.inputs[0]]).iter().enumerate();
                        Value::Codes(sums.map(|(i, &s)| function.code(i % channels, s)).collect())
                    };
                    values.par_iter().map(requant).collect()
                }
                (FusedOp::Integer(_), _) => {
                    let (node, out) = (&self.nodes[id], self.tensors[id].shape);
                    let one = |(v, &image): (&Vec<Value>, &&[u8])| {
                        step(node, out, &self.tensors, v, image)
                    };
                    values.par_iter().zip(&images).map(one).collect()
                }
            };
            for (v, value) in values.iter_mut().zip(made) {
                v.push(value);
            }
        }
        values
    }

    /// Integer logits of each image, `[image][class]`.
    ///
    /// # Panics
    /// As [`IntegerNetwork::trace`].
    pub fn logits(&self, images: &[u8]) -> Vec<Vec<i32>> {
        let last = |values: Vec<Value>| values.into_iter().next_back();
        let logits = self
            .trace(images)
            .into_iter()
            .map(|v| last(v).map_or(vec![], |v| sums(&v).to_vec()));
        logits.collect()
    }
}

fn codes(value: &Value) -> &[u8] {
    match value {
        Value::Codes(codes) => codes,
        _ => unreachable!("the fusing pass checked what a convolution reads"),
    }
}

fn sums(value: &Value) -> &[i32] {
    match value {
        Value::Sums(sums) => sums,
        _ => unreachable!("the fusing pass checked what a requantization reads"),
    }
}
