//! The image's geometry and the list of operations with what they read; see [`super::op`] for their parameters.

use alloc::{string::String, vec::Vec};

use super::{cursor::Cursor, error::ReadError, op, sink::Sink};
use crate::{Input, Node, NodeId, Resampling, Resize};

/// The sections that nodes are written to.
#[derive(Default)]
pub(super) struct Sinks {
    pub nodes: Sink,
    pub weights: Sink,
    pub tables: Sink,
}

/// The sections that nodes are read from.
pub(super) struct Cursors<'c, 'a> {
    pub nodes: &'c mut Cursor<'a>,
    pub weights: &'c mut Cursor<'a>,
    pub tables: &'c mut Cursor<'a>,
}

impl Cursors<'_, '_> {
    /// Where the three sections have been read up to.
    pub fn positions(&self) -> [usize; 3] {
        [&self.nodes, &self.weights, &self.tables].map(|cursor| cursor.position())
    }
}

pub(super) fn put_input(input: &Input, nodes: &mut Sink) {
    nodes.sizes(&[input.colours, input.height, input.width]);
    match input.resize {
        None => nodes.byte(0),
        Some(Resize {
            shorter_side,
            filter,
        }) => {
            nodes.byte(match filter {
                Resampling::Nearest => 1,
                Resampling::Bilinear => 2,
                Resampling::Bicubic => 3,
                Resampling::Lanczos3 => 4,
            });
            nodes.size(shorter_side);
        }
    }
}

pub(super) fn get_input(nodes: &mut Cursor) -> Result<Input, ReadError> {
    let [colours, height, width] = nodes.sizes()?;
    let filter = match nodes.byte()? {
        0 => None,
        1 => Some(Resampling::Nearest),
        2 => Some(Resampling::Bilinear),
        3 => Some(Resampling::Bicubic),
        4 => Some(Resampling::Lanczos3),
        _ => return nodes.fail("an unknown resampling filter"),
    };
    let resize = match filter {
        None => None,
        Some(filter) => Some(Resize {
            filter,
            shorter_side: nodes.size()?,
        }),
    };
    Ok(Input {
        colours,
        height,
        width,
        resize,
    })
}

/// Writes node `id`: how far back each input lies, and the operation.
pub(super) fn put(id: NodeId, node: &Node, to: &mut Sinks) {
    to.nodes.size(node.inputs.len());
    for input in &node.inputs {
        to.nodes.size(id - input);
    }
    op::put(&node.op, to);
}

/// Reads node `id`; its name is stored elsewhere.
pub(super) fn get(id: NodeId, from: &mut Cursors) -> Result<Node, ReadError> {
    let count = from.nodes.size()?;
    let mut inputs = Vec::new();
    for _ in 0..count {
        let back = from.nodes.size()?;
        let earlier = (1..=id).contains(&back);
        from.nodes
            .check(earlier, "an input that is not an earlier node")?;
        inputs.push(id - back);
    }
    let name = String::new();
    let op = op::get(from)?;
    Ok(Node { name, inputs, op })
}
