use super::rows::SLACK;
use crate::{
    Conv,
    isa::{BYTES, Isa},
};

/// Pixels and groups that are transposed at a time.
const PIXELS: usize = 16;
const GROUPS: usize = 16;

/// Input rows by groups of channels: the codes of a few channels of one pixel make a byte, and the bytes of one group lie side
/// by side, those of the pixels that one output column after the other sees under a tap.
///
/// Group `g` takes the channels `g`, `g + groups`, `g + 2 groups` and so on. What lies beyond the last channel is any
/// code; it meets weights whose `u` is 0.
pub(crate) struct Planar {
    /// Bits of a code.
    code_bits: u32,
    /// Channels of a group.
    together: usize,
    /// Groups of a pixel.
    pub groups: usize,
    /// Horizontal stride: pixels of one remainder lie together.
    stride: usize,
    /// Padded input columns.
    width: usize,
    /// Bytes from one group to the next.
    pitch: usize,
}

impl Planar {
    /// Rows whose bytes hold `together` channels.
    ///
    /// # Panics
    /// If these are not 1, 2, 3, 4 or 6.
    pub fn new(conv: &Conv<'_>, together: usize) -> Self {
        assert!([1, 2, 3, 4, 6].contains(&together));
        let [_, left, _, right] = conv.window.padding;
        let stride = conv.window.stride[1];
        let width = conv.input.width + left + right;
        let pitch = width.div_ceil(stride).next_multiple_of(PIXELS);
        Self {
            code_bits: conv.code.bits.into(),
            together,
            groups: conv.input.channels.div_ceil(together),
            stride,
            width,
            pitch,
        }
    }

    /// Bytes of a row.
    pub fn row_bytes(&self) -> usize {
        self.stride * self.groups * self.pitch
    }

    /// Where a row has the byte of group `group` under the tap in column `kx`, for the first output column.
    pub fn offset(&self, kx: usize, group: usize) -> usize {
        (kx % self.stride * self.groups + group) * self.pitch + kx / self.stride
    }

    /// Packs a row of codes, which [`SLACK`] bytes follow, codes too. `joined` is space for as many.
    #[inline(always)]
    pub fn pack<I: Isa>(
        &self,
        isa: I,
        codes: &[u8],
        channels: usize,
        joined: &mut [u8],
        row: &mut [u8],
    ) {
        // A number that is known to the compiler unrolls the innermost loop.
        match self.together {
            1 => self.join::<1>(codes, channels, joined),
            2 => self.join::<2>(codes, channels, joined),
            3 => self.join::<3>(codes, channels, joined),
            4 => self.join::<4>(codes, channels, joined),
            _ => self.join::<6>(codes, channels, joined),
        }
        for phase in 0..self.stride {
            let columns = self.width.saturating_sub(phase).div_ceil(self.stride);
            for column in (0..columns).step_by(PIXELS) {
                let pixels = PIXELS.min(columns - column);
                let joined = &joined[(phase + column * self.stride) * channels..];
                for group in (0..self.groups).step_by(GROUPS) {
                    let start = (phase * self.groups + group) * self.pitch + column;
                    let (joined, to) = (&joined[group..], &mut row[start..]);
                    let from = (joined, self.stride * channels, pixels);
                    match self.groups - group {
                        // Half of a transposed block is made with half of the work.
                        left @ ..=8 => self.transpose::<I, 8>(isa, from, left, to),
                        left => self.transpose::<I, 16>(isa, from, left, to),
                    }
                }
            }
        }
    }

    /// Joins the codes of groups: each byte holds those that begin at its place.
    #[inline(always)]
    fn join<const TOGETHER: usize>(&self, codes: &[u8], channels: usize, joined: &mut [u8]) {
        const { assert!(BYTES <= SLACK) };
        // Of pixels that are longer than a vector only the beginnings, else whole vectors whatever pixels they begin and end in.
        let (runs, run) = match channels {
            ..=BYTES => (1, self.width * channels),
            _ => (self.width, self.groups),
        };
        for pixel in 0..runs {
            for start in (pixel * channels..pixel * channels + run).step_by(BYTES) {
                let mut bytes: [u8; BYTES] = *codes[start..].first_chunk().expect("slack");
                for slot in 1..TOGETHER {
                    // Less than a vector before the end of the slack there are no codes any more.
                    let run = codes.get(start + slot * self.groups..);
                    if let Some(run) = run.and_then(|run| run.first_chunk::<BYTES>()) {
                        let shift = slot as u32 * self.code_bits;
                        for (byte, &code) in bytes.iter_mut().zip(run) {
                            *byte |= code << shift;
                        }
                    }
                }
                joined[start..][..BYTES].copy_from_slice(&bytes);
            }
        }
    }

    /// Writes the bytes of each of the first `N` groups, or of those that are left: of as many pixels as there are, from bytes that
    /// lie `pitch` apart.
    #[inline(always)]
    fn transpose<I: Isa, const N: usize>(
        &self,
        isa: I,
        (joined, pitch, pixels): (&[u8], usize, usize),
        left: usize,
        to: &mut [u8],
    ) {
        let mut bytes = [[0; GROUPS]; PIXELS];
        for (i, bytes) in bytes.iter_mut().enumerate() {
            let pixel = i.min(pixels - 1);
            *bytes = *joined[pixel * pitch..].first_chunk().expect("slack");
        }
        let columns: [[u8; PIXELS]; N] = *isa.transpose(&bytes).first_chunk().expect("N");
        for (group, column) in columns.iter().enumerate().take(left) {
            to[group * self.pitch..][..PIXELS].copy_from_slice(column);
        }
    }
}
