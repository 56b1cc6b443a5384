use std::array;

use pulp::{Simd, WithSimd};

use super::{Panels, Pixels, Run};

/// For every pixel, multiplies the values of its runs, one after another, with the matrix:
/// `dst[pixel][o] = sum over k of value[k] * matrix[k][o]`.
///
/// `from` and `to` describe the same pixels in the source and in the destination. This one product is the forward pass of a
/// convolution, the gradient of its input, and a matrix product, without any copy of patches.
pub(crate) fn gather(
    src: &[f32],
    from: Pixels,
    runs: &[Run],
    matrix: &Panels,
    dst: &mut [f32],
    to: Pixels,
) {
    debug_assert_eq!(runs.iter().map(|run| run.len).sum::<usize>(), matrix.depth);
    debug_assert_eq!((from.rows, from.cols), (to.rows, to.cols));
    for (first, outputs, packed) in matrix.iter() {
        matrix.arch.dispatch(Panel {
            src,
            from,
            runs,
            packed,
            outputs,
            dst,
            to: Pixels {
                start: to.start + first,
                ..to
            },
        });
    }
}

struct Panel<'a> {
    src: &'a [f32],
    from: Pixels,
    runs: &'a [Run],
    packed: &'a [f32],
    outputs: usize,
    dst: &'a mut [f32],
    to: Pixels,
}

impl WithSimd for Panel<'_> {
    type Output = ();

    // Tile shapes: accumulators, one matrix row and a broadcast fit the registers, and a tile has no more pixels than there
    // are address registers for them.
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match (self.outputs.div_ceil(S::F32_LANES), S::REGISTER_COUNT >= 32) {
            (0 | 1, _) => self.tiles::<S, 8, 1>(simd),
            (2, true) => self.tiles::<S, 8, 2>(simd),
            (2, false) => self.tiles::<S, 4, 2>(simd),
            (3, _) => self.tiles::<S, 8, 3>(simd),
            _ => self.tiles::<S, 6, 4>(simd),
        }
    }
}

impl Panel<'_> {
    #[inline(always)]
    fn tiles<S: Simd, const P: usize, const V: usize>(self, simd: S) {
        let Self {
            src,
            from,
            runs,
            packed,
            outputs,
            dst,
            to,
        } = self;
        let matrix = S::as_simd_f32s(packed).0;
        let pixels = from.rows * from.cols;
        let (mut row, mut col) = (0, 0);
        for first in (0..pixels).step_by(P) {
            // The last tile repeats the last pixel.
            let mut source = [0; P];
            let mut target = [0; P];
            for p in 0..P {
                source[p] = from.start + row * from.row + col * from.col;
                target[p] = to.start + row * to.row + col * to.col;
                if first + p + 1 < pixels {
                    col += 1;
                    if col == from.cols {
                        col = 0;
                        row += 1;
                    }
                }
            }
            let mut sums = [[simd.splat_f32s(0.0); V]; P];
            let mut depth = 0;
            for run in runs {
                let values: [&[f32]; P] =
                    array::from_fn(|p| &src[source[p] + run.offset..][..run.len]);
                let weights = &matrix[depth * V..][..run.len * V];
                for k in 0..run.len {
                    let w: [S::f32s; V] = array::from_fn(|v| weights[k * V + v]);
                    for p in 0..P {
                        let x = simd.splat_f32s(values[p][k]);
                        for v in 0..V {
                            sums[p][v] = simd.mul_add_e_f32s(x, w[v], sums[p][v]);
                        }
                    }
                }
                depth += run.len;
            }
            // Loops have fixed lengths, else the sums would live in memory.
            for p in 0..P {
                if first + p < pixels {
                    let out = &mut dst[target[p]..][..outputs];
                    let (whole, rest) = S::as_mut_simd_f32s(out);
                    for v in 0..V {
                        if v < whole.len() {
                            whole[v] = sums[p][v];
                        } else {
                            simd.partial_store_f32s(rest, sums[p][v]);
                        }
                    }
                }
            }
        }
    }
}
