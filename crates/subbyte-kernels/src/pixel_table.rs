//! The pixel table on its own.

use alloc::vec::Vec;

use crate::{
    Extent, Job, KernelFor, Store,
    code_table::look_up,
    isa::{Algorithm, Isa},
    memory::Split,
};

/// Image -> codes: every colour of a pixel becomes `depth` codes; output channel = colour * depth + d.
#[derive(Clone, Copy, Debug)]
pub struct PixelTable<'a> {
    /// Size of the image; its channels are the colours.
    pub input: Extent,
    /// Codes that a colour value becomes.
    pub depth: usize,
    /// Codes, `[1 or colours][256][depth]`.
    pub codes: &'a [u8],
}

impl PixelTable<'_> {
    /// Size of the output.
    pub const fn output(&self) -> Extent {
        Extent {
            channels: self.input.channels * self.depth,
            ..self.input
        }
    }

    /// The `depth` codes of a colour's value.
    pub fn lookup(&self, colour: usize, value: u8) -> &[u8] {
        let shared = self.codes.len() == 256 * self.depth;
        let table = if shared { 0 } else { colour };
        &self.codes[(table * 256 + usize::from(value)) * self.depth..][..self.depth]
    }
}

/// Any table, one value after the other.
pub(crate) struct Gather {
    input: Extent,
    depth: usize,
    codes: Vec<u8>,
}

impl KernelFor<PixelTable<'_>> for Gather {
    fn pack(table: &PixelTable<'_>, _: &mut Store<'_>) -> Self {
        Gather {
            input: table.input,
            depth: table.depth,
            codes: table.codes.to_vec(),
        }
    }
}

impl Algorithm for Gather {
    #[inline(always)]
    fn run<I: Isa>(&self, _: I, job: Job<'_>) {
        let table = PixelTable {
            input: self.input,
            depth: self.depth,
            codes: &self.codes,
        };
        let colours = self.input.channels;
        let image = &job.inputs.get::<u8>(0)[job.rows.start * colours..job.rows.end * colours];
        let output = job.output.chunks_exact_mut(table.output().channels);
        for (to, pixel) in output.zip(image.chunks_exact(colours)) {
            let colours = to.chunks_exact_mut(self.depth).zip(pixel);
            for (colour, (to, &value)) in colours.enumerate() {
                to.copy_from_slice(table.lookup(colour, value));
            }
        }
    }

    fn packed_bytes(&self) -> usize {
        self.codes.len()
    }

    fn split(&self) -> Split {
        Split::pixels(self.input.pixels(), self.input.channels * self.depth)
    }
}

/// One code for a value of any colour: pixels that are codes themselves, or their upper bits.
pub(crate) struct Values {
    pixels: usize,
    colours: usize,
    codes: [u8; 256],
}

impl KernelFor<PixelTable<'_>> for Values {
    fn supports(table: &PixelTable<'_>) -> bool {
        table.codes.len() == 256
    }

    fn pack(table: &PixelTable<'_>, _: &mut Store<'_>) -> Self {
        Values {
            pixels: table.input.pixels(),
            colours: table.input.channels,
            codes: table.codes.try_into().expect("supported"),
        }
    }
}

impl Algorithm for Values {
    #[inline(always)]
    fn run<I: Isa>(&self, isa: I, job: Job<'_>) {
        let own = self.split().range(&job.rows);
        let output = &mut job.output[..own.len()];
        look_up(isa, &self.codes, &job.inputs.get::<u8>(0)[own], output);
    }

    fn packed_bytes(&self) -> usize {
        self.codes.len()
    }

    fn split(&self) -> Split {
        Split::pixels(self.pixels, self.colours)
    }
}
