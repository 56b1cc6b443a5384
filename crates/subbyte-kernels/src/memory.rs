//! The memory that kernels work in: blocks of one cache line, seen as bytes, 16-bit or 32-bit integers.

use alloc::{boxed::Box, vec};
use core::ops::Range;

use crate::Extent;

/// 64 bytes on a 64-byte boundary, the unit in which arenas are laid out.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct Block([u8; Block::BYTES]);

impl Block {
    /// Bytes of a block.
    pub const BYTES: usize = 64;

    /// Blocks that hold `bytes`.
    pub const fn covering(bytes: usize) -> usize {
        bytes.div_ceil(Self::BYTES)
    }

    /// That many blocks of zeros.
    pub fn zeros(blocks: usize) -> Box<[Block]> {
        vec![Block([0; Self::BYTES]); blocks].into_boxed_slice()
    }
}

/// A value on a 64-byte boundary, so that none of its vectors crosses a cache line.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct Aligned<T>(pub T);

mod sealed {
    pub trait Sealed {}
}

/// Integers that blocks can be seen as.
pub trait Element: sealed::Sealed + Copy {}

macro_rules! elements {
    ($($element:ty)*) => { $(
        impl sealed::Sealed for $element {}
        impl Element for $element {}
    )* };
}
elements!(u8 i16 u16 i32);

/// The blocks as integers, as many as fill them.
pub fn view<T: Element>(blocks: &[Block]) -> &[T] {
    let len = size_of_val(blocks) / size_of::<T>();
    // SAFETY: the blocks are `len * size_of::<T>()` initialised bytes, aligned to 64; every `Element` is an integer whose
    // alignment divides 64 and for which all bit patterns are valid. The result borrows `blocks`.
    unsafe { core::slice::from_raw_parts(blocks.as_ptr().cast(), len) }
}

/// As [`view`], for writing.
pub fn view_mut<T: Element>(blocks: &mut [Block]) -> &mut [T] {
    let len = size_of_val(blocks) / size_of::<T>();
    // SAFETY: as in `view`; the exclusive borrow of `blocks` is passed on, and any integers written leave valid bytes.
    unsafe { core::slice::from_raw_parts_mut(blocks.as_mut_ptr().cast(), len) }
}

/// Values that are nothing but their bytes.
///
/// # Safety
/// Every pattern of bytes is a value. Where [`Plain::SOLID`] can be evaluated, none of the bytes is padding.
pub(crate) unsafe trait Plain: Copy {
    /// Fails to be evaluated where the type has padding.
    const SOLID: () = ();
}

macro_rules! plain {
    ($($integer:ty)*) => { $(
        // SAFETY: an integer is its bytes.
        unsafe impl Plain for $integer {}
    )* };
}
plain!(u8 i8 i16 i32 u64 i64);

// SAFETY: an array is its elements, one directly behind the other.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {
    const SOLID: () = T::SOLID;
}

// SAFETY: nothing but the value has meaning; padding behind it fails the constant.
unsafe impl<T: Plain> Plain for Aligned<T> {
    const SOLID: () = match size_of::<Self>() == size_of::<T>() {
        true => T::SOLID,
        false => panic!("padding"),
    };
}

// SAFETY: its only field are as many bytes as its alignment.
unsafe impl Plain for Block {}

/// The bytes of values, in the processor's order.
pub(crate) fn bytes_of<T: Plain>(values: &[T]) -> &[u8] {
    const { T::SOLID }
    // SAFETY: the values are as many initialised bytes as they are large, none of them padding; bytes need no alignment.
    unsafe { core::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
}

/// As [`bytes_of`], for writing.
pub(crate) fn bytes_of_mut<T: Plain>(values: &mut [T]) -> &mut [u8] {
    const { T::SOLID }
    // SAFETY: as in `bytes_of`; the exclusive borrow is passed on, and whatever bytes are written are values.
    unsafe { core::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), size_of_val(values)) }
}

/// A run of blocks of an arena.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Region {
    /// First block.
    pub start: usize,
    /// Number of blocks.
    pub len: usize,
}

impl Region {
    /// One past the last block.
    pub const fn end(self) -> usize {
        self.start + self.len
    }

    /// Whether two regions share a block.
    pub const fn overlaps(self, other: Region) -> bool {
        self.start < other.end() && other.start < self.end()
    }
}

