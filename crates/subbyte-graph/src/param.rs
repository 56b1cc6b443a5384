use serde::{Deserialize, Serialize};
use subbyte_num::{Minifloat, Packed};

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
    /// Codes at their bit width, as post-training methods leave them: runs of rows, which are indices of the first axis, in order.
    Codes(Vec<CodedRows>),
}

/// Neighbouring rows of a parameter whose codes have one codebook: `value = scale * codebook[code] * multiplier`.
#[derive(Clone, Debug, PartialEq)]
pub struct CodedRows {
    /// Value of every code before scaling, `2^bits` entries; whole numbers of 16 bits where the rows have an integer form.
    pub codebook: Vec<f32>,
    /// One scale for all rows, or one each.
    pub scales: Vec<f32>,
    /// Whole factors for runs of neighbouring input channels, where there are any.
    pub multipliers: Option<RunMultipliers>,
    /// The codes of all rows, row-major.
    pub codes: Packed,
}

/// Factors of runs of input channels at one tap of a kernel. Weights are `[row][channel][tap]`.
#[derive(Clone, Debug, PartialEq)]
pub struct RunMultipliers {
    /// Channels of a run; the last run of a tap may be shorter.
    pub length: usize,
    /// `[row][tap][run]`.
    pub values: Vec<i16>,
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
            Storage::Codes(runs) => {
                let mut numbers = Vec::with_capacity(self.len());
                for run in runs {
                    run.decode(self.row(), self.taps(), &mut numbers);
                }
                numbers
            }
        }
    }

    /// Elements of a row, an index of the first axis.
    pub fn row(&self) -> usize {
        self.shape.iter().skip(1).product()
    }

    /// Elements of a row that belong to one input channel.
    pub fn taps(&self) -> usize {
        self.shape.iter().skip(2).product()
    }

    /// Bits of the codes, of the widest where there are several; `None` for f32 numbers.
    pub fn code_bits(&self) -> Option<u8> {
        match &self.storage {
            Storage::F32(_) => None,
            Storage::Codes(runs) => runs.iter().map(|run| run.codes.bits()).max(),
        }
    }
}

impl CodedRows {
    /// The float format whose levels the codebook holds, code by code; `None` where it holds others.
    pub fn minifloat(&self) -> Option<Minifloat> {
        let presets = [Minifloat::OCP_E4M3, Minifloat::OCP_E5M2];
        let mut formats = Minifloat::all(self.codes.bits(), true).chain(presets);
        formats.find(|format| format.levels().eq(self.codebook.iter().copied()))
    }

    /// Number of rows of `row` elements each.
    pub fn rows(&self, row: usize) -> usize {
        self.codes.len() / row.max(1)
    }

    /// Appends the numbers of rows of `row` elements, `taps` of them for each input channel.
    fn decode(&self, row: usize, taps: usize, numbers: &mut Vec<f32>) {
        let rows = self.rows(row).max(1);
        for (r, codes) in self.codes.unpack().chunks(row.max(1)).enumerate() {
            let scale = self.scales[r * self.scales.len() / rows];
            let level = |code: &u8| self.codebook[usize::from(*code)];
            let Some(m) = &self.multipliers else {
                numbers.extend(codes.iter().map(|code| level(code) * scale));
                continue;
            };
            let runs = (row / taps).div_ceil(m.length);
            let multiplier = |at: usize| {
                f32::from(m.values[(r * taps + at % taps) * runs + at / taps / m.length])
            };
            let each = codes.iter().enumerate();
            numbers.extend(each.map(|(at, code)| level(code) * multiplier(at) * scale));
        }
    }
}
