use burn::tensor::{Tensor, module, ops};
use rayon::prelude::*;

use super::buffers;
use super::custom::{CustomOp, Output, Primitive, View, apply};
use super::geometry::{ConvOptions, Windows, pad_image};
use super::{conv2d_grad, depthwise};
use crate::simd::{Panels, Pixels, Run, gather, with_scratch};

/// Convolution without bias of `x [N][H][W][I]` with `weight [O][I / groups][kh][kw]` -> `[N][OH][OW][O]`; zeros surround the
/// image.
pub fn conv2d(x: Tensor<4>, weight: Tensor<4>, options: ConvOptions) -> Tensor<4> {
    let [outputs, inputs, _, _] = weight.dims();
    match (Primitive::of(&x), Primitive::of(&weight)) {
        (Some(x), Some(weight)) if inputs == 1 && outputs == options.groups => {
            depthwise::depthwise(x, weight, options)
        }
        (Some(x), Some(weight)) => apply(Conv2d(options), [x, weight]).0,
        _ => generic(x, weight, options),
    }
}

/// The same by burn's own convolution, for any backend.
fn generic(x: Tensor<4>, weight: Tensor<4>, options: ConvOptions) -> Tensor<4> {
    let [top, left, bottom, right] = options.padding;
    let padding = [(top, bottom), (left, right)];
    let options =
        ops::ConvOptions::new_with_padding(options.stride, padding, [1, 1], options.groups);
    module::conv2d(x.permute([0, 3, 1, 2]), weight, None, options).permute([0, 2, 3, 1])
}

#[derive(Clone, Copy, Debug)]
struct Conv2d(ConvOptions);

impl CustomOp<2> for Conv2d {
    type Saved = ();
    const KEEP: [bool; 2] = [true, true];

    fn forward(&self, [x, weight]: [View; 2]) -> Output<()> {
        let conv = Conv::new(x.shape, weight.shape, self.0);
        let [rows, cols] = conv.windows.out;
        Output {
            data: conv.forward(x.data, weight.data),
            shape: vec![conv.windows.images, rows, cols, conv.outputs],
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
        let conv = Conv::new(x.shape, weight.shape, self.0);
        [
            wanted[0].then(|| conv2d_grad::input(&conv, weight.data, grad)),
            wanted[1].then(|| conv2d_grad::weight(&conv, x.data, grad)),
        ]
    }
}

/// A convolution with all its sizes.
pub(super) struct Conv {
    pub windows: Windows,
    pub groups: usize,
    /// Output channels of all groups.
    pub outputs: usize,
    /// Input channels of one group.
    pub group_inputs: usize,
    /// Output channels of one group.
    pub group_outputs: usize,
}

impl Conv {
    fn new(x: &[usize], weight: &[usize], options: ConvOptions) -> Self {
        let &[outputs, group_inputs, kh, kw] = weight else {
            panic!("convolution weights of shape {weight:?}");
        };
        Self {
            windows: Windows::new(x, [kh, kw], options.stride, options.padding),
            groups: options.groups,
            outputs,
            group_inputs,
            group_outputs: outputs / options.groups,
        }
    }

    /// What an output pixel of `group` reads of the padded image. The kernel's columns follow each other in memory, so a
    /// kernel row is one run where all channels are in one group.
    pub fn runs(&self, group: usize) -> Vec<Run> {
        let [kh, kw] = self.windows.kernel;
        let channels = self.windows.channels;
        let row = self.windows.padded_width() * channels;
        if self.groups == 1 {
            let run = |ky| Run {
                offset: ky * row,
                len: kw * channels,
            };
            return (0..kh).map(run).collect();
        }
        let run = |tap| Run {
            offset: tap / kw * row + tap % kw * channels + group * self.group_inputs,
            len: self.group_inputs,
        };
        (0..kh * kw).map(run).collect()
    }

