//! Multipliers that stop early: a model as hardware computes it that keeps the most significant partial products of every
//! multiplication by a weight (methods.md 5.5).

use subbyte_num::{csd_keep, csd_terms};

use crate::{Model, Op, Problems, Segment, Weights};

/// What multiplying by the weights of a model takes, for one image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Multiplications {
    /// Products of a weight's code and an input, taps outside the image included.
    pub macs: u64,
    /// Shifted inputs that these products add up, by canonic signed digits; of weights with multipliers for vectors, those of the
    /// vectors' sums too.
    pub partial_products: u64,
}

impl Model {
    /// This model with at most `digits` non-zero canonic signed digits in the levels of its weights and in the multipliers of their
    /// vectors, the most significant ones. Test vectors are left out, since logits change.
    pub fn with_digits(&self, digits: u32) -> Self {
        let mut model = self.clone();
        model.vectors.clear();
        for node in &mut model.nodes {
            let Some(weights) = weights_mut(&mut node.op) else {
                continue;
            };
            for segment in &mut weights.segments {
                // Of a number of 16 bits the most significant digits are one too, but for the largest, which may round up.
                let keep = |n: &mut i16| {
                    let kept = csd_keep(i32::from(*n), digits);
                    *n = kept.clamp(i16::MIN.into(), i16::MAX.into()) as i16;
                };
                segment.codebook.iter_mut().for_each(keep);
                if let Some(multipliers) = &mut segment.multipliers {
                    multipliers.values.iter_mut().for_each(keep);
                }
            }
        }
        model
    }

    /// What multiplying by the weights takes.
    ///
    /// # Errors
    /// If the model is not sound.
    pub fn multiplications(&self) -> Result<Multiplications, Problems> {
        let tensors = self.analyse()?;
        let mut all = Multiplications::default();
        for (node, tensor) in self.nodes.iter().zip(&tensors) {
            let weights = match &node.op {
                Op::Conv2d(conv) => &conv.weights,
                Op::Linear(linear) => &linear.weights,
                _ => continue,
            };
            let pixels = (tensor.shape.height * tensor.shape.width) as u64;
            all.macs += weights.len() as u64 * pixels;
            let terms: u64 = weights.segments.iter().map(terms).sum();
            all.partial_products += terms * pixels;
        }
        Ok(all)
    }
}

/// Partial products of one output pixel.
fn terms(segment: &Segment) -> u64 {
    let by_code: alloc::vec::Vec<u64> = segment
        .codebook
        .iter()
        .map(|&level| csd_terms(level.into()).into())
        .collect();
    let codes = segment.codes.iter().map(|code| by_code[usize::from(code)]);
    let vectors = segment.multipliers.iter().flat_map(|m| &m.values);
    let vectors = vectors.map(|&m| u64::from(csd_terms(m.into())));
    codes.chain(vectors).sum()
}

fn weights_mut(op: &mut Op) -> Option<&mut Weights> {
    match op {
        Op::Conv2d(conv) => Some(&mut conv.weights),
        Op::Linear(linear) => Some(&mut linear.weights),
        _ => None,
    }
}
