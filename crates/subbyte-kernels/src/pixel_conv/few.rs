//! Tables of byte entries where a colour has few different vectors of codes: the vectors' numbers are indices, as [`crate::planes`]
//! has it, each output channel with a table of its own for every tap and colour.

use alloc::vec::Vec;
use core::ops::Range;

use super::{Classes, PixelConv, Plane, classify, fold::Fold};
use crate::{
    Extent, Job, KernelFor, Mix, Store, Work,
    finish::Lanes,
    isa::{Algorithm, BYTES, Isa},
    memory::{Aligned, Block, Split, view_mut},
    planes::{Planes, SLACK, Shape, TILE, Tables, vectors},
};

/// Entries of a table.
const ENTRIES: usize = 64;

/// All output channels, [`TILE`] at a time.
pub(crate) struct Few {
    input: Extent,
    /// Columns of padding to the left, rows above.
    padding: [usize; 2],
    /// Of each colour.
    classes: Vec<Classes>,
    tables: Own,
    planes: Planes,
}

/// `[channels / TILE][taps and colours][TILE]`.
struct Own {
    tables: Vec<Aligned<[u8; ENTRIES]>>,
}

impl Tables<ENTRIES> for Own {
    type Step = [Aligned<[u8; ENTRIES]>; TILE];

    #[inline(always)]
    fn steps(&self) -> &[Self::Step] {
        self.tables.as_chunks().0
    }

    #[inline(always)]
    fn row<'a>(&'a self, step: &'a Self::Step, channel: usize) -> &'a [u8; ENTRIES] {
        &step[channel].0
    }
}

/// The finish; `None` where 16 bits lose something.
fn lanes(problem: &PixelConv<'_>, fold: &Fold) -> Option<Lanes> {
    Lanes::new(&problem.conv.finish, &fold.constants)
}

impl KernelFor<PixelConv<'_>> for Few {
    /// What can be folded, with few classes and a finish that 16 bits are enough for.
    fn supports(problem: &PixelConv<'_>) -> bool {
        problem
            .fold
            .is_some_and(|fold| fold.entries <= ENTRIES && lanes(problem, fold).is_some())
    }

    fn work(problem: &PixelConv<'_>) -> Work {
        let conv = &problem.conv;
        let shape = Shape::of(problem.table.input, &conv.window);
        let [vectors, lone] = vectors(shape.positions(conv.output()), conv.channels);
        let steps = conv.window.taps() * problem.table.input.channels;
        Work {
            mix: Some(Mix::lookup(ENTRIES)),
            steps: (vectors * steps) as u64,
            lone: (lone * steps) as u64,
            outputs: vectors as u64,
            inputs: problem.table.input.elements() as u64,
        }
    }

    fn pack(problem: &PixelConv<'_>, store: &mut Store<'_>) -> Self {
        let fold = problem.fold.expect("supported");
        let (conv, input) = (&problem.conv, problem.table.input);
        let (taps, colours) = (conv.window.taps(), input.channels);
        let [kernel_h, kernel_w] = conv.window.kernel;
        let steps = taps * colours;
        let shape = Shape::of(input, &conv.window);
        let offset = |step: usize| {
            let (tap, colour) = (step / colours, step % colours);
            shape.offset(colours, tap / kernel_w, tap % kernel_w, colour)
        };
        let count = conv.channels.next_multiple_of(TILE) * steps;
        let mut tables = alloc::vec![Aligned([0; ENTRIES]); count];
        store.fill(&mut tables, |tables| {
            let channels = fold.values.chunks_exact(steps * fold.entries);
            for (channel, values) in channels.enumerate() {
                for (step, values) in values.chunks_exact(fold.entries).enumerate() {
                    let at = (channel / TILE * steps + step) * TILE + channel % TILE;
                    for (entry, &value) in tables[at].0.iter_mut().zip(values) {
                        *entry = (value / fold.unit) as u8;
                    }
                }
            }
        });
        let [top, left, ..] = conv.window.padding;
        Few {
            input,
            padding: [left, top],
            classes: fold.classes.iter().map(Classes::of).collect(),
            tables: Own { tables },
            planes: Planes {
                output: conv.output(),
                kernel_h,
                depth: store.number(1..=steps, || fold.depth(steps, steps)),
                offsets: (0..steps).map(offset).collect(),
                unit: fold.unit as i16,
                middle: fold.middle(),
                lanes: lanes(problem, fold).expect("supported"),
                shape,
            },
        }
    }
}

impl Few {
    /// Puts the classes of padded rows into the planes, the first of them at their beginning.
    #[inline(always)]
    fn fill<I: Isa>(&self, isa: I, image: &[u8], seen: Range<usize>, planes: &mut [u8]) {
        let shape = &self.planes.shape;
        let [left, top] = self.padding;
        let [sy, sx] = shape.stride;
        let colours = self.input.channels;
        for (i, y) in seen.enumerate() {
            let inside = y.checked_sub(top).filter(|&y| y < self.input.height);
            let pixels = inside.map(|y| &image[y * self.input.row()..]);
            for phase in 0..sx {
                // The first padded column of this remainder that lies within the image.
                let padding = left.saturating_sub(phase).div_ceil(sx);
                let column = padding * sx + phase - left;
                for (colour, classes) in self.classes.iter().enumerate() {
                    let plane = (i % sy * sx + phase) * colours + colour;
                    let start = plane * shape.plane() + i / sy * shape.columns;
                    let own = Plane {
                        start: column * colours + colour,
                        step: sx * colours,
                        bytes: self.input.row(),
                        padding,
                    };
                    // Rows of a plane lie in order: what one overwrites behind it is written later.
                    let row = &mut planes[start..][..shape.columns + SLACK];
                    classify(isa, classes, 1, pixels, &own, shape.columns, row);
                }
            }
        }
    }
}

impl Algorithm for Few {
    #[inline(always)]
    fn run<I: Isa>(&self, isa: I, job: Job<'_>) {
        let image = job.inputs.get::<u8>(0);
        let planes = view_mut::<u8>(job.scratch);
        self.fill(isa, image, self.planes.seen(&job.rows), planes);
        self.planes
            .run(isa, &self.tables, planes, job.rows.len(), job.output);
    }

    fn split(&self) -> Split {
        self.planes.split()
    }

    fn scratch_bytes(&self) -> usize {
        // Vectors run on beyond the last plane from any position of an output pixel.
        self.planes
            .shape
            .bytes(self.input.channels)
            .next_multiple_of(Block::BYTES)
            + BYTES
            + SLACK
    }

    fn packed_bytes(&self) -> usize {
        size_of_val(&self.tables.tables[..])
            + size_of_val(&self.classes[..])
            + self.planes.packed_bytes()
    }
}
