//! The `.sbm` file; `docs/file-format.md` is its specification.
//!
//! One model has one file: every value has a single encoding, and a reader that accepts bytes would write the same bytes.

mod bill;
mod container;
mod cursor;
mod error;
mod extras;
mod nodes;
mod op;
mod requant;
mod sink;
mod weights;

use alloc::vec::Vec;

use crate::{MAX_NODES, Model};
use bill::Bill;
pub use bill::Item;
use container::NAMES;
pub use container::{MAGIC, SectionInfo};
use cursor::Cursor;
pub use error::{ReadError, ReadErrorKind, WriteError};
use nodes::{Cursors, Sinks};
use sink::Sink;

/// The `.sbm` file of a model.
///
/// # Errors
/// If the model is not valid.
pub fn write(model: &Model) -> Result<Vec<u8>, WriteError> {
    model.analyse().map_err(WriteError::Invalid)?;
    let mut to = Sinks::default();
    nodes::put_input(&model.input, &mut to.nodes);
    to.nodes.size(model.nodes.len());
    for (id, node) in model.nodes.iter().enumerate() {
        nodes::put(id, node, &mut to);
    }
    let [mut names, mut provenance, mut vectors] = [(); 3].map(|()| Sink::default());
    extras::put_names(model, &mut names);
    extras::put_provenance(&model.provenance, &mut provenance);
    extras::put_vectors(&model.vectors, &mut vectors);
    let sections = [to.nodes, to.weights, to.tables, names, provenance, vectors];
    Ok(container::pack(sections.map(|sink| sink.0)))
}

/// The model in a `.sbm` file.
///
/// # Errors
/// If the bytes are not such a file, are damaged, or hold a model that is not valid. No bytes whatever make it panic, and what it
/// allocates is bounded by their number.
pub fn read(file: &[u8]) -> Result<Model, ReadError> {
    Ok(decode(file)?.0)
}

/// Where the sections of a `.sbm` file lie. Header, table, padding and checksums are verified, the contents are not.
///
/// # Errors
/// If one of these is wrong.
pub fn sections(file: &[u8]) -> Result<Vec<SectionInfo>, ReadError> {
    container::unpack(file)
}

/// What every byte of a `.sbm` file is for: first node by node, then what belongs to no node. Their bytes add up
/// to the file's.
///
/// # Errors
/// As [`read`].
pub fn itemise(file: &[u8]) -> Result<Vec<Item>, ReadError> {
    Ok(decode(file)?.1)
}

fn decode(file: &[u8]) -> Result<(Model, Vec<Item>), ReadError> {
    let sections = container::unpack(file)?;
    // An absent section is empty.
    let mut cursors = NAMES.map(|name| match sections.iter().find(|s| s.name == name) {
        Some(s) => Cursor::new(name, file, s.offset, s.offset + s.bytes),
        None => Cursor::new(name, file, file.len(), file.len()),
    });
    let [nodes, weights, tables, names, provenance, vectors] = cursors.each_mut();
    let mut from = Cursors {
        nodes,
        weights,
        tables,
    };
    let input = nodes::get_input(from.nodes)?;
    let count = from.nodes.size()?;
    from.nodes.check(count <= MAX_NODES, "too many nodes")?;
    let (mut list, mut bill) = (Vec::new(), Bill::default());
    for id in 0..count {
        let before = from.positions();
        list.push(nodes::get(id, &mut from)?);
        bill.charge(id, before, from.positions());
    }
    let model = Model {
        input,
        classes: extras::get_names(&mut list, names)?,
        provenance: extras::get_provenance(provenance)?,
        vectors: extras::get_vectors(vectors)?,
        nodes: list,
    };
    for cursor in &cursors {
        cursor.finish()?;
    }
    match model.analyse() {
        Ok(_) => Ok((model, bill.close(file.len(), &sections))),
        Err(problems) => Err(ReadError {
            kind: ReadErrorKind::Invalid(problems),
            section: NAMES[0],
            offset: sections[0].offset,
        }),
    }
}
