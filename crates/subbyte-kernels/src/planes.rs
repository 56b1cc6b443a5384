//! Sums by table with pixels as lanes.
//!
//! A vector holds one byte of each of [`BYTES`] neighbouring pixels, the index into a table that belongs to an output channel, so
//! that no lane is idle where there are few channels. Padded rows lie one behind the other: a vector runs on from one row to the
//! next, and what it computes for the padding between them is not written.

use alloc::vec::Vec;
use core::ops::Range;

use crate::{
    Extent, Window,
    finish::Lanes,
    isa::{BYTES, Isa},
    memory::Split,
};

/// Output channels whose codes are transposed at a time.
const CHANNELS: usize = 16;

/// Output channels that are computed at a time.
pub(crate) const TILE: usize = 4;

/// Bytes behind a row of a plane that may be overwritten with anything while it is made.
pub(crate) const SLACK: usize = 16;

/// How the planes lie: `[rows of one remainder][columns of one remainder][groups]`, each with all its pixels.
pub(crate) struct Shape {
    /// Rows and columns of output pixels.
    pub stride: [usize; 2],
    /// Rows and columns of a plane.
    rows: usize,
    pub columns: usize,
}

impl Shape {
    pub fn of(input: Extent, window: &Window) -> Self {
        let [top, left, bottom, right] = window.padding;
        Self {
            stride: window.stride,
            rows: (top + input.height + bottom).div_ceil(window.stride[0]),
            columns: (left + input.width + right).div_ceil(window.stride[1]),
        }
    }

    /// Bytes of a plane, with those that making its last row may overwrite.
    pub fn plane(&self) -> usize {
        self.rows * self.columns + SLACK
    }

    /// Bytes of all planes, with what vectors may read beyond.
    pub fn bytes(&self, groups: usize) -> usize {
        self.stride[0] * self.stride[1] * groups * self.plane() + 2 * BYTES
    }

    /// Where the codes of a group lie under a tap, for the first output pixel.
    pub fn offset(&self, groups: usize, ky: usize, kx: usize, group: usize) -> usize {
        let [sy, sx] = self.stride;
        let plane = (ky % sy * sx + kx % sx) * groups + group;
        plane * self.plane() + ky / sy * self.columns + kx / sx
    }

    /// Positions from the first output pixel to the last one of `output`.
    pub fn positions(&self, output: Extent) -> usize {
        (output.height - 1) * self.columns + output.width
    }
}

/// Vectors of all output channels, and those of them that have a row of the table to themselves.
pub(crate) fn vectors(positions: usize, channels: usize) -> [usize; 2] {
    let vectors = positions.div_ceil(BYTES);
    [vectors, vectors % 2].map(|vectors| vectors * channels)
}

/// Tables of `ROW` entries.
pub(crate) trait Tables<const ROW: usize> {
    /// Those of step `step` for `P` output channels from `first` on, which divides into tiles of `P`.
    fn rows<const P: usize>(&self, step: usize, first: usize) -> [&[u8; ROW]; P];
}

/// The sums of table entries over all steps, and what becomes of them: `unit * entries - middle` fits 16 bits.
pub(crate) struct Planes {
    pub shape: Shape,
    pub output: Extent,
    pub kernel_h: usize,
    /// Entries whose sum fits a byte.
    pub depth: usize,
    /// Where the planes have the index of each step for the first output pixel.
    pub offsets: Vec<usize>,
    pub unit: i16,
    pub middle: i16,
    pub lanes: Lanes,
}

impl Planes {
    /// Padded input rows that output rows see.
    pub fn seen(&self, rows: &Range<usize>) -> Range<usize> {
        let stride = self.shape.stride[0];
        rows.start * stride..(rows.end - 1) * stride + self.kernel_h
    }

    /// Bytes of packed parameters.
    pub fn packed_bytes(&self) -> usize {
        size_of_val(&self.offsets[..]) + self.lanes.packed_bytes()
    }

    /// How the output can be divided.
    pub fn split(&self) -> Split {
        Split::rows(self.output, 1)
    }

