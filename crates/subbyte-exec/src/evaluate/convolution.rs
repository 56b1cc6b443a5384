use burn::tensor::{Device, Tensor as Floats, TensorData};
use subbyte_model::{CodeType, Conv2d, Kind, Shape, Tensor};

use crate::ops::{ConvOptions, conv2d};

/// Integers below this are exact in f32, and so are their sums as long as they stay below.
const EXACT: i64 = 1 << 24;

/// A convolution of codes in f32, in as many slices of its input channels as exactness needs.
pub(super) struct Convolution {
    slices: Vec<Slice>,
    bias: Vec<i32>,
    code: CodeType,
    input: Shape,
    device: Device,
}

/// Input channels that are convolved at once, with the output channels that read them.
struct Slice {
    inputs: std::ops::Range<usize>,
    outputs: std::ops::Range<usize>,
    /// `[outputs][inputs / groups][kh][kw]`.
    weight: Floats<4>,
    options: ConvOptions,
}

impl Convolution {
    pub(super) fn new(conv: &Conv2d, input: Tensor, device: &Device) -> Self {
        let Kind::Codes(code) = input.kind else {
            unreachable!("the fusing pass checked what a convolution reads")
        };
        let channels = input.shape.channels;
        let outputs = conv.weights.channels();
        let levels = conv.weights.levels();
        let (group_inputs, group_outputs) = (channels / conv.groups, outputs / conv.groups);
        let taps = conv.kernel[0] * conv.kernel[1];
        let largest = i64::from(levels.iter().map(|w| w.abs()).max().unwrap_or(0));
        let level = i64::from(code.min_level().abs().max(code.max_level().abs()));
        let one_channel = (taps as i64 * largest * level).max(1);
        let slice =
            |inputs: std::ops::Range<usize>, outputs: std::ops::Range<usize>, groups: usize| {
                // `inputs` within a group, counted from its first channel where there are several groups in the slice.
                let width = inputs.len() / groups;
                let first = inputs.start % group_inputs;
                let mut weight = Vec::with_capacity(outputs.len() * width * taps);
                for o in outputs.clone() {
                    for i in first..first + width {
                        weight.extend(
                            (0..taps).map(|tap| levels[(o * taps + tap) * group_inputs + i] as f32),
                        );
                    }
                }
                let data = TensorData::new(
                    weight,
                    [outputs.len(), width, conv.kernel[0], conv.kernel[1]],
                );
                let options = ConvOptions {
                    stride: conv.stride,
                    padding: conv.padding,
                    groups,
                };
                Slice {
                    inputs,
                    outputs,
                    weight: Floats::from_data(data, device),
                    options,
                }
            };
        let slices = if group_inputs as i64 * one_channel < EXACT {
            vec![slice(0..channels, 0..outputs, conv.groups)]
        } else {
            let width = ((EXACT - 1) / one_channel).max(1) as usize;
            let group = |g: usize| {
                let (start, end) = (g * group_inputs, (g + 1) * group_inputs);
                let outputs = g * group_outputs..(g + 1) * group_outputs;
                let parts = (start..end).step_by(width);
                parts.map(move |i| (i..(i + width).min(end), outputs.clone()))
            };
            (0..conv.groups)
                .flat_map(group)
                .map(|(inputs, outputs)| slice(inputs, outputs, 1))
                .collect()
        };
        Self {
            slices,
            bias: conv.bias.clone(),
            code,
            input: input.shape,
            device: device.clone(),
        }
    }

    /// Sums of each image's codes.
    pub(super) fn run(&self, images: &[&[u8]]) -> Vec<Vec<i32>> {
        let Shape {
            channels,
            height,
            width,
        } = self.input;
        let outputs = self.slices.last().map_or(0, |s| s.outputs.end);
        let mut sums: Vec<Vec<i32>> = vec![Vec::new(); images.len()];
        for slice in &self.slices {
            let mut levels = Vec::with_capacity(images.len() * height * width * slice.inputs.len());
            for pixel in images.iter().flat_map(|image| image.chunks(channels)) {
                levels.extend(
                    pixel[slice.inputs.clone()]
                        .iter()
                        .map(|&c| self.code.level(c) as f32),
                );
            }
            let data = TensorData::new(levels, [images.len(), height, width, slice.inputs.len()]);
            let made = conv2d(
                Floats::from_data(data, &self.device),
                slice.weight.clone(),
                slice.options,
            );
            let [_, rows, cols, _] = made.dims();
            let made = made
                .into_data()
                .try_into_vec::<f32>()
                .expect("f32 tensors hold f32");
            for (sums, made) in sums
                .iter_mut()
                .zip(made.chunks(rows * cols * slice.outputs.len()))
            {
                sums.resize(rows * cols * outputs, 0);
                for (pixel, made) in sums
                    .chunks_mut(outputs)
                    .zip(made.chunks(slice.outputs.len()))
                {
                    for (sum, &part) in pixel[slice.outputs.clone()].iter_mut().zip(made) {
                        *sum += part as i32;
                    }
                }
            }
        }
        if !self.bias.is_empty() {
            for sums in &mut sums {
                sums.iter_mut()
                    .enumerate()
                    .for_each(|(i, s)| *s += self.bias[i % outputs]);
            }
        }
        sums
    }
}
