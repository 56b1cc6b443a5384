use pulp::{Arch, Simd, WithSimd};

use super::{Pixels, Run};

/// Bytes of source and gradient that a strip of pixels may fill: less than a first-level cache.
const STRIP: usize = 24 << 10;

/// Adds the outer products of every pixel's run values and gradients:
/// `sums[k][o] += sum over pixels of value[k] * grad[pixel][o]`.
///
/// `grad` is `[rows * cols][width]`, `sums` is `[depth][width]`; `width` is a multiple of the vector length of
/// `arch`.
pub(crate) fn outer(
    arch: Arch,
    src: &[f32],
    from: Pixels,
    runs: &[Run],
    grad: &[f32],
    width: usize,
    sums: &mut [f32],
) {
    let depth: usize = runs.iter().map(|run| run.len).sum();
    debug_assert_eq!(grad.len(), from.rows * from.cols * width);
    debug_assert_eq!(sums.len(), depth * width);
    let bytes_per_row = from.cols * (from.col + width) * size_of::<f32>();
    let strip = (STRIP / bytes_per_row.max(1)).clamp(1, from.rows.max(1));
    for first in (0..from.rows).step_by(strip) {
        let rows = strip.min(from.rows - first);
        let pixels = from.cols * width;
        arch.dispatch(Strip {
            src,
            from: Pixels {
                start: from.start + first * from.row,
                rows,
                ..from
            },
            runs,
            grad: &grad[first * pixels..][..rows * pixels],
            width,
            sums,
        });
    }
}

struct Strip<'a> {
    src: &'a [f32],
    from: Pixels,
    runs: &'a [Run],
    grad: &'a [f32],
    width: usize,
    sums: &'a mut [f32],
}

impl WithSimd for Strip<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let many = S::REGISTER_COUNT >= 32;
        let vectors = self.width / S::F32_LANES;
        let mut first = 0;
        while first < vectors {
            match (vectors - first, many) {
                (1, _) => {
                    self.runs::<S, 8, 1>(simd, first);
                    first += 1;
                }
                (2, true) => {
                    self.runs::<S, 8, 2>(simd, first);
                    first += 2;
                }
                (3, true) => {
                    self.runs::<S, 8, 3>(simd, first);
                    first += 3;
                }
                (_, true) => {
                    self.runs::<S, 6, 4>(simd, first);
                    first += 4;
                }
                (_, false) => {
                    self.runs::<S, 6, 2>(simd, first);
                    first += 2;
                }
            }
        }
    }
}

impl Strip<'_> {
    #[inline(always)]
    fn runs<S: Simd, const R: usize, const V: usize>(&mut self, simd: S, first: usize) {
        let mut depth = 0;
        for i in 0..self.runs.len() {
            let Run { offset, len } = self.runs[i];
            if len < R {
                for k in 0..len {
                    self.tile::<S, 1, V>(simd, first, offset + k, depth + k, 0);
                }
            } else {
                // The last tile overlaps the one before and leaves what that one did.
                for k in (0..len).step_by(R) {
                    let start = k.min(len - R);
                    self.tile::<S, R, V>(simd, first, offset + start, depth + start, k - start);
                }
            }
            depth += len;
        }
    }

    /// Adds to rows `depth + skip .. depth + R`, whose values lie `offset` after each pixel's start.
    #[inline(always)]
    fn tile<S: Simd, const R: usize, const V: usize>(
        &mut self,
        simd: S,
        first: usize,
        offset: usize,
        depth: usize,
        skip: usize,
    ) {
        let vectors = self.width / S::F32_LANES;
        let mut sums = [[simd.splat_f32s(0.0); V]; R];
        let mut grads = S::as_simd_f32s(self.grad).0.chunks_exact(vectors);
        for row in 0..self.from.rows {
            let mut at = self.from.start + row * self.from.row + offset;
            for grad in grads.by_ref().take(self.from.cols) {
                let values = &self.src[at..][..R];
                let grad = &grad[first..][..V];
                for r in 0..R {
                    let x = simd.splat_f32s(values[r]);
                    for v in 0..V {
                        sums[r][v] = simd.mul_add_e_f32s(x, grad[v], sums[r][v]);
                    }
                }
                at += self.from.col;
            }
        }
        let all = S::as_mut_simd_f32s(self.sums).0;
        // The loop has a fixed length, else the sums would live in memory.
        for r in 0..R {
            if r >= skip {
                let row = &mut all[(depth + r) * vectors + first..][..V];
                for v in 0..V {
                    row[v] = simd.add_f32s(row[v], sums[r][v]);
                }
            }
        }
    }
}
