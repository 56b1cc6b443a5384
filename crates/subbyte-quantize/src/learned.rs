//! Learned rounding (methods.md 4.5) by Gram matrices: AdaRound's soft choice between the two values on either side of each weight, for
//! any grid of values.
//!
//! The squared error of a layer's outputs is a function of the weights' errors and the Gram matrix of the inputs alone, so that every step
//! sees all images and none has to be run. A weight's error is counted in steps of its own size, and by its own input's variance: a
//! float grid has steps of several sizes, and the term that makes choices definite has to weigh as much for the small ones.
//!
//! What was learned is then improved choice by choice, and has closed-form rounding, improved alike, as its rival in every row.

use std::ops::ControlFlow;

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par};
use rayon::prelude::*;

use crate::QuantizeError;
use crate::gram::Measured;
use crate::rounding::{Rounder, RowGrid, damped, damping_of, mean_diagonal, nearest};

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
            steps: 500,
            rate: 0.03,
            definite: 0.1,
        }
    }
}

/// Levels `[row][input]` on the grids of the rows that make about the outputs of the weights `target`. `go_on` hears of steps and may end the work.
pub(crate) fn learned(
    target: &[f32],
    measured: &Measured,
    grids: &[RowGrid],
    learning: Learning,
    go_on: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Vec<f32>, QuantizeError> {
    let gram = &measured.all;
    let damping = damping_of(target, measured, grids);
    let Some(gram) = damped(gram, damping * mean_diagonal(gram)) else {
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
    let errors = change_single(&mut levels, target, &gram, grids);
    // Closed-form rounding may leave the two values on either side, which is at times the better way; every row keeps its best.
    let mut rivals = Rounder::new(&measured.all, damping).round(target, grids);
    let rival_errors = change_single(&mut rivals, target, &gram, grids);
    let rows = levels
        .chunks_mut(gram.nrows())
        .zip(rivals.chunks(gram.nrows()));
    for ((row, rival), (error, other)) in rows.zip(errors.iter().zip(&rival_errors)) {
        if other < error {
            row.copy_from_slice(rival);
        }
    }
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
        let (target, low, alpha, size) = (self.target, &self.low, &self.alpha, &self.step);
        let soft_off = |(row, off): (usize, &mut [f32])| {
            for (i, off) in (row * inputs..).zip(off) {
                *off = low[i] + size[i] * soft(alpha[i]).0 - target[i];
            }
        };
        self.off
            .par_chunks_mut(inputs)
            .enumerate()
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

/// Changes single levels wherever that makes the squared error of a row's outputs less, until none does; returns what is left of it in
/// each row.
fn change_single(
    levels: &mut [f32],
    target: &[f32],
    gram: &Mat<f32>,
    grids: &[RowGrid],
) -> Vec<f32> {
    let inputs = gram.nrows();
    let change = |((levels, target), grid): ((&mut [f32], &[f32]), &RowGrid)| -> f32 {
        let each = levels.iter().zip(target);
        let mut off: Vec<f32> = each.map(|(l, t)| l * grid.scale - t).collect();
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
                let own = gram[(i, i)];
                let best = levels[i] * grid.scale - gradient[i] / own;
                let level = grid.codebook.nearest(best / grid.scale);
                let by = (level - levels[i]) * grid.scale;
                // What rounding errors of the sums may feign is no gain.
                if level == levels[i]
                    || by * (2.0 * gradient[i] + by * own) >= -1e-6 * by * by * own
                {
                    continue;
                }
                levels[i] = level;
                off[i] += by;
                let column = gram.col(i).iter();
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
        off.iter().zip(&gradient).map(|(off, g)| off * g).sum()
    };
    let rows = levels.par_chunks_mut(inputs).zip(target.par_chunks(inputs));
    rows.zip(grids).map(change).collect()
}

#[cfg(test)]
mod tests {
    use subbyte_num::Minifloat;

    use super::*;
    use crate::codebook::Codebook;
    use crate::gram::Moments;
    use crate::layer::Geometry;
    use crate::rounding::{closed_form, products};

    const INPUTS: usize = 24;
    const ROWS: usize = 6;

    fn noise(len: usize, seed: u64) -> Vec<f32> {
        let value = |i: u64| {
            let mixed = (i + seed * 7919).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mixed = (mixed ^ mixed >> 31).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            (mixed >> 40) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..len as u64).map(value).collect()
    }

    /// Correlated inputs of a linear layer.
    fn measured() -> Measured {
        let (images, hidden) = (400, 6);
        let (mixing, own) = (noise(hidden * INPUTS, 2), noise(images * INPUTS, 3));
        let sources = noise(images * hidden, 1);
        let value = |k: usize| {
            let (i, j) = (k / INPUTS, k % INPUTS);
            let mixed = (0..hidden).map(|h| sources[i * hidden + h] * mixing[h * INPUTS + j]);
            (mixed.sum::<f32>() + 0.2 * own[k]).max(0.0)
        };
        let x: Vec<f32> = (0..images * INPUTS).map(value).collect();
        let geometry = Geometry {
            input: [INPUTS, 1, 1],
            output: [ROWS, 1, 1],
            kernel: [1, 1],
            stride: [1, 1],
            padding: [0, 0],
            groups: 1,
        };
        let mut moments = Moments::new(geometry, images, usize::MAX);
        for part in x.chunks(x.len() / 2) {
            moments.add(part, part);
        }
        moments.finish().remove(0)
    }

    fn error(levels: &[f32], target: &[f32], measured: &Measured, scale: f32) -> f64 {
        let off: Vec<f32> = levels
            .iter()
            .zip(target)
            .map(|(l, t)| l * scale - t)
            .collect();
        products(&off, &off, &measured.all)
            .iter()
            .map(|p| p[1])
            .sum()
    }

    fn goes_on(_: usize) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    #[test]
    fn learning_leaves_less_error_than_the_nearest_values() {
        let (measured, target) = (measured(), noise(ROWS * INPUTS, 9));
        let learning = Learning::default();
        for (format, unit) in [
            ("e2m1", 1.0 / 12.0),
            ("e1m2", 1.0 / 7.0),
            ("e3m0", 1.0 / 64.0),
        ] {
            let codebook = Codebook::minifloat(format.parse().unwrap());
            let grid = RowGrid {
                codebook: &codebook,
                scale: unit,
                multipliers: None,
            };
            let grids = [grid; ROWS];
            let found = learned(&target, &measured, &grids, learning, &mut goes_on).unwrap();
            assert!(found.iter().all(|level| codebook.nearest(*level) == *level));
            let of = |levels: &[f32]| error(levels, &target, &measured, unit);
            let plain = nearest(&target, &grids);
            let closed = closed_form(&target, &measured, &grids);
            let [found, plain, closed] = [of(&found), of(&plain), of(&closed)];
            assert!(found < 0.5 * plain, "{format}: {found} of {plain}");
            assert!(
                found <= closed * 1.01,
                "{format}: {found}, {closed} in closed form"
            );
        }
    }

    #[test]
    fn soft_weights_start_as_the_weights_and_end_as_choices() {
        let (measured, target) = (measured(), noise(ROWS * INPUTS, 4));
        let codebook = Codebook::minifloat(Minifloat::E2M1);
        let grid = RowGrid {
            codebook: &codebook,
            scale: 0.1,
            multipliers: None,
        };
        let mut choices = Choices::new(&target, &[grid; ROWS], INPUTS);
        let soft_weights = |choices: &Choices| -> Vec<f32> {
            let each = choices
                .alpha
                .iter()
                .zip(choices.low.iter().zip(&choices.step));
            each.map(|(alpha, (low, step))| low + step * soft(*alpha).0)
                .collect()
        };
        for (soft, weight) in soft_weights(&choices).iter().zip(&target) {
            assert!((soft - weight).abs() < 1e-6, "{soft} for {weight}");
        }
        let gram = damped(&measured.all, 0.1).unwrap();
        let learning = Learning::default();
        for step in 0..learning.steps {
            choices.step(&gram, learning, step);
        }
        let definite = |alpha: &&f32| [0.0, 1.0].contains(&soft(**alpha).0);
        let share = choices.alpha.iter().filter(definite).count() as f32 / target.len() as f32;
        assert!(share > 0.9, "only {share} of all choices are made");
    }

    #[test]
    fn at_the_end_no_single_change_is_a_gain() {
        let (measured, target) = (measured(), noise(ROWS * INPUTS, 5));
        let codebook = Codebook::minifloat(Minifloat::E2M1);
        let grid = RowGrid {
            codebook: &codebook,
            scale: 0.1,
            multipliers: None,
        };
        let grids = [grid; ROWS];
        let mut levels = nearest(&target, &grids);
        let before = error(&levels, &target, &measured, 0.1);
        let left = change_single(&mut levels, &target, &measured.all.own, &grids);
        let least = error(&levels, &target, &measured, 0.1);
        assert!((f64::from(left.iter().sum::<f32>()) / least - 1.0).abs() < 1e-3);
        assert!(least < before);
        for i in 0..levels.len() {
            for level in codebook.entries() {
                let mut changed = levels.clone();
                changed[i] = level;
                assert!(error(&changed, &target, &measured, 0.1) >= least * (1.0 - 1e-5));
            }
        }
    }

    #[test]
    fn learning_ends_when_it_is_told_to() {
        let (measured, target) = (measured(), noise(ROWS * INPUTS, 6));
        let codebook = Codebook::signed(4);
        let grid = RowGrid {
            codebook: &codebook,
            scale: 0.2,
            multipliers: None,
        };
        let mut heard = 0;
        let stopped = learned(
            &target,
            &measured,
            &[grid; ROWS],
            Learning::default(),
            &mut |_| {
                heard += 1;
                match heard {
                    3 => ControlFlow::Break(()),
                    _ => ControlFlow::Continue(()),
                }
            },
        );
        assert!(matches!(stopped, Err(QuantizeError::Stopped)));
        assert_eq!(heard, 3);
    }
}
