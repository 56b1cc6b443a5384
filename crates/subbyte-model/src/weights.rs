use alloc::vec::Vec;

use subbyte_num::Packed;

/// Weights `[out][kernel_h][kernel_w][in]` as segments of output channels, in order.
///
/// Uniform, bipolar, power-of-two, two-region and vector-scaled weights are all this one thing, integer from end to end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Weights {
    /// Weights of one output channel: kernel height * kernel width * input channels.
    pub per_channel: usize,
    /// Output channels in order, those of equal bits together.
    pub segments: Vec<Segment>,
}

/// Output channels that share bits and codebook.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Segment {
    /// Output channels.
    pub channels: usize,
    /// Level of every code, `2^bits` entries.
    pub codebook: Vec<i16>,
    /// Codes `[channels][per_channel]`.
    pub codes: Packed,
    /// Integer factor for every vector of weights, where there is one.
    pub multipliers: Option<Multipliers>,
}

/// Factors that scale runs of consecutive weights of a channel: `level = codebook[code] * values[run]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Multipliers {
    /// Weights in a run; the last run of a channel may be shorter.
    pub length: usize,
    /// `[channels][ceil(per_channel / length)]`.
    pub values: Vec<i16>,
}

impl Weights {
    /// Weights of one segment with levels `a * code + b`.
    pub fn affine(
        channels: usize,
        per_channel: usize,
        bits: u8,
        a: i16,
        b: i16,
        codes: &[u8],
    ) -> Self {
        let codebook = (0..1i32 << bits)
            .map(|u| (i32::from(a) * u + i32::from(b)) as i16)
            .collect();
        let codes = Packed::new(bits, codes);
        Self {
            per_channel,
            segments: alloc::vec![Segment {
                channels,
                codebook,
                codes,
                multipliers: None
            }],
        }
    }

    /// Output channels.
    pub fn channels(&self) -> usize {
        self.segments.iter().map(|s| s.channels).sum()
    }

    /// Number of weights.
    pub fn len(&self) -> usize {
        self.channels() * self.per_channel
    }

    /// Whether there are no weights.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sum of the bits of all weights.
    pub fn bits(&self) -> usize {
        self.segments
            .iter()
            .map(|s| s.codes.len() * s.codes.bits() as usize)
            .sum()
    }

    /// All levels `[out][per_channel]`, multipliers included.
    pub fn levels(&self) -> Vec<i32> {
        let mut levels = Vec::with_capacity(self.len());
        for s in &self.segments {
            let table = s.levels();
            let codes = s.codes.unpack();
            let own = codes.iter().map(|&code| table[usize::from(code)]);
            let Some(m) = &s.multipliers else {
                levels.extend(own);
                continue;
            };
            let first = levels.len();
            levels.extend(own);
            let runs = levels[first..]
                .chunks_mut(self.per_channel)
                .flat_map(|channel| channel.chunks_mut(m.length));
            for (run, &multiplier) in runs.zip(&m.values) {
                run.iter_mut()
                    .for_each(|level| *level *= i32::from(multiplier));
            }
        }
        levels
    }
}

impl Segment {
    /// Level of every code that a byte can hold, without multiplier; 0 where the codebook has none.
    pub(crate) fn levels(&self) -> [i32; 256] {
        let mut levels = [0; 256];
        for (to, &level) in levels.iter_mut().zip(&self.codebook) {
            *to = level.into();
        }
        levels
    }

    /// Level of weight `i` of `[channels][per_channel]`, multiplier included.
    pub fn level(&self, i: usize, per_channel: usize) -> i32 {
        let level = i32::from(self.codebook[self.codes.get(i) as usize]);
        match &self.multipliers {
            None => level,
            Some(m) => {
                let runs = per_channel.div_ceil(m.length);
                level * i32::from(m.values[i / per_channel * runs + i % per_channel / m.length])
            }
        }
    }

    /// `(a, b)` where the codebook is `a * code + b`.
    pub fn as_affine(&self) -> Option<(i16, i16)> {
        as_affine(&self.codebook)
    }
}

/// As [`Segment::as_affine`].
pub(crate) fn as_affine(codebook: &[i16]) -> Option<(i16, i16)> {
    let (first, second) = (*codebook.first()?, *codebook.get(1)?);
    let a = second.checked_sub(first)?;
    let uniform = codebook
        .windows(2)
        .all(|w| w[1].checked_sub(w[0]) == Some(a));
    uniform.then_some((a, first))
}