    /// Computes output rows from planes that begin with what the first of them sees.
    #[inline(always)]
    pub fn run<I: Isa, const ROW: usize, T: Tables<ROW>>(
        &self,
        isa: I,
        tables: &T,
        planes: &[u8],
        rows: usize,
        output: &mut [u8],
    ) {
        let own = Extent {
            height: rows,
            ..self.output
        };
        let output = &mut output[..own.elements()];
        let positions = self.shape.positions(own);
        let panels = self.output.channels.div_ceil(CHANNELS);
        let mut position = 0;
        while position < positions {
            // A row of the table is read once for two vectors, where there are as many.
            let pair = I::MANY_REGISTERS && position + BYTES < positions;
            for panel in 0..panels {
                let place = [position, panel];
                match (pair, I::TILE) {
                    (true, _) => {
                        self.vectors::<I, ROW, T, 4, 2>(isa, tables, planes, place, output)
                    }
                    (_, 4..) => self.vectors::<I, ROW, T, 4, 1>(isa, tables, planes, place, output),
                    _ => self.vectors::<I, ROW, T, 1, 1>(isa, tables, planes, place, output),
                }
            }
            position += if pair { 2 * BYTES } else { BYTES };
        }
    }

    /// Computes [`CHANNELS`] output channels for the pixels of `R` vectors, the first of which begins at `position`.
    #[inline(always)]
    fn vectors<I: Isa, const ROW: usize, T: Tables<ROW>, const P: usize, const R: usize>(
        &self,
        isa: I,
        tables: &T,
        planes: &[u8],
        [position, panel]: [usize; 2],
        output: &mut [u8],
    ) {
        let mut codes = [[[0; BYTES]; CHANNELS]; R];
        for tile in (0..CHANNELS).step_by(P) {
            let first = panel * CHANNELS + tile;
            if first >= self.output.channels {
                break;
            }
            let sums: [[I::Words; R]; P] = self.tile(isa, tables, &planes[position..], first);
            for p in 0..P {
                if first + p < self.output.channels {
                    for r in 0..R {
                        let sums = isa.scale_words(sums[p][r], self.unit, -self.middle);
                        let to = &mut codes[r][tile + p];
                        self.lanes.write(isa, sums, first + p, to);
                    }
                }
            }
        }
        for (r, codes) in codes.iter().enumerate() {
            self.write(isa, position + r * BYTES, panel, codes, output);
        }
    }

    /// Sums of entries of the pixels of `R` vectors for `P` output channels from `first` on.
    #[inline(always)]
    fn tile<I: Isa, const ROW: usize, T: Tables<ROW>, const P: usize, const R: usize>(
        &self,
        isa: I,
        tables: &T,
        planes: &[u8],
        first: usize,
    ) -> [[I::Words; R]; P] {
        let mut sums = [[isa.zero_sums(); R]; P];
        let mut step = 0;
        for offsets in self.offsets.chunks(self.depth) {
            let mut bytes = [[isa.zero_bytes(); R]; P];
            for &offset in offsets {
                let codes = planes[offset..][..R * BYTES].as_chunks::<BYTES>().0;
                let mut index = [isa.zero_bytes(); R];
                for r in 0..R {
                    index[r] = isa.load_bytes(&codes[r]);
                }
                let rows: [&[u8; ROW]; P] = tables.rows(step, first);
                for p in 0..P {
                    for r in 0..R {
                        let found = match ROW {
                            64 => isa.lookup64(rows[p].first_chunk().expect("64"), index[r]),
                            _ => isa.lookup16(rows[p].first_chunk().expect("16"), index[r]),
                        };
                        bytes[p][r] = isa.add_bytes(bytes[p][r], found);
                    }
                }
                step += 1;
            }
            for p in 0..P {
                for r in 0..R {
                    sums[p][r] = isa.add_to_sums(sums[p][r], bytes[p][r]);
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

    /// Writes the codes of a vector of pixels where these are output pixels.
    #[inline(always)]
    fn write<I: Isa>(
        &self,
        isa: I,
        position: usize,
        panel: usize,
        codes: &[[u8; BYTES]; CHANNELS],
        output: &mut [u8],
    ) {
        let columns = self.shape.columns;
        let channels = self.output.channels;
        let height = output.len() / (self.output.width * channels);
        let own = CHANNELS.min(channels - panel * CHANNELS);
        let (mut y, mut x) = (position / columns, position % columns);
        for part in 0..BYTES / CHANNELS {
            let mut block = [[0; CHANNELS]; CHANNELS];
            for (to, from) in block.iter_mut().zip(codes) {
                *to = from.as_chunks().0[part];
            }
            for pixel in &isa.transpose(&block) {
                if x < self.output.width && y < height {
                    let at = (y * self.output.width + x) * channels + panel * CHANNELS;
                    match output[at..].first_chunk_mut() {
                        Some(to) if own == CHANNELS => *to = *pixel,
                        _ => output[at..][..own].copy_from_slice(&pixel[..own]),
                    }
                }
                x += 1;
                if x == columns {
                    (y, x) = (y + 1, 0);
                }
            }
        }
    }
}
