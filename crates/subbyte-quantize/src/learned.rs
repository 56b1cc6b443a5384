//! Learned rounding (methods.md 4.5) by Gram matrices: AdaRound's soft choice between the two values on either side of each weight, for
//! any grid of values.
//!
//! The squared error of a layer's outputs is a function of the weights' errors and the Gram matrix of the inputs alone, so that every step
//! sees all images and none has to be run. A weight's error is counted in steps of its own size, and by its own input's variance: a
//! float grid has steps of several sizes, and the term that makes choices definite has to weigh as much for the small ones.

use std::ops::ControlFlow;

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par};
use rayon::prelude::*;

use crate::QuantizeError;
use crate::gram::Measured;
use crate::rounding::{RowGrid, damped, damping_of, mean_diagonal, nearest};

/// How far the sigmoid is stretched beyond 0 and 1, so that a choice can be made for good.
const STRETCH: f32 = 0.1;
/// Of all steps, those at the beginning in which nothing makes choices definite.
const WARM_UP: f32 = 0.2;
/// Exponent of the term that makes choices definite, after the warm-up and at the end.
const EXPONENT: [f32; 2] = [20.0, 2.0];
/// Adam's decay of first and second moments.
const DECAY: [f32; 2] = [0.9, 0.999];
/// Passes over all weights in which single choices are changed at the end.
const PASSES: usize = 20;
/// Steps between two reports.
const REPORT: usize = 50;
/// Multiplications of a product from which it is worth to divide it among threads.
const PARALLEL: usize = 1 << 20;

/// Settings of learned rounding.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Learning {
    /// Steps of Adam for each layer.
    pub steps: usize,
    /// How much a choice moves in a step.
    pub rate: f32,
    /// Weight of the term that makes choices definite.
    pub definite: f32,
}

impl Default for Learning {
    fn default() -> Self {
        Self {
            steps: 1000,
            rate: 0.02,
            definite: 0.1,
        }
    }
}

/// Levels `[row][input]` on the grids of the rows that make about the outputs of the weights `target`, each weight's level being
/// next to it. `go_on` hears of steps and may end the work.
pub(crate) fn learned(
    target: &[f32],
    measured: &Measured,
    grids: &[RowGrid],
    learning: Learning,
    go_on: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Vec<f32>, QuantizeError> {
    let gram = &measured.all;
    let damping = damping_of(target, measured, grids) * mean_diagonal(gram);
    let Some(gram) = damped(gram, damping) else {
        return Ok(nearest(target, grids));
    };
    let mut choices = Choices::new(target, grids, gram.nrows());
    for step in 0..learning.steps {
        if step % REPORT == 0 && go_on(step) == ControlFlow::Break(()) {
            return Err(QuantizeError::Stopped);
        }
        choices.step(&gram, learning, step);
    }
    let mut levels = choices.levels();
    change_single(&mut levels, target, &gram, grids);
    Ok(levels)
}

/// Every weight's two values, and how far it tends to the upper one.
struct Choices<'a> {
    target: &'a [f32],
    inputs: usize,
    /// Levels on either side.
    levels: Vec<[f32; 2]>,
    /// Value of the lower level, and the step to the upper one.
    low: Vec<f32>,
    step: Vec<f32>,
    /// What [`soft`] makes a share of.
    alpha: Vec<f32>,
    /// Adam's moments of its gradient.
    moments: Vec<[f32; 2]>,
    /// Errors of the soft weights, and the gradient of the squared error.
    off: Vec<f32>,
    gradient: Vec<f32>,
}

impl<'a> Choices<'a> {
    fn new(target: &'a [f32], grids: &[RowGrid], inputs: usize) -> Self {
        let neighbours = |(i, w): (usize, &f32)| {
            let grid = grids[i / inputs];
            grid.codebook.neighbours(w / grid.scale)
        };
        let levels: Vec<[f32; 2]> = target.par_iter().enumerate().map(neighbours).collect();
        let value = |i: usize, level: f32| level * grids[i / inputs].scale;
        let each = levels.iter().enumerate();
        let low: Vec<f32> = each.clone().map(|(i, l)| value(i, l[0])).collect();
        let step: Vec<f32> = each.map(|(i, l)| value(i, l[1]) - low[i]).collect();
        let alpha = |i: usize| {
            let rest = ((target[i] - low[i]) / step[i]).clamp(0.0, 1.0);
            -((1.0 + 2.0 * STRETCH) / (rest + STRETCH) - 1.0).ln()
        };
        Self {
            inputs,
            alpha: (0..target.len()).map(alpha).collect(),
            moments: vec![[0.0; 2]; target.len()],
            off: vec![0.0; target.len()],
            gradient: vec![0.0; target.len()],
            target,
            levels,
            low,
            step,
        }
    }

