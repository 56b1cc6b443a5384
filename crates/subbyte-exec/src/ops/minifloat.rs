use burn::tensor::Tensor;
use rayon::prelude::*;
use subbyte_num::{Minifloat, MinifloatGrid, MinifloatRounder};

use super::buffers;
use super::custom::{CustomOp, Output, Primitive, View, apply};
use super::ste::straight_through;
use crate::simd::vectorize;

/// Values that one parallel task handles at least.
const CHUNK: usize = 1 << 14;

/// Every value becomes the nearest one of [`MinifloatGrid`] (methods.md 4.2), whose level 0 is at `offset`. `clip` is `[1]`, or has one
/// value for each index of `x`'s first axis.
///
/// Backward: values inside the range pass their gradient. All values of the grid grow with the clip value, so its gradient is the sum
/// of `g * (value - x) / clip` inside, the step of each value being taken as it is, and of `g * value / clip` outside.
pub fn minifloat<const D: usize>(
    x: Tensor<D>,
    clip: Tensor<1>,
    format: Minifloat,
    offset: f32,
) -> Tensor<D> {
    match (Primitive::of(&x), Primitive::of(&clip)) {
        (Some(x), Some(clip)) => apply(Rounding { format, offset }, [x, clip]).0,
        _ => generic(x, clip, format, offset),
    }
}

/// The same by tensor operations, for any backend: the steps between levels that a value is above, added up.
fn generic<const D: usize>(
    x: Tensor<D>,
    clip: Tensor<1>,
    format: Minifloat,
    offset: f32,
) -> Tensor<D> {
    let rounder = format.rounder();
    let [min, max] = rounder.range();
    let [clips] = clip.dims();
    let mut shape = [1; D];
    shape[0] = clips;
    let unit = (clip / max).reshape(shape);
    let ratio = (x - offset) / unit.clone();
    let kept = ratio.clone().detach().clamp(min, max);
    let magnitude = kept.clone().abs();
    let mut levels: Vec<f32> = format.levels().filter(|level| *level >= 0.0).collect();
    levels.sort_by(f32::total_cmp);
    let mut level = magnitude.zeros_like();
    for pair in levels.windows(2).filter(|pair| pair[0] < pair[1]) {
        let tie = (pair[0] + pair[1]) / 2.0;
        let above = match rounder.nearest(tie) == pair[1] {
            true => magnitude.clone().greater_equal_elem(tie),
            false => magnitude.clone().greater_elem(tie),
        };
        level = level + above.float() * (pair[1] - pair[0]);
    }
    let level = level * kept.sign();
    straight_through(level, ratio.clamp(min, max)) * unit + offset
}

#[derive(Clone, Copy, Debug)]
struct Rounding {
    format: Minifloat,
    offset: f32,
}

impl Rounding {
    fn line(self, clip: f32) -> Line {
        let Self { format, offset } = self;
        let grid = MinifloatGrid {
            format,
            clip,
            offset,
        };
        Line {
            rounder: format.rounder(),
            range: format.rounder().range(),
            unit: grid.unit(),
            offset,
        }
    }
}

/// The grid of one clip value.
#[derive(Clone, Copy, Debug)]
struct Line {
    rounder: MinifloatRounder,
    range: [f32; 2],
    unit: f32,
    offset: f32,
}

vectorize! {
    fn quantize<'a>(line: Line, x: &'a [f32], out: &'a mut [f32]) -> () {
        for (out, x) in out.iter_mut().zip(x) {
            *out = line.rounder.nearest((x - line.offset) / line.unit) * line.unit + line.offset;
        }
    }
}

/// Replaces the gradients of quantized values by those of the values; returns the gradient of the unit.
fn gradients(line: Line, x: &[f32], grad: &mut [f32]) -> f64 {
    let [min, max] = line.range;
    let mut sum = 0.0;
    for (x, grad) in x.iter().zip(grad) {
        let ratio = (x - line.offset) / line.unit;
        let inside = ratio >= min && ratio <= max;
        let level = line.rounder.nearest(ratio);
        sum += f64::from(*grad * (level - if inside { ratio } else { 0.0 }));
        *grad = if inside { *grad } else { 0.0 };
    }
    sum
}

impl CustomOp<2> for Rounding {
    type Saved = ();
    const KEEP: [bool; 2] = [true, true];

    fn forward(&self, [x, clip]: [View; 2]) -> Output<()> {
        let run = (x.data.len() / clip.data.len()).max(1);
        let mut out = buffers::take(x.data.len());
        out.par_chunks_mut(run)
            .zip(x.data.par_chunks(run))
            .zip(clip.data)
            .with_min_len((CHUNK / run).max(1))
            .for_each(|((out, x), &clip)| {
                let line = self.line(clip);
                out.par_chunks_mut(CHUNK)
                    .zip(x.par_chunks(CHUNK))
                    .for_each(|(out, x)| quantize(line, x, out));
            });
        Output {
            data: out,
            shape: x.shape.to_vec(),
            saved: (),
        }
    }