/// Bytes of sums as sums.
///
/// # Panics
/// If the bytes do not begin on a boundary of sums.
pub fn sums_mut(bytes: &mut [u8]) -> &mut [i32] {
    // SAFETY: every bit pattern is an integer, and its bytes are initialised.
    let (before, sums, _) = unsafe { bytes.align_to_mut() };
    assert!(before.is_empty(), "sums begin on their boundary");
    sums
}

/// How the output of a kernel can be divided: rows of equal size, each computed from the inputs without the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    /// Number of rows; 1 where the output is of one piece.
    pub rows: usize,
    /// Bytes of a row; the last one may have less.
    pub row_bytes: usize,
}

impl Split {
    /// Of one piece.
    pub const WHOLE: Split = Split {
        rows: 1,
        row_bytes: 0,
    };

    /// The rows of a tensor.
    pub const fn rows(extent: Extent, element_bytes: usize) -> Self {
        Self {
            rows: extent.height,
            row_bytes: extent.row() * element_bytes,
        }
    }

    /// Bands of `height` rows of a tensor; the last one has what is left.
    pub const fn bands(extent: Extent, element_bytes: usize, height: usize) -> Self {
        Self {
            rows: extent.height.div_ceil(height),
            row_bytes: height * extent.row() * element_bytes,
        }
    }

    /// Pixels of one row each.
    pub const fn pixels(pixels: usize, pixel_bytes: usize) -> Self {
        Self {
            rows: pixels,
            row_bytes: pixel_bytes,
        }
    }

    /// Bytes of rows within the whole output.
    pub const fn range(&self, rows: &Range<usize>) -> Range<usize> {
        rows.start * self.row_bytes..rows.end * self.row_bytes
    }

    /// Runs of codes, where these fill blocks.
    pub const fn codes(elements: usize) -> Self {
        match elements % Block::BYTES {
            0 => Self {
                rows: elements / Block::BYTES,
                row_bytes: Block::BYTES,
            },
            _ => Self {
                rows: 1,
                row_bytes: elements,
            },
        }
    }
}

/// The memory of one kernel call: tensors to read, the tensor to write, space to work in. Rests of the last block of a tensor
/// hold anything.
#[derive(Debug)]
pub struct Job<'a> {
    /// Tensors to read.
    pub inputs: Inputs<'a>,
    /// Rows to compute, in the sense of the kernel's [`Split`].
    pub rows: Range<usize>,
    /// These rows of the tensor to write; bytes beyond them are left alone or hold anything afterwards.
    pub output: &'a mut [u8],
    /// Space of the kernel's own; holds anything at the start.
    pub scratch: &'a mut [Block],
}

/// A [`Job`] in parts that different threads may do at the same time.
#[derive(Debug)]
pub struct Parts<'a> {
    /// What is left.
    job: Job<'a>,
    left: usize,
    row_bytes: usize,
    scratch_blocks: usize,
}

impl<'a> Parts<'a> {
    /// Divides a job of a kernel into at most that many parts, each with the same share of the working space.
    pub fn new(job: Job<'a>, split: Split, parts: usize) -> Self {
        let left = parts.clamp(1, split.rows);
        Self {
            scratch_blocks: job.scratch.len() / left,
            job,
            left,
            row_bytes: split.row_bytes,
        }
    }

    /// The next part; `None` after the last one.
    #[expect(
        clippy::should_implement_trait,
        reason = "the parts borrow nothing of this"
    )]
    pub fn next(&mut self) -> Option<Job<'a>> {
        if self.left == 0 {
            return None;
        }
        let job = &mut self.job;
        let rows = job.rows.len().div_ceil(self.left);
        self.left -= 1;
        let own = job.rows.start..job.rows.start + rows;
        job.rows.start = own.end;
        let bytes = match self.left {
            0 => job.output.len(),
            _ => own.len() * self.row_bytes,
        };
        let output = core::mem::take(&mut job.output);
        let (output, rest) = output.split_at_mut(bytes);
        job.output = rest;
        let scratch = core::mem::take(&mut job.scratch);
        let (scratch, rest) = scratch.split_at_mut(self.scratch_blocks);
        job.scratch = rest;
        Some(Job {
            inputs: job.inputs,
            rows: own,
            output,
            scratch,
        })
    }
}

