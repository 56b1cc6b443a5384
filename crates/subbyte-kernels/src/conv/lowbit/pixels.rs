//! Products by table, the other way round: the codes are indices, the weights choose the table. See [`crate::planes`].
//!
//! Weights keep their signs: what makes the entries of a table row unsigned depends on its weights alone and is a constant of each
//! output channel.

use alloc::{boxed::Box, vec, vec::Vec};
use core::ops::Range;

use subbyte_num::CodeType;

use super::{FINISH, depth, kernel_rows::KernelRows, terms::Terms, weights::Weights};
use crate::{
    Conv, Extent, Job, KernelFor, Mix, Store, Work,
    finish::Lanes,
    isa::{Algorithm, BYTES, Isa},
    memory::{Aligned, Block, Split, view_mut},
    planes::{Planes, Shape, TILE, Tables, vectors},
};

/// Table rows of groups that lack a channel begin here; those of whole groups end before.
const LACKING: usize = 128;

/// Tables of `ROW` entries, 16 or 64.
pub(crate) struct Pixels<const ROW: usize> {
    input: Extent,
    /// Rows of padding above.
    top: usize,
    layout: KernelRows,
    tables: Rows<ROW>,
    planes: Planes,
}

/// A table row for every combination of weights.
struct Rows<const ROW: usize> {
    /// `[channels / TILE][kernel rows and groups]`: the rows of as many output channels.
    weights: Vec<[u8; TILE]>,
    rows: Box<Aligned<[[u8; ROW]; 256]>>,
}

impl<const ROW: usize> Tables<ROW> for Rows<ROW> {
    type Step = [u8; TILE];

    #[inline(always)]
    fn steps(&self) -> &[[u8; TILE]] {
        &self.weights
    }

    #[inline(always)]
    fn row<'a>(&'a self, weights: &'a [u8; TILE], channel: usize) -> &'a [u8; ROW] {
        &self.rows.0[usize::from(weights[channel])]
    }
}

/// How products are looked up and what the sums lack.
struct Products<'a> {
    weights: &'a Weights,
    code: CodeType,
    /// Input channels of a group.
    together: usize,
    /// Greatest common divisor of the weights.
    unit: i32,
}

impl<'a> Products<'a> {
    /// `None` where no group fits an index of `index_bits`.
    fn new(conv: &Conv<'_>, weights: &'a Weights, index_bits: u32) -> Option<Self> {
        let by_codes = index_bits / u32::from(conv.code.bits);
        let by_weights = LACKING.ilog2() / weights.bits();
        let together = match by_codes.min(by_weights) as usize {
            0 => return None,
            5 => 4,
            channels => channels.min(6),
        };
        Some(Self {
            weights,
            code: conv.code,
            together,
            unit: weights.common_divisor(),
        })
    }

    /// Levels of the weights of a combination, one for each of `slots` channels.
    fn levels(&self, combination: usize, slots: usize) -> impl Iterator<Item = i32> {
        let bits = self.weights.bits();
        (0..slots as u32).map(move |slot| {
            let index = combination >> (slot * bits) & ((1 << bits) - 1);
            self.weights.level(index as u8).unwrap_or(0)
        })
    }

    /// The smallest sum of products of weights with codes.
    fn least(&self, levels: impl Iterator<Item = i32>) -> i32 {
        i32::from(self.code.max_code()) * levels.map(|level| level.min(0)).sum::<i32>()
    }

    /// The largest entry of each step, `[channels][steps]`.
    fn largest_entries(&self, conv: &Conv<'_>, groups: usize) -> Vec<u16> {
        let [_, kernel_w] = conv.window.kernel;
        let max_code = i32::from(self.code.max_code());
        let rows = conv.weights.chunks_exact(kernel_w * conv.input.channels);
        let steps =
            rows.flat_map(|row| (0..groups).map(move |group| row[group..].iter().step_by(groups)));
        let largest = steps.map(|weights| {
            let magnitude: i32 = weights.map(|weight| weight.abs()).sum();
            (magnitude * max_code / self.unit) as u16
        });
        largest.collect()
    }

