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
    /// What takes the least that they can be together from as many, `[panels][kernel_h][runs of a window's row]`.
    starts: Vec<Aligned<[u8; BYTES]>>,
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

    /// The largest partial sum.
    fn largest(conv: &Conv<'_>, weights: &Weights) -> usize {
        let (low, high) = weights.range();
        let pivot = weights.pivot();
        let furthest = (pivot - low).max(high - pivot) / weights.unit;
        furthest as usize * usize::from(conv.code.max_code()) * Self::together(conv, weights)
    }

    /// The largest range of each entry, `[channels][kernel_h][kernel_w][groups]`.
    fn ranges(conv: &Conv<'_>, weights: &Weights, groups: usize) -> Vec<u16> {
        let (pivot, max_code) = (weights.pivot(), i32::from(conv.code.max_code()));
        let pixels = conv.weights.chunks_exact(conv.input.channels);
        let steps = pixels
            .flat_map(|pixel| (0..groups).map(move |group| pixel[group..].iter().step_by(groups)));
        let ranges = steps.map(|own| {
            let distance: i32 = own.map(|weight| (weight - pivot).abs()).sum();
            (distance / weights.unit * max_code) as u16
        });
        ranges.collect()
    }
}

impl<const ROW: usize> Family for Table<ROW> {
    fn pivot(weights: &Weights) -> i32 {
        weights.pivot()
    }

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
        let (pivot, own) = (weights.pivot(), conv.window.taps() * conv.input.channels);
        let distances = conv.weights.sums().iter().map(|sums| match pivot {
            0 => sums.magnitude(),
            _ => sums.total() - i64::from(pivot) * own as i64,
        });
        let range = distances.max().unwrap_or(0) / i64::from(weights.unit)
            * i64::from(conv.code.max_code());
        let [kernel_h, _] = conv.window.kernel;
        kernel_h + range as usize / usize::from(u8::MAX)
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
            // Channels beyond the last one have the index of a weight whose `u` is 0.
            let none = weights.index(weights.pivot());
            let slots = 0..channels as u32;
            let nothing = slots.fold(0, |byte, slot| byte | none << (slot * weights.bits()));
            for output in 0..conv.channels {
                let own = &mut packed[output / BYTES * panel..][..panel];
                for tap in 0..taps {
                    let from = &conv.weights[(output * taps + tap) * inputs..][..inputs];
                    let own = &mut own[tap * groups..][..groups];
                    own.iter_mut().for_each(|to| to.0[output % BYTES] = nothing);
                    for (slot, from) in from.chunks(groups).enumerate() {
                        let shift = slot as u32 * weights.bits();
                        for (to, &weight) in own.iter_mut().zip(from) {
                            to.0[output % BYTES] ^= (none ^ weights.index(weight)) << shift;
                        }
                    }
                }
            }
        });
        let pivot = weights.pivot();
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
                        weights.u(weight as u8, pivot) * code as i32
                    })
                    .sum::<i32>() as u8;
            }
        }
        let row = conv.window.kernel[1] * groups;
        let depth = store.number(1..=row, || {
            super::depth(&Self::ranges(conv, weights, groups), row)
        });
        let max_code = i32::from(conv.code.max_code());
        let parts = conv.window.kernel[0] * row.div_ceil(depth);
        let mut starts = vec![Aligned([0; BYTES]); conv.channels.div_ceil(BYTES) * parts];
        store.fill(&mut starts, |starts| {
            for (output, own) in conv.weights.chunks_exact(taps * inputs).enumerate() {
                for (step, pixel) in (0..).step_by(groups).zip(own.chunks_exact(inputs)) {
                    for (group, &weight) in (0..groups).cycle().zip(pixel) {
                        let (ky, place) = ((step + group) / row, (step + group) % row);
                        let part = ky * row.div_ceil(depth) + place / depth;
                        let start = &mut starts[output / BYTES * parts + part].0[output % BYTES];
                        let least = ((weight - pivot) / weights.unit).min(0) * max_code;
                        *start = u8::wrapping_sub(*start, least as u8);
                    }
                }
            }
        });
        let columns = 0..conv.window.kernel[1];
        let offsets = columns.flat_map(|kx| (0..groups).map(move |g| (kx, g)));
        Self {
            offsets: offsets.map(|(kx, g)| layout.offset(kx, g)).collect(),
            layout,
            depth,
            starts,
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
        let parts = self.panel / self.offsets.len() * self.offsets.len().div_ceil(self.depth);
        let starts = &self.starts[panel * parts..][..R * parts];
        let (mut first, mut part) = (0, 0);
        for ky in 0..self.panel / self.offsets.len() {
            let row = &taps.row(ky)[taps.x..];
            for offsets in self.offsets.chunks(self.depth) {
                let mut start = [isa.zero_bytes(); R];
                for r in 0..R {
                    start[r] = isa.load_bytes(&starts[r * parts + part].0);
                }
                part += 1;
                let mut bytes = [start; P];
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
        size_of_val(&self.weights[..]) + size_of_val(&self.starts[..]) + size_of_val(&*self.rows)
    }
}
