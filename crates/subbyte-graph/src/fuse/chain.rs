/// The real value that an integer stands for: scalar functions applied one after another, in f64, per channel.
///
/// Between a convolution and the quantizer that follows, every operator of the float network is such a function of one sum:
/// scale, bias, batch norm, activation. Evaluating the chain *is* the float network; each step is a correctly rounded IEEE
/// operation or a composition of monotone ones, so codes taken from it are monotone too.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain(Vec<Step>);

/// One scalar function.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// `mul * x + add`; one entry for all channels, or one each.
    Affine {
        /// Factors.
        mul: Vec<f64>,
        /// Summands, as many as factors.
        add: Vec<f64>,
    },
    /// `max(x, 0)`.
    Relu,
    /// `min(max(x, 0), 6)`.
    Relu6,
    /// `relu6(x + 3) / 6`.
    HardSigmoid,
    /// `x * relu6(x + 3) / 6`.
    HardSwish,
    /// `x / (1 + exp(-x))`.
    Silu,
}

impl Step {
    fn apply(&self, channel: usize, x: f64) -> f64 {
        match self {
            Step::Affine { mul, add } => {
                let i = if mul.len() == 1 { 0 } else { channel };
                mul[i] * x + add[i]
            }
            Step::Relu => x.max(0.0),
            Step::Relu6 => x.clamp(0.0, 6.0),
            Step::HardSigmoid => (x + 3.0).clamp(0.0, 6.0) / 6.0,
            Step::HardSwish => x * (x + 3.0).clamp(0.0, 6.0) / 6.0,
            Step::Silu => x / (1.0 + (-x).exp()),
        }
    }
}

impl Chain {
    /// `scale * x`, the same for all channels.
    pub fn scale(scale: f64) -> Self {
        Self::scales(vec![scale])
    }

    /// `scale * x`, one scale for all channels or one each.
    pub fn scales(scales: Vec<f64>) -> Self {
        let add = vec![0.0; scales.len()];
        Self(vec![Step::Affine { mul: scales, add }])
    }

    /// This chain followed by `step`.
    pub fn then(mut self, step: Step) -> Self {
        self.0.push(step);
        self
    }

    /// The real value of the integer `x` in `channel`.
    pub fn apply(&self, channel: usize, x: f64) -> f64 {
        self.0.iter().fold(x, |x, step| step.apply(channel, x))
    }

    /// The factor where the chain is one positive factor for all channels and nothing else.
    pub fn pure_scale(&self) -> Option<f64> {
        let (mul, add) = self.affine(0)?;
        (self.is_uniform() && add == 0.0 && mul > 0.0).then_some(mul)
    }

    /// Whether all channels have the same function.
    pub fn is_uniform(&self) -> bool {
        self.0
            .iter()
            .all(|step| !matches!(step, Step::Affine { mul, .. } if mul.len() > 1))
    }

    /// `(mul, add)` of a channel where the chain is affine.
    pub fn affine(&self, channel: usize) -> Option<(f64, f64)> {
        let (mut scale, mut shift) = (1.0, 0.0);
        for step in &self.0 {
            let Step::Affine { mul, add } = step else {
                return None;
            };
            let i = if mul.len() == 1 { 0 } else { channel };
            (scale, shift) = (mul[i] * scale, mul[i] * shift + add[i]);
        }
        Some((scale, shift))
    }

    /// Splits off trailing clamps: the steps before them and the interval they leave, where the chain is affine up to clamps
    /// that only narrow an interval (ReLU and ReLU6 at the end).
    pub fn split_clamp(&self) -> (Self, f64, f64) {
        let clamps = self
            .0
            .iter()
            .rev()
            .take_while(|s| matches!(s, Step::Relu | Step::Relu6))
            .count();
        let (body, tail) = self.0.split_at(self.0.len() - clamps);
        let (lo, hi) = match (tail.is_empty(), tail.contains(&Step::Relu6)) {
            (true, _) => (f64::NEG_INFINITY, f64::INFINITY),
            (false, false) => (0.0, f64::INFINITY),
            (false, true) => (0.0, 6.0),
        };
        (Self(body.to_vec()), lo, hi)
    }

    /// Whether the value rises (`Some(true)`), falls (`Some(false)`) or may do both (`None`) as the integer rises. A constant
    /// channel counts as rising.
    pub fn rises(&self, channel: usize) -> Option<bool> {
        let mut rises = true;
        for step in &self.0 {
            match step {
                Step::Affine { mul, .. } => {
                    let m = mul[if mul.len() == 1 { 0 } else { channel }];
                    if m == 0.0 {
                        return Some(true);
                    }
                    rises ^= m < 0.0;
                }
                Step::Relu | Step::Relu6 | Step::HardSigmoid => {}
                Step::HardSwish | Step::Silu => return None,
            }
        }
        Some(rises)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batch_norm_and_relu_compose() {
        let norm = Step::Affine {
            mul: vec![2.0, -1.0],
            add: vec![0.5, 3.0],
        };
        let chain = Chain::scale(0.25).then(norm.clone()).then(Step::Relu);
        assert_eq!(
            [
                chain.apply(0, 4.0),
                chain.apply(0, -4.0),
                chain.apply(1, 4.0)
            ],
            [2.5, 0.0, 2.0]
        );
        assert_eq!((chain.rises(0), chain.rises(1)), (Some(true), Some(false)));
        assert!(!chain.is_uniform() && chain.affine(0).is_none());
        let (body, lo, hi) = chain.split_clamp();
        assert_eq!(body, Chain::scale(0.25).then(norm));
        assert_eq!(
            (body.affine(1), lo, hi),
            (Some((-0.25, 3.0)), 0.0, f64::INFINITY)
        );
    }

    #[test]
    fn only_a_positive_factor_is_a_pure_scale() {
        assert_eq!(Chain::scale(0.5).pure_scale(), Some(0.5));
        assert_eq!(Chain::scale(-0.5).pure_scale(), None);
        assert_eq!(Chain::scales(vec![0.5, 0.5]).pure_scale(), None);
        assert_eq!(Chain::scale(0.5).then(Step::Relu).pure_scale(), None);
        let shifted = Step::Affine {
            mul: vec![1.0],
            add: vec![0.1],
        };
        assert_eq!(Chain::scale(0.5).then(shifted).pure_scale(), None);
    }
}
