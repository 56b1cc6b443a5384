//! Sums by table with pixels as lanes.
//!
//! A vector holds one byte of each of [`BYTES`] neighbouring pixels, the index into a table that belongs to an output channel, so
//! that no lane is idle where there are few channels. Padded rows lie one behind the other: a vector runs on from one row to the
//! next, and what it computes for the padding between them is not written.

use alloc::vec::Vec;
use core::ops::Range;

use crate::{
    Conv, Extent, Window,
    finish::Lanes,
    isa::{BYTES, Isa},
    memory::Split,
};

/// Output channels whose codes are transposed at a time, and pixels that are written at a time.
const CHANNELS: usize = 16;

/// Output channels that are computed at a time.
pub(crate) const TILE: usize = 4;

/// Bytes behind a row of a plane that may be overwritten with anything while it is made.
pub(crate) const SLACK: usize = BYTES;

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

    /// Planes whose positions are the output pixels, those under all columns of the window each for itself.
    pub fn dense(conv: &Conv<'_>) -> Self {
        let [sy, _] = conv.window.stride;
        let [top, _, bottom, _] = conv.window.padding;
        Self {
            stride: [sy, 1],
            rows: (top + conv.input.height + bottom).div_ceil(sy),
            columns: conv.output().width,
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
    [vectors, usize::from(vectors == 1)].map(|vectors| vectors * channels)
}

/// Tables of `ROW` entries.
pub(crate) trait Tables<const ROW: usize> {
    /// What a step needs for [`TILE`] output channels.
    type Step;

    /// `[channels / TILE][steps]`.
    fn steps(&self) -> &[Self::Step];

    /// The table of a step for one of its output channels.
    fn row<'a>(&'a self, step: &'a Self::Step, channel: usize) -> &'a [u8; ROW];
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
        let reach = self.offsets.iter().max().map_or(0, |last| last + positions);
        assert!(reach + BYTES <= planes.len());
        let mut position = 0;
        while position < positions {
            // A row of the table is read once for two or three vectors, where there are as many.
            let vectors = match (positions - position).div_ceil(BYTES) {
                _ if !I::MANY_REGISTERS => 1,
                left @ (1 | 2) => left,
                4 => 2,
                _ => 3,
            };
            for panel in 0..panels {
                let place = [position, panel];
                match (vectors, I::TILE) {
                    (3, _) => self.vectors::<I, ROW, T, 4, 3>(isa, tables, planes, place, output),
                    (2, _) => self.vectors::<I, ROW, T, 4, 2>(isa, tables, planes, place, output),
                    (_, 4..) => self.vectors::<I, ROW, T, 4, 1>(isa, tables, planes, place, output),
                    _ => self.vectors::<I, ROW, T, 1, 1>(isa, tables, planes, place, output),
                }
            }
            position += vectors * BYTES;
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
        let mut codes = [[isa.zero_words(); CHANNELS]; R];
        for tile in (0..CHANNELS).step_by(P) {
            let first = panel * CHANNELS + tile;
            if first >= self.output.channels {
                break;
            }
            let sums: [[I::Words; R]; P] = self.tile(isa, tables, &planes[position..], first);
            for p in 0..P {
                if first + p < self.output.channels {
                    for r in 0..R {
                        let mut sums = sums[p][r];
                        if (self.unit, self.middle) != (1, 0) {
                            sums = isa.scale_words(sums, self.unit, -self.middle);
                        }
                        codes[r][tile + p] = self.lanes.codes(isa, sums, first + p);
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
        const { assert!(TILE.is_multiple_of(P)) };
        let count = self.offsets.len();
        let steps = &tables.steps()[first / TILE * count..][..count];
        let mut sums = [[isa.zero_sums(); R]; P];
        for (offsets, steps) in self
            .offsets
            .chunks(self.depth)
            .zip(steps.chunks(self.depth))
        {
            let mut bytes = [[isa.zero_bytes(); R]; P];
            for (&offset, step) in offsets.iter().zip(steps) {
                debug_assert!(offset + R * BYTES <= planes.len());
                // SAFETY: `run` found that from the position of every vector on, planes go on for a vector beyond any offset.
                let codes = unsafe { &*planes.as_ptr().add(offset).cast::<[[u8; BYTES]; R]>() };
                let mut index = [isa.zero_bytes(); R];
                for r in 0..R {
                    index[r] = isa.load_bytes(&codes[r]);
                }
                for p in 0..P {
                    let row = tables.row(step, first % TILE + p);
                    for r in 0..R {
                        let found = match ROW {
                            64 => isa.lookup64(row.first_chunk().expect("64"), index[r]),
                            _ => isa.lookup16(row.first_chunk().expect("16"), index[r]),
                        };
                        bytes[p][r] = isa.add_bytes(bytes[p][r], found);
                    }
                }
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
        codes: &[I::Words; CHANNELS],
        output: &mut [u8],
    ) {
        let columns = self.shape.columns;
        let Extent {
            channels, width, ..
        } = self.output;
        let own = CHANNELS.min(channels - panel * CHANNELS);
        if columns == width && own == CHANNELS {
            let to = &mut output[position * channels + panel * CHANNELS..];
            if (BYTES - 1) * channels + CHANNELS <= to.len() {
                isa.columns(codes, to, channels);
                return;
            }
        }
        let height = output.len() / (width * channels);
        let (mut y, mut x) = (position / columns, position % columns);
        let mut pixels = [[0; CHANNELS]; BYTES];
        isa.columns(codes, pixels.as_flattened_mut(), CHANNELS);
        for part in pixels.as_chunks::<CHANNELS>().0 {
            let mut pixels = &part[..];
            while !pixels.is_empty() && y < height {
                let (row, rest) = pixels.split_at(pixels.len().min(columns - x));
                if x < width {
                    let inside = row.len().min(width - x);
                    let at = (y * width + x) * channels + panel * CHANNELS;
                    copy(&row[..inside], channels, own, &mut output[at..]);
                }
                (pixels, x) = (rest, x + row.len());
                if x == columns {
                    (y, x) = (y + 1, 0);
                }
            }
        }
    }
}

/// Copies the first `own` channels of neighbouring pixels to where pixels have `channels`.
#[inline(always)]
fn copy(pixels: &[[u8; CHANNELS]], channels: usize, own: usize, to: &mut [u8]) {
    if channels == CHANNELS
        && let Some(pixels) = pixels.first_chunk::<CHANNELS>()
    {
        to[..CHANNELS * CHANNELS].copy_from_slice(pixels.as_flattened());
        return;
    }
    for (i, pixel) in pixels.iter().enumerate() {
        let to = &mut to[i * channels..];
        match to.first_chunk_mut() {
            Some(to) if own == CHANNELS => *to = *pixel,
            _ => to[..own].copy_from_slice(&pixel[..own]),
        }
    }
}
