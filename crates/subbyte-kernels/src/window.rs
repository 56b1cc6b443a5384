use core::ops::Range;

use crate::Extent;

/// A window that slides over height and width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Height and width.
    pub kernel: [usize; 2],
    /// Vertical and horizontal stride, at least 1.
    pub stride: [usize; 2],
    /// Rows above, columns left, rows below, columns right.
    pub padding: [usize; 4],
}

impl Window {
    /// Taps of the window.
    pub const fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Height and width of the result, `(padded size - kernel) / stride + 1` rounded down.
    ///
    /// # Panics
    /// If the window is larger than the padded input; planners check shapes first.
    pub const fn output(&self, input: Extent) -> [usize; 2] {
        [
            (input.height + self.padding[0] + self.padding[2] - self.kernel[0]) / self.stride[0]
                + 1,
            (input.width + self.padding[1] + self.padding[3] - self.kernel[1]) / self.stride[1] + 1,
        ]
    }

    /// Input rows that output row `y` sees.
    pub fn rows(&self, input: Extent, y: usize) -> Range<usize> {
        inside(
            y * self.stride[0],
            self.kernel[0],
            self.padding[0],
            input.height,
        )
    }

    /// Input columns that output column `x` sees.
    pub fn columns(&self, input: Extent, x: usize) -> Range<usize> {
        inside(
            x * self.stride[1],
            self.kernel[1],
            self.padding[1],
            input.width,
        )
    }
}

/// The part of `start .. start + len`, counted from the padded border, that lies inside an axis of `size`.
fn inside(start: usize, len: usize, before: usize, size: usize) -> Range<usize> {
    let from = start.saturating_sub(before).min(size);
    from..(start + len).saturating_sub(before).clamp(from, size)
}
