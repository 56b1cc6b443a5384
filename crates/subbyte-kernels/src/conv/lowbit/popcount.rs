//! Products by counting: weights of two levels are one bit, codes are bit planes, and `Σ u * code` is the number of ones in the
//! conjunction of both, plane by plane.

use alloc::{vec, vec::Vec};

use super::{Family, Taps, Weights};
use crate::{
    Conv, Mix, Store,
    isa::{BYTES, COUNTS, Isa, counted},
    memory::Aligned,
};

/// Weights of one bit, codes of one or two.
pub(crate) struct Popcount {
    planes: usize,
    /// Words of 64 input channels.
    words: usize,
    /// Words of a packed pixel.
    pixel: usize,
    /// Words of a packed row.
    row: usize,
    /// Pixels from one output column to the next.
    stride: usize,
    kernel_h: usize,
    /// Words of weights of a panel.
    panel: usize,
    /// `[panels][kernel_h][kernel_w][words]`, each the input channels of 64 output channels.
    weights: Vec<Aligned<[u64; BYTES]>>,
}

impl Family for Popcount {
    fn supports(conv: &Conv<'_>, weights: &Weights) -> bool {
        weights.bits() == 1 && conv.code.bits <= 2
    }

    fn steps(conv: &Conv<'_>, _: &Weights) -> usize {
        let words = conv.input.channels.div_ceil(64);
        conv.window.taps() * words * usize::from(conv.code.bits)
    }

    fn pack(conv: &Conv<'_>, weights: &Weights, store: &mut Store<'_>) -> Self {
        let (inputs, taps) = (conv.input.channels, conv.window.taps());
        let words = inputs.div_ceil(64);
        let panel = taps * words;
        // The lane that a channel's count is stored from.
        let mut lanes = [0; BYTES];
        for vector in 0..COUNTS[0] {
            for lane in 0..COUNTS[1] {
                let stored = counted(vector, lane);
                // Stored in split order: the even channels first.
                let channel = stored % (BYTES / 2) * 2 + stored / (BYTES / 2);
                lanes[channel] = vector * COUNTS[1] + lane;
            }
        }
        let mut packed = vec![Aligned([0; BYTES]); conv.channels.div_ceil(BYTES) * panel];
        store.fill(&mut packed, |packed| {
            for output in 0..conv.channels {
                let own = &mut packed[output / BYTES * panel..][..panel];
                for tap in 0..taps {
                    let from = &conv.weights[(output * taps + tap) * inputs..][..inputs];
                    for (input, &weight) in from.iter().enumerate() {
                        let bit = u64::from(weights.index(weight)) << (input % 64);
                        own[tap * words + input / 64].0[lanes[output % BYTES]] |= bit;
                    }
                }
            }
        });
        let planes = usize::from(conv.code.bits);
        let [_, left, _, right] = conv.window.padding;
        Self {
            planes,
            pixel: words * planes,
            row: (left + conv.input.width + right) * words * planes,
            stride: conv.window.stride[1],
            words,
            kernel_h: conv.window.kernel[0],
            panel,
            weights: packed,
        }
    }

    fn row_bytes(&self) -> usize {
        self.row * size_of::<u64>()
    }

    /// `[words][planes]` a pixel. Bits beyond the last channel meet weights of 0.
    #[inline(always)]
    fn pack_row<I: Isa>(
        &self,
        isa: I,
        codes: &[u8],
        channels: usize,
        _: &mut [u8],
        row: &mut [u8],
    ) {
        let pixels = row.as_chunks_mut::<8>().0.chunks_exact_mut(self.pixel);
        for (x, pixel) in pixels.enumerate() {
            for (word, to) in pixel.chunks_exact_mut(self.planes).enumerate() {
                let from = codes[x * channels + 64 * word..]
                    .first_chunk()
                    .expect("slack");
                for (plane, to) in to.iter_mut().enumerate() {
                    *to = isa.plane(from, plane as u32).to_le_bytes();
                }
            }
        }
    }

    const MIX: Mix = Mix::Count;

    const PAIRS: bool = false;

    #[inline(always)]
    fn tile<I: Isa, const P: usize, const R: usize>(
        &self,
        isa: I,
        panel: usize,
        taps: &Taps<'_>,
    ) -> [[I::Words; R]; P] {
        let mut tile = [[isa.zero_words(); R]; P];
        for r in 0..R {
            let words: [I::Words; P] = match self.planes {
                1 => self.planes::<I, P, 1>(isa, panel + r, taps),
                _ => self.planes::<I, P, 2>(isa, panel + r, taps),
            };
            for p in 0..P {
                tile[p][r] = words[p];
            }
        }
        tile
    }

    fn packed_bytes(&self) -> usize {
        size_of_val(&self.weights[..])
    }
}

impl Popcount {
    #[inline(always)]
    fn planes<I: Isa, const P: usize, const PLANES: usize>(
        &self,
        isa: I,
        panel: usize,
        taps: &Taps<'_>,
    ) -> [I::Words; P] {
        let mut words = [isa.zero_words(); P];
        // Two pixels at a time read the weights once, where registers hold the counts of both.
        let pairs = match I::MANY_REGISTERS && PLANES == 1 {
            true => P / 2 * 2,
            false => 0,
        };
        for p in (0..pairs).step_by(2) {
            [words[p], words[p + 1]] = self.pixels::<I, 2, PLANES>(isa, panel, taps, p);
        }
        for p in pairs..P {
            [words[p]] = self.pixels::<I, 1, PLANES>(isa, panel, taps, p);
        }
        words
    }

    /// `S` of `N` neighbouring output pixels, the first of which is pixel `first` of the tile.
    #[inline(always)]
    fn pixels<I: Isa, const N: usize, const PLANES: usize>(
        &self,
        isa: I,
        panel: usize,
        taps: &Taps<'_>,
        first: usize,
    ) -> [I::Words; N] {
        let weights = &self.weights[panel * self.panel..][..self.panel];
        let run = self.panel / self.kernel_h;
        let step = self.stride * self.words;
        let mut counts = [[isa.zero_counts(); PLANES]; N];
        for (ky, weights) in weights.chunks_exact(run).enumerate() {
            let row = taps.row(ky).as_chunks::<8>().0.as_chunks::<PLANES>().0;
            let row = &row[(taps.x + first) * step..][..(N - 1) * step + run];
            for (i, weights) in weights.iter().enumerate() {
                for n in 0..N {
                    for plane in 0..PLANES {
                        let bits = u64::from_le_bytes(row[n * step + i][plane]);
                        let own = counts[n][plane];
                        counts[n][plane] = isa.count_ones(own, bits, &weights.0);
                    }
                }
            }
        }
        let mut words = [isa.zero_words(); N];
        for n in 0..N {
            let all = match PLANES {
                1 => counts[n][0],
                _ => isa.weigh_counts(counts[n][0], counts[n][PLANES - 1]),
            };
            words[n] = isa.counts(all);
        }
        words
    }
}
