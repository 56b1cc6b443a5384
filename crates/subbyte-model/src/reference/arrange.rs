//! Operations that only move codes.

use alloc::vec::Vec;

use super::{Operand, each};
use crate::Shape;

/// The channels of all parts, one part after another.
pub(super) fn concat(parts: &[Operand], out: Shape) -> Vec<u8> {
    each(out, |y, x, channel| {
        let mut channel = channel;
        for part in parts {
            if channel < part.shape().channels {
                return part.code(y, x, channel);
            }
            channel -= part.shape().channels;
        }
        unreachable!("the result has as many channels as the parts together")
    })
}

/// Every `step`-th code from `start`, along channels, height and width.
pub(super) fn slice(start: [usize; 3], step: [usize; 3], x: &Operand, out: Shape) -> Vec<u8> {
    let source = |axis: usize, i: usize| start[axis] + i * step[axis];
    each(out, |y, xx, channel| {
        x.code(source(1, y), source(2, xx), source(0, channel))
    })
}

/// The input's channels from channel `before` on, and one code in all others.
pub(super) fn pad_channels(before: usize, code: u8, x: &Operand, out: Shape) -> Vec<u8> {
    each(out, |y, xx, channel| match channel.checked_sub(before) {
        Some(inner) if inner < x.shape().channels => x.code(y, xx, inner),
        _ => code,
    })
}

/// One vector, the channel slowest and the column fastest.
pub(super) fn flatten(x: &Operand, out: Shape) -> Vec<u8> {
    let Shape { height, width, .. } = x.shape();
    each(out, |_, _, i| {
        x.code(i / width % height, i % width, i / (height * width))
    })
}

/// Every code repeated `factor` times along height and width.
pub(super) fn upsample(factor: [usize; 2], x: &Operand, out: Shape) -> Vec<u8> {
    each(out, |y, xx, channel| {
        x.code(y / factor[0], xx / factor[1], channel)
    })
}
