//! Both gradients of a convolution of codes. The output's gradient is rounded to integers image by image and used for both while it is
//! in the caches. Images are cut into parts by their number alone and partial sums are added in order, so results do not depend on the
//! number of threads.

use rayon::prelude::*;
use subbyte_kernels::isa::LANES;
use subbyte_kernels::products::{Pair, Panels, Pixels, Run, gather, outer};

use super::buffers;
use super::code_conv2d::CodeConv;
use super::columns::Columns;
use super::geometry::Windows;
use super::levels::round;
use super::phase::{self, Phase};
use super::workspace::{Workspace, level, with_workspace};
use crate::simd::vectorize;

/// Parts of a batch whose weight gradients are summed on their own.
const PARTS: usize = 16;

/// Largest magnitudes below this count as zero.
const NOTHING: f32 = 1e-30;

/// Gradients of the input `[N][H][W][I]` and of the weights `[O][I][kh][kw]`, as far as they are `wanted`, from the input's codes and the
/// output's gradient.
pub(super) fn gradients(
    conv: &CodeConv,
    codes: &[u8],
    grad: &[f32],
    [of_input, of_weight]: [bool; 2],
) -> [Option<Vec<f32>>; 2] {
    let gradient = Gradient::new(conv);
    let images = conv.windows.images;
    let (image, out) = (
        conv.windows.image_len(),
        conv.windows.out_pixels() * conv.outputs,
    );
    let per_part = images.div_ceil(PARTS).max(1);
    let mut input = if of_input {
        buffers::take(images * image)
    } else {
        Vec::new()
    };
    // Without a wanted gradient the parts of the input are empty.
    let mut inputs: Vec<&mut [f32]> = input.chunks_mut((per_part * image).max(1)).collect();
    inputs.resize_with(images.div_ceil(per_part), Default::default);
    let parts: Vec<Vec<f32>> = inputs
        .into_par_iter()
        .zip(codes.par_chunks((per_part * image).max(1)))
        .zip(grad.par_chunks((per_part * out).max(1)))
        .map(|((input, codes), grad)| {
            let mut total = vec![0.0; if of_weight { gradient.sums() } else { 0 }];
            let mut inputs = input.chunks_exact_mut(image);
            for (codes, grad) in codes.chunks_exact(image).zip(grad.chunks_exact(out)) {
                with_workspace(|workspace| {
                    gradient.image(codes, grad, inputs.next(), &mut total, workspace);
                });
            }
            total
        })
        .collect();
    [
        of_input.then_some(input),
        of_weight.then(|| gradient.weight(parts)),
    ]
}

/// What all images share.
struct Gradient<'a> {
    conv: &'a CodeConv,
    /// Zeros around the output's gradient: above, left, below, right.
    padding: [usize; 4],
    /// The phases that see any tap.
    phases: Vec<InputPhase>,
    /// How many there are with those that see none.
    all_phases: usize,
    /// Values of a padded pixel of the output's gradient.
    pitch: usize,
    /// Units of the weights, repeated along a wide row.
    units: Vec<f32>,
    /// Magnitude of the largest gradient as an integer: no sum leaves 32 bits.
    limit: i64,
    /// Rows of output pixels whose outer products may be summed.
    rows: usize,
}

/// Input pixels that see the same taps: a convolution of stride 1 of the padded output gradient.
struct InputPhase {
    runs: Vec<Run>,
    panels: Panels<Pair>,
    from: Pixels,
    to: Pixels,
}

vectorize! {
    /// Bits of the largest magnitude of `grad * unit`, units being a wide row; those of a number that is not finite are larger.
    fn largest_bits<'a>(grad: &'a [f32], units: &'a [f32]) -> u32 {
        let mut largest = [0; 16];
        for grad in grad.chunks(units.len()) {
            for (grad, units) in grad.chunks(16).zip(units.chunks(16)) {
                let n = grad.len();
                let units = &units[..n];
                for i in 0..n {
                    let magnitude = (grad[i] * units[i]).to_bits() & (u32::MAX >> 1);
                    largest[i] = magnitude.max(largest[i]);
                }
            }
        }
        largest.into_iter().max().unwrap_or(0)
    }

    /// `grad * unit * inverse` as integers.
    fn rounded<'a>(grad: &'a [f32], units: &'a [f32], inverse: f32, out: &'a mut [i16]) -> () {
        for (out, grad) in out.chunks_mut(units.len()).zip(grad.chunks(units.len())) {
            let n = out.len();
            let (grad, units) = (&grad[..n], &units[..n]);
            for i in 0..n {
                out[i] = round(grad[i] * units[i] * inverse) as i16;
            }
        }
    }

    fn scaled<'a>(sums: &'a [i32], scale: f32, out: &'a mut [f32]) -> () {
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = *sum as f32 * scale;
        }
    }

    /// Adds `sums * scale` to `total` and clears the sums.
    fn add_scaled<'a>(sums: &'a mut [i32], scale: f32, total: &'a mut [f32]) -> () {
        for (total, sum) in total.iter_mut().zip(sums) {
            *total += *sum as f32 * scale;
            *sum = 0;
        }
    }

    /// Pairs of the levels that the same tap reads at neighbouring output pixels, `next` codes apart.
    fn pair_up<'a>(codes: &'a [u8], next: usize, offset: i16, pairs: &'a mut [Pair]) -> () {
        let n = pairs.len();
        let (first, second) = (&codes[..n], &codes[next..][..n]);
        for i in 0..n {
            let level = |code: u8| i16::from(code).wrapping_add(offset);
            pairs[i] = [level(first[i]), level(second[i])];
        }
    }

    /// Gradients of two pixels side by side.
    fn interleave<'a>(first: &'a [i16], second: &'a [i16], pairs: &'a mut [[i16; 2]]) -> () {
        let n = first.len();
        let (second, pairs) = (&second[..n], &mut pairs[..n]);
        for i in 0..n {
            pairs[i] = [first[i], second[i]];
        }
    }
}

