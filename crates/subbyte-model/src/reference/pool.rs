//! Windows over one channel.

use alloc::vec::Vec;

use super::{Operand, each, tapped};
use crate::{Shape, Window};

/// The largest code under the window; larger codes have larger levels.
pub(super) fn max(window: &Window, x: &Operand, out: Shape) -> Vec<u8> {
    each(out, |row, column, channel| {
        let mut largest = 0;
        for (y, xx) in inside(window, x.shape(), row, column) {
            largest = largest.max(x.code(y, xx, channel));
        }
        largest
    })
}

/// The sum of levels under the window.
pub(super) fn sum(window: &Window, x: &Operand, out: Shape) -> Vec<i32> {
    each(out, |row, column, channel| {
        let mut sum = 0;
        for (y, xx) in inside(window, x.shape(), row, column) {
            sum += x.level(y, xx, channel);
        }
        sum
    })
}

/// The sum of a channel's levels.
pub(super) fn global_sum(x: &Operand, out: Shape) -> Vec<i32> {
    each(out, |_, _, channel| {
        let mut sum = 0;
        for y in 0..x.shape().height {
            for xx in 0..x.shape().width {
                sum += x.level(y, xx, channel);
            }
        }
        sum
    })
}

/// The input places under the window at `row`, `column`, padding left out; there is always one.
fn inside(window: &Window, input: Shape, row: usize, column: usize) -> Vec<(usize, usize)> {
    let mut places = Vec::new();
    for ky in 0..window.kernel[0] {
        for kx in 0..window.kernel[1] {
            let y = tapped(row, window.stride[0], ky, window.padding[0], input.height);
            let x = tapped(column, window.stride[1], kx, window.padding[1], input.width);
            places.extend(y.zip(x));
        }
    }
    places
}