/// Tensors that a kernel reads.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    regions: &'a [Region],
    /// What is left of the arena without output and scratch, each piece with its first block.
    pieces: [(usize, &'a [Block]); 3],
}

impl<'a> Job<'a> {
    /// Splits `arena` for a call that computes `rows` rows.
    ///
    /// # Panics
    /// If the output, the scratch space and the inputs are not within the arena, or if the first two overlap each other or an
    /// input.
    pub fn new(
        arena: &'a mut [Block],
        inputs: &'a [Region],
        output: Region,
        scratch: Region,
        rows: usize,
    ) -> Self {
        // Empty scratch space lies anywhere; beside the output it splits nothing.
        let scratch = match scratch.len {
            0 => Region {
                start: output.end(),
                len: 0,
            },
            _ => scratch,
        };
        let (low, high) = if output.start <= scratch.start {
            (output, scratch)
        } else {
            (scratch, output)
        };
        let (before, rest) = arena.split_at_mut(low.start);
        let (first, rest) = rest.split_at_mut(low.len);
        let (between, rest) = rest.split_at_mut(high.start - low.end());
        let (second, after) = rest.split_at_mut(high.len);
        let (output, scratch) = if output.start <= scratch.start {
            (first, second)
        } else {
            (second, first)
        };
        let pieces: [(usize, &[Block]); 3] =
            [(0, before), (low.end(), between), (high.end(), after)];
        Job {
            inputs: Inputs {
                regions: inputs,
                pieces,
            },
            rows: 0..rows,
            output: view_mut(output),
            scratch,
        }
    }
}

impl<'a> Inputs<'a> {
    /// Number of tensors.
    pub fn len(&self) -> usize {
        self.regions.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.regions.is_empty()
    }

    /// Tensor `i`, with the rest of its last block.
    ///
    /// # Panics
    /// If there is no such tensor, or if it is not within the arena and clear of output and scratch.
    pub fn get<T: Element>(&self, i: usize) -> &'a [T] {
        let region = self.regions[i];
        let (start, piece) = self
            .pieces
            .iter()
            .rfind(|(start, _)| *start <= region.start)
            .expect("the first piece starts at block 0");
        view(&piece[region.start - start..][..region.len])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(start: usize, len: usize) -> Region {
        Region { start, len }
    }

    #[test]
    fn pieces_are_found_on_every_side_of_output_and_scratch() {
        let mut arena = Block::zeros(10);
        for (i, byte) in view_mut::<u8>(&mut arena).iter_mut().enumerate() {
            *byte = (i / Block::BYTES) as u8;
        }
        let inputs = [region(0, 2), region(4, 1), region(9, 1)];
        for (output, scratch) in [
            (region(2, 2), region(6, 3)),
            (region(6, 3), region(2, 2)),
            (region(2, 2), region(0, 0)),
            (region(2, 2), region(3, 0)),
        ] {
            let mut copy = arena.clone();
            let job = Job::new(&mut copy, &inputs, output, scratch, 1);
            assert_eq!(job.output[0] as usize, output.start);
            assert_eq!(
                (job.output.len(), job.scratch.len()),
                (output.len * Block::BYTES, scratch.len)
            );
            assert_eq!(job.inputs.get::<u8>(0)[64], 1);
            assert_eq!(job.inputs.get::<u8>(1)[..], [4; 64]);
            assert_eq!(job.inputs.get::<i32>(2)[..], [0x0909_0909; 16]);
        }
    }

    #[test]
    fn parts_cover_all_rows_once_and_share_the_working_space() {
        for (rows, parts) in [(1, 4), (7, 2), (7, 3), (3, 8), (64, 5)] {
            let mut arena = Block::zeros(20);
            let split = Split {
                rows,
                row_bytes: 12,
            };
            let (output, scratch) = (region(0, 12), region(12, 8));
            let job = Job::new(&mut arena, &[], output, scratch, rows);
            let mut parts = Parts::new(job, split, parts);
            let (mut next, mut sizes) = (0, vec![]);
            while let Some(part) = parts.next() {
                assert_eq!(part.rows.start, next);
                next = part.rows.end;
                for byte in &mut part.output[..12 * part.rows.len()] {
                    *byte += 1;
                }
                sizes.push(part.scratch.len());
            }
            assert_eq!(next, rows);
            assert!(sizes.iter().all(|&size| size == 8 / sizes.len()));
            let bytes = &view::<u8>(&arena)[..12 * rows];
            assert!(bytes.iter().all(|&times| times == 1));
        }
    }
}