impl<'a> Gradient<'a> {
    fn new(conv: &'a CodeConv) -> Self {
        let Windows {
            out,
            kernel: [kh, kw],
            ..
        } = conv.windows;
        let vertical = Phase::all(&conv.windows, 0);
        let horizontal = Phase::all(&conv.windows, 1);
        let (top, bottom) = Phase::padding(&vertical, out[0]);
        let (left, right) = Phase::padding(&horizontal, out[1]);
        let pitch = conv.outputs.next_multiple_of(2);
        let phases: Vec<InputPhase> = vertical
            .iter()
            .flat_map(|v| horizontal.iter().map(move |h| [v, h]))
            .filter(|phase| phase.iter().all(|axis| !axis.taps.is_empty()))
            .map(|phase| InputPhase::new(conv, phase, [top, left], left + out[1] + right, pitch))
            .collect();
        let most = i64::from(i32::MAX);
        let input = most / ((kh * kw * conv.outputs) as i64 * conv.largest_weight());
        let row = most / (out[1] as i64 * conv.largest_level());
        let limit = input.min(row).min(i16::MAX.into());
        let rows = (most / (out[1] as i64 * conv.largest_level() * limit)).max(1) as usize;
        Self {
            conv,
            padding: [top, left, bottom, right],
            phases,
            all_phases: vertical.len() * horizontal.len(),
            pitch,
            units: Columns::new(conv.outputs).repeat(&conv.weight_units),
            limit,
            rows,
        }
    }

    /// Vectors of output channels.
    fn vectors(&self) -> usize {
        self.conv.outputs.div_ceil(LANES)
    }

    /// Sums of the weights, `[kh][kw][I]` for whole vectors of output channels.
    fn sums(&self) -> usize {
        let [kh, kw] = self.conv.windows.kernel;
        kh * kw * self.conv.windows.channels * self.vectors() * LANES
    }

    /// Writes the gradient of one image and adds what it means for the weights.
    fn image(
        &self,
        codes: &[u8],
        grad: &[f32],
        input: Option<&mut [f32]>,
        total: &mut [f32],
        workspace: &mut Workspace,
    ) {
        let largest = f32::from_bits(largest_bits(grad, &self.units));
        if !largest.is_finite() {
            // Integers cannot say that training has diverged.
            input.into_iter().for_each(|input| input.fill(f32::NAN));
            total.fill(f32::NAN);
            return;
        }
        if largest < NOTHING {
            input.into_iter().for_each(|input| input.fill(0.0));
            return;
        }
        let (scale, inverse) = (largest / self.limit as f32, self.limit as f32 / largest);
        self.round(grad, inverse, &mut workspace.gradients);
        if let Some(input) = input {
            let sums = &mut workspace.sums;
            sums.resize(input.len(), 0);
            if self.phases.len() < self.all_phases {
                sums.fill(0);
            }
            let words = workspace.gradients.as_chunks().0;
            for phase in &self.phases {
                gather(
                    level(),
                    words,
                    phase.from,
                    &phase.runs,
                    &phase.panels,
                    sums,
                    phase.to,
                );
            }
            scaled(sums, scale, input);
        }
        if !total.is_empty() {
            self.outer(codes, scale, total, workspace);
        }
    }

    /// The gradient as integers in the middle of zeros.
    fn round(&self, grad: &[f32], inverse: f32, padded: &mut Vec<i16>) {
        let ([rows, cols], outputs) = (self.conv.windows.out, self.conv.outputs);
        let [top, left, bottom, right] = self.padding;
        let row = (left + cols + right) * self.pitch;
        padded.resize((top + rows + bottom) * row, 0);
        let (above, rest) = padded.split_at_mut(top * row);
        let (to, below) = rest.split_at_mut(rows * row);
        above.fill(0);
        below.fill(0);
        let to = to.chunks_exact_mut(row);
        for (to, grad) in to.zip(grad.chunks_exact(cols * outputs)) {
            let (before, to) = to.split_at_mut(left * self.pitch);
            let (to, after) = to.split_at_mut(cols * self.pitch);
            before.fill(0);
            after.fill(0);
            if self.pitch == outputs {
                rounded(grad, &self.units, inverse, to);
            } else {
                // Whatever fills a pixel up meets weights of zero.
                for (to, grad) in to
                    .chunks_exact_mut(self.pitch)
                    .zip(grad.chunks_exact(outputs))
                {
                    rounded(grad, &self.units, inverse, &mut to[..outputs]);
                }
            }
        }
    }

