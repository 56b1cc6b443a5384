use crate::codebook::Codebook;

/// Which codes the weights of a layer get: a codebook for each row, which is an output channel.
#[derive(Clone, Debug)]
pub(crate) struct Formats {
    pub codebooks: Vec<Codebook>,
    /// By row, which codebook.
    pub rows: Vec<usize>,
    /// Input channels at one tap that share a scale; `None` where a whole row does.
    pub vector: Option<usize>,
}

impl Formats {
    /// One codebook for `rows` rows.
    pub fn one(codebook: Codebook, rows: usize) -> Self {
        Self {
            codebooks: vec![codebook],
            rows: vec![0; rows],
            vector: None,
        }
    }

    /// The codebook of a row.
    pub fn of(&self, row: usize) -> &Codebook {
        &self.codebooks[self.rows[row]]
    }

    /// Neighbouring rows of one codebook: their number and which.
    pub fn runs(&self) -> impl Iterator<Item = (usize, usize)> {
        self.rows
            .chunk_by(|a, b| a == b)
            .map(|run| (run.len(), run[0]))
    }
}
