use alloc::{string::String, vec::Vec};
use core::fmt;

use crate::NodeId;

/// Something that makes a model invalid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The node and its name; `None` where the model as a whole is meant.
    pub node: Option<(NodeId, String)>,
    /// What is wrong.
    pub text: String,
}

/// All problems of a model, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    list: Vec<Problem>,
}

impl Problems {
    /// `value` if `list` is empty.
    pub(super) fn none_or<T>(list: Vec<Problem>, value: T) -> Result<T, Self> {
        if list.is_empty() {
            Ok(value)
        } else {
            Err(Self { list })
        }
    }

    /// The problems in order of nodes, those of the whole model last.
    pub fn list(&self) -> &[Problem] {
        &self.list
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.node {
            Some((id, name)) => write!(f, "node {id} ({name}): {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the model is not valid")?;
        for problem in &self.list {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

impl core::error::Error for Problems {}

/// Collects what is wrong with one node.
#[derive(Default)]
pub(super) struct Notes {
    pub texts: Vec<String>,
}

impl Notes {
    /// Notes `text` unless `ok`, and hands `ok` back.
    pub fn check(&mut self, ok: bool, text: impl FnOnce() -> String) -> bool {
        if !ok {
            self.texts.push(text());
        }
        ok
    }
}
