//! Grows a random model node by node. An operation that does not fit, or whose sums could overflow, is not added.

use alloc::{format, vec, vec::Vec};

use super::{Rng, params};
use crate::analyse::tensor_of;
use crate::reference::{self, Value};
use crate::{
    CodeType, Conv2d, Input, Kind, Linear, Node, NodeId, Op, Packed, Pad, PixelTable, Shape,
    Tensor, Window,
};

/// Largest tensor that is made.
const ELEMENTS: usize = 8192;
/// Largest number of multiplications of a convolution.
const PRODUCTS: usize = 500_000;

pub(super) struct Builder {
    pub rng: Rng,
    input: Input,
    nodes: Vec<Node>,
    tensors: Vec<Tensor>,
    /// An image and what the nodes make of it, so that parameters fit the sums that do occur.
    image: Vec<u8>,
    values: Vec<Value>,
}

impl Builder {
    /// A model of an image and its pixel table.
    pub fn new(rng: Rng, input: Input, image: Vec<u8>) -> Self {
        let mut builder = Self {
            rng,
            input,
            nodes: Vec::new(),
            tensors: Vec::new(),
            image,
            values: Vec::new(),
        };
        builder.push(Op::Image, &[]).expect("the image is valid");
        let rng = &mut builder.rng;
        let table = if rng.once_in(8) {
            identity_table()
        } else {
            random_table(rng, input.colours)
        };
        builder
            .push(Op::PixelTable(table), &[0])
            .expect("the table is valid");
        builder
    }

    /// Tries one random operation, with a requantization where it makes sums.
    pub fn step(&mut self) {
        let x = self.any_codes();
        let Shape {
            channels,
            height,
            width,
        } = self.tensors[x].shape;
        let ty = self.code(x);
        let made = match self.rng.below(14) {
            0..=3 => self.conv2d(x),
            4 => {
                let window = self.window(x);
                self.push(Op::MaxPool(window), &[x])
            }
            5 => {
                let window = self.window(x);
                self.push(Op::AvgPool(window), &[x])
            }
            6 => self.push(Op::GlobalAvgPool, &[x]),
            7 => self.residual(x),
            8 => {
                let pooled = self.push(Op::GlobalAvgPool, &[x]);
                let gate = pooled.and_then(|sums| self.requant(sums));
                let other = if self.rng.once_in(2) { Some(x) } else { gate };
                gate.zip(other).and_then(|(a, b)| {
                    let pair = if self.rng.once_in(2) { [a, b] } else { [b, a] };
                    self.push(Op::Mul, &pair)
                })
            }
            9 => {
                let y = self.any_codes();
                let parts = if self.rng.once_in(2) {
                    vec![x, y]
                } else {
                    vec![x, x, x]
                };
                self.push(Op::Concat, &parts)
            }
            10 => {
                let size = [channels, height, width];
                let start = size.map(|n| self.rng.below(n));
                let end = [0, 1, 2].map(|axis| self.rng.size(start[axis] + 1, size[axis]));
                let step = [(); 3].map(|()| self.rng.pick(&[1, 1, 2, 3]));
                self.push(Op::Slice { start, end, step }, &[x])
            }
            11 => {
                let (before, after) = (self.rng.below(4), self.rng.below(4));
                let code = self.rng.below(usize::from(ty.max_code()) + 1) as u8;
                self.push(
                    Op::PadChannels {
                        before,
                        after,
                        code,
                    },
                    &[x],
                )
            }
            12 => {
                let (vertical, horizontal) = (self.rng.size(1, 3), self.rng.size(1, 3));
                self.push(
                    Op::Upsample {
                        vertical,
                        horizontal,
                    },
                    &[x],
                )
            }
            _ => {
                let code = params::code_type(&mut self.rng);
                self.code_table(x, code)
            }
        };
        if let Some(id) = made
            && self.tensors[id].code().is_none()
        {
            self.requant(id).expect("random parameters fit their sums");
        }
    }

    /// Adds a head and hands back all nodes with the number of logits.
    pub fn finish(mut self) -> (Rng, Vec<Node>, usize) {
        let x = self.nodes.len() - 1;
        let flat = if self.rng.once_in(2) {
            self.push(Op::GlobalAvgPool, &[x])
        } else {
            self.push(Op::Flatten, &[x])
        };
        let flat = flat.expect("a small tensor can be flattened");
        let features = self.tensors[flat].shape.channels;
        let classes = self.rng.size(1, 12);
        let sums = loop {
            let layer = Linear {
                weights: params::weights(&mut self.rng, classes, features),
                bias: params::bias(&mut self.rng, classes),
            };
            if let Some(id) = self.push(Op::Linear(layer), &[flat]) {
                break id;
            }
        };
        let scale_bits = self.rng.within(1, 0x7f7f_ffff) as u32;
        self.push(Op::Output { scale_bits }, &[sums])
            .expect("logits are flat");
        (self.rng, self.nodes, classes)
    }

    /// Adds a node if it is valid and small.
    fn push(&mut self, op: Op, inputs: &[NodeId]) -> Option<NodeId> {
        let known: Vec<Tensor> = inputs.iter().map(|&id| self.tensors[id]).collect();
        let tensor = tensor_of(&op, &known, &self.input)?;
        if tensor.shape.len() > ELEMENTS {
            return None;
        }
        let id = self.nodes.len();
        let node = Node {
            name: format!("n{id}"),
            inputs: inputs.to_vec(),
            op,
        };
        let value = reference::step(
            &node,
            tensor.shape,
            &self.tensors,
            &self.values,
            &self.image,
        );
        self.values.push(value);
        self.nodes.push(node);
        self.tensors.push(tensor);
        Some(id)
    }

