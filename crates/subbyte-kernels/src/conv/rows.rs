use subbyte_num::CodeType;

use super::Conv;
use crate::{Extent, Window, isa::LANES, memory::Block};

/// Input rows as 16-bit levels with their padding, the newest few of them: padded row `y` lies in slot `y mod slots`.
///
/// A row is `[groups][padded width][in / groups]`, each group followed by a vector of elements that kernels may read beside
/// weights of 0.
pub(crate) struct Rows {
    input: Extent,
    window: Window,
    groups: usize,
    code: CodeType,
    pad: i16,
    slots: usize,
}

impl Rows {
    /// Rows for a convolution whose kernel sees `slots` of them at once.
    pub fn new(conv: &Conv<'_>, groups: usize, slots: usize) -> Self {
        Self {
            input: conv.input,
            window: conv.window,
            groups,
            code: conv.code,
            pad: conv.pad as i16,
            slots,
        }
    }

    /// Elements of a group within a row.
    pub fn group_len(&self) -> usize {
        let [_, left, _, right] = self.window.padding;
        (self.input.width + left + right) * (self.input.channels / self.groups) + LANES
    }

    /// Elements of a row.
    pub fn row_len(&self) -> usize {
        self.groups * self.group_len()
    }

    /// Blocks of scratch space that hold all slots.
    pub fn blocks(&self) -> usize {
        Block::covering(2 * self.slots * self.row_len())
    }

    /// Slot of padded row `y`.
    pub fn slot(&self, y: usize) -> usize {
        y % self.slots
    }

    /// Where the row begins that lies `rows` (less than all slots) after the one in `slot`.
    #[inline(always)]
    pub fn after(&self, slot: usize, rows: usize) -> usize {
        let slot = slot + rows;
        let slot = if slot < self.slots {
            slot
        } else {
            slot - self.slots
        };
        slot * self.row_len()
    }

    /// Converts the padded rows `from..to`.
    #[inline(always)]
    pub fn fill(&self, slots: &mut [i16], input: &[u8], from: usize, to: usize) {
        for y in from..to {
            let row = &mut slots[self.after(self.slot(y), 0)..][..self.row_len()];
            match y.checked_sub(self.window.padding[0]) {
                Some(y) if y < self.input.height => {
                    let len = self.input.row();
                    self.convert(row, &input[y * len..][..len]);
                }
                _ => row.fill(self.pad),
            }
        }
    }

    #[inline(always)]
    fn convert(&self, row: &mut [i16], codes: &[u8]) {
        let (step, offset) = (self.code.step, self.code.offset);
        let per_group = self.input.channels / self.groups;
        let left = self.window.padding[1] * per_group;
        let inside = self.input.width * per_group;
        for (group, row) in row.chunks_exact_mut(self.group_len()).enumerate() {
            let (before, rest) = row.split_at_mut(left);
            let (levels, after) = rest.split_at_mut(inside);
            before.fill(self.pad);
            after.fill(self.pad);
            if self.groups == 1 {
                to_levels(levels, codes, step, offset);
            } else {
                let pixels = codes.chunks_exact(self.input.channels);
                for (to, pixel) in levels.chunks_exact_mut(per_group).zip(pixels) {
                    to_levels(to, &pixel[group * per_group..][..per_group], step, offset);
                }
            }
        }
    }
}

#[inline(always)]
fn to_levels(levels: &mut [i16], codes: &[u8], step: i16, offset: i16) {
    for (level, &code) in levels.iter_mut().zip(codes) {
        *level = i16::from(code).wrapping_mul(step).wrapping_add(offset);
    }
}