    /// Gives `work` the padded image.
    pub fn with_padded<R>(&self, image: &[f32], work: impl FnOnce(&[f32]) -> R) -> R {
        let Windows {
            width,
            height,
            channels,
            padding,
            ..
        } = self.windows;
        if padding == [0; 4] {
            return work(image);
        }
        let rows = padding[0] + height + padding[2];
        with_scratch(rows * self.windows.padded_width() * channels, |padded| {
            pad_image(image, width, channels, padding, padded);
            work(padded)
        })
    }

    fn forward(&self, x: &[f32], weight: &[f32]) -> Vec<f32> {
        let taps = self.windows.kernel[0] * self.windows.kernel[1];
        // Packed row k holds tap k / I, input channel k % I.
        let groups: Vec<(Vec<Run>, Panels)> = (0..self.groups)
            .map(|group| {
                let depth = taps * self.group_inputs;
                let panels = Panels::new(depth, self.group_outputs, weight, |k| {
                    let (tap, input) = (k / self.group_inputs, k % self.group_inputs);
                    (
                        group * self.group_outputs * depth + input * taps + tap,
                        depth,
                    )
                });
                (self.runs(group), panels)
            })
            .collect();
        let image = self.windows.out_pixels() * self.outputs;
        let mut out = buffers::take(self.windows.images * image);
        out.par_chunks_exact_mut(image.max(1))
            .zip(x.par_chunks_exact(self.windows.image_len().max(1)))
            .for_each(|(out, image)| {
                self.with_padded(image, |padded| {
                    for (group, (runs, panels)) in groups.iter().enumerate() {
                        let to = Pixels {
                            start: group * self.group_outputs,
                            row: self.windows.out[1] * self.outputs,
                            col: self.outputs,
                            ..self.windows.sources(self.windows.channels)
                        };
                        gather(
                            padded,
                            self.windows.sources(self.windows.channels),
                            runs,
                            panels,
                            out,
                            to,
                        );
                    }
                });
            });
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{assert_close, gradients, random};

    #[test]
    fn agrees_with_burn_forward_and_backward() {
        let cases = [
            ([2, 8, 8, 16], [16, 16, 3, 3], [1, 1], [1; 4], 1),
            ([2, 9, 7, 5], [20, 5, 3, 3], [2, 2], [1; 4], 1),
            ([1, 6, 5, 30], [35, 30, 3, 3], [1, 1], [0; 4], 1),
            ([3, 8, 8, 16], [70, 16, 1, 1], [2, 2], [0; 4], 1),
            ([2, 11, 12, 3], [64, 3, 5, 4], [3, 2], [2, 0, 1, 3], 1),
            ([2, 6, 6, 8], [12, 4, 3, 3], [1, 1], [1; 4], 2),
            ([2, 6, 7, 6], [12, 1, 3, 3], [2, 1], [1, 1, 0, 2], 6),
            ([2, 9, 9, 37], [37, 1, 3, 3], [1, 1], [1; 4], 37),
            ([2, 9, 8, 16], [16, 1, 5, 5], [2, 2], [2; 4], 16),
            ([1, 1, 1, 40], [10, 40, 1, 1], [1, 1], [0; 4], 1),
        ];
        for (x, weight, stride, padding, groups) in cases {
            let options = ConvOptions {
                stride,
                padding,
                groups,
            };
            let (x, weight) = (random(x, 1), random(weight, 2));
            let fused = gradients(x.clone(), weight.clone(), |x, w| conv2d(x, w, options));
            let plain = gradients(x, weight, |x, w| generic(x, w, options));
            for (fused, plain) in fused.into_iter().zip(plain) {
                assert_close(&fused, &plain, 2e-5);
            }
        }
    }

    #[test]
    fn does_not_depend_on_the_thread_count() {
        let options = ConvOptions {
            stride: [1, 1],
            padding: [1; 4],
            groups: 1,
        };
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.expect("thread pool").install(|| {
                gradients(random([21, 8, 8, 8], 1), random([8, 8, 3, 3], 2), |x, w| {
                    conv2d(x, w, options)
                })
            })
        };
        assert_eq!(run(1), run(3));
    }
}