    /// A tensor of codes, the latest one more often than not.
    fn any_codes(&mut self) -> NodeId {
        let codes: Vec<NodeId> = (0..self.nodes.len())
            .filter(|&id| self.tensors[id].code().is_some())
            .collect();
        let latest = codes[codes.len() - 1];
        if self.rng.once_in(3) {
            self.rng.pick(&codes)
        } else {
            latest
        }
    }

    fn code(&self, id: NodeId) -> CodeType {
        self.tensors[id]
            .code()
            .expect("chosen among tensors of codes")
    }

    fn requant(&mut self, sums: NodeId) -> Option<NodeId> {
        let Tensor { shape, kind } = self.tensors[sums];
        let (Kind::Sums { lo, hi }, Value::Sums(values)) = (kind, &self.values[sums]) else {
            return None;
        };
        let spreads: Vec<(i32, i32)> = (0..shape.channels)
            .map(|channel| {
                let sums = values.iter().skip(channel).step_by(shape.channels);
                sums.fold((i32::MAX, i32::MIN), |(lo, hi), &s| (s.min(lo), s.max(hi)))
            })
            .collect();
        let requant = params::requant(&mut self.rng, &spreads, (lo, hi));
        self.push(Op::Requant(requant), &[sums])
    }

    fn code_table(&mut self, x: NodeId, code: CodeType) -> Option<NodeId> {
        let entries = 1 << self.code(x).bits;
        let table = params::codes(&mut self.rng, code.bits, entries);
        self.push(Op::CodeTable { code, table }, &[x])
    }

    /// Two views of one tensor through code tables of step 1, added.
    fn residual(&mut self, x: NodeId) -> Option<NodeId> {
        let [a, b, code] = [(); 3].map(|()| CodeType {
            step: 1,
            ..params::code_type(&mut self.rng)
        });
        let a = self.code_table(x, a)?;
        let b = self.code_table(x, b)?;
        self.push(Op::Add { code }, &[a, b])
    }

    fn conv2d(&mut self, x: NodeId) -> Option<NodeId> {
        let shape = self.tensors[x].shape;
        let ty = self.code(x);
        let divisors: Vec<usize> = (1..=shape.channels)
            .filter(|&g| shape.channels.is_multiple_of(g))
            .collect();
        let rng = &mut self.rng;
        let groups = if rng.once_in(3) {
            rng.pick(&divisors)
        } else {
            1
        };
        let widest = rng.pick(&[3, 8, 20, 40, 100]);
        let out = groups * rng.size(1, (widest / groups).max(1));
        let Window {
            kernel,
            stride,
            padding,
        } = self.window(x);
        let per_channel = kernel[0] * kernel[1] * (shape.channels / groups);
        if out * per_channel * shape.height * shape.width > PRODUCTS {
            return None;
        }
        let rng = &mut self.rng;
        let pad = match (ty.zero_code(), rng.below(4)) {
            (_, 0) => Pad::Skip,
            (None, 1..=2) => Pad::Skip,
            (Some(zero), 1..=2) => Pad::Code(zero),
            _ => Pad::Code(rng.below(usize::from(ty.max_code()) + 1) as u8),
        };
        let conv = Conv2d {
            weights: params::weights(rng, out, per_channel),
            bias: params::bias(rng, out),
            kernel,
            stride,
            padding,
            pad,
            groups,
        };
        self.push(Op::Conv2d(conv), &[x])
    }

    /// A window that fits tensor `x` once it is padded.
    fn window(&mut self, x: NodeId) -> Window {
        let Shape { height, width, .. } = self.tensors[x].shape;
        let rng = &mut self.rng;
        let side = rng.pick(&[1, 2, 3, 3, 5, 7]);
        let kernel = if rng.once_in(3) {
            [rng.size(1, height.min(7)), rng.size(1, width.min(7))]
        } else {
            [side.min(height), side.min(width)]
        };
        let stride = rng.pick(&[[1, 1], [1, 1], [2, 2], [1, 3]]);
        let padding = match rng.below(3) {
            0 => [0; 4],
            1 => [0, 1, 0, 1].map(|axis| (kernel[axis] - 1) / 2),
            _ => [0, 1, 0, 1].map(|axis| rng.below(kernel[axis])),
        };
        Window {
            kernel,
            stride,
            padding,
        }
    }
}

fn random_table(rng: &mut Rng, colours: usize) -> PixelTable {
    let (depth, code) = (rng.size(1, 5), params::code_type(rng));
    let tables = rng.pick(&[1, colours]);
    let codes = params::codes(rng, code.bits, tables * 256 * depth);
    let codes = Packed::new(code.bits, &codes);
    PixelTable {
        depth,
        tables,
        code,
        codes,
    }
}

/// The table of networks whose first layer reads 8-bit pixels as they are.
fn identity_table() -> PixelTable {
    let codes: Vec<u8> = (0..=255).collect();
    PixelTable {
        depth: 1,
        tables: 1,
        code: CodeType::unsigned(8),
        codes: Packed::new(8, &codes),
    }
}
