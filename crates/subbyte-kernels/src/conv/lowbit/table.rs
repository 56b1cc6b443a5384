//! Products by table: the weights are indices, the codes choose the table.
//!
//! A few input channels are taken together. Their weights make an index byte, one for every output channel of a panel, and
//! stay in registers; their codes make a byte that chooses a table row, which holds the sum of products for every index. One
//! shuffle then yields the partial sums of a whole panel. They are added in bytes, and in words before a byte overflows.

use alloc::{boxed::Box, vec, vec::Vec};

use super::{Family, Taps, Weights, planar::Planar, rows::SLACK};
use crate::{
    Conv, Mix, Store,
    isa::{BYTES, Isa},
    memory::Aligned,
};

/// Tables of `ROW` entries, 16 or 64.
pub(crate) struct Table<const ROW: usize> {
    layout: Planar,
    /// Partial sums that fit a byte.
    depth: usize,
    /// Where a packed row has the codes for the index bytes of a window's row, `[kernel_w][groups]`.
    offsets: Vec<usize>,
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
        // Five have no layout: no index that can hold so many is longer than four or shorter than six.
        match by_weights.min(by_codes) as usize {
            5 => 4,
            channels => channels.min(6),
        }
    }

    /// Partial sums that fit a byte.
    fn depth(conv: &Conv<'_>, weights: &Weights) -> usize {
        usize::from(u8::MAX) / Self::largest(conv, weights).max(1)
    }

    /// The largest partial sum.
    fn largest(conv: &Conv<'_>, weights: &Weights) -> usize {
        let u = (0..1u8 << weights.bits()).map(|i| weights.u(i)).max();
        usize::from(u.unwrap_or(0))
            * usize::from(conv.code.max_code())
            * Self::together(conv, weights)
    }
}

impl<const ROW: usize> Family for Table<ROW> {
    fn supports(conv: &Conv<'_>, weights: &Weights) -> bool {
        // Below two sums a byte, adding in bytes gains nothing.
        weights.bits() <= ROW.ilog2()
            && Self::together(conv, weights) > 0
            && Self::largest(conv, weights) * 2 <= usize::from(u8::MAX)
    }

    fn steps(conv: &Conv<'_>, weights: &Weights) -> usize {
        let together = Self::together(conv, weights);
        conv.window.taps() * conv.input.channels.div_ceil(together)
    }

    fn widenings(conv: &Conv<'_>, weights: &Weights) -> usize {
        let [kernel_h, kernel_w] = conv.window.kernel;
        let groups = conv.input.channels.div_ceil(Self::together(conv, weights));
        kernel_h * (kernel_w * groups).div_ceil(Self::depth(conv, weights))
    }

    fn pack(conv: &Conv<'_>, weights: &Weights, store: &mut Store<'_>) -> Self {
        let code_bits = u32::from(conv.code.bits);
        let channels = Self::together(conv, weights);
        let layout = Planar::new(conv, channels);
        let (inputs, groups) = (conv.input.channels, layout.groups);
        let taps = conv.window.taps();
        let panel = taps * groups;
        let mut packed = vec![Aligned([0; BYTES]); conv.channels.div_ceil(BYTES) * panel];
        store.fill(&mut packed, |packed| {
            // Positions beyond the last level and channels beyond the last one have the index of a weight whose `u` is 0.
            for output in 0..conv.channels {
                let own = &mut packed[output / BYTES * panel..][..panel];
                for tap in 0..taps {
                    let from = &conv.weights[(output * taps + tap) * inputs..][..inputs];
                    let own = &mut own[tap * groups..][..groups];
                    for (slot, from) in from.chunks(groups).enumerate() {
                        let shift = slot as u32 * weights.bits();
                        for (to, &weight) in own.iter_mut().zip(from) {
                            to.0[output % BYTES] |= weights.index(weight) << shift;
                        }
                    }
                }
            }
        });
        let mut rows = Box::new(Aligned([[0; ROW]; 256]));
        let (code_mask, weight_mask) = ((1usize << code_bits) - 1, (1 << weights.bits()) - 1);
        for (codes, row) in rows
            .0
            .iter_mut()
            .enumerate()
            .take(1 << (code_bits as usize * channels))
        {
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
        let columns = 0..conv.window.kernel[1];
        let offsets = columns.flat_map(|kx| (0..groups).map(move |g| (kx, g)));
        Self {
            offsets: offsets.map(|(kx, g)| layout.offset(kx, g)).collect(),
            layout,
            depth: Self::depth(conv, weights),
            panel,
            weights: packed,
            rows,
        }
    }

    fn row_bytes(&self) -> usize {
        self.layout.row_bytes()
    }

    #[inline(always)]
    fn pack_row<I: Isa>(
        &self,
        isa: I,
        codes: &[u8],
        channels: usize,
        spare: &mut [u8],
        row: &mut [u8],
    ) {
        self.layout.pack(isa, codes, channels, spare, row);
    }

    const MIX: Mix = Mix::lookup(ROW);

    /// A row of the table is read once for both panels.
    const PAIRS: bool = true;

    #[inline(always)]
    fn tile<I: Isa, const P: usize, const R: usize>(
        &self,
        isa: I,
        panel: usize,
        taps: &Taps<'_>,
    ) -> [[I::Words; R]; P] {
        const { assert!(P <= size_of::<u64>() && P <= SLACK) };
        let rows = &self.rows.0;
        let weights = &self.weights[panel * self.panel..][..R * self.panel];
        let mut sums = [[isa.zero_sums(); R]; P];
        let mut first = 0;
        for ky in 0..self.panel / self.offsets.len() {
            let row = &taps.row(ky)[taps.x..];
            for offsets in self.offsets.chunks(self.depth) {
                let mut bytes = [[isa.zero_bytes(); R]; P];
                for (i, &offset) in offsets.iter().enumerate() {
                    let mut index = [isa.zero_bytes(); R];
                    for r in 0..R {
                        debug_assert!(r * self.panel + first + i < weights.len());
                        // SAFETY: a panel has an index for every row of the window and every offset.
                        let own = unsafe { weights.get_unchecked(r * self.panel + first + i) };
                        index[r] = isa.load_bytes(&own.0);
                    }
                    debug_assert!(offset + size_of::<u64>() <= row.len());
                    // SAFETY: the codes of all output columns lie within the row, and its slack is larger than a word.
                    let codes = unsafe { row.as_ptr().add(offset).cast::<u64>().read_unaligned() };
                    let codes = codes.to_le_bytes();
                    for p in 0..P {
                        let row = &rows[usize::from(codes[p])];
                        for r in 0..R {
                            let found = match ROW {
                                64 => isa.lookup64(row.first_chunk().expect("64"), index[r]),
                                _ => isa.lookup16(row.first_chunk().expect("16"), index[r]),
                            };
                            bytes[p][r] = isa.add_bytes(bytes[p][r], found);
                        }
                    }
                }
                first += offsets.len();
                for p in 0..P {
                    for r in 0..R {
                        sums[p][r] = isa.add_to_sums(sums[p][r], bytes[p][r]);
                    }
                }
            }
        }
        let mut words = [[isa.zero_words(); R]; P];
        for p in 0..P {
            for r in 0..R {
                words[p][r] = isa.sums(sums[p][r]);
            }
        }
        words
    }

    fn packed_bytes(&self) -> usize {
        size_of_val(&self.weights[..]) + size_of_val(&*self.rows)
    }
}
