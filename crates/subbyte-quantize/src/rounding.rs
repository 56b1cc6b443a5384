//! Closed-form rounding by Gram matrices (methods.md 6.5): optimal brain quantization with one order of columns for all rows.
//!
//! A layer's weights are first replaced by those that make the float network's outputs from the inputs of the network quantized so far,
//! by least squares. Then one column after another is rounded, and its error is spread over the columns that are still free.

use faer::linalg::matmul::matmul;
use faer::linalg::solvers::DenseSolveCore;
use faer::prelude::*;
use faer::{Accum, MatMut, Par, Side};
use rayon::prelude::*;

use crate::codebook::Codebook;
use crate::gram::{Gram, Measured};

/// Of the mean diagonal, what may be added to it before rounding: the more, the less a rounding suits only the images that it was
/// made for.
const DAMPING: [f32; 3] = [0.01, 0.1, 1.0];
/// As [`DAMPING`], towards the weights as they are, before least squares.
const TARGET_DAMPING: [f32; 5] = [0.02, 0.1, 0.5, 2.0, 10.0];
/// Columns whose errors are spread at once over those behind them.
const BLOCK: usize = 128;

/// The values that a row of weights may have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowGrid<'a> {
    pub codebook: &'a Codebook,
    pub scale: f32,
    /// Whole factors of the inputs, where there are any; levels include them.
    pub multipliers: Option<&'a [f32]>,
}

impl RowGrid<'_> {
    /// The level of input `input` whose value is nearest to `x`.
    fn nearest(&self, x: f32, input: usize) -> f32 {
        match self.multipliers.map(|m| m[input]) {
            None => self.codebook.nearest(x / self.scale),
            Some(0.0) => 0.0,
            Some(m) => m * self.codebook.nearest(x / (self.scale * m)),
        }
    }
}

/// The weights `[row][input]` of one group that come nearest to the float network's outputs. How far they may leave `weights` is
/// chosen by what half of the images says of weights that were made for the other half.
pub(crate) fn target(weights: &[f32], measured: &Measured) -> Vec<f32> {
    let damping = chosen(&TARGET_DAMPING, measured, |damping, made_for, tried_on| {
        distance(
            &damped_target(weights, made_for, damping),
            weights,
            tried_on,
        )
    });
    damped_target(weights, &measured.all, damping)
}

/// Levels `[row][input]` on the grids of the rows that make about the outputs of the weights `target`; damped as [`target`] is.
pub(crate) fn closed_form(target: &[f32], measured: &Measured, grids: &[RowGrid]) -> Vec<f32> {
    Rounder::new(&measured.all, damping_of(target, measured, grids)).round(target, grids)
}

/// Of the mean diagonal, what is added to the Gram matrix before the weights `target` are rounded by it.
pub(crate) fn damping_of(target: &[f32], measured: &Measured, grids: &[RowGrid]) -> f32 {
    let row = measured.all.mean.len();
    chosen(&DAMPING, measured, |damping, made_for, tried_on| {
        let levels = Rounder::new(made_for, damping).round(target, grids);
        let off: Vec<f32> = levels
            .iter()
            .zip(target)
            .enumerate()
            .map(|(i, (level, target))| level * grids[i / row].scale - target)
            .collect();
        products(&off, &off, tried_on).iter().map(|p| p[1]).sum()
    })
}

/// The damping of least error, where `error` says how what is made for one half of the images does on the other; the first where
/// there are no halves.
fn chosen(
    dampings: &[f32],
    measured: &Measured,
    error: impl Fn(f32, &Gram, &Gram) -> f64 + Sync,
) -> f32 {
    let Some([a, b]) = &measured.halves else {
        return dampings[0];
    };
    let errors = dampings
        .iter()
        .map(|&d| (error(d, a, b) + error(d, b, a), d));
    let best = errors.min_by(|a, b| a.0.total_cmp(&b.0));
    best.map_or(dampings[0], |best| best.1)
}

