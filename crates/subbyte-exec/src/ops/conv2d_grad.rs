//! Both gradients of a convolution. Images are cut into parts by their number alone and partial sums are added in order, so
//! results do not depend on the number of threads.

use pulp::Arch;
use rayon::prelude::*;

use super::buffers;
use super::conv2d::Conv;
use super::geometry::{Windows, pad_image};
use super::phase::{self, Phase};
use crate::simd::{Panels, Pixels, Run, gather, outer, with_scratch};

/// Values that all parts of a weight gradient may fill together.
const PARTS: usize = 1 << 22;

/// Gradient of the weights `[O][I / groups][kh][kw]`.
pub(super) fn weight(conv: &Conv, x: &[f32], grad: &[f32]) -> Vec<f32> {
    let Windows { images, kernel, .. } = conv.windows;
    let taps = kernel[0] * kernel[1];
    let depth = taps * conv.group_inputs;
    // Whole vectors of any machine; the same on all, so that strips and with them the order of sums are too.
    let width = conv.group_outputs.next_multiple_of(16);
    let len = conv.groups * depth * width;
    let parts = (PARTS / len.max(1)).clamp(2, 16);
    let per_part = images.div_ceil(parts).max(1);
    let (image, out) = (
        conv.windows.image_len(),
        conv.windows.out_pixels() * conv.outputs,
    );
    let arch = Arch::new();
    let partial: Vec<Vec<f32>> = x
        .par_chunks(per_part * image)
        .zip(grad.par_chunks(per_part * out))
        .map(|(x, grad)| {
            let mut sums = vec![0.0; len];
            let mut lined_up = Vec::new();
            for (x, grad) in x.chunks_exact(image).zip(grad.chunks_exact(out)) {
                conv.with_padded(x, |padded| {
                    for (group, sums) in sums.chunks_exact_mut(depth * width).enumerate() {
                        let grad = if width == conv.outputs {
                            grad
                        } else {
                            group_columns(conv, grad, group, width, &mut lined_up);
                            &lined_up
                        };
                        outer(
                            arch,
                            padded,
                            conv.windows.sources(conv.windows.channels),
                            &conv.runs(group),
                            grad,
                            width,
                            sums,
                        );
                    }
                });
            }
            sums
        })
        .collect();
    let mut total = vec![0.0; len];
    for part in partial {
        for (sum, value) in total.iter_mut().zip(part) {
            *sum += value;
        }
    }
    let mut result = Vec::with_capacity(conv.outputs * depth);
    for sums in total.chunks_exact(depth * width) {
        for output in 0..conv.group_outputs {
            for input in 0..conv.group_inputs {
                let row = |tap| (tap * conv.group_inputs + input) * width;
                result.extend((0..taps).map(|tap| sums[row(tap) + output]));
            }
        }
    }
    result
}

/// The gradients of one group's channels, each pixel filled up to `width` with zeros.
fn group_columns(conv: &Conv, grad: &[f32], group: usize, width: usize, columns: &mut Vec<f32>) {
    columns.clear();
    let zeros = width - conv.group_outputs;
    for pixel in grad.chunks_exact(conv.outputs) {
        columns.extend_from_slice(&pixel[group * conv.group_outputs..][..conv.group_outputs]);
        columns.extend(std::iter::repeat_n(0.0, zeros));
    }
}

/// Gradient of the input `[N][H][W][I]`: the output's gradient, surrounded by zeros, convolved with the mirrored kernel. With
/// a stride of s, input pixels fall into s * s phases that see different taps; each phase is a convolution of stride 1.
pub(super) fn input(conv: &Conv, weight: &[f32], grad: &[f32]) -> Vec<f32> {
    let Windows {
        images,
        channels,
        out,
        ..
    } = conv.windows;
    let vertical = Phase::all(&conv.windows, 0);
    let horizontal = Phase::all(&conv.windows, 1);
    let (top, bottom) = Phase::padding(&vertical, out[0]);
    let (left, right) = Phase::padding(&horizontal, out[1]);
    let padded_width = left + out[1] + right;
    let padded_len = (top + out[0] + bottom) * padded_width * conv.outputs;

    let mut jobs = Vec::new();
    for v in &vertical {
        for h in &horizontal {
            for group in 0..conv.groups {
                jobs.push(Job::new(
                    conv,
                    weight,
                    [v, h],
                    group,
                    [top, left],
                    padded_width,
                ));
            }
        }
    }
    let (image, out_len) = (
        conv.windows.image_len(),
        conv.windows.out_pixels() * conv.outputs,
    );
    // A phase without taps leaves its pixels at zero.
    let mut result = if jobs.iter().all(|job| !job.runs.is_empty()) {
        buffers::take(images * image)
    } else {
        buffers::zeros(images * image)
    };
    debug_assert_eq!(image % channels, 0);
    result
        .par_chunks_exact_mut(image)
        .zip(grad.par_chunks_exact(out_len))
        .for_each(|(dst, grad)| {
            let mut run = |padded: &[f32]| {
                for job in &jobs {
                    if !job.runs.is_empty() {
                        gather(padded, job.from, &job.runs, &job.panels, dst, job.to);
                    }
                }
            };
            if [top, left, bottom, right] == [0; 4] {
                run(grad);
            } else {
                with_scratch(padded_len, |padded| {
                    let padding = [top, left, bottom, right];
                    pad_image(grad, out[1], conv.outputs, padding, padded);
                    run(padded);
                });
            }
        });
    result
}

/// One phase of one group: a convolution of stride 1 over the padded output gradient.
struct Job {
    runs: Vec<Run>,
    panels: Panels,
    from: Pixels,
    to: Pixels,
}

impl Job {
    fn new(
        conv: &Conv,
        weight: &[f32],
        [vertical, horizontal]: [&Phase; 2],
        group: usize,
        before: [usize; 2],
        padded_width: usize,
    ) -> Self {
        let [kh, kw] = conv.windows.kernel;
        let row = padded_width * conv.outputs;
        let across = horizontal.taps.len();
        let merged = conv.groups == 1;
        let runs = (0..vertical.taps.len())
            .flat_map(|y| {
                (0..if merged { 1 } else { across }).map(move |x| Run {
                    offset: y * row + x * conv.outputs + group * conv.group_outputs,
                    len: conv.group_outputs * if merged { across } else { 1 },
                })
            })
            .filter(|run| run.len > 0)
            .collect();
        let taps = vertical.taps.len() * across;
        let depth = taps * conv.group_outputs;
        let panels = Panels::new(depth, conv.group_inputs, weight, |k| {
            let (tap, o) = (k / conv.group_outputs, k % conv.group_outputs);
            let (ky, kx) = (
                vertical.taps[tap / across].0,
                horizontal.taps[tap % across].0,
            );
            let output = group * conv.group_outputs + o;
            let first = (output * conv.group_inputs * kh + ky) * kw + kx;
            (first, kh * kw)
        });
        let places = [vertical, horizontal];
        let (from, to) = phase::places(places, before, padded_width, conv.outputs, &conv.windows);
        let start = to.start + group * conv.group_inputs;
        Self {
            runs,
            panels,
            from,
            to: Pixels { start, ..to },
        }
    }
}
