//! The image or the tensors that a file's inputs stand for.

use subbyte_graph::Op;

use super::{
    Import,
    layout::{Dim, Layout},
    value::{Activation, Value},
};
use crate::{
    error::Refusal,
    schema::{DimensionValue, GraphProto, ValueInfoProto},
};

/// Operator that messages about inputs name.
const INPUT: &str = "input";

impl<'a> Import<'a> {
    /// Takes the inputs: one image, or several tensors of floats. What they cannot be is reported, and so that their readers can be judged
    /// too, stands for unknown values.
    pub fn inputs(&mut self, graph: &'a GraphProto) {
        let inputs: Vec<&ValueInfoProto> = graph
            .input
            .iter()
            // Older files list their constants as inputs.
            .filter(|input| {
                !self
                    .values
                    .contains_key(input.name.as_deref().unwrap_or(""))
            })
            .collect();
        if inputs.is_empty() {
            self.report(
                "graph",
                INPUT,
                Refusal::new("has no input", "export the network with its image as input"),
            );
        }
        self.reads_floats = inputs.len() > 1;
        for input in &inputs {
            let name = input.name.as_deref().unwrap_or("");
            let value = match inputs.len() {
                1 => self.image_of(input),
                _ => self.floats_of(input),
            };
            let value = value.unwrap_or_else(|refusal| {
                self.report(name, INPUT, refusal);
                Value::Unknown
            });
            self.values.insert(name, value);
        }
    }

    /// A tensor of floats: `[batch]`, `[batch, channels]` or `[batch, channels, height, width]`.
    fn floats_of(&mut self, input: &ValueInfoProto) -> Result<Value, Refusal> {
        let name = input.name.as_deref().unwrap_or("");
        let lengths = lengths(input).unwrap_or_default();
        let layout = match lengths.len() {
            1 => Layout(vec![vec![Dim::N]]),
            2 => Layout::flat(),
            4 => Layout::nchw(),
            _ => {
                return Err(Refusal::new(
                    "is one of several inputs and has neither 1, 2 nor 4 axes",
                    "it needs the axes batch, channels, height, width, or fewer; fix them and export again",
                ));
            }
        };
        let mut sizes = [1; 3];
        for (i, (size, length)) in sizes.iter_mut().zip(&lengths[1..]).enumerate() {
            *size = match (*length, i, self.options.size) {
                (Some(length), ..) => length,
                (None, 1 | 2, Some(size)) => size[i - 1],
                _ => {
                    return Err(Refusal::new(
                        "leaves other axes than the batch open",
                        "say the size of the images, or fix its channels and export again",
                    ));
                }
            };
        }
        if let Some(batch) = lengths[0] {
            self.batch = batch;
        }
        let [channels, height, width] = sizes;
        let op = Op::Input {
            channels,
            height,
            width,
        };
        let node = self.builder.push(name, op, &[])?;
        Ok(Activation {
            layout,
            ..Activation::of(node)
        }
        .into())
    }

    fn image_of(&mut self, input: &ValueInfoProto) -> Result<Value, Refusal> {
        let lengths = lengths(input);
        let Some(&[batch, a, b, c]) = lengths.as_deref() else {
            return Err(Refusal::new(
                "is no batch of images",
                "it needs four axes: batch, colours, height, width",
            ));
        };
        let (layout, colours, height, width) = match (a, c) {
            (Some(colours @ (1 | 3)), _) => (Layout::nchw(), colours, b, c),
            (_, Some(colours @ (1 | 3))) => (Layout::nhwc(), colours, a, b),
            _ => {
                return Err(Refusal::new(
                    "has neither 1 nor 3 colours",
                    "only images of 1 or 3 colours can be read; fix that axis and export again",
                ));
            }
        };
        let [height, width] = match (height, width, self.options.size) {
            (Some(height), Some(width), None) => [height, width],
            (h, w, Some([height, width]))
                if h.is_none_or(|h| h == height) && w.is_none_or(|w| w == width) =>
            {
                [height, width]
            }
            (Some(h), Some(w), Some([height, width])) => {
                return Err(Refusal::new(
                    format!("fixes images of {h} x {w}, not {height} x {width}"),
                    "leave the size away, or export with an open one",
                ));
            }
            _ => {
                return Err(Refusal::new(
                    "leaves height or width open",
                    "say the size of the images",
                ));
            }
        };
        self.batch = batch.unwrap_or(1);
        let op = Op::Image {
            colours,
            height,
            width,
        };
        let node = self.builder.push("image", op, &[])?;
        let image = Activation {
            layout,
            ..Activation::of(node)
        };
        Ok(image.into())
    }
}

/// Lengths of an input's axes, where it says any; `None` for those that are open.
fn lengths(input: &ValueInfoProto) -> Option<Vec<Option<usize>>> {
    let tensor = input.r#type.as_ref()?.tensor_type.as_ref()?;
    let length = |value: &DimensionValue| match value {
        DimensionValue::Length(n) => usize::try_from(*n).ok().filter(|&n| n > 0),
        DimensionValue::Name(_) => None,
    };
    let dims = tensor.shape.as_ref()?.dim.iter();
    let lengths = dims.map(|dim| dim.value.as_ref().and_then(length));
    Some(lengths.collect())
}
