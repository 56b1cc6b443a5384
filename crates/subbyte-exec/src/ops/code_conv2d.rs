use std::sync::Arc;

use burn::tensor::Tensor;
use rayon::prelude::*;
use subbyte_kernels::products::{Pair, Panels, Pixels, Quad, Run, Word, gather};
use subbyte_num::CodeType;

use super::buffers;
use super::code_conv2d_grad;
use super::columns::Columns;
use super::conv2d::conv2d;
use super::custom::{CustomOp, Output, Primitive, View, apply};
use super::geometry::{ConvOptions, Windows};
use super::levels::{self, Levels};
use super::workspace::{Workspace, level, with_workspace};
use crate::simd::vectorize;

/// [`conv2d`] of a quantized input and quantized weights, on integers: levels are convolved exactly, and backward works with gradients
/// that are rounded to 16 bits, as a part of the largest of their image. Sums of integers are the same on every machine.
///
/// Convolutions in groups, or of an input whose levels are not neighbours, run as [`conv2d`] does.
pub fn code_conv2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    options: ConvOptions,
    [of_x, of_weight]: [Levels; 2],
) -> Tensor<4> {
    let known = options.groups == 1 && of_x.code.step == 1 && of_x.units.len() == 1;
    match (Primitive::of(&x), Primitive::of(&weight)) {
        (Some(x), Some(weight)) if known => {
            let op = CodeConv2d {
                options,
                of_x: of_x.code,
                unit: of_x.units[0],
                of_weight,
            };
            apply(op, [x, weight]).0
        }
        _ => conv2d(x, weight, options),
    }
}

#[derive(Clone, Debug)]
struct CodeConv2d {
    options: ConvOptions,
    of_x: CodeType,
    unit: f32,
    of_weight: Levels,
}

impl CodeConv2d {
    fn conv(&self, x: &[usize], weight: View) -> CodeConv {
        let &[outputs, _, kh, kw] = weight.shape else {
            panic!("convolution weights of shape {:?}", weight.shape);
        };
        let ConvOptions {
            stride, padding, ..
        } = self.options;
        CodeConv {
            windows: Windows::new(x, [kh, kw], stride, padding),
            outputs,
            code: self.of_x,
            unit: self.unit,
            weights: self.of_weight.levels(weight.data),
            weight_units: self.of_weight.per_row(outputs),
        }
    }
}

impl CustomOp<2> for CodeConv2d {
    /// Codes of the input: a quarter of its values' bytes.
    type Saved = Arc<Vec<u8>>;
    const KEEP: [bool; 2] = [false, true];

    fn forward(&self, [x, weight]: [View; 2]) -> Output<Self::Saved> {
        let conv = self.conv(x.shape, weight);
        let [rows, cols] = conv.windows.out;
        let (data, codes) = conv.forward(x.data);
        Output {
            data,
            shape: vec![conv.windows.images, rows, cols, conv.outputs],
            saved: Arc::new(codes),
        }
    }

    fn backward(
        &self,
        codes: Self::Saved,
        [x, weight]: [View; 2],
        grad: &mut Vec<f32>,
        wanted: [bool; 2],
    ) -> [Option<Vec<f32>>; 2] {
        let conv = self.conv(x.shape, weight);
        let gradients = code_conv2d_grad::gradients(&conv, &codes, grad, wanted);
        if let Ok(codes) = Arc::try_unwrap(codes) {
            buffers::give(codes);
        }
        gradients
    }
}

/// A convolution of codes with all its sizes.
pub(super) struct CodeConv {
    pub windows: Windows,
    pub outputs: usize,
    /// Codes of the input, whose levels are `code + offset`.
    pub code: CodeType,
    /// Real value of a level of the input.
    pub unit: f32,
    /// Levels of the weights, `[O][I][kh][kw]`.
    pub weights: Vec<i16>,
    /// Real value of a level of each output channel's weights.
    pub weight_units: Vec<f32>,
}

