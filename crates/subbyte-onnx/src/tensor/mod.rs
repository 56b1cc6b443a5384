//! Constants of a file in memory.

mod budget;
mod decode;
mod external;
mod half;

use std::path::Path;

pub use budget::{Budget, MOST_AXES, elements};
pub use decode::{decode, range_of};

use crate::error::Refusal;

/// A constant.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// For people: the name in the file of what its numbers come from.
    pub name: String,
    /// Tells it from every other constant: the name in the file of the tensor that it is.
    pub key: String,
    pub dims: Vec<usize>,
    pub numbers: Numbers,
}

/// The numbers of a constant, row-major. Floating-point types become f32.
#[derive(Clone, Debug, PartialEq)]
pub enum Numbers {
    Float(Vec<f32>),
    Int {
        values: Vec<i64>,
        /// Smallest and largest value of the type, or of a clip: what a quantizer of these integers saturates at.
        range: (i64, i64),
    },
}

/// Range of i64, which computed shapes have.
pub const WHOLE: (i64, i64) = (i64::MIN, i64::MAX);

/// Where constants come from.
pub struct Source<'a> {
    /// The folder that files of external data lie in, where there is one.
    pub folder: Option<&'a Path>,
    pub budget: &'a mut Budget,
}

impl Tensor {
    /// Integers of a shape, such as a fold makes.
    pub fn ints(name: impl Into<String>, dims: Vec<usize>, values: Vec<i64>) -> Self {
        let range = WHOLE;
        Self::new(name.into(), dims, Numbers::Int { values, range })
    }

    pub fn floats(name: impl Into<String>, dims: Vec<usize>, values: Vec<f32>) -> Self {
        Self::new(name.into(), dims, Numbers::Float(values))
    }

    pub fn new(name: String, dims: Vec<usize>, numbers: Numbers) -> Self {
        Self {
            key: name.clone(),
            name,
            dims,
            numbers,
        }
    }

    pub fn len(&self) -> usize {
        match &self.numbers {
            Numbers::Float(values) => values.len(),
            Numbers::Int { values, .. } => values.len(),
        }
    }

    /// The integers.
    pub fn as_ints(&self) -> Result<&[i64], Refusal> {
        match &self.numbers {
            Numbers::Int { values, .. } => Ok(values),
            Numbers::Float(_) => Err(Refusal::broken(format!(
                "`{}` holds floats where integers belong",
                self.name
            ))),
        }
    }

    /// The integers as lengths or indices.
    pub fn as_sizes(&self) -> Result<Vec<usize>, Refusal> {
        let size = |&i: &i64| {
            usize::try_from(i)
                .map_err(|_| Refusal::broken(format!("`{}` holds the length {i}", self.name)))
        };
        self.as_ints()?.iter().map(size).collect()
    }

    /// The numbers as floats.
    pub fn to_floats(&self) -> Vec<f32> {
        match &self.numbers {
            Numbers::Float(values) => values.clone(),
            Numbers::Int { values, .. } => values.iter().map(|&i| i as f32).collect(),
        }
    }

    /// The one number of a tensor of one element.
    pub fn scalar(&self) -> Option<f32> {
        match &self.numbers {
            Numbers::Float(values) if values.len() == 1 => values.first().copied(),
            Numbers::Int { values, .. } if values.len() == 1 => values.first().map(|&i| i as f32),
            _ => None,
        }
    }

    /// The same numbers in the order of `indices`.
    pub fn gather(&self, dims: Vec<usize>, indices: impl Iterator<Item = usize>) -> Self {
        let numbers = match &self.numbers {
            Numbers::Float(values) => Numbers::Float(indices.map(|i| values[i]).collect()),
            Numbers::Int { values, range } => Numbers::Int {
                values: indices.map(|i| values[i]).collect(),
                range: *range,
            },
        };
        Self {
            name: self.name.clone(),
            key: self.key.clone(),
            dims,
            numbers,
        }
    }

    /// Other numbers of the same shape.
    pub fn with(&self, numbers: Numbers) -> Self {
        Self {
            name: self.name.clone(),
            key: self.key.clone(),
            dims: self.dims.clone(),
            numbers,
        }
    }
}