    /// The largest entry of a table row.
    fn largest(&self) -> i32 {
        let (low, high) = self.weights.range();
        let widest = low.abs().max(high.abs()) / self.unit;
        widest * i32::from(self.code.max_code()) * self.together as i32
    }
}

impl<const ROW: usize> KernelFor<Conv<'_>> for Pixels<ROW> {
    fn supports(conv: &Conv<'_>) -> bool {
        let fits = |weights: &Weights| {
            let tables = Products::new(conv, weights, ROW.ilog2())?;
            // Below two sums a byte, adding in bytes gains nothing.
            let byte = tables.largest() * 2 <= i32::from(u8::MAX);
            let constants = Terms::of(conv, tables.unit, 0)?.constants;
            Lanes::new(&conv.finish, &constants).filter(|_| byte)
        };
        conv.groups == 1 && Weights::of(conv).is_some_and(|weights| fits(weights).is_some())
    }

    fn work(conv: &Conv<'_>) -> Work {
        let weights = Weights::of(conv).expect("supported");
        let tables = Products::new(conv, weights, ROW.ilog2()).expect("supported");
        let steps = conv.window.kernel[0] * KernelRows::groups(conv, tables.together);
        let [vectors, lone] = vectors(conv.output().pixels(), conv.channels);
        let widest = conv.weights.widest() * i64::from(conv.code.max_code());
        let widenings = widest / i64::from(tables.unit) / i64::from(u8::MAX) + 1;
        Work {
            mix: Some(Mix::lookup(ROW)),
            steps: (vectors * steps) as u64,
            lone: (lone * steps) as u64,
            outputs: (vectors * (FINISH + widenings as usize)) as u64,
            inputs: conv.input.elements() as u64,
        }
    }

    fn pack(conv: &Conv<'_>, store: &mut Store<'_>) -> Self {
        let weights = Weights::of(conv).expect("supported");
        let tables = Products::new(conv, weights, ROW.ilog2()).expect("supported");
        let terms = Terms::of(conv, tables.unit, 0).expect("supported");
        let shape = Shape::dense(conv);
        let layout = KernelRows::new(conv, tables.together, terms.pad);
        let [kernel_h, kernel_w] = conv.window.kernel;
        let (groups, codes) = (layout.groups, kernel_w * conv.input.channels);
        let steps = kernel_h * groups;
        let places = (0..kernel_h).flat_map(|ky| (0..groups).map(move |group| (ky, group)));
        let offsets = places.map(|(ky, group)| shape.offset(groups, ky, 0, group));
        // Code `slot * groups + group` of a kernel row is in slot `slot` of its group; the last groups may lack one more than the first.
        let slots = |group: usize| (codes - group).div_ceil(groups);
        let base = |group: usize| if slots(group) == slots(0) { 0 } else { LACKING };
        let bits = weights.bits();
        let mut packed = vec![[0; TILE]; conv.channels.div_ceil(TILE) * steps];
        store.fill(&mut packed, |packed| {
            for output in 0..conv.channels {
                let own = &mut packed[output / TILE * steps..][..steps];
                for ky in 0..kernel_h {
                    let from = &conv.weights[(output * kernel_h + ky) * codes..][..codes];
                    let own = &mut own[ky * groups..][..groups];
                    for (group, to) in own.iter_mut().enumerate() {
                        to[output % TILE] = base(group) as u8;
                    }
                    for (slot, from) in from.chunks(groups).enumerate() {
                        for (to, &weight) in own.iter_mut().zip(from) {
                            to[output % TILE] |= weights.index(weight) << (slot as u32 * bits);
                        }
                    }
                }
            }
        });
        let code_bits = u32::from(conv.code.bits);
        let mut rows = Box::new(Aligned([[0; ROW]; 256]));
        for group in [0, groups - 1] {
            let slots = slots(group);
            for combination in 0..1usize << (slots as u32 * bits) {
                let least = tables.least(tables.levels(combination, slots));
                let row = &mut rows.0[base(group) + combination];
                for (index, entry) in row.iter_mut().enumerate() {
                    let code = |slot: u32| index >> (slot * code_bits) & ((1 << code_bits) - 1);
                    let levels = tables.levels(combination, slots).zip(0..);
                    let sum: i32 = levels.map(|(level, slot)| level * code(slot) as i32).sum();
                    *entry = ((sum - least) / tables.unit) as u8;
                }
            }
        }
        Self {
            input: conv.input,
            top: conv.window.padding[0],
            layout,
            tables: Rows {
                weights: packed,
                rows,
            },
            planes: Planes {
                output: conv.output(),
                kernel_h,
                depth: store.number(1..=steps, || {
                    depth(&tables.largest_entries(conv, groups), steps)
                }),
                offsets: offsets.collect(),
                unit: terms.unit,
                middle: terms.middle,
                lanes: Lanes::new(&conv.finish, &terms.constants).expect("supported"),
                shape,
            },
        }
    }
}

