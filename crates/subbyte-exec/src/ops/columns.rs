//! Work along the channels of `[rows][channels]`. Several rows are taken together as one wide row with repeated parameters, so
//! that loops are long even where channels are few.

use rayon::prelude::*;

/// Values that one parallel task handles, about.
const CHUNK: usize = 1 << 14;
/// Length that a wide row has at least.
const WIDE: usize = 256;

/// How rows of `channels` values are grouped.
#[derive(Clone, Copy)]
pub(super) struct Columns {
    pub channels: usize,
    /// Values of a wide row, a multiple of the channels.
    pub wide: usize,
    /// Values of a parallel task, a multiple of `wide`.
    pub chunk: usize,
}

impl Columns {
    pub fn new(channels: usize) -> Self {
        let wide = channels * (WIDE / channels).max(1);
        Self {
            channels,
            wide,
            chunk: wide * (CHUNK / wide).max(1),
        }
    }

    /// One value a channel, repeated along a wide row.
    pub fn repeat(self, values: &[f32]) -> Vec<f32> {
        values.iter().copied().cycle().take(self.wide).collect()
    }

    /// Runs `work` on every chunk of rows, in any order; it adds into `N` wide rows. Returns the `N` sums of each channel, added
    /// in the order of the chunks.
    pub fn sums<const N: usize>(
        self,
        rows: &[f32],
        work: impl Fn(usize, &[f32], &mut [Vec<f32>; N]) + Sync,
    ) -> [Vec<f64>; N] {
        let parts: Vec<[Vec<f32>; N]> = rows
            .par_chunks(self.chunk)
            .enumerate()
            .map(|(i, rows)| {
                let mut part = std::array::from_fn(|_| vec![0.0; self.wide]);
                work(i * self.chunk, rows, &mut part);
                part
            })
            .collect();
        let mut totals = std::array::from_fn(|_| vec![0.0; self.channels]);
        for part in parts {
            for (total, wide) in totals.iter_mut().zip(part) {
                for row in wide.chunks_exact(self.channels) {
                    for (total, value) in total.iter_mut().zip(row) {
                        *total += f64::from(*value);
                    }
                }
            }
        }
        totals
    }
}
