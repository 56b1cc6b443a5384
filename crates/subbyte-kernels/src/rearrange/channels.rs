use alloc::vec::Vec;

use crate::{
    Job, KernelFor, Store,
    isa::{Algorithm, Isa},
    memory::Split,
};

/// Code tensors of one height and width -> their channels and constant ones, part after part.
#[derive(Clone, Copy, Debug)]
pub struct Channels<'a> {
    /// Height times width.
    pub pixels: usize,
    /// The output's channels in order.
    pub parts: &'a [Part],
}

/// A run of output channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All channels of the next input, this many.
    Input(usize),
    /// This many channels of one code.
    Constant(usize, u8),
}

impl Part {
    /// Number of channels.
    pub const fn channels(self) -> usize {
        match self {
            Part::Input(channels) | Part::Constant(channels, _) => channels,
        }
    }
}

impl Channels<'_> {
    /// Channels of the output.
    pub fn channels(&self) -> usize {
        self.parts.iter().map(|part| part.channels()).sum()
    }
}

pub(crate) struct Copy {
    pixels: usize,
    channels: usize,
    parts: Vec<Part>,
}

impl KernelFor<Channels<'_>> for Copy {
    fn pack(problem: &Channels<'_>, _: &mut Store<'_>) -> Self {
        Copy {
            pixels: problem.pixels,
            channels: problem.channels(),
            parts: problem.parts.to_vec(),
        }
    }
}

impl Algorithm for Copy {
    #[inline(always)]
    fn run<I: Isa>(&self, _: I, job: Job<'_>) {
        let output = &mut job.output[..job.rows.len() * self.channels];
        let (mut first, mut input) = (0, 0);
        for &part in &self.parts {
            let own = first..first + part.channels();
            first = own.end;
            let pixels = output.chunks_exact_mut(self.channels);
            match part {
                Part::Constant(_, code) => {
                    for pixel in pixels {
                        super::fill(&mut pixel[own.clone()], code);
                    }
                }
                Part::Input(channels) => {
                    let from = &job.inputs.get::<u8>(input)[job.rows.start * channels..];
                    let from = from.chunks_exact(channels);
                    for (pixel, from) in pixels.zip(from) {
                        super::copy(&mut pixel[own.clone()], from);
                    }
                    input += 1;
                }
            }
        }
    }

    fn split(&self) -> Split {
        Split::pixels(self.pixels, self.channels)
    }
}
