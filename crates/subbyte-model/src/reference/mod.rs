//! The scalar interpreter of a model. It is the specification: every engine equals it bit for bit.
//!
//! Written to be read aloud, one small function an operation, without any optimisation. In memory a tensor is
//! `[height][width][channels]`, the channel innermost.

mod arrange;
mod pointwise;
mod pool;
mod products;

use alloc::vec::Vec;
use core::fmt;

use crate::{Kind, Model, Node, Op, Problems, Shape, Tensor};

/// The elements of one tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// The image that was given.
    Image,
    /// Codes `[height][width][channels]`.
    Codes(Vec<u8>),
    /// Sums `[height][width][channels]`.
    Sums(Vec<i32>),
}

/// Why a model was not run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunError {
    /// The model is not valid.
    Invalid(Problems),
    /// The image has not as many bytes as the model's input.
    ImageSize {
        /// Bytes needed, height * width * colours.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::Invalid(problems) => problems.fmt(f),
            RunError::ImageSize { expected, found } => write!(
                f,
                "an image of {found} bytes; the model's input has {expected} (height * width * colours)"
            ),
        }
    }
}

impl core::error::Error for RunError {}

/// Integer logits of `image`, u8 `[height][width][colours]`.
///
/// # Errors
/// If the model is not valid or the image has another size.
pub fn run(model: &Model, image: &[u8]) -> Result<Vec<i32>, RunError> {
    match trace(model, image)?.pop() {
        Some(Value::Sums(logits)) => Ok(logits),
        _ => unreachable!("the last node of a valid model makes sums"),
    }
}

/// The tensor of every node for `image`, in node order.
///
/// # Errors
/// As [`run`].
pub fn trace(model: &Model, image: &[u8]) -> Result<Vec<Value>, RunError> {
    let tensors = model.analyse().map_err(RunError::Invalid)?;
    let expected = tensors[0].shape.len();
    if image.len() != expected {
        let found = image.len();
        return Err(RunError::ImageSize { expected, found });
    }
    let mut values = Vec::with_capacity(model.nodes.len());
    for (node, tensor) in model.nodes.iter().zip(&tensors) {
        let value = step(node, tensor.shape, &tensors, &values, image);
        values.push(value);
    }
    Ok(values)
}

/// The tensor of shape `out` that `node` of an analysed model makes of earlier nodes' tensors and values.
///
/// # Panics
/// If they are not what [`Model::analyse`] accepted.
pub fn step(node: &Node, out: Shape, tensors: &[Tensor], values: &[Value], image: &[u8]) -> Value {
    let operand = |&id: &usize| Operand {
        tensor: tensors[id],
        value: &values[id],
        image,
    };
    let inputs: Vec<Operand> = node.inputs.iter().map(operand).collect();
    apply(&node.op, &inputs, out)
}

/// One operation, its result being of shape `out`.
fn apply(op: &Op, inputs: &[Operand], out: Shape) -> Value {
    use Value::{Codes, Sums};
    match (op, inputs) {
        (Op::Image, _) => Value::Image,
        (Op::PixelTable(table), [x]) => Codes(pointwise::pixel_table(table, x, out)),
        (Op::Conv2d(conv), [x]) => Sums(products::conv2d(conv, x, out)),
        (Op::Linear(layer), [x]) => Sums(products::linear(layer, x, out)),
        (Op::Add { code }, [a, b]) => Codes(pointwise::add(*code, a, b, out)),
        (Op::Mul, [a, b]) => Sums(pointwise::mul(a, b, out)),
        (Op::MaxPool(window), [x]) => Codes(pool::max(window, x, out)),
        (Op::AvgPool(window), [x]) => Sums(pool::sum(window, x, out)),
        (Op::GlobalAvgPool, [x]) => Sums(pool::global_sum(x, out)),
        (Op::Concat, parts) => Codes(arrange::concat(parts, out)),
        (Op::Slice { start, step, .. }, [x]) => Codes(arrange::slice(*start, *step, x, out)),
        (Op::PadChannels { before, code, .. }, [x]) => {
            Codes(arrange::pad_channels(*before, *code, x, out))
        }
        (Op::Flatten, [x]) => Codes(arrange::flatten(x, out)),
        (
            Op::Upsample {
                vertical,
                horizontal,
            },
            [x],
        ) => Codes(arrange::upsample([*vertical, *horizontal], x, out)),
        (Op::Requant(requant), [x]) => Codes(pointwise::requant(requant, x, out)),
        (Op::CodeTable { table, .. }, [x]) => Codes(pointwise::code_table(table, x, out)),
        (Op::Output { .. }, [x]) => Sums(pointwise::output(x, out)),
        _ => unreachable!("the number of inputs was checked"),
    }
}

/// One input of an operation.
struct Operand<'a> {
    tensor: Tensor,
    value: &'a Value,
    image: &'a [u8],
}

impl Operand<'_> {
    fn shape(&self) -> Shape {
        self.tensor.shape
    }

    /// The code at a place; of the image, the pixel.
    fn code(&self, y: usize, x: usize, channel: usize) -> u8 {
        let i = self.shape().index(y, x, channel);
        match self.value {
            Value::Image => self.image[i],
            Value::Codes(codes) => codes[i],
            Value::Sums(_) => unreachable!("the kinds of inputs were checked"),
        }
    }

    /// The integer that enters sums: the level of a code, or the sum itself.
    fn level(&self, y: usize, x: usize, channel: usize) -> i32 {
        match (self.tensor.kind, self.value) {
            (Kind::Codes(ty), _) => ty.level(self.code(y, x, channel)),
            (_, Value::Sums(sums)) => sums[self.shape().index(y, x, channel)],
            _ => unreachable!("the kinds of inputs were checked"),
        }
    }
}

/// A tensor made element by element.
fn each<T>(out: Shape, mut element: impl FnMut(usize, usize, usize) -> T) -> Vec<T> {
    let mut elements = Vec::with_capacity(out.len());
    for y in 0..out.height {
        for x in 0..out.width {
            for channel in 0..out.channels {
                elements.push(element(y, x, channel));
            }
        }
    }
    elements
}

/// The input row or column under tap `tap` of the window at `place`, if it is not padding.
fn tapped(place: usize, stride: usize, tap: usize, padding: usize, size: usize) -> Option<usize> {
    (place * stride + tap)
        .checked_sub(padding)
        .filter(|&i| i < size)
}
