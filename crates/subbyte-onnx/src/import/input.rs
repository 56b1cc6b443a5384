//! The image that a file's input stands for.

use subbyte_graph::Op;

use super::{
    Import,
    layout::Layout,
    value::{Activation, Value},
};
use crate::{
    error::Refusal,
    schema::{DimensionValue, GraphProto, ValueInfoProto},
};

/// Operator that messages about inputs name.
const INPUT: &str = "input";

impl<'a> Import<'a> {
    /// Takes the inputs: one image. Others are reported, and so that their readers can be judged too, stand for unknown values.
    pub fn image(&mut self, graph: &'a GraphProto) {
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
        for input in &inputs {
            let name = input.name.as_deref().unwrap_or("");
            let value = match inputs.len() {
                1 => self.image_of(input),
                n => Err(Refusal::new(
                    format!("is one of {n} inputs"),
                    "only networks of one image can be taken over",
                )),
            };
            let value = value.unwrap_or_else(|refusal| {
                self.report(name, INPUT, refusal);
                Value::Unknown
            });
            self.values.insert(name, value);
        }
    }

    fn image_of(&mut self, input: &ValueInfoProto) -> Result<Value, Refusal> {
        let shape = input
            .r#type
            .as_ref()
            .and_then(|t| t.tensor_type.as_ref()?.shape.as_ref());
        let lengths = shape.map(|shape| {
            let length = |value: &DimensionValue| match value {
                DimensionValue::Length(n) => usize::try_from(*n).ok().filter(|&n| n > 0),
                DimensionValue::Name(_) => None,
            };
            let dims = shape.dim.iter();
            dims.map(|dim| dim.value.as_ref().and_then(length))
                .collect::<Vec<_>>()
        });
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
