use crate::{
    Conv,
    isa::{BYTES, Isa},
};

/// Pixels and groups that are transposed at a time.
const PIXELS: usize = 16;
const GROUPS: usize = 16;

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
}

impl KernelRows {
    /// Bytes behind a row of a group that are overwritten with anything while it is made.
    pub const SLACK: usize = PIXELS;

    /// Rows whose bytes hold `together` codes.
    ///
    /// # Panics
    /// If these are not 1, 2, 3, 4 or 6.
    pub fn new(conv: &Conv<'_>, together: usize, pad: u8) -> Self {
        assert!([1, 2, 3, 4, 6].contains(&together));
        let channels = conv.input.channels;
        Self {
            code_bits: conv.code.bits.into(),
            together,
            groups: Self::groups(conv, together),
            columns: conv.output().width,
            pitch: conv.window.stride[1] * channels,
            left: conv.window.padding[1] * channels,
            inside: conv.input.row(),
            pad,
        }
    }

    /// Groups of `together` codes of a kernel row.
    pub fn groups(conv: &Conv<'_>, together: usize) -> usize {
        (conv.window.kernel[1] * conv.input.channels).div_ceil(together)
    }

    /// Joined bytes of a row.
    fn joined(&self) -> usize {
        ((self.columns - 1) * self.pitch + self.groups).next_multiple_of(BYTES)
    }

    /// Bytes of space for a padded row and for the joined one.
    pub fn spare(&self) -> [usize; 2] {
        let joined = self.joined();
        let codes = joined + (self.together - 1) * self.groups;
        [codes.max(self.left + self.inside), joined + GROUPS]
    }

    /// Makes the padding of a row.
    pub fn pad(&self, padded: &mut [u8]) {
        padded[..self.left].fill(self.pad);
        padded[self.left + self.inside..].fill(self.pad);
    }

    /// Makes rows of padding of all groups, the first at the beginning of `planes`.
    #[inline(always)]
    pub fn pack_padding(&self, planes: &mut [u8], plane: usize) {
        let slots = 0..self.together as u32;
        let byte = slots.fold(0, |byte, slot| byte | self.pad << (slot * self.code_bits));
        for group in 0..self.groups {
            let own = &mut planes[group * plane..];
            for column in (0..self.columns).step_by(PIXELS) {
                own[column..][..PIXELS].fill(byte);
            }
        }
    }

    /// Packs a row of codes: each group's begins `plane` bytes after the one before.
    #[inline(always)]
    pub fn pack<I: Isa>(
        &self,
        isa: I,
        codes: &[u8],
        [padded, joined]: [&mut [u8]; 2],
        planes: &mut [u8],
        plane: usize,
    ) {
        let (own, rest) = padded[self.left..][..self.inside].as_chunks_mut::<BYTES>();
        let (codes, last) = codes[..self.inside].as_chunks::<BYTES>();
        own.copy_from_slice(codes);
        rest.copy_from_slice(last);
        // A number that is known to the compiler unrolls the innermost loop.
        match self.together {
            1 => self.join::<1>(padded, joined),
            2 => self.join::<2>(padded, joined),
            3 => self.join::<3>(padded, joined),
            4 => self.join::<4>(padded, joined),
            _ => self.join::<6>(padded, joined),
        }
        for column in (0..self.columns).step_by(PIXELS) {
            let pixels = PIXELS.min(self.columns - column);
            for group in (0..self.groups).step_by(GROUPS) {
                let from = &joined[column * self.pitch + group..];
                let to = &mut planes[group * plane + column..];
                // Half of a transposed block is made with half of the work.
                match self.groups - group {
                    left @ ..=8 => self.transpose::<I, 8>(isa, (from, pixels), left, to, plane),
                    left => self.transpose::<I, 16>(isa, (from, pixels), left, to, plane),
                }
            }
        }
    }

    /// Joins the codes of groups: each byte holds those that begin at its place.
    #[inline(always)]
    fn join<const TOGETHER: usize>(&self, codes: &[u8], joined: &mut [u8]) {
        let len = self.joined();
        let parts: [&[u8]; TOGETHER] =
            core::array::from_fn(|slot| &codes[slot * self.groups..][..len]);
        for (i, to) in joined[..len].as_chunks_mut::<BYTES>().0.iter_mut().enumerate() {
            let mut bytes = [0; BYTES];
            for slot in 0..TOGETHER {
                let shift = slot as u32 * self.code_bits;
                let codes = &parts[slot].as_chunks::<BYTES>().0[i];
                for (byte, &code) in bytes.iter_mut().zip(codes) {
                    *byte |= code << shift;
                }
            }
            *to = bytes;
        }
    }

    /// Writes the bytes of each of the first `N` groups, or of those that are left.
    #[inline(always)]
    fn transpose<I: Isa, const N: usize>(
        &self,
        isa: I,
        (joined, pixels): (&[u8], usize),
        left: usize,
        to: &mut [u8],
        plane: usize,
    ) {
        let mut bytes = [[0; GROUPS]; PIXELS];
        for (i, bytes) in bytes.iter_mut().enumerate() {
            let pixel = i.min(pixels - 1);
            *bytes = *joined[pixel * self.pitch..].first_chunk().expect("spare");
        }
        let columns: [[u8; PIXELS]; N] = *isa.transpose(&bytes).first_chunk().expect("N");
        for (group, column) in columns.iter().enumerate().take(left) {
            to[group * plane..][..PIXELS].copy_from_slice(column);
        }
    }
}
