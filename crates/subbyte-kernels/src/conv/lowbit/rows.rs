use core::ops::Range;

use super::{Family, Terms};
use crate::{
    Conv, Extent, Window,
    isa::{BYTES, Isa},
    memory::{Block, view_mut},
};

/// Bytes beyond the codes of a row and beyond packed rows that may be read; they hold anything.
pub(crate) const SLACK: usize = 128;

/// Padded input rows in packed form, the newest few of them: padded row `y` lies in slot `y mod slots`. Where box
/// sums are needed, beside each pixel its sum of codes, from which they are made.
pub(crate) struct Rows {
    input: Extent,
    /// Rows above, columns left, columns right.
    padding: [usize; 3],
    pad: u8,
    /// Whether box sums are made.
    boxes: bool,
    row_bytes: usize,
    slots: usize,
}

/// The working space of a run.
pub(crate) struct Scratch<'a> {
    /// One padded row of codes.
    codes: &'a mut [u8],
    /// Space for as many.
    spare: &'a mut [u8],
    /// `[slots][row bytes]`.
    pub packed: &'a mut [u8],
    /// `[slots][padded width]`.
    sums: &'a mut [u16],
    /// Box sums of a strip's pixels, `[strip][width]`.
    boxes: &'a mut [u16],
    width: usize,
}

impl Scratch<'_> {
    /// Box sums of a row of the strip; none where they are not made.
    pub fn boxes(&self, row: usize) -> &[u16] {
        let own = self.boxes.get(row * self.width..);
        own.and_then(|own| own.get(..self.width)).unwrap_or(&[])
    }
}

impl Rows {
    /// Rows for a convolution whose windows see `slots` of them at once.
    pub fn new(conv: &Conv<'_>, row_bytes: usize, slots: usize, terms: &Terms) -> Self {
        let [top, left, _, right] = conv.window.padding;
        Self {
            input: conv.input,
            padding: [top, left, right],
            pad: terms.pad,
            boxes: terms.boxes(),
            row_bytes,
            slots,
        }
    }

    fn padded_width(&self) -> usize {
        self.padding[1] + self.input.width + self.padding[2]
    }

    /// Blocks of the five parts of the working space.
    fn parts(&self, boxes: usize) -> [usize; 5] {
        let codes = self.padded_width() * self.input.channels + SLACK;
        let packed = self.slots * self.row_bytes + SLACK;
        let made = usize::from(self.boxes);
        let sums = 2 * made * self.slots * self.padded_width();
        [codes, codes, packed, sums, 2 * made * boxes].map(Block::covering)
    }

    pub fn scratch_bytes(&self, boxes: usize) -> usize {
        self.parts(boxes).iter().sum::<usize>() * Block::BYTES
    }

    /// Divides the working space.
    pub fn scratch<'a>(&self, blocks: &'a mut [Block], boxes: usize) -> Scratch<'a> {
        let [codes, spare, packed, sums, _] = self.parts(boxes);
        let (codes, rest) = blocks.split_at_mut(codes);
        let (spare, rest) = rest.split_at_mut(spare);
        let (packed, rest) = rest.split_at_mut(packed);
        let (sums, boxes) = rest.split_at_mut(sums);
        Scratch {
            codes: view_mut(codes),
            spare: view_mut(spare),
            packed: view_mut(packed),
            sums: view_mut(sums),
            boxes: view_mut(boxes),
            width: 0,
        }
    }

    /// Slot of padded row `y`.
    #[inline(always)]
    pub fn slot(&self, y: usize) -> usize {
        y % self.slots
    }

    fn slot_after(&self, slot: usize, rows: usize) -> usize {
        let slot = slot + rows;
        if slot < self.slots {
            slot
        } else {
            slot - self.slots
        }
    }

    /// The packed row that lies `rows` (less than all slots) after the one in `slot`, with the slack behind it.
    #[inline(always)]
    pub fn row<'a>(&self, packed: &'a [u8], slot: usize, rows: usize) -> &'a [u8] {
        let start = self.slot_after(slot, rows) * self.row_bytes;
        &packed[start..][..self.row_bytes + SLACK]
    }

    /// Packs padded rows.
    #[inline(always)]
    pub fn fill<I: Isa, F: Family>(
        &self,
        isa: I,
        family: &F,
        scratch: &mut Scratch<'_>,
        input: &[u8],
        rows: Range<usize>,
    ) {
        let channels = self.input.channels;
        let [top, left, _] = self.padding;
        let (left, inside) = (left * channels, self.input.row());
        for y in rows {
            let codes = &mut *scratch.codes;
            match y.checked_sub(top) {
                Some(y) if y < self.input.height => {
                    codes[..left].fill(self.pad);
                    codes[left..][..inside].copy_from_slice(&input[y * inside..][..inside]);
                    codes[left + inside..].fill(self.pad);
                }
                _ => codes.fill(self.pad),
            }
            let slot = self.slot(y);
            if self.boxes {
                let sums = &mut scratch.sums[slot * self.padded_width()..];
                self.sum_pixels(isa, codes, &mut sums[..self.padded_width()]);
            }
            let row = &mut scratch.packed[slot * self.row_bytes..][..self.row_bytes];
            family.pack_row(isa, codes, channels, scratch.spare, row);
        }
    }

    /// Sums of the codes of each pixel.
    #[inline(always)]
    fn sum_pixels<I: Isa>(&self, isa: I, codes: &[u8], sums: &mut [u16]) {
        for (sum, pixel) in sums.iter_mut().zip(codes.chunks_exact(self.input.channels)) {
            let (whole, rest) = pixel.as_chunks::<BYTES>();
            let mut all = 0u32;
            for codes in whole {
                all = all.wrapping_add(isa.sum_bytes(codes));
            }
            for &code in rest {
                all = all.wrapping_add(code.into());
            }
            *sum = all as u16;
        }
    }

    /// Makes the box sums of output row `y`, where they are needed.
    #[inline(always)]
    pub fn add_boxes(
        &self,
        scratch: &mut Scratch<'_>,
        window: &Window,
        y: usize,
        strip: usize,
        width: usize,
    ) {
        if !self.boxes {
            return;
        }
        scratch.width = width;
        let boxes = &mut scratch.boxes[y % strip * width..][..width];
        boxes.fill(0);
        let first = self.slot(y * window.stride[0]);
        for ky in 0..window.kernel[0] {
            let slot = self.slot_after(first, ky);
            let sums = &scratch.sums[slot * self.padded_width()..][..self.padded_width()];
            for kx in 0..window.kernel[1] {
                let sums = &sums[kx..];
                // Neighbours are added as vectors; a stride that may be any is not seen to be 1.
                match window.stride[1] {
                    1 => add_all(boxes, sums.iter()),
                    stride => add_all(boxes, sums.iter().step_by(stride)),
                }
            }
        }
    }
}

#[inline(always)]
fn add_all<'a>(sums: &mut [u16], terms: impl Iterator<Item = &'a u16>) {
    for (sum, &term) in sums.iter_mut().zip(terms) {
        *sum = sum.wrapping_add(term);
    }
}
