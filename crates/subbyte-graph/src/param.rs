use serde::{Deserialize, Serialize};
use subbyte_num::Packed;

/// A named tensor of a graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// What it is for; decides how it is trained.
    pub role: Role,
    /// The numbers, row-major.
    pub storage: Storage,
}

/// What a parameter is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Weights of a convolution or linear layer: trained, with weight decay.
    Weight,
    /// Bias: trained, without weight decay.
    Bias,
    /// Scale or shift of a normalization: trained, without weight decay.
    Norm,
    /// Step of a quantizer: trained, without weight decay, kept positive.
    Scale,
    /// Largest value of a quantizer: trained, with weight decay, kept positive.
    Clip,
    /// A learned pixel table: trained, without weight decay.
    Table,
    /// Running mean or variance: measured, not trained.
    Statistic,
    /// Never changed, such as the table of a fixed encoder.
    Constant,
}

impl Role {
    /// Whether gradients change it.
    pub fn is_trained(self) -> bool {
        !matches!(self, Role::Statistic | Role::Constant)
    }

    /// Whether weight decay applies.
    pub fn decays(self) -> bool {
        matches!(self, Role::Weight | Role::Clip)
    }
}

/// Where a parameter's numbers are.
#[derive(Clone, Debug, PartialEq)]
pub enum Storage {
    /// One f32 each.
    F32(Vec<f32>),
    /// Codes of a codebook at their bit width, as post-training methods leave them: `value = codebook[code] * scale`.
    Codes {
        /// Value of every code before scaling, `2^bits` entries.
        codebook: Vec<f32>,
        /// One scale for the tensor, or one for each index of the first axis.
        scales: Vec<f32>,
        /// The codes, row-major.
        codes: Packed,
    },
}

impl Param {
    /// A parameter of f32 numbers.
    ///
    /// # Panics
    /// If `data` is not as long as `shape` says.
    pub fn new(shape: impl Into<Vec<usize>>, role: Role, data: Vec<f32>) -> Self {
        let shape = shape.into();
        assert_eq!(
            shape.iter().product::<usize>(),
            data.len(),
            "shape {shape:?}"
        );
        Self {
            shape,
            role,
            storage: Storage::F32(data),
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The numbers, decoded where they are codes.
    pub fn to_vec(&self) -> Vec<f32> {
        match &self.storage {
            Storage::F32(data) => data.clone(),
            Storage::Codes {
                codebook,
                scales,
                codes,
            } => {
                let run = (self.len() / scales.len().max(1)).max(1);
                codes
                    .iter()
                    .enumerate()
                    .map(|(i, c)| codebook[c as usize] * scales[i / run])
                    .collect()
            }
        }
    }
}
