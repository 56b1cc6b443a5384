use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use crate::error::Refusal;

/// Numbers that may be held beyond what the file itself accounts for; computed shapes are small.
const FREE: usize = 1 << 20;

/// Numbers held for each byte of the file: 2-bit integers are 4, and a constant may be read in several ways.
const PER_BYTE: usize = 16;

/// How many numbers constants may take, so that a small file cannot ask for much memory.
pub struct Budget {
    left: usize,
    /// Files of external data that have been counted.
    files: BTreeSet<PathBuf>,
}

impl Budget {
    /// What a file of `bytes` accounts for.
    pub fn new(bytes: usize) -> Self {
        Self {
            left: bytes.saturating_mul(PER_BYTE).saturating_add(FREE),
            files: BTreeSet::new(),
        }
    }

    /// The file `path` of `bytes` belongs to it too, however often it is read.
    pub fn extend(&mut self, path: &Path, bytes: u64) {
        if self.files.insert(path.to_owned()) {
            let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
            self.left = self.left.saturating_add(bytes.saturating_mul(PER_BYTE));
        }
    }

    /// Takes `numbers` from what is left.
    pub fn take(&mut self, numbers: usize) -> Result<(), Refusal> {
        match self.left.checked_sub(numbers) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(Refusal::new(
                "its constants grow to many times the file's size",
                "fold constants before exporting",
            )),
        }
    }
}

/// Most elements of a shape, so that no product of lengths or of strides overflows.
const MOST: usize = isize::MAX as usize >> 4;

/// Most axes of a tensor; networks have no more than five.
pub const MOST_AXES: usize = 16;

/// Product of `dims`. Their product without those of length 0 is limited too, since parts of a shape are multiplied alone.
pub fn elements(dims: &[usize]) -> Result<usize, Refusal> {
    if dims.len() > MOST_AXES {
        return Err(Refusal::broken(format!("has {} axes", dims.len())));
    }
    let product = dims
        .iter()
        .filter(|&&dim| dim != 0)
        .try_fold(1usize, |n, &dim| n.checked_mul(dim))
        .filter(|&n| n <= MOST);
    match product {
        Some(_) if dims.contains(&0) => Ok(0),
        Some(n) => Ok(n),
        None => Err(Refusal::broken(format!("the shape {dims:?} is too large"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_accounts_for_numbers_once() {
        let mut budget = Budget::new(0);
        budget.take(FREE).unwrap();
        assert!(budget.take(1).is_err());
        for _ in 0..3 {
            budget.extend(Path::new("weights"), 2);
        }
        assert!(budget.take(2 * PER_BYTE).is_ok() && budget.take(1).is_err());
    }

    #[test]
    fn shapes_are_limited_part_by_part() {
        assert_eq!(elements(&[]), Ok(1));
        assert_eq!(elements(&[3, 0, 5]), Ok(0));
        assert!(elements(&[0, 1 << 40, 1 << 40]).is_err());
        assert!(elements(&[1; MOST_AXES + 1]).is_err());
    }
}