vectorize! {
    /// `(sums + add) * scale` over wide rows.
    fn scaled<'a>(sums: &'a [i32], add: &'a [i32], scale: &'a [f32], out: &'a mut [f32]) -> () {
        for (out, sums) in out.chunks_mut(scale.len()).zip(sums.chunks(scale.len())) {
            let n = out.len();
            let (sums, add, scale) = (&sums[..n], &add[..n], &scale[..n]);
            for i in 0..n {
                out[i] = sums[i].wrapping_add(add[i]) as f32 * scale[i];
            }
        }
    }
}

impl CodeConv {
    /// Level of the weight of a tap.
    pub fn weight(&self, output: usize, input: usize, ky: usize, kx: usize) -> i16 {
        let [kh, kw] = self.windows.kernel;
        self.weights[((output * self.windows.channels + input) * kh + ky) * kw + kx]
    }

    /// The largest magnitude of a weight's level, at least 1.
    pub fn largest_weight(&self) -> i64 {
        let all = self.weights.iter().map(|w| i64::from(w.unsigned_abs()));
        all.max().unwrap_or(0).max(1)
    }

    /// The largest magnitude of an input's level, at least 1.
    pub fn largest_level(&self) -> i64 {
        let [low, high] = [self.code.min_level(), self.code.max_level()];
        i64::from(low.abs().max(high.abs())).max(1)
    }

    /// What follows an output pixel's first tap in the padded image, whose pixels have `pitch` words: a kernel's row is one run.
    pub fn runs(&self, pitch: usize) -> Vec<Run> {
        let [kh, kw] = self.windows.kernel;
        let run = |ky| Run {
            offset: ky * self.windows.padded_width() * pitch,
            len: kw * pitch,
        };
        (0..kh).map(run).collect()
    }

    /// The code of level zero, which surrounds the image.
    pub fn zero(&self) -> u8 {
        (-self.code.offset) as u8
    }

    /// Values and the codes of the input.
    fn forward(&self, x: &[f32]) -> (Vec<f32>, Vec<u8>) {
        let two_products = 2 * i64::from(self.code.max_code()) * self.largest_weight();
        let bytes = self.weights.iter().all(|w| i8::try_from(*w).is_ok());
        if bytes && two_products <= i16::MAX.into() {
            self.convolve(
                x,
                |weight| weight as i8,
                |padded, words: &mut Vec<Quad>| {
                    words.extend_from_slice(padded.as_chunks().0);
                },
            )
        } else {
            self.convolve(
                x,
                |weight| weight,
                |padded, words: &mut Vec<Pair>| {
                    let pairs = padded.as_chunks::<2>().0;
                    words.extend(pairs.iter().map(|pair| pair.map(i16::from)));
                },
            )
        }
    }

