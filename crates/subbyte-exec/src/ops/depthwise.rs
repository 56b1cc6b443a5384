use burn::tensor::Tensor;
use rayon::prelude::*;

use super::buffers;
use super::custom::{CustomOp, Output, Primitive, View, apply};
use super::geometry::{ConvOptions, Windows};
use crate::simd::vectorize;

/// Depthwise convolution: every channel has its own `weight [C][1][kh][kw]`. Loops run along the channels.
pub(super) fn depthwise(x: Primitive, weight: Primitive, options: ConvOptions) -> Tensor<4> {
    apply(Depthwise(options), [x, weight]).0
}

#[derive(Clone, Copy, Debug)]
struct Depthwise(ConvOptions);

impl Depthwise {
    fn windows(&self, x: &[usize], weight: &[usize]) -> Windows {
        let kernel = [weight[2], weight[3]];
        Windows::new(x, kernel, self.0.stride, self.0.padding)
    }
}

/// A tap, the input pixel below it and the output pixel: which of them an array of channels belongs to.
const TAP: usize = 0;
const INPUT: usize = 1;
const OUTPUT: usize = 2;

vectorize! {
    /// For every tap that meets an input pixel, adds the products of two arrays' channels to the third one's; `of` says what each
    /// array belongs to.
    fn add_products<'a>(
        windows: &'a Windows,
        of: [usize; 3],
        a: &'a [f32],
        b: &'a [f32],
        sums: &'a mut [f32],
    ) -> () {
        let c = windows.channels;
        for pixel in 0..windows.out_pixels() {
            for ((ky, kx), input) in windows.taps(pixel / windows.out[1], pixel % windows.out[1]) {
                let meeting = [ky * windows.kernel[1] + kx, input, pixel];
                let [a_at, b_at, sum_at] = of.map(|what| meeting[what] * c);
                let products = a[a_at..][..c].iter().zip(&b[b_at..][..c]);
                for (sum, (a, b)) in sums[sum_at..][..c].iter_mut().zip(products) {
                    *sum += a * b;
                }
            }
        }
    }
}

/// `[C][taps]` -> `[taps][C]`, or back with the numbers swapped.
fn transpose(data: &[f32], rows: usize, cols: usize) -> Vec<f32> {
    (0..rows * cols)
        .map(|i| data[i % rows * cols + i / rows])
        .collect()
}

impl CustomOp<2> for Depthwise {
    type Saved = ();
    const KEEP: [bool; 2] = [true, true];

    fn forward(&self, [x, weight]: [View; 2]) -> Output<()> {
        let windows = self.windows(x.shape, weight.shape);
        let c = windows.channels;
        let weight = transpose(weight.data, c, weight.data.len() / c);
        let [rows, cols] = windows.out;
        let mut out = buffers::zeros(windows.images * rows * cols * c);
        out.par_chunks_exact_mut(rows * cols * c)
            .zip(x.data.par_chunks_exact(windows.image_len()))
            .for_each(|(out, x)| add_products(&windows, [INPUT, TAP, OUTPUT], x, &weight, out));
        Output {
            data: out,
            shape: vec![windows.images, rows, cols, c],
            saved: (),
        }
    }

    fn backward(
        &self,
        (): (),
        [x, weight]: [View; 2],
        grad: &mut Vec<f32>,
        wanted: [bool; 2],
    ) -> [Option<Vec<f32>>; 2] {
        let windows = self.windows(x.shape, weight.shape);
        let c = windows.channels;
        let taps = weight.data.len() / c;
        let out = windows.out_pixels() * c;
        let input = || {
            let weight = transpose(weight.data, c, taps);
            let mut result = buffers::zeros(x.data.len());
            result
                .par_chunks_exact_mut(windows.image_len())
                .zip(grad.par_chunks_exact(out))
                .for_each(|(result, grad)| {
                    add_products(&windows, [OUTPUT, TAP, INPUT], grad, &weight, result);
                });
            result
        };
        let weights = || {
            let parts: Vec<Vec<f32>> = x
                .data
                .par_chunks_exact(windows.image_len())
                .zip(grad.par_chunks_exact(out))
                .map(|(x, grad)| {
                    let mut sums = vec![0.0; taps * c];
                    add_products(&windows, [INPUT, OUTPUT, TAP], x, grad, &mut sums);
                    sums
                })
                .collect();
            let mut total = vec![0.0; taps * c];
            for part in parts {
                for (sum, value) in total.iter_mut().zip(part) {
                    *sum += value;
                }
            }
            transpose(&total, taps, c)
        };
        [wanted[0].then(input), wanted[1].then(weights)]
    }
}