    fn backward(
        &self,
        (): (),
        [x, clip]: [View; 2],
        grad: &mut Vec<f32>,
        _: [bool; 2],
    ) -> [Option<Vec<f32>>; 2] {
        let run = (x.data.len() / clip.data.len()).max(1);
        let max = f64::from(self.format.max_level());
        let clip_grad = grad
            .par_chunks_mut(run)
            .zip(x.data.par_chunks(run))
            .zip(clip.data)
            .with_min_len((CHUNK / run).max(1))
            .map(|((grad, x), &clip)| {
                let line = self.line(clip);
                // Collected in order, so that the sum does not depend on the threads.
                let parts: Vec<f64> = grad
                    .par_chunks_mut(CHUNK)
                    .zip(x.par_chunks(CHUNK))
                    .map(|(grad, x)| gradients(line, x, grad))
                    .collect();
                (parts.into_iter().sum::<f64>() / max) as f32
            })
            .collect();
        [Some(std::mem::take(grad)), Some(clip_grad)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{assert_close, from_vec, gradients, random, to_vec};

    fn formats() -> Vec<Minifloat> {
        let names = [
            "e1m0", "e2m1", "e3m0", "e1m6", "e2m5", "e5m2", "e7m0", "ue2m2", "ue4m4", "ocp-e4m3",
        ];
        names.map(|name| name.parse().expect(name)).to_vec()
    }

    #[test]
    fn forward_is_the_grid_of_subbyte_num() {
        for format in formats() {
            for (clip, offset) in [(1.0, 0.0), (3.7, 0.0), (2.0, -0.278_464_5)] {
                let grid = MinifloatGrid {
                    format,
                    clip,
                    offset,
                };
                let mut values: Vec<f32> =
                    format.levels().map(|l| l * grid.unit() + offset).collect();
                values.sort_by(f32::total_cmp);
                let ties: Vec<f32> = values.windows(2).map(|w| (w[0] + w[1]) / 2.0).collect();
                let probes: Vec<f32> = values
                    .into_iter()
                    .chain(ties)
                    .flat_map(|x| [x.next_down(), x, x.next_up()])
                    .chain([0.0, -0.0, 1e30, -1e30, f32::INFINITY, f32::NEG_INFINITY])
                    .collect();
                let x = from_vec(probes.clone(), [probes.len()]);
                let out = to_vec(&minifloat(x, from_vec(vec![clip], [1]), format, offset));
                for (x, out) in probes.into_iter().zip(out) {
                    assert_eq!(out, grid.nearest(x), "{grid:?} at {x}");
                }
            }
        }
    }

    #[test]
    fn gradients_follow_the_closed_form() {
        let format = Minifloat::E2M1;
        // Inside twice, at the end, below, above; the levels of 0.3 and -1.1 are 0.25 and -1.
        let x = from_vec(vec![0.3, -1.1, 3.0, -4.0, 5.0], [5]).require_grad();
        let clip = from_vec(vec![3.0], [1]).require_grad();
        let g = from_vec(vec![1.0, 2.0, 4.0, 8.0, 16.0], [5]);
        let grads = (minifloat(x.clone(), clip.clone(), format, 0.0) * g)
            .sum()
            .backward();
        let found = to_vec(&x.grad(&grads).expect("gradient"));
        assert_eq!(found, [1.0, 2.0, 4.0, 0.0, 0.0]);
        let expected = ((0.25 - 0.3) + 2.0 * (-1.0 + 1.1) - 8.0 * 3.0 + 16.0 * 3.0) / 3.0;
        assert_close(
            &to_vec(&clip.grad(&grads).expect("gradient")),
            &[expected],
            1e-6,
        );
    }

    #[test]
    fn agrees_with_tensor_operations() {
        for format in ["e2m1", "e3m0", "e4m3", "ue3m1"].map(|name| name.parse().expect(name)) {
            for (clips, offset) in [(vec![0.7], 0.0), (vec![0.7, 1.3, 0.5, 0.9], -0.2)] {
                let clip = from_vec(clips.clone(), [clips.len()]);
                let x = random([4, 3, 7, 20], 3);
                let run = |f: fn(Tensor<4>, Tensor<1>, Minifloat, f32) -> Tensor<4>| {
                    gradients(x.clone(), clip.clone(), |x, c| f(x, c, format, offset))
                };
                for (fused, plain) in run(minifloat).into_iter().zip(run(generic)) {
                    assert_close(&fused, &plain, 1e-4);
                }
            }
        }
    }
}
