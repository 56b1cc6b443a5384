use alloc::{vec, vec::Vec};

use super::Word;
use crate::isa::LANES;

/// A matrix `[depth][outputs]` packed for [`super::gather`]: panels of [`LANES`] outputs, each of which holds its rows one after
/// another; outputs and the last word are filled up with zeros.
#[derive(Clone, Debug)]
pub struct Panels<W: Word> {
    outputs: usize,
    depth: usize,
    rows: Vec<W::Row>,
}

impl<W: Word> Panels<W> {
    /// Packs the matrix whose runs have `runs` words each, by `weight(run, element, output)` for the elements of every run that
    /// `elements` counts; what is left of a run's last word is zero.
    pub fn new(
        outputs: usize,
        runs: usize,
        elements: usize,
        weight: impl Fn(usize, usize, usize) -> W::Weight,
    ) -> Self {
        let words = elements.div_ceil(W::PARTS);
        let depth = runs * words;
        let mut rows = vec![W::ZEROS; outputs.div_ceil(LANES) * depth];
        for output in 0..outputs {
            let panel = &mut rows[output / LANES * depth..][..depth];
            for run in 0..runs {
                for element in 0..elements {
                    let row = &mut panel[run * words + element / W::PARTS];
                    let weight = weight(run, element, output);
                    W::set(row, output % LANES, element % W::PARTS, weight);
                }
            }
        }
        Self {
            outputs,
            depth,
            rows,
        }
    }

    /// Outputs of the matrix.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Words of an output.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// The rows of the panel of outputs `LANES * panel ..`.
    #[inline(always)]
    pub(super) fn panel(&self, panel: usize) -> &[W::Row] {
        &self.rows[panel * self.depth..][..self.depth]
    }
}
