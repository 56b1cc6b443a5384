//! Sums of weight levels times inputs.

use alloc::vec::Vec;

use super::{Operand, each, tapped};
use crate::{Conv2d, Kind, Linear, Pad, Shape};

/// `sum[y][x][o] = bias[o] + Σ weight[o][ky][kx][i] * level(input under the tap)`.
pub(super) fn conv2d(conv: &Conv2d, x: &Operand, out: Shape) -> Vec<i32> {
    let weights = conv.weights.levels();
    let [kernel_h, kernel_w] = conv.kernel;
    let [top, left, _, _] = conv.padding;
    let ins = x.shape().channels / conv.groups;
    let outs = out.channels / conv.groups;
    let padding = padding_level(conv.pad, x.tensor.kind);
    each(out, |row, column, o| {
        let first = o / outs * ins;
        let mut sum = conv.bias.get(o).copied().unwrap_or(0);
        for ky in 0..kernel_h {
            let y = tapped(row, conv.stride[0], ky, top, x.shape().height);
            for kx in 0..kernel_w {
                let xx = tapped(column, conv.stride[1], kx, left, x.shape().width);
                for i in 0..ins {
                    let weight = weights[((o * kernel_h + ky) * kernel_w + kx) * ins + i];
                    let level = match (y, xx) {
                        (Some(y), Some(xx)) => x.level(y, xx, first + i),
                        _ => padding,
                    };
                    sum += weight * level;
                }
            }
        }
        sum
    })
}

/// What a tap outside the input multiplies; a skipped tap adds nothing.
fn padding_level(pad: Pad, input: Kind) -> i32 {
    match (pad, input) {
        (Pad::Code(code), Kind::Codes(ty)) => ty.level(code),
        _ => 0,
    }
}

/// `sum[o] = bias[o] + Σ weight[o][i] * input[i]`.
pub(super) fn linear(layer: &Linear, x: &Operand, out: Shape) -> Vec<i32> {
    let weights = layer.weights.levels();
    let features = x.shape().channels;
    each(out, |_, _, o| {
        let mut sum = layer.bias.get(o).copied().unwrap_or(0);
        for i in 0..features {
            sum += weights[o * features + i] * x.level(0, 0, i);
        }
        sum
    })
}
