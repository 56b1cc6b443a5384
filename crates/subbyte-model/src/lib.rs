//! The integer model: what a lowered network is, its proof of soundness, its file and its meaning.
//!
//! - [`Model`] is plain data: a list of nodes in topological order, each making one tensor of codes or of i32 sums.
//! - [`Model::analyse`] infers every shape and range, proves that no accumulator overflows, and lists all problems at once.
//! - [`read()`] and [`write()`] are the `.sbm` file (`docs/file-format.md`).
//! - [`mod@reference`] is the scalar interpreter. It *is* the specification: every engine equals it bit for bit.
//! - `testing` (feature) makes random models and images for the tests of every crate that runs models.
//!
//! No float arithmetic happens here, and nothing knows how a network was trained or on which processor it will run.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod analyse;
mod op;
mod quality;
pub mod reference;
mod sbm;
#[cfg(feature = "testing")]
pub mod testing;
mod weights;

pub use analyse::{Kind, MAX_DIM, MAX_ELEMENTS, MAX_NODES, Problem, Problems, Shape, Tensor};
pub use op::{
    Conv2d, Input, Linear, Model, Node, NodeId, Op, Pad, PixelTable, Provenance, Requant,
    Resampling, Resize, TestVector, Window,
};
pub use quality::Multiplications;
pub use sbm::{
    Item, MAGIC, ReadError, ReadErrorKind, SectionInfo, WriteError, itemise, read, sections, write,
};
pub use subbyte_num::{CodeType, MulShift, Packed};
pub use weights::{Multipliers, Segment, Weights};
