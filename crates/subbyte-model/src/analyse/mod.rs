//! Shapes, ranges and the proof that a model is sound.
//!
//! A node is checked in two steps: [`params`] looks at its parameters alone, [`infer`] at how they fit its inputs. A node with a
//! problem has no known tensor; nodes that read it are spared the second step, so that one fault is reported once.

mod accumulator;
mod infer;
mod params;
mod problems;
mod require;
mod tensor;

use alloc::{borrow::ToOwned, collections::BTreeMap, format, vec::Vec};

use crate::{Model, Node, Op};
use problems::Notes;
pub use problems::{Problem, Problems};
pub use tensor::{Kind, Shape, Tensor};

/// Largest number of nodes.
pub const MAX_NODES: usize = 1 << 16;
/// Largest channel count, height, width, kernel side, stride or other single dimension.
pub const MAX_DIM: usize = 1 << 20;
/// Largest number of elements of a tensor, and of weights of a node.
pub const MAX_ELEMENTS: usize = 1 << 28;

impl Model {
    /// Shape and kind of every node's tensor, in node order.
    ///
    /// What comes back is a proof: every index that an operation uses lies within its operands, every code fits its type, and no
    /// accumulator overflows an i32, whatever the image and in whatever order the terms of a sum are added.
    ///
    /// # Errors
    /// All problems of the model.
    pub fn analyse(&self) -> Result<Vec<Tensor>, Problems> {
        let mut problems = Vec::new();
        let mut tensors: Vec<Option<Tensor>> = Vec::new();
        let mut names = BTreeMap::new();
        // Beyond the limit nodes are counted, not looked at.
        for (id, node) in self.nodes.iter().take(MAX_NODES).enumerate() {
            let mut notes = Notes::default();
            if let Some(first) = names.insert(node.name.as_str(), id) {
                notes.texts.push(format!("node {first} has the same name"));
            }
            tensors.push(self.check_node(id, node, &tensors, &mut notes));
            problems.extend(notes.texts.into_iter().map(|text| Problem {
                node: Some((id, node.name.clone())),
                text,
            }));
        }
        let mut notes = Notes::default();
        self.check_whole(&tensors, &mut notes);
        let texts = notes.texts.into_iter();
        problems.extend(texts.map(|text| Problem { node: None, text }));
        // Without a problem every node has its tensor.
        Problems::none_or(problems, tensors.into_iter().flatten().collect())
    }

    fn check_node(
        &self,
        id: usize,
        node: &Node,
        earlier: &[Option<Tensor>],
        notes: &mut Notes,
    ) -> Option<Tensor> {
        let (first, last) = (id == 0, id + 1 == self.nodes.len());
        notes.check(!node.name.is_empty(), || "the name is empty".to_owned());
        notes.check(first == matches!(node.op, Op::Image), || {
            "the first node, and no other, is the image".to_owned()
        });
        notes.check(last == matches!(node.op, Op::Output { .. }), || {
            "the last node, and no other, is the output".to_owned()
        });
        for input in node.inputs.iter().filter(|&&input| input >= id) {
            notes
                .texts
                .push(format!("reads node {input}, which is not before it"));
        }
        params::check(&node.op, notes);
        if !notes.texts.is_empty() {
            return None;
        }
        let inputs: Option<Vec<Tensor>> = node.inputs.iter().map(|&input| earlier[input]).collect();
        match infer::infer(&node.op, &inputs?, &self.input) {
            Ok(tensor) => Some(tensor),
            Err(text) => {
                notes.texts.push(text);
                None
            }
        }
    }

    /// What concerns more than one node: their number, preprocessing, classes and test vectors.
    fn check_whole(&self, tensors: &[Option<Tensor>], notes: &mut Notes) {
        let count = self.nodes.len();
        notes.check((1..=MAX_NODES).contains(&count), || {
            format!("{count} nodes; 1 to {MAX_NODES} are possible")
        });
        if let Some(resize) = self.input.resize {
            let side = resize.shorter_side;
            let longer = self.input.height.max(self.input.width);
            notes.check((longer..=MAX_DIM).contains(&side), || {
                format!("images are resized to a shorter side of {side}; {longer} to {MAX_DIM} are possible")
            });
        }
        let (Some(Some(image)), Some(Some(output))) = (tensors.first(), tensors.last()) else {
            return;
        };
        let (pixels, logits) = (image.shape.len(), output.shape.channels);
        notes.check(
            self.classes.is_empty() || self.classes.len() == logits,
            || format!("{} class names for {logits} logits", self.classes.len()),
        );
        for (i, vector) in self.vectors.iter().enumerate() {
            notes.check(vector.image.len() == pixels, || {
                format!(
                    "test vector {i}: image of {} bytes, not {pixels}",
                    vector.image.len()
                )
            });
            notes.check(vector.logits.len() == logits, || {
                format!(
                    "test vector {i}: {} logits, not {logits}",
                    vector.logits.len()
                )
            });
        }
    }
}

/// Tensor of one operation on known inputs, where its parameters and its inputs allow it. For those who build models.
#[cfg(feature = "testing")]
pub(crate) fn tensor_of(op: &Op, inputs: &[Tensor], input: &crate::Input) -> Option<Tensor> {
    let mut notes = Notes::default();
    params::check(op, &mut notes);
    match notes.texts.is_empty() {
        true => infer::infer(op, inputs, input).ok(),
        false => None,
    }
}
