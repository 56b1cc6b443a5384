//! Products by table: the weights are indices, the codes choose the table.
//!
//! A few input channels are taken together. Their weights make an index byte, one for every output channel of a panel, and
//! stay in registers; their codes make a byte that chooses a table row, which holds the sum of products for every index. One
//! shuffle then yields the partial sums of a whole panel. They are added in bytes, and in words before a byte overflows.

use alloc::{boxed::Box, vec, vec::Vec};

use super::{Family, Taps, Weights};
use crate::{
    Conv,
    isa::{BYTES, Isa},
    memory::Aligned,
};

/// Tables of `ROW` entries, 16 or 64.
pub(crate) struct Table<const ROW: usize> {
    /// Bits of a code.
    code_bits: u32,
    /// Input channels that are taken together.
    channels: usize,
    /// Bytes of an input pixel.
    groups: usize,
    /// Partial sums that fit a byte.
    depth: usize,
    kernel_h: usize,
    /// Index bytes of a panel.
    panel: usize,
    /// `[panels][kernel_h][kernel_w][groups]`.
    weights: Vec<Aligned<[u8; BYTES]>>,
    /// A row for every byte of codes.
    rows: Box<Aligned<[[u8; ROW]; 256]>>,
}

impl<const ROW: usize> Table<ROW> {
    /// Input channels that fit one index and one byte of codes.
    fn together(conv: &Conv<'_>, weights: &Weights) -> usize {
        let index_bits = ROW.ilog2();
        let by_weights = index_bits / weights.bits();
        let by_codes = u8::BITS / u32::from(conv.code.bits);
        by_weights.min(by_codes) as usize
    }

    /// The largest partial sum.
    fn largest(conv: &Conv<'_>, weights: &Weights) -> usize {
        let u = (0..1u8 << weights.bits()).map(|i| weights.u(i)).max();
        usize::from(u.unwrap_or(0)) * usize::from(conv.code.max_code()) * Self::together(conv, weights)
    }
}

impl<const ROW: usize> Family for Table<ROW> {
    fn supports(conv: &Conv<'_>, weights: &Weights) -> bool {
        // Below two sums a byte, adding in bytes gains nothing.
        weights.bits() <= ROW.ilog2()
            && Self::together(conv, weights) > 0
            && Self::largest(conv, weights) * 2 <= usize::from(u8::MAX)
    }

    fn pack(conv: &Conv<'_>, weights: &Weights) -> Self {
        let code_bits = u32::from(conv.code.bits);
        let channels = Self::together(conv, weights);
        let inputs = conv.input.channels;
        let groups = inputs.div_ceil(channels);
        let taps = conv.window.taps();
        let panel = taps * groups;
        let mut packed = vec![Aligned([0; BYTES]); conv.channels.div_ceil(BYTES) * panel];
        // Positions beyond the last level and channels beyond the last one have the index of a weight whose `u` is 0.
        for output in 0..conv.channels {
            let own = &mut packed[output / BYTES * panel..][..panel];
            for tap in 0..taps {
                let from = &conv.weights[(output * taps + tap) * inputs..][..inputs];
                for (input, &weight) in from.iter().enumerate() {
                    let (slot, group) = (input / groups, input % groups);
                    let index = weights.index(weight) << (slot as u32 * weights.bits());
                    own[tap * groups + group].0[output % BYTES] |= index;
                }
            }
        }
        let mut rows = Box::new(Aligned([[0; ROW]; 256]));
        let (code_mask, weight_mask) = ((1 << code_bits) - 1, (1 << weights.bits()) - 1);
        for (codes, row) in rows.0.iter_mut().enumerate().take(1 << (code_bits as usize * channels)) {
            for (index, entry) in row.iter_mut().enumerate() {
                *entry = (0..channels as u32)
                    .map(|slot| {
                        let code = codes >> (slot * code_bits) & code_mask;
                        let weight = index >> (slot * weights.bits()) & weight_mask;
                        weights.u(weight as u8) * code as u8
                    })
                    .sum();
            }
        }
        Self {
            code_bits,
            channels,
            groups,
            depth: usize::from(u8::MAX) / Self::largest(conv, weights).max(1),
            kernel_h: conv.window.kernel[0],
            panel,
            weights: packed,
            rows,
        }
    }

    fn pixel_bytes(&self) -> usize {
        self.groups
    }

    /// Byte `g` of a pixel takes the channels `g`, `g + groups`, `g + 2 groups` and so on: whole runs are shifted and joined.
    #[inline(always)]
    fn pack_pixels<I: Isa>(&self, _: I, codes: &[u8], channels: usize, packed: &mut [u8]) {
        const RUN: usize = 32;
        let pixels = (packed.len() - super::rows::SLACK) / self.groups;
        for pixel in 0..pixels {
            for first in (0..self.groups).step_by(RUN) {
                let mut joined = [0u8; RUN];
                for slot in 0..self.channels {
                    let from = pixel * channels + slot * self.groups + first;
                    let run: &[u8; RUN] = codes[from..].first_chunk().expect("slack");
                    let shift = slot as u32 * self.code_bits;
                    for (byte, &code) in joined.iter_mut().zip(run) {
                        *byte |= code << shift;
                    }
                }
                packed[pixel * self.groups + first..][..RUN].copy_from_slice(&joined);
            }
        }
    }

    #[inline(always)]
    fn tile<I: Isa, const P: usize>(
        &self,
        isa: I,
        panel: usize,
        taps: &Taps<'_>,
        sums: &mut [[u16; BYTES]; P],
    ) {
        let rows = &self.rows.0;
        let weights = &self.weights[panel * self.panel..][..self.panel];
        let mut words = [isa.zero_words(); P];
        for (ky, weights) in weights.chunks_exact(taps.len).enumerate().take(self.kernel_h) {
            let runs = taps.runs::<P>(ky);
            let mut i = 0;
            for weights in weights.chunks(self.depth) {
                let mut bytes = [isa.zero_bytes(); P];
                for index in weights {
                    let index = isa.load_bytes(&index.0);
                    // SAFETY: `i` counts the index bytes of a row of the window, of which there are `taps.len`.
                    let codes: [u8; P] = unsafe { runs.get(i) };
                    i += 1;
                    for p in 0..P {
                        let row = &rows[usize::from(codes[p])];
                        let found = match ROW {
                            64 => isa.lookup64(row.first_chunk().expect("64 entries"), index),
                            _ => isa.lookup16(row.first_chunk().expect("16 entries"), index),
                        };
                        bytes[p] = isa.add_bytes(bytes[p], found);
                    }
                }
                for p in 0..P {
                    words[p] = isa.add_to_words(words[p], bytes[p]);
                }
            }
        }
        for (sums, words) in sums.iter_mut().zip(words) {
            isa.store_words(words, sums);
        }
    }

    fn packed_bytes(&self) -> usize {
        size_of_val(&self.weights[..]) + size_of_val(&*self.rows)
    }
}