    fn convolve<W: Word + Default + Send>(
        &self,
        x: &[f32],
        weight: impl Fn(i16) -> W::Weight,
        words_of: impl Fn(&[u8], &mut Vec<W>) + Sync,
    ) -> (Vec<f32>, Vec<u8>)
    where
        W::Weight: Default,
        Workspace: AsMut<Vec<W>>,
    {
        let Windows {
            channels,
            out,
            kernel: [kh, kw],
            ..
        } = self.windows;
        let pitch = channels.next_multiple_of(W::PARTS);
        let panels = Panels::<W>::new(self.outputs, kh, kw * pitch, |ky, element, output| {
            let (kx, input) = (element / pitch, element % pitch);
            if input < channels {
                weight(self.weight(output, input, ky, kx))
            } else {
                W::Weight::default()
            }
        });
        let (runs, from) = (
            self.runs(pitch / W::PARTS),
            self.windows.sources(pitch / W::PARTS),
        );
        let to = Pixels {
            rows: out[0],
            cols: out[1],
            start: 0,
            row: out[1] * self.outputs,
            col: self.outputs,
        };
        // A code is `offset` below its level.
        let of_output = self.weights.chunks((kh * kw * channels).max(1));
        let add: Vec<i32> = of_output
            .map(|w| i32::from(self.code.offset) * w.iter().map(|&w| i32::from(w)).sum::<i32>())
            .collect();
        let scale: Vec<f32> = self.weight_units.iter().map(|u| u * self.unit).collect();
        let columns = Columns::new(self.outputs);
        let add: Vec<i32> = add.iter().copied().cycle().take(columns.wide).collect();
        let scale = columns.repeat(&scale);

        let (image, made) = (
            self.windows.image_len(),
            self.windows.out_pixels() * self.outputs,
        );
        let mut values: Vec<f32> = buffers::take(self.windows.images * made);
        let mut codes = buffers::take(x.len());
        let level = level();
        values
            .par_chunks_exact_mut(made.max(1))
            .zip(x.par_chunks_exact(image.max(1)))
            .zip(codes.par_chunks_exact_mut(image.max(1)))
            .for_each(|((values, x), codes)| {
                levels::encode(x, self.unit, self.code.offset.into(), codes);
                with_workspace(|workspace| {
                    let mut bytes = std::mem::take(&mut workspace.bytes);
                    self.pad(codes, pitch, &mut bytes);
                    let mut words = std::mem::take(workspace.as_mut());
                    words.clear();
                    words_of(&bytes, &mut words);
                    let sums = &mut workspace.sums;
                    sums.resize(made, 0);
                    gather(level, &words, from, &runs, &panels, sums, to);
                    scaled(sums, &add, &scale, values);
                    *workspace.as_mut() = words;
                    workspace.bytes = bytes;
                });
            });
        (values, codes)
    }