/// How far the outputs of `target` on the quantized network's inputs are from those of `weights` on the float network's, about their
/// means and up to a constant.
fn distance(target: &[f32], weights: &[f32], gram: &Gram) -> f64 {
    let inputs = gram.mean.len();
    let rows = weights.len() / inputs;
    let own: f64 = products(target, target, gram).iter().map(|p| p[1]).sum();
    let weights = MatRef::from_row_major_slice(weights, rows, inputs);
    let mut wanted = Mat::<f32>::zeros(rows, inputs);
    let par = Par::rayon(0);
    matmul(
        wanted.as_mut(),
        Accum::Replace,
        weights,
        gram.cross.as_ref(),
        1.0,
        par,
    );
    let mixed: f64 = row_major(wanted.as_ref())
        .iter()
        .zip(target)
        .map(|(w, t)| f64::from(*w) * f64::from(*t))
        .sum();
    own - 2.0 * mixed
}

fn damped_target(weights: &[f32], gram: &Gram, damping: f32) -> Vec<f32> {
    let inputs = gram.mean.len();
    let rows = weights.len() / inputs;
    let damping = damping * mean_diagonal(gram);
    let Some(own) = damped(gram, damping).and_then(|own| own.llt(Side::Lower).ok()) else {
        return weights.to_vec();
    };
    let weights = MatRef::from_row_major_slice(weights, rows, inputs);
    let mut wanted = weights.to_owned();
    wanted *= Scale(damping);
    matmul(
        wanted.as_mut(),
        Accum::Add,
        weights,
        gram.cross.as_ref(),
        1.0,
        Par::rayon(0),
    );
    let mut solved = wanted.transpose().to_owned();
    own.solve_in_place(&mut solved);
    row_major(solved.transpose())
}

/// What rounding needs of a Gram matrix, for any number of roundings.
pub(crate) struct Rounder {
    order: Vec<usize>,
    /// `None` where all inputs are zero, so that every rounding is as good.
    factor: Option<Mat<f32>>,
}

impl Rounder {
    /// With so much of the mean diagonal added to it.
    pub fn new(gram: &Gram, damping: f32) -> Self {
        let order = order(gram);
        Self {
            factor: factor(gram, &order, damping),
            order,
        }
    }

    /// Levels `[row][input]` on the grids of the rows that make about the outputs of the weights `target`.
    pub fn round(&self, target: &[f32], grids: &[RowGrid]) -> Vec<f32> {
        let (inputs, rows) = (self.order.len(), grids.len());
        let Some(factor) = &self.factor else {
            return nearest(target, grids);
        };
        // Columns of the weights in order, each with all its rows.
        let mut columns = vec![0f32; inputs * rows];
        for (column, &input) in columns.chunks_mut(rows).zip(&self.order) {
            for (to, row) in column.iter_mut().zip(target.chunks(inputs)) {
                *to = row[input];
            }
        }
        let mut levels = vec![0f32; inputs * rows];
        let mut errors = vec![0f32; BLOCK * rows];
        for start in (0..inputs).step_by(BLOCK) {
            let end = (start + BLOCK).min(inputs);
            for j in start..end {
                let spread = factor.col(j);
                let (done, free) = columns.split_at_mut((j + 1) * rows);
                let column = &done[j * rows..];
                let error = &mut errors[(j - start) * rows..][..rows];
                for (r, (grid, &w)) in grids.iter().zip(column).enumerate() {
                    let level = grid.nearest(w, self.order[j]);
                    levels[self.order[j] + r * inputs] = level;
                    error[r] = (w - level * grid.scale) / spread[j];
                }
                for (k, column) in (j + 1..end).zip(free.chunks_mut(rows)) {
                    let by = spread[k];
                    column
                        .iter_mut()
                        .zip(&*error)
                        .for_each(|(w, e)| *w -= by * e);
                }
            }
            let rest =
                MatMut::from_row_major_slice_mut(&mut columns[end * rows..], inputs - end, rows);
            let errors =
                MatRef::from_row_major_slice(&errors[..(end - start) * rows], end - start, rows);
            let spread = factor
                .as_ref()
                .submatrix(end, start, inputs - end, end - start);
            matmul(rest, Accum::Add, spread, errors, -1.0, Par::rayon(0));
        }
        levels
    }
}

