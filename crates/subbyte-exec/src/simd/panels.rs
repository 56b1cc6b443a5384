use pulp::Arch;

use super::lanes;

/// A matrix `[depth][outputs]` packed for [`super::gather`]: outputs are cut into panels of a few vector registers, and each
/// panel holds its columns for all depths one after another, filled up with zeros.
#[derive(Clone, Debug)]
pub(crate) struct Panels {
    /// Instruction set that the panels are cut for.
    pub arch: Arch,
    /// Rows of the matrix.
    pub depth: usize,
    /// Columns of the matrix.
    pub outputs: usize,
    /// Columns of a full panel.
    pub width: usize,
    data: Vec<f32>,
}

impl Panels {
    /// Packs the matrix whose row `k` holds `data[start]`, `data[start + step]`, … with `(start, step) = row(k)`.
    pub fn new(
        depth: usize,
        outputs: usize,
        data: &[f32],
        row: impl Fn(usize) -> (usize, usize),
    ) -> Self {
        Self::on(Arch::new(), depth, outputs, data, row)
    }

    /// The same for a given instruction set.
    pub fn on(
        arch: Arch,
        depth: usize,
        outputs: usize,
        data: &[f32],
        row: impl Fn(usize) -> (usize, usize),
    ) -> Self {
        let rows: Vec<(usize, usize)> = (0..depth).map(row).collect();
        let lanes = lanes(arch);
        let width = lanes * outputs.div_ceil(lanes).min(Self::most_vectors(lanes));
        let mut packed = Vec::with_capacity(depth * outputs.next_multiple_of(lanes));
        for first in (0..outputs).step_by(width) {
            for &(start, step) in &rows {
                let values = data[start + first * step..].iter().step_by(step);
                packed.extend(values.take(width.min(outputs - first)));
                packed.resize(packed.len().next_multiple_of(lanes), 0.0);
            }
        }
        Self {
            arch,
            depth,
            outputs,
            width,
            data: packed,
        }
    }

    /// Vectors of a full panel: four where there are 32 registers (512-bit x86, NEON), else two.
    fn most_vectors(lanes: usize) -> usize {
        if lanes == 16 || cfg!(target_arch = "aarch64") {
            4
        } else {
            2
        }
    }

    /// First output, number of outputs and packed values of each panel.
    pub fn iter(&self) -> impl Iterator<Item = (usize, usize, &[f32])> {
        let lanes = lanes(self.arch);
        (0..self.outputs).step_by(self.width).map(move |first| {
            let count = (self.outputs - first).min(self.width);
            let packed = count.next_multiple_of(lanes);
            let start = first * self.depth;
            (first, count, &self.data[start..start + packed * self.depth])
        })
    }
}
