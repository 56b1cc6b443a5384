//! The gradient of a convolution's input is a convolution of the output's gradient, surrounded by zeros, with the mirrored kernel. With
//! a stride of s, input pixels fall into s * s phases that see different taps; each phase is a convolution of stride 1.

use super::geometry::Windows;
use crate::simd::Pixels;

/// Along one axis: the input places `start, start + stride, …` and the taps that reach them.
pub(super) struct Phase {
    start: usize,
    stride: usize,
    /// Input places of this phase.
    count: usize,
    /// Taps in falling order, with the output place that place 0 of the phase sees through them; each further place sees the
    /// next one.
    pub taps: Vec<(usize, isize)>,
}

impl Phase {
    /// The phases of an axis, 0 vertical and 1 horizontal.
    pub fn all(windows: &Windows, axis: usize) -> Vec<Self> {
        let (size, kernel) = ([windows.height, windows.width][axis], windows.kernel[axis]);
        let (stride, pad) = (windows.stride[axis], windows.padding[axis]);
        (0..stride.min(size))
            .map(|start| Self {
                start,
                stride,
                count: (size - start).div_ceil(stride),
                taps: (0..kernel)
                    .rev()
                    .map(|tap| (tap, (start + pad) as isize - tap as isize))
                    .filter(|(_, distance)| distance % stride as isize == 0)
                    .map(|(tap, distance)| (tap, distance / stride as isize))
                    .collect(),
            })
            .collect()
    }

    /// Zeros that the phases need before and after `size` output places.
    pub fn padding(phases: &[Self], size: usize) -> (usize, usize) {
        let reach = phases.iter().flat_map(|phase| {
            let last = phase.count as isize - 1;
            phase.taps.iter().map(move |(_, at)| (*at, at + last))
        });
        reach.fold((0, 0), |(before, after), (first, last)| {
            (
                before.max((-first).max(0) as usize),
                after.max((last + 1 - size as isize).max(0) as usize),
            )
        })
    }

    /// Padded output place that place 0 sees through the first tap.
    fn first(&self, before: usize) -> usize {
        let at = self.taps.first().map_or(0, |(_, at)| *at);
        (at + before as isize) as usize
    }
}

/// Where the pixels of a phase lie: the corners of what they see in the output's gradient, behind `before` rows and columns of zeros and of
/// `pitch` elements a pixel, and they themselves in the input's gradient.
pub(super) fn places(
    [vertical, horizontal]: [&Phase; 2],
    before: [usize; 2],
    padded_width: usize,
    pitch: usize,
    windows: &Windows,
) -> (Pixels, Pixels) {
    let (rows, cols) = (vertical.count, horizontal.count);
    let (channels, row) = (windows.channels, padded_width * pitch);
    let from = Pixels {
        rows,
        cols,
        start: vertical.first(before[0]) * row + horizontal.first(before[1]) * pitch,
        row,
        col: pitch,
    };
    let to = Pixels {
        rows,
        cols,
        start: (vertical.start * windows.width + horizontal.start) * channels,
        row: vertical.stride * windows.width * channels,
        col: horizontal.stride * channels,
    };
    (from, to)
}