impl<const ROW: usize> Pixels<ROW> {
    /// Blocks of space for two rows and of the planes.
    fn parts(&self) -> [usize; 3] {
        let [padded, joined] = self.layout.spare();
        let planes = self.planes.shape.bytes(self.layout.groups);
        [padded, joined, planes].map(Block::covering)
    }

    /// Packs padded rows, the first of them at the beginning of the planes.
    #[inline(always)]
    fn fill<I: Isa>(
        &self,
        isa: I,
        input: &[u8],
        seen: Range<usize>,
        [padded, joined]: [&mut [u8]; 2],
        planes: &mut [u8],
    ) {
        let shape = &self.planes.shape;
        let (sy, plane) = (shape.stride[0], shape.plane());
        self.layout.pad(padded);
        let height = self.input.height;
        for phase in 0..sy.min(seen.len()) {
            let to = &mut planes[phase * self.layout.groups * plane..];
            let padded_row = |row: usize| seen.start + phase + row * sy;
            let rows = (seen.len() - phase).div_ceil(sy);
            let is_inside = |row: usize| (self.top..self.top + height).contains(&padded_row(row));
            // From above to below, as each row overwrites some of what comes after it.
            let mut row = 0;
            while row < rows {
                let to = &mut to[row * shape.columns..];
                if !is_inside(row) {
                    self.layout.pack_padding(to, plane);
                    row += 1;
                    continue;
                }
                let last = rows.min(row + self.layout.rows);
                let own = (row..last).take_while(|&row| is_inside(row));
                let codes = own
                    .clone()
                    .map(|row| &input[(padded_row(row) - self.top) * self.input.row()..]);
                self.layout
                    .pack(isa, codes, [&mut *padded, &mut *joined], to, plane);
                row += own.count();
            }
        }
    }
}

impl<const ROW: usize> Algorithm for Pixels<ROW> {
    #[inline(always)]
    fn run<I: Isa>(&self, isa: I, job: Job<'_>) {
        let input = &job.inputs.get::<u8>(0)[..self.input.elements()];
        let [codes, joined, _] = self.parts();
        let (codes, rest) = job.scratch.split_at_mut(codes);
        let (joined, planes) = rest.split_at_mut(joined);
        let (spare, planes) = ([codes, joined].map(view_mut), view_mut(planes));
        self.fill(isa, input, self.planes.seen(&job.rows), spare, planes);
        self.planes
            .run(isa, &self.tables, planes, job.rows.len(), job.output);
    }

    fn split(&self) -> Split {
        self.planes.split()
    }

    fn scratch_bytes(&self) -> usize {
        // Vectors run on beyond the last plane from any position of an output pixel.
        self.parts().iter().sum::<usize>() * Block::BYTES + BYTES
    }

    fn packed_bytes(&self) -> usize {
        size_of_val(&self.tables.weights[..])
            + size_of_val(&*self.tables.rows)
            + self.planes.packed_bytes()
    }
}
