//! How the axes of an ONNX tensor lie on channels, height and width.
//!
//! Reshapes, transposes, squeezes and flattenings only change the layout; no node is made for them until something needs one.

use crate::{error::Refusal, tensor::MOST_AXES};

/// An axis of the graph's tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dim {
    /// Images of a batch.
    N,
    C,
    H,
    W,
}

/// For each axis of an ONNX tensor the dimensions it runs over, slowest first. An axis without any has length 1, and so has a dimension
/// that no axis runs over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout(pub Vec<Vec<Dim>>);

/// Lengths of batch, channels, height and width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes(pub [usize; 4]);

impl Sizes {
    pub fn of(self, dim: Dim) -> usize {
        self.0[dim as usize]
    }
}

impl Layout {
    pub fn nchw() -> Self {
        Self([Dim::N, Dim::C, Dim::H, Dim::W].map(|d| vec![d]).to_vec())
    }

    pub fn nhwc() -> Self {
        Self([Dim::N, Dim::H, Dim::W, Dim::C].map(|d| vec![d]).to_vec())
    }

    /// `[N][C]`, of flat features.
    pub fn flat() -> Self {
        Self(vec![vec![Dim::N], vec![Dim::C]])
    }

    /// Lengths of the ONNX axes.
    pub fn lengths(&self, sizes: Sizes) -> Vec<usize> {
        let length = |axis: &Vec<Dim>| axis.iter().map(|&dim| sizes.of(dim)).product();
        self.0.iter().map(length).collect()
    }

    /// The axes without dimensions of length 1; the batch stays.
    pub fn significant(&self, sizes: Sizes) -> Vec<Vec<Dim>> {
        let keep = |dim: &Dim| *dim == Dim::N || sizes.of(*dim) != 1;
        let axes = self.0.iter();
        axes.map(|axis| axis.iter().copied().filter(keep).collect())
            .collect()
    }

    /// Whether both mean the same axes.
    pub fn is(&self, other: &Layout, sizes: Sizes) -> bool {
        self.significant(sizes) == other.significant(sizes)
    }

    /// The dimensions that axis `axis` runs over, without those of length 1.
    pub fn axis(&self, axis: usize, sizes: Sizes) -> Vec<Dim> {
        let mut axes = self.significant(sizes);
        axes.get_mut(axis).map(std::mem::take).unwrap_or_default()
    }

    /// The layout with axes of `lengths`, whose product is that of all sizes.
    pub fn reshape(&self, lengths: &[usize], sizes: Sizes) -> Result<Self, Refusal> {
        let refuse = || {
            Refusal::new(
                format!(
                    "reshapes {:?} to {lengths:?}, which is no flattening",
                    self.lengths(sizes)
                ),
                "only whole axes can be joined or dropped; use Flatten before the classifier",
            )
        };
        let mut dims = self.significant(sizes).into_iter().flatten();
        if dims.next() != Some(Dim::N) {
            return Err(refuse());
        }
        let (&batch, rest) = lengths.split_first().ok_or_else(refuse)?;
        if batch != sizes.of(Dim::N) {
            return Err(refuse());
        }
        let mut axes = vec![vec![Dim::N]];
        for &length in rest {
            let mut axis = Vec::new();
            let mut found = 1;
            while found < length {
                let dim = dims.next().ok_or_else(refuse)?;
                found *= sizes.of(dim);
                axis.push(dim);
            }
            if found != length {
                return Err(refuse());
            }
            axes.push(axis);
        }
        match dims.next() {
            None => Ok(Self(axes)),
            Some(_) => Err(refuse()),
        }
    }
}

/// Axes that Unsqueeze adds to `rank` axes, as indices of all.
pub fn added_axes(added: &[i64], rank: usize) -> Result<Vec<usize>, Refusal> {
    let rank = rank.saturating_add(added.len());
    if rank > MOST_AXES {
        return Err(Refusal::broken(format!("makes {rank} axes")));
    }
    added.iter().map(|&axis| axis_index(axis, rank)).collect()
}

/// A possibly negative axis number as an index below `rank`.
pub fn axis_index(axis: i64, rank: usize) -> Result<usize, Refusal> {
    let index = match axis < 0 {
        true => usize::try_from(axis.unsigned_abs())
            .ok()
            .and_then(|back| rank.checked_sub(back)),
        false => usize::try_from(axis).ok().filter(|&axis| axis < rank),
    };
    index.ok_or_else(|| Refusal::broken(format!("its axis {axis} is outside of {rank} axes")))
}

/// Lengths of the axes of a reshape: 0 copies a length, -1 stands for what is left.
pub fn reshaped(from: &[usize], target: &[i64], zero_is_zero: bool) -> Result<Vec<usize>, Refusal> {
    let broken = || Refusal::broken(format!("cannot reshape {from:?} to {target:?}"));
    let total = crate::tensor::elements(from)?;
    let mut lengths = Vec::with_capacity(target.len());
    let mut open = None;
    for (i, &length) in target.iter().enumerate() {
        lengths.push(match length {
            0 if !zero_is_zero => *from.get(i).ok_or_else(broken)?,
            -1 if open.is_none() => {
                open = Some(i);
                1
            }
            _ => usize::try_from(length).map_err(|_| broken())?,
        });
    }
    let known = crate::tensor::elements(&lengths)?;
    if let Some(open) = open {
        lengths[open] = total.checked_div(known).ok_or_else(broken)?;
    }
    match crate::tensor::elements(&lengths)? == total {
        true => Ok(lengths),
        false => Err(broken()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: Sizes = Sizes([1, 8, 3, 4]);

    #[test]
    fn flattening_joins_axes_and_splits_them_again() {
        let flat = Layout::nchw().reshape(&[1, 96], SIZES).unwrap();
        assert_eq!(flat.0[1], [Dim::C, Dim::H, Dim::W]);
        let again = flat.reshape(&[1, 8, 12], SIZES).unwrap();
        assert_eq!(again.lengths(SIZES), [1, 8, 12]);
        assert!(flat.reshape(&[1, 4, 2, 12], SIZES).is_err());
        assert!(flat.reshape(&[8, 12], SIZES).is_err());
    }

    #[test]
    fn dimensions_of_length_one_do_not_count() {
        let pooled = Sizes([1, 8, 1, 1]);
        assert!(
            Layout::nchw()
                .reshape(&[1, 8], pooled)
                .unwrap()
                .is(&Layout::flat(), pooled)
        );
        assert!(
            Layout::nhwc()
                .reshape(&[1, 8, 1, 1], pooled)
                .unwrap()
                .is(&Layout::nchw(), pooled)
        );
        assert!(!Layout::nhwc().is(&Layout::nchw(), SIZES));
    }

    #[test]
    fn reshape_targets_are_resolved() {
        assert_eq!(reshaped(&[1, 8, 1, 1], &[0, -1], false), Ok(vec![1, 8]));
        assert!(reshaped(&[1, 8], &[-1, -1], false).is_err());
        assert!(reshaped(&[1, 8], &[3, -1], false).is_err());
        assert!(reshaped(&[8], &[1, 0], false).is_err());
        assert!(reshaped(&[8], &[i64::MAX, i64::MAX], false).is_err());
    }
}
