//! The memory that kernels work in: blocks of one cache line, seen as bytes, 16-bit or 32-bit integers.

use alloc::{boxed::Box, vec};

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
pub(crate) struct Aligned<T>(pub T);

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

/// The memory of one kernel call: tensors to read, the tensor to write, space to work in. Rests of the last block of a tensor
/// hold anything.
#[derive(Debug)]
pub struct Job<'a> {
    /// Tensors to read.
    pub inputs: Inputs<'a>,
    /// The tensor to write.
    pub output: &'a mut [Block],
    /// Space of the kernel's own; holds anything at the start.
    pub scratch: &'a mut [Block],
}

/// Tensors that a kernel reads.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    regions: &'a [Region],
    /// What is left of the arena without output and scratch, each piece with its first block.
    pieces: [(usize, &'a [Block]); 3],
}

impl<'a> Job<'a> {
    /// Splits `arena` for a call.
    ///
    /// # Panics
    /// If the output, the scratch space and the inputs are not within the arena, or if the first two overlap each other or an
    /// input.
    pub fn new(
        arena: &'a mut [Block],
        inputs: &'a [Region],
        output: Region,
        scratch: Region,
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
            output,
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
            let job = Job::new(&mut copy, &inputs, output, scratch);
            assert_eq!(view::<u8>(job.output)[0] as usize, output.start);
            assert_eq!(
                (job.output.len(), job.scratch.len()),
                (output.len, scratch.len)
            );
            assert_eq!(job.inputs.get::<u8>(0)[64], 1);
            assert_eq!(job.inputs.get::<u8>(1)[..], [4; 64]);
            assert_eq!(job.inputs.get::<i32>(2)[..], [0x0909_0909; 16]);
        }
    }
}