/// The nearest level of every weight.
pub(crate) fn nearest(weights: &[f32], grids: &[RowGrid]) -> Vec<f32> {
    let row = (weights.len() / grids.len().max(1)).max(1);
    let rows = weights.chunks(row).zip(grids);
    let level = |(row, grid): (&[f32], &RowGrid)| -> Vec<f32> {
        let each = row.iter().enumerate();
        each.map(|(input, w)| grid.nearest(*w, input)).collect()
    };
    rows.flat_map(level).collect()
}

/// For each row, the outputs' variance explained by levels and target: `[levels * target, levels * levels, target * target]` under
/// the Gram matrix.
pub(crate) fn products(levels: &[f32], target: &[f32], gram: &Gram) -> Vec<[f64; 3]> {
    let inputs = gram.mean.len();
    let rows = levels.len() / inputs;
    let outputs = [levels, target].map(|w| {
        let w = MatRef::from_row_major_slice(w, rows, inputs);
        let mut out = Mat::<f32>::zeros(inputs, rows);
        matmul(
            out.as_mut(),
            Accum::Replace,
            gram.own.as_ref(),
            w.transpose(),
            1.0,
            Par::rayon(0),
        );
        out
    });
    let dot = |w: &[f32], outputs: &Mat<f32>, r: usize| -> f64 {
        let each = w[r * inputs..][..inputs].iter().zip(outputs.col(r).iter());
        each.map(|(w, o)| f64::from(*w) * f64::from(*o)).sum()
    };
    (0..rows)
        .into_par_iter()
        .map(|r| {
            [
                dot(levels, &outputs[1], r),
                dot(levels, &outputs[0], r),
                dot(target, &outputs[1], r),
            ]
        })
        .collect()
}

/// Inputs by falling variance: those that matter most are rounded while all others can still make up for them.
fn order(gram: &Gram) -> Vec<usize> {
    let mut order: Vec<usize> = (0..gram.mean.len()).collect();
    order.sort_by(|&a, &b| gram.own[(b, b)].total_cmp(&gram.own[(a, a)]));
    order
}

/// `L` with `L L^T` the inverse of the damped Gram matrix whose inputs are in `order`; column `j` below its diagonal says how the
/// error of input `j` is spread.
fn factor(gram: &Gram, order: &[usize], damping: f32) -> Option<Mat<f32>> {
    let damped = damped(gram, damping * mean_diagonal(gram))?;
    let ordered = Mat::from_fn(order.len(), order.len(), |i, j| {
        damped[(order[i], order[j])]
    });
    let inverse = ordered.llt(Side::Lower).ok()?.inverse();
    let factor = inverse.llt(Side::Lower).ok()?;
    Some(factor.L().to_owned())
}

pub(crate) fn damped(gram: &Gram, damping: f32) -> Option<Mat<f32>> {
    let mut own = gram.own.clone();
    for i in 0..own.nrows() {
        own[(i, i)] += damping;
    }
    (damping > 0.0 && damping.is_finite()).then_some(own)
}

pub(crate) fn mean_diagonal(gram: &Gram) -> f32 {
    let inputs = gram.mean.len();
    (0..inputs).map(|i| gram.own[(i, i)]).sum::<f32>() / inputs as f32
}

