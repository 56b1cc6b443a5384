use super::rows::SLACK;
use crate::{Conv, isa::Isa};

/// Pixels that are packed at a time.
const PIXELS: usize = crate::planes::SLACK;

/// Input rows by groups of channels: the codes of a few channels of one pixel make a byte, and the bytes of one group lie side
/// by side, those of the pixels that one output column after the other sees under a tap.
///
/// Group `g` takes the channels `g`, `g + groups`, `g + 2 groups` and so on. What lies beyond the last channel is anything; it
/// meets weights whose `u` is 0.
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
        Self {
            code_bits: conv.code.bits.into(),
            together,
            groups: conv.input.channels.div_ceil(together),
            stride,
            width,
            pitch: width.div_ceil(stride).next_multiple_of(PIXELS),
        }
    }

    /// The same with other bytes from one group to the next: at least a row's columns. [`PIXELS`] bytes that follow a row may be
    /// overwritten with anything.
    pub fn with_pitch(self, pitch: usize) -> Self {
        Self { pitch, ..self }
    }

    /// Bytes of a row.
    pub fn row_bytes(&self) -> usize {
        self.stride * self.groups * self.pitch
    }

    /// Where a row has the byte of group `group` under the tap in column `kx`, for the first output column.
    pub fn offset(&self, kx: usize, group: usize) -> usize {
        (kx % self.stride * self.groups + group) * self.pitch + kx / self.stride
    }

    /// Packs a row of padded codes, which [`SLACK`] bytes follow.
    #[inline(always)]
    pub fn pack<I: Isa>(&self, isa: I, codes: &[u8], channels: usize, row: &mut [u8]) {
        // A number that is known to the compiler unrolls the innermost loop.
        match self.together {
            1 => self.pack_groups::<I, 1>(isa, codes, channels, row),
            2 => self.pack_groups::<I, 2>(isa, codes, channels, row),
            3 => self.pack_groups::<I, 3>(isa, codes, channels, row),
            4 => self.pack_groups::<I, 4>(isa, codes, channels, row),
            _ => self.pack_groups::<I, 6>(isa, codes, channels, row),
        }
    }

    #[inline(always)]
    fn pack_groups<I: Isa, const TOGETHER: usize>(
        &self,
        isa: I,
        codes: &[u8],
        channels: usize,
        row: &mut [u8],
    ) {
        for phase in 0..self.stride {
            let columns = (self.width - phase.min(self.width)).div_ceil(self.stride);
            for first in (0..columns).step_by(PIXELS) {
                let pixels = PIXELS.min(columns - first);
                for group in (0..self.groups).step_by(PIXELS) {
                    let mut bytes = [[0u8; 16]; PIXELS];
                    for (i, bytes) in bytes.iter_mut().enumerate().take(pixels) {
                        let pixel = ((first + i) * self.stride + phase) * channels;
                        *bytes = self.join::<TOGETHER>(&codes[pixel + group..]);
                    }
                    let columns = isa.transpose(&bytes);
                    let start = (phase * self.groups + group) * self.pitch + first;
                    let rows = row[start..].chunks_mut(self.pitch);
                    for (to, column) in rows.zip(&columns).take(self.groups - group) {
                        to[..PIXELS].copy_from_slice(column);
                    }
                }
            }
        }
    }

    /// The bytes of sixteen groups of a pixel.
    #[inline(always)]
    fn join<const TOGETHER: usize>(&self, codes: &[u8]) -> [u8; 16] {
        const { assert!(16 + 8 < SLACK) };
        let mut bytes = [0u8; 16];
        for slot in 0..TOGETHER {
            let run: &[u8; 16] = codes[slot * self.groups..].first_chunk().expect("slack");
            let shift = slot as u32 * self.code_bits;
            for (byte, &code) in bytes.iter_mut().zip(run) {
                *byte |= code << shift;
            }
        }
        bytes
    }
}