    /// Adds the products of levels and rounded gradients to the weights' sums.
    fn outer(&self, codes: &[u8], scale: f32, total: &mut [f32], workspace: &mut Workspace) {
        let conv = self.conv;
        let Windows {
            channels,
            out: [rows, cols],
            stride,
            ..
        } = conv.windows;
        let (vectors, places) = (self.vectors(), cols.div_ceil(2));
        conv.pad(codes, channels, &mut workspace.bytes);
        let (len, next) = (workspace.bytes.len(), stride[1] * channels);
        workspace.bytes.resize(len + next, 0);
        workspace.bytes[len..].fill(conv.zero());
        workspace.pairs.resize(len, [0; 2]);
        pair_up(
            &workspace.bytes,
            next,
            conv.code.offset,
            &mut workspace.pairs,
        );

        // A pixel without a neighbour is paired with zeros.
        let nothing = vec![0; conv.outputs];
        let zeros = <Pair as subbyte_kernels::products::Word>::ZEROS;
        workspace.rows.resize(rows * places * vectors, zeros);
        let [top, left, _, right] = self.padding;
        let row = (left + cols + right) * self.pitch;
        let gradients = &workspace.gradients;
        for (place, pairs) in workspace.rows.chunks_exact_mut(vectors).enumerate() {
            let (r, col) = (place / places, 2 * (place % places));
            let pixel = |col: usize| {
                let at = (top + r) * row + (left + col) * self.pitch;
                &gradients[at..][..conv.outputs]
            };
            let (first, second) = (
                pixel(col),
                if col + 1 < cols {
                    pixel(col + 1)
                } else {
                    &nothing
                },
            );
            let both = first.chunks(LANES).zip(second.chunks(LANES));
            for (pairs, (first, second)) in pairs.iter_mut().zip(both) {
                interleave(first, second, pairs.0.as_chunks_mut().0);
            }
        }

        let runs = conv.runs(channels);
        let sums = &mut workspace.outer_sums;
        sums.clear();
        sums.resize(self.sums(), 0);
        for first in (0..rows).step_by(self.rows) {
            let rows = self.rows.min(rows - first);
            let step = stride[0] * conv.windows.padded_width() * channels;
            let strip = Pixels {
                rows,
                cols: places,
                start: first * step,
                row: step,
                col: 2 * next,
            };
            let of_strip = &workspace.rows[first * places * vectors..][..rows * places * vectors];
            outer(
                level(),
                &workspace.pairs,
                strip,
                &runs,
                of_strip,
                vectors,
                sums,
            );
            add_scaled(sums, scale, total);
        }
    }

    /// The weights' gradient from the sums of all parts.
    fn weight(&self, parts: Vec<Vec<f32>>) -> Vec<f32> {
        let mut parts = parts.into_iter();
        let mut total = parts.next().unwrap_or_default();
        for part in parts {
            for (total, value) in total.iter_mut().zip(part) {
                *total += value;
            }
        }
        let conv = self.conv;
        let ([kh, kw], channels) = (conv.windows.kernel, conv.windows.channels);
        let mut result = Vec::with_capacity(conv.weights.len());
        for (output, unit) in conv.weight_units.iter().enumerate() {
            for input in 0..channels {
                let sum = |tap| total[(tap * channels + input) * self.vectors() * LANES + output];
                result.extend((0..kh * kw).map(|tap| sum(tap) * (conv.unit / unit)));
            }
        }
        result
    }
}

impl InputPhase {
    fn new(
        conv: &CodeConv,
        [vertical, horizontal]: [&Phase; 2],
        before: [usize; 2],
        padded_width: usize,
        pitch: usize,
    ) -> Self {
        let across = horizontal.taps.len();
        let places = [vertical, horizontal];
        let (from, to) = phase::places(places, before, padded_width, pitch / 2, &conv.windows);
        let run = |y| Run {
            offset: y * padded_width * pitch / 2,
            len: across * pitch / 2,
        };
        let panels = Panels::new(
            conv.windows.channels,
            vertical.taps.len(),
            across * pitch,
            |y, element, input| {
                let (x, output) = (element / pitch, element % pitch);
                if output < conv.outputs {
                    conv.weight(output, input, vertical.taps[y].0, horizontal.taps[x].0)
                } else {
                    0
                }
            },
        );
        Self {
            runs: (0..vertical.taps.len()).map(run).collect(),
            panels,
            from,
            to,
        }
    }
}