fn row_major(matrix: MatRef<f32>) -> Vec<f32> {
    let rows = (0..matrix.nrows()).map(|i| matrix.row(i));
    rows.flat_map(|row| row.iter().copied().collect::<Vec<_>>())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codebook::best_scale;
    use crate::gram::Moments;
    use crate::layer::Geometry;

    fn noise(len: usize, seed: u64) -> Vec<f32> {
        let value = |i: u64| {
            let mixed = (i + seed * 7919).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mixed = (mixed ^ mixed >> 31).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            (mixed >> 40) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..len as u64).map(value).collect()
    }

    /// Correlated inputs of a linear layer, as many images as `images`.
    fn inputs(images: usize, width: usize) -> Vec<f32> {
        let hidden = noise(images * 8, 1);
        let mixing = noise(8 * width, 2);
        let own = noise(images * width, 3);
        let value = |i: usize, j: usize| {
            let mixed: f32 = (0..8)
                .map(|h| hidden[i * 8 + h] * mixing[h * width + j])
                .sum();
            mixed + 0.2 * own[i * width + j]
        };
        (0..images * width)
            .map(|k| value(k / width, k % width).max(0.0))
            .collect()
    }

    fn measured(quantized: &[f32], float: &[f32], width: usize) -> Measured {
        let geometry = Geometry {
            input: [width, 1, 1],
            output: [1, 1, 1],
            kernel: [1, 1],
            stride: [1, 1],
            padding: [0, 0],
            groups: 1,
        };
        let mut moments = Moments::new(geometry, quantized.len() / width, usize::MAX);
        let middle = quantized.len() / width / 2 * width;
        for part in [0..middle, middle..quantized.len()] {
            moments.add(&quantized[part.clone()], &float[part]);
        }
        moments.finish().remove(0)
    }

    /// Squared error of the outputs of `levels`, about their means.
    fn error(levels: &[f32], grids: &[RowGrid], weights: &[f32], gram: &Gram) -> f64 {
        let row = gram.mean.len();
        let values: Vec<f32> = (0..levels.len())
            .map(|i| levels[i] * grids[i / row].scale - weights[i])
            .collect();
        products(&values, &values, gram).iter().map(|p| p[1]).sum()
    }

    #[test]
    fn errors_of_outputs_are_less_than_those_of_nearest_levels() {
        let (width, rows) = (200, 20);
        let x = inputs(600, width);
        let measured = measured(&x, &x, width);
        let gram = &measured.all;
        let weights = noise(rows * width, 4);
        let codebook = Codebook::signed(3);
        let grid = |row| RowGrid {
            codebook: &codebook,
            scale: best_scale(&[row], &vec![1.0; width], &codebook),
            multipliers: None,
        };
        let grids: Vec<RowGrid> = weights.chunks(width).map(grid).collect();
        let plain = error(&nearest(&weights, &grids), &grids, &weights, gram);
        let closed = closed_form(&weights, &measured, &grids);
        assert!(
            closed
                .iter()
                .all(|l| (-4.0..=3.0).contains(l) && l.fract() == 0.0)
        );
        let closed = error(&closed, &grids, &weights, gram);
        assert!(closed < 0.5 * plain, "{closed} {plain}");
    }

    #[test]
    fn targets_make_up_for_inputs_that_are_scaled() {
        let width = 50;
        let float = inputs(600, width);
        let quantized: Vec<f32> = float.iter().map(|x| x / 2.0).collect();
        let measured = measured(&quantized, &float, width);
        let weights = noise(3 * width, 5);
        let found = target(&weights, &measured);
        let twice: Vec<f32> = weights.iter().map(|w| w * 2.0).collect();
        let difference: Vec<f32> = found.iter().zip(&twice).map(|(a, b)| a - b).collect();
        let [_, left, of] = products(&difference, &twice, &measured.all)
            .into_iter()
            .fold([0.0; 3], |a, b| [0, 1, 2].map(|i| a[i] + b[i]));
        assert!(left < 0.02 * of, "{left} of {of}");
    }

    #[test]
    fn few_images_change_weights_less_than_many() {
        let width = 60;
        let weights = noise(4 * width, 6);
        let moved = |images: usize| -> f64 {
            let float = inputs(images, width);
            // Errors of codes that have nothing to do with the inputs.
            let codes = noise(float.len(), 7);
            let quantized: Vec<f32> = float.iter().zip(codes).map(|(x, e)| x + 0.3 * e).collect();
            let found = target(&weights, &measured(&quantized, &float, width));
            let off = found.iter().zip(&weights).map(|(a, b)| f64::from(a - b));
            off.map(|d| d * d).sum()
        };
        assert!(moved(40) < moved(4000), "{} {}", moved(40), moved(4000));
    }

    #[test]
    fn inputs_without_variance_keep_the_nearest_levels() {
        let x = vec![1.0; 40];
        let measured = measured(&x, &x, 4);
        let grids = [RowGrid {
            codebook: &Codebook::signed(4),
            scale: 0.25,
            multipliers: None,
        }];
        assert_eq!(
            closed_form(&[0.1, 0.2, -0.6, 9.0], &measured, &grids),
            [0.0, 1.0, -2.0, 7.0]
        );
        assert_eq!(target(&[1.0; 4], &measured), [1.0; 4]);
    }
}
