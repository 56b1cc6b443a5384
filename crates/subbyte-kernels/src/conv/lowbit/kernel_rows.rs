use crate::{
    Conv,
    isa::{BYTES, Isa},
};

/// Groups that are transposed at a time, [`BYTES`] pixels of each.
const GROUPS: usize = 16;

/// Rows that are packed at a time, at most.
const MAX_ROWS: usize = 8;

/// Input rows as output pixels see them: what lies under a row of the kernel are `kernel_w * channels` neighbouring codes, of which a
/// few make a byte; the bytes of one group lie side by side, those of one output column after the other.
///
/// Group `g` takes the codes `g`, `g + groups`, `g + 2 groups` and so on. What lies beyond the last one is any code; it meets weights
/// that are 0.
pub(crate) struct KernelRows {
    /// Bits of a code.
    code_bits: u32,
    /// Codes of a group.
    together: usize,
    /// Groups of a kernel row.
    pub groups: usize,
    /// Output columns.
    columns: usize,
    /// Codes from one of them to the next.
    pitch: usize,
    /// Codes of padding to the left, of the row.
    left: usize,
    inside: usize,
    pad: u8,
    /// Rows that are packed at a time: whose pixels fill whole vectors best.
    pub rows: usize,
}

impl KernelRows {
    /// Rows whose bytes hold `together` codes.
    ///
    /// # Panics
    /// If these are not 1, 2, 3, 4 or 6.
    pub fn new(conv: &Conv<'_>, together: usize, pad: u8) -> Self {
        assert!([1, 2, 3, 4, 6].contains(&together));
        let (channels, columns) = (conv.input.channels, conv.output().width);
        // Times a common multiple of all numbers of rows.
        let vectors = |rows: &usize| (rows * columns).div_ceil(BYTES) * 840 / rows;
        Self {
            code_bits: conv.code.bits.into(),
            together,
            groups: Self::groups(conv, together),
            columns,
            pitch: conv.window.stride[1] * channels,
            left: conv.window.padding[1] * channels,
            inside: conv.input.row(),
            pad,
            rows: (1..=MAX_ROWS).min_by_key(vectors).unwrap_or(1),
        }
    }

    /// Groups of `together` codes of a kernel row.
    pub fn groups(conv: &Conv<'_>, together: usize) -> usize {
        (conv.window.kernel[1] * conv.input.channels).div_ceil(together)
    }

    /// Bytes from the joined codes of one pixel to those of the next: where there is room between two pixels for all that one sees,
    /// a row is joined in one go.
    fn joined_pitch(&self) -> usize {
        self.pitch.max(self.groups)
    }

    /// Bytes of space for a padded row and for joined ones.
    pub fn spare(&self) -> [usize; 2] {
        let seen = (self.columns - 1) * self.pitch + self.together * self.groups;
        let vectors = (self.rows * self.columns).div_ceil(BYTES);
        [
            seen.max(self.left + self.inside) + self.pitch + BYTES,
            vectors * BYTES * self.joined_pitch() + BYTES,
        ]
    }

    /// Makes the padding of a row.
    pub fn pad(&self, padded: &mut [u8]) {
        padded[..self.left].fill(self.pad);
        padded[self.left + self.inside..].fill(self.pad);
    }

    /// Makes a row of padding of all groups, which begin `plane` bytes after each other.
    #[inline(always)]
    pub fn pack_padding(&self, planes: &mut [u8], plane: usize) {
        let slots = 0..self.together as u32;
        let byte = slots.fold(0, |byte, slot| byte | self.pad << (slot * self.code_bits));
        for group in 0..self.groups {
            let own = &mut planes[group * plane..];
            for column in (0..self.columns).step_by(BYTES) {
                own[column..][..BYTES].copy_from_slice(&[byte; BYTES]);
            }
        }
    }

    /// Packs at most [`KernelRows::rows`] rows of codes.
    #[inline(always)]
    pub fn pack<'a, I: Isa>(
        &self,
        isa: I,
        rows: impl Iterator<Item = &'a [u8]>,
        [padded, joined]: [&mut [u8]; 2],
        planes: &mut [u8],
        plane: usize,
    ) {
        let pitch = self.joined_pitch();
        let mut pixels = 0;
        for codes in rows {
            let (own, rest) = padded[self.left..][..self.inside].as_chunks_mut::<BYTES>();
            let (codes, last) = codes[..self.inside].as_chunks::<BYTES>();
            own.copy_from_slice(codes);
            rest.copy_from_slice(last);
            let to = &mut joined[pixels * pitch..];
            // A number that is known to the compiler unrolls the innermost loop.
            match self.together {
                1 => self.join::<1>(padded, to),
                2 => self.join::<2>(padded, to),
                3 => self.join::<3>(padded, to),
                4 => self.join::<4>(padded, to),
                _ => self.join::<6>(padded, to),
            }
            pixels += self.columns;
        }
        for pixel in (0..pixels).step_by(BYTES) {
            for group in (0..self.groups).step_by(GROUPS) {
                let rows = isa.rows(&joined[pixel * pitch + group..], pitch);
                for (group, row) in (group..self.groups).zip(&rows) {
                    planes[group * plane + pixel..][..BYTES].copy_from_slice(row);
                }
            }
        }
    }

    /// Joins the codes of groups: each byte holds those that begin at its place.
    #[inline(always)]
    fn join<const TOGETHER: usize>(&self, codes: &[u8], joined: &mut [u8]) {
        let (runs, run) = match self.groups <= self.pitch {
            true => (1, self.columns * self.pitch),
            false => (self.columns, self.groups),
        };
        for pixel in 0..runs {
            for start in (0..run).step_by(BYTES) {
                let from = &codes[pixel * self.pitch + start..];
                let mut bytes = [0; BYTES];
                for slot in 0..TOGETHER {
                    let shift = slot as u32 * self.code_bits;
                    // Less than a vector before the end there are no codes any more.
                    let own = from.get(slot * self.groups..);
                    if let Some(own) = own.and_then(|own| own.first_chunk::<BYTES>()) {
                        for (byte, &code) in bytes.iter_mut().zip(own) {
                            *byte |= code << shift;
                        }
                    }
                }
                joined[pixel * self.groups + start..][..BYTES].copy_from_slice(&bytes);
            }
        }
    }
}
