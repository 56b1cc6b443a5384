//! Operations whose result at a place depends on the inputs at that place alone.

use alloc::vec::Vec;

use subbyte_num::CodeType;

use super::{Operand, each};
use crate::{PixelTable, Requant, Shape};

/// `code[y][x][colour * depth + d] = table[colour][pixel][d]`; one table may serve all colours.
pub(super) fn pixel_table(table: &PixelTable, image: &Operand, out: Shape) -> Vec<u8> {
    each(out, |y, x, channel| {
        let (colour, d) = (channel / table.depth, channel % table.depth);
        let which = if table.tables == 1 { 0 } else { colour };
        let pixel = usize::from(image.code(y, x, colour));
        table.codes.get((which * 256 + pixel) * table.depth + d)
    })
}

/// The code whose level is the sum of levels, saturated.
pub(super) fn add(code: CodeType, a: &Operand, b: &Operand, out: Shape) -> Vec<u8> {
    each(out, |y, x, channel| {
        code.saturate(a.level(y, x, channel) + b.level(y, x, channel))
    })
}

/// The product of levels; a side of one row and one column is spread over the other's.
pub(super) fn mul(a: &Operand, b: &Operand, out: Shape) -> Vec<i32> {
    let spread = |side: &Operand, y: usize, x: usize, channel: usize| {
        let Shape { height, width, .. } = side.shape();
        if (height, width) == (1, 1) {
            side.level(0, 0, channel)
        } else {
            side.level(y, x, channel)
        }
    };
    each(out, |y, x, channel| {
        spread(a, y, x, channel) * spread(b, y, x, channel)
    })
}

/// The code of every sum, by its channel's parameters.
pub(super) fn requant(requant: &Requant, sums: &Operand, out: Shape) -> Vec<u8> {
    each(out, |y, x, channel| {
        requant.apply(sums.level(y, x, channel), channel)
    })
}

/// The code that the table holds for every code.
pub(super) fn code_table(table: &[u8], x: &Operand, out: Shape) -> Vec<u8> {
    each(out, |y, xx, channel| {
        table[usize::from(x.code(y, xx, channel))]
    })
}

/// The sums as they are.
pub(super) fn output(sums: &Operand, out: Shape) -> Vec<i32> {
    each(out, |y, x, channel| sums.level(y, x, channel))
}
