//! What a model carries beside its operations: names, provenance, test vectors.

use alloc::{string::String, vec::Vec};

use super::{cursor::Cursor, error::ReadError, sink::Sink};
use crate::{Model, Node, Provenance, TestVector};

pub(super) fn put_names(model: &Model, names: &mut Sink) {
    for node in &model.nodes {
        names.text(&node.name);
    }
    for class in &model.classes {
        names.text(class);
    }
}

/// Names the nodes and returns the class names, which fill the rest of the section.
pub(super) fn get_names(nodes: &mut [Node], names: &mut Cursor) -> Result<Vec<String>, ReadError> {
    for node in nodes {
        node.name = names.text()?;
    }
    until_end(names, Cursor::text)
}

pub(super) fn put_provenance(provenance: &Provenance, to: &mut Sink) {
    for (key, value) in provenance {
        to.text(key);
        to.text(value);
    }
}

pub(super) fn get_provenance(from: &mut Cursor) -> Result<Provenance, ReadError> {
    until_end(from, |from| Ok((from.text()?, from.text()?)))
}

pub(super) fn put_vectors(vectors: &[TestVector], to: &mut Sink) {
    for vector in vectors {
        to.size(vector.image.len());
        to.bytes(&vector.image);
        to.size(vector.logits.len());
        for &logit in &vector.logits {
            to.signed(logit);
        }
    }
}

pub(super) fn get_vectors(from: &mut Cursor) -> Result<Vec<TestVector>, ReadError> {
    until_end(from, |from| {
        let bytes = from.size()?;
        let image = from.bytes(bytes)?.to_vec();
        let logits = from.size()?;
        let logits = (0..logits)
            .map(|_| from.signed())
            .collect::<Result<_, _>>()?;
        Ok(TestVector { image, logits })
    })
}

fn until_end<'a, T>(
    from: &mut Cursor<'a>,
    mut get: impl FnMut(&mut Cursor<'a>) -> Result<T, ReadError>,
) -> Result<Vec<T>, ReadError> {
    let mut items = Vec::new();
    while !from.is_at_end() {
        items.push(get(from)?);
    }
    Ok(items)
}