    fn step(&mut self, gram: &Mat<f32>, learning: Learning, step: usize) {
        let inputs = self.inputs;
        let soft_off =
            |(off, ((alpha, target), (low, step))): (&mut f32, ((&f32, &f32), (&f32, &f32)))| {
                *off = low + step * soft(*alpha).0 - target;
            };
        self.off
            .par_iter_mut()
            .zip(
                self.alpha
                    .par_iter()
                    .zip(self.target)
                    .zip(self.low.par_iter().zip(&self.step)),
            )
            .with_min_len(1 << 12)
            .for_each(soft_off);
        let rows = self.off.len() / inputs;
        let par = match rows * inputs * inputs >= PARALLEL {
            true => Par::rayon(0),
            false => Par::Seq,
        };
        matmul(
            MatMut::from_row_major_slice_mut(&mut self.gradient, rows, inputs),
            Accum::Replace,
            MatRef::from_row_major_slice(&self.off, rows, inputs),
            gram.as_ref(),
            1.0,
            par,
        );
        let done = step as f32 / learning.steps as f32;
        let annealed = (done - WARM_UP) / (1.0 - WARM_UP);
        let exponent = EXPONENT[0] + (EXPONENT[1] - EXPONENT[0]) * annealed;
        let corrections = DECAY.map(|decay| 1.0 / (1.0 - decay.powi(step as i32 + 1)));
        let diagonal: Vec<f32> = (0..inputs).map(|i| gram[(i, i)]).collect();
        self.alpha
            .par_chunks_mut(inputs)
            .zip(self.moments.par_chunks_mut(inputs))
            .zip(
                self.gradient
                    .par_chunks(inputs)
                    .zip(self.step.par_chunks(inputs)),
            )
            .for_each(|((alpha, moments), (gradient, step))| {
                for (i, alpha) in alpha.iter_mut().enumerate() {
                    let (share, slope) = soft(*alpha);
                    if slope == 0.0 {
                        continue;
                    }
                    let mut wanted = gradient[i] / (step[i] * diagonal[i]);
                    if annealed > 0.0 {
                        let apart = 2.0 * share - 1.0;
                        let push = exponent * apart.abs().powf(exponent - 1.0) * 2.0;
                        wanted -= learning.definite * push.copysign(apart);
                    }
                    let gradient = wanted * slope;
                    let [first, second] = &mut moments[i];
                    *first = DECAY[0] * *first + (1.0 - DECAY[0]) * gradient;
                    *second = DECAY[1] * *second + (1.0 - DECAY[1]) * gradient * gradient;
                    let size = (*second * corrections[1]).sqrt() + 1e-8;
                    *alpha -= learning.rate * *first * corrections[0] / size;
                }
            });
    }

    /// The level of each weight that it tends to.
    fn levels(&self) -> Vec<f32> {
        let each = self.levels.iter().zip(&self.alpha);
        each.map(|(levels, alpha)| levels[usize::from(soft(*alpha).0 >= 0.5)])
            .collect()
    }
}

/// The share of a step that `alpha` stands for, and its derivative.
fn soft(alpha: f32) -> (f32, f32) {
    let sigmoid = 1.0 / (1.0 + (-alpha).exp());
    let stretched = sigmoid * (1.0 + 2.0 * STRETCH) - STRETCH;
    let slope = match stretched > 0.0 && stretched < 1.0 {
        true => sigmoid * (1.0 - sigmoid) * (1.0 + 2.0 * STRETCH),
        false => 0.0,
    };
    (stretched.clamp(0.0, 1.0), slope)
}

/// Moves single levels to one of their neighbours wherever that makes the squared error less, until none does.
pub(crate) fn change_single(
    levels: &mut [f32],
    target: &[f32],
    gram: &Mat<f32>,
    grids: &[RowGrid],
) {
    let inputs = gram.nrows();
    let rows = levels
        .par_chunks_mut(inputs)
        .zip(target.par_chunks(inputs))
        .zip(grids);
    rows.for_each(|((levels, target), grid)| {
        let mut off: Vec<f32> = levels
            .iter()
            .zip(target)
            .map(|(l, t)| l * grid.scale - t)
            .collect();
        let mut gradient = vec![0f32; inputs];
        matmul(
            MatMut::from_column_major_slice_mut(&mut gradient, inputs, 1),
            Accum::Replace,
            gram.as_ref(),
            MatRef::from_column_major_slice(&off, inputs, 1),
            1.0,
            Par::Seq,
        );
        for _ in 0..PASSES {
            let mut changed = false;
            for i in 0..inputs {
                // The level that is nearest to the weight's best value, all others being as they are.
                let best = levels[i] * grid.scale - gradient[i] / gram[(i, i)];
                let level = grid.codebook.nearest(best / grid.scale);
                let by = (level - levels[i]) * grid.scale;
                let gain = by * (2.0 * gradient[i] + by * gram[(i, i)]);
                // Less than rounding errors of the sums is no gain.
                if level == levels[i] || gain >= -1e-6 * by * by * gram[(i, i)] {
                    continue;
                }
                levels[i] = level;
                off[i] += by;
                let column = gram
                    .col(i)
                    .try_as_col_major()
                    .expect("owned matrix")
                    .as_slice();
                gradient
                    .iter_mut()
                    .zip(column)
                    .for_each(|(g, c)| *g += by * c);
                changed = true;
            }
            if !changed {
                break;
            }
        }
    });
}
