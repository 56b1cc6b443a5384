//! Numbers as integers with scales, the form that weights and pixel tables have in a file.

use subbyte_graph::{Param, Storage, fuse::Coded};

use super::quantizers::Integers;

/// A parameter as `scale * level`.
pub struct Levels {
    pub shape: Vec<usize>,
    /// Row-major.
    pub levels: Vec<i32>,
    /// The levels that its codes could stand for.
    range: (i32, i32),
    /// One scale, or one for each index of the first axis.
    pub scales: Vec<f32>,
}

impl Levels {
    /// What a quantizer makes of a parameter.
    pub fn coded(coded: &Coded) -> Self {
        Self {
            shape: coded.shape.clone(),
            levels: coded.codes.iter().map(|&c| coded.code.level(c)).collect(),
            range: (coded.code.min_level(), coded.code.max_level()),
            scales: coded.scales.iter().map(|&s| s as f32).collect(),
        }
    }

    /// A parameter that is stored as codes; `None` where its codebooks are not whole numbers of 16 bits or a scale is not positive.
    pub fn stored(param: &Param) -> Option<Self> {
        let Storage::Codes(runs) = &param.storage else {
            return None;
        };
        let mut levels = Vec::with_capacity(param.len());
        let mut scales = Vec::new();
        let mut range = (0, 0);
        for run in runs {
            let whole = |&x: &f32| (f32::from(x as i16) == x).then_some(i32::from(x as i16));
            let codebook: Vec<i32> = run.codebook.iter().map(whole).collect::<Option<_>>()?;
            let rows = run.rows(param.row());
            let taps = param.taps();
            let factor = |i: usize| match &run.multipliers {
                None => 1,
                Some(m) => {
                    let (row, at) = (i / param.row(), i % param.row());
                    let runs = (param.row() / taps).div_ceil(m.length);
                    i32::from(m.values[(row * taps + at % taps) * runs + at / taps / m.length])
                }
            };
            let factors = match &run.multipliers {
                None => vec![1],
                Some(m) => m.values.iter().map(|&m| i32::from(m)).collect(),
            };
            for level in &codebook {
                for factor in &factors {
                    range = (range.0.min(level * factor), range.1.max(level * factor));
                }
            }
            let codes = run.codes.iter().enumerate();
            levels.extend(codes.map(|(i, code)| codebook[usize::from(code)] * factor(i)));
            scales.extend(run.scales.iter().cycle().take(rows));
        }
        if !scales.iter().all(|s: &f32| *s > 0.0) {
            return None;
        }
        if scales.windows(2).all(|pair| pair[0] == pair[1]) {
            scales.truncate(1);
        }
        Some(Self {
            shape: param.shape.clone(),
            levels,
            range,
            scales,
        })
    }

    /// The integers that hold all levels; `None` where they need more than 8 bits.
    pub fn integers(&self) -> Option<Integers> {
        Integers::of(self.range.0, self.range.1)
    }

    /// Whether every number is plus or minus its scale.
    pub fn are_signs(&self) -> bool {
        self.range == (-1, 1) && self.levels.iter().all(|level| level.abs() == 1)
    }

    /// The numbers.
    pub fn values(&self) -> Vec<f32> {
        let rows = self.levels.len() / self.scales.len().max(1);
        let value = |(i, &level): (usize, &i32)| level as f32 * self.scales[i / rows.max(1)];
        self.levels.iter().enumerate().map(value).collect()
    }
}