    /// The image's codes in the middle of zeros, every pixel filled up to `pitch` codes.
    pub fn pad(&self, codes: &[u8], pitch: usize, padded: &mut Vec<u8>) {
        let Windows {
            width,
            height,
            channels,
            padding: [top, left, bottom, _],
            ..
        } = self.windows;
        let row = self.windows.padded_width() * pitch;
        padded.resize((top + height + bottom) * row, 0);
        let (above, rest) = padded.split_at_mut(top * row);
        let (rows, below) = rest.split_at_mut(height * row);
        above.fill(self.zero());
        below.fill(self.zero());
        let rows = rows.chunks_exact_mut(row.max(1));
        for (to, from) in rows.zip(codes.chunks_exact((width * channels).max(1))) {
            let (before, to) = to.split_at_mut(left * pitch);
            let (to, after) = to.split_at_mut(width * pitch);
            before.fill(self.zero());
            after.fill(self.zero());
            if pitch == channels {
                to.copy_from_slice(from);
            } else {
                // Whatever fills a pixel up meets weights of zero.
                for (to, from) in to.chunks_exact_mut(pitch).zip(from.chunks_exact(channels)) {
                    to[..channels].copy_from_slice(from);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{assert_close, from_vec, gradients, random, to_vec};

    /// Values on a grid: random levels, the extreme ones among them, times the units.
    fn quantized(shape: [usize; 4], levels: &Levels, seed: u64) -> Tensor<4> {
        let code = levels.code;
        let random = to_vec(&random(shape, seed));
        let run = random.len() / levels.units.len();
        let values = random.iter().enumerate().map(|(i, r)| {
            let code = levels
                .code
                .level((f32::from(code.max_code()) * (r.abs() * 1.2).min(1.0)).round() as u8);
            code as f32 * levels.units[i / run]
        });
        from_vec(values.collect(), shape)
    }

    fn levels(code: CodeType, units: &[f32]) -> Levels {
        let units = units.to_vec();
        Levels { code, units }
    }

    #[test]
    fn agrees_with_the_convolution_of_values() {
        let cases = [
            ([2, 8, 8, 16], [16, 16, 3, 3], [1, 1], [1; 4]),
            ([2, 9, 7, 5], [20, 5, 3, 3], [2, 2], [1; 4]),
            ([1, 6, 5, 30], [35, 30, 3, 3], [1, 1], [0; 4]),
            ([3, 8, 8, 16], [70, 16, 1, 1], [2, 2], [0; 4]),
            ([2, 11, 12, 3], [64, 3, 5, 4], [3, 2], [2, 0, 1, 3]),
            ([1, 1, 1, 40], [10, 40, 1, 1], [1, 1], [0; 4]),
            ([20, 4, 4, 7], [9, 7, 3, 3], [1, 1], [1; 4]),
        ];
        for (x, weight, stride, padding) in cases {
            let options = ConvOptions {
                stride,
                padding,
                groups: 1,
            };
            let units: Vec<f32> = (0..weight[0]).map(|o| 0.05 + 0.001 * o as f32).collect();
            for [of_x, of_weight] in [
                [
                    levels(CodeType::unsigned(2), &[0.3]),
                    levels(CodeType::signed(2), &[0.07]),
                ],
                [
                    levels(CodeType::unsigned(1), &[1.0]),
                    levels(CodeType::bipolar(1), &units),
                ],
                [
                    levels(CodeType::signed(4), &[0.11]),
                    levels(CodeType::signed(3), &units),
                ],
                [
                    levels(CodeType::unsigned(8), &[0.013]),
                    levels(CodeType::signed(8), &[0.003]),
                ],
                [
                    levels(CodeType::unsigned(1), &[1.0]),
                    levels(CodeType::bipolar(8), &[0.003]),
                ],
            ] {
                let (x, weight) = (quantized(x, &of_x, 1), quantized(weight, &of_weight, 2));
                let of = [of_x, of_weight];
                let codes = gradients(x.clone().detach(), weight.clone().detach(), |x, w| {
                    code_conv2d(x, w, options, of.clone())
                });
                let values = gradients(x.detach(), weight.detach(), |x, w| conv2d(x, w, options));
                assert_close(&codes[0], &values[0], 2e-6);
                // Gradients are rounded; theirs are sums of as many roundings as of gradients.
                assert_close(&codes[1], &values[1], 2e-4);
                assert_close(&codes[2], &values[2], 2e-4);
            }
        }
    }

    #[test]
    fn a_gradient_that_is_not_finite_stays_so() {
        let of = [
            levels(CodeType::unsigned(2), &[0.3]),
            levels(CodeType::signed(2), &[0.07]),
        ];
        let options = ConvOptions {
            stride: [1, 1],
            padding: [1; 4],
            groups: 1,
        };
        for bad in [f32::NAN, f32::INFINITY] {
            let x = quantized([1, 4, 4, 3], &of[0], 1).detach().require_grad();
            let weight = quantized([5, 3, 3, 3], &of[1], 2).detach().require_grad();
            let out = code_conv2d(x.clone(), weight.clone(), options, of.clone());
            let grads = (out * bad).sum().backward();
            assert!(
                to_vec(&x.grad(&grads).expect("gradient"))
                    .iter()
                    .all(|g| g.is_nan())
            );
            assert!(
                to_vec(&weight.grad(&grads).expect("gradient"))
                    .iter()
                    .all(|g| g.is_nan())
            );
        }
    }

    #[test]
    fn does_not_depend_on_the_thread_count() {
        let of = [
            levels(CodeType::unsigned(2), &[0.3]),
            levels(CodeType::signed(2), &[0.07]),
        ];
        let options = ConvOptions {
            stride: [1, 1],
            padding: [1; 4],
            groups: 1,
        };
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.expect("thread pool").install(|| {
                let (x, weight) = (
                    quantized([21, 8, 8, 8], &of[0], 1),
                    quantized([8, 8, 3, 3], &of[1], 2),
                );
                gradients(x.detach(), weight.detach(), |x, w| {
                    code_conv2d(x, w, options, of.clone())
                })
            })
        };
        assert_eq!(run(1), run(3));
    }
}
