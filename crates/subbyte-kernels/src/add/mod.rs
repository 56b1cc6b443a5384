//! Addition of two code tensors.

mod scalar;
mod unit;

pub(crate) use unit::Unit;

use subbyte_num::CodeType;

/// Two code tensors of one shape -> codes: levels are added and saturated.
#[derive(Clone, Copy, Debug)]
pub struct Add {
    /// Elements of each tensor.
    pub elements: usize,
    /// Codes of the first.
    pub left: CodeType,
    /// Codes of the second.
    pub right: CodeType,
    /// Codes of the result.
    pub code: CodeType,
}
