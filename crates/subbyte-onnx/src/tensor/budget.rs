use crate::error::Refusal;

/// Numbers that may be held beyond what the file itself accounts for; computed shapes are small.
const FREE: usize = 1 << 20;

/// Numbers held for each byte of the file: 2-bit integers are 4, and a constant may be read in several ways.
const PER_BYTE: usize = 16;

/// How many numbers constants may take, so that a small file cannot ask for much memory.
pub struct Budget(usize);

impl Budget {
    /// What a file of `bytes` accounts for.
    pub fn new(bytes: usize) -> Self {
        Self(bytes.saturating_mul(PER_BYTE).saturating_add(FREE))
    }

    /// Another file of `bytes` belongs to it.
    pub fn extend(&mut self, bytes: usize) {
        self.0 = self.0.saturating_add(bytes.saturating_mul(PER_BYTE));
    }

    /// Takes `numbers` from what is left.
    pub fn take(&mut self, numbers: usize) -> Result<(), Refusal> {
        match self.0.checked_sub(numbers) {
            Some(left) => {
                self.0 = left;
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

/// Product of `dims`. Their product without those of length 0 is limited too, since parts of a shape are multiplied alone.
pub fn elements(dims: &[usize]) -> Result<usize, Refusal> {
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
