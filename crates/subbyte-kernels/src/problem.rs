use alloc::boxed::Box;

use crate::{
    Add, Channels, CodeTable, Conv, Extent, Finish, Flatten, Level, LinearSums, MaxPool, Mul,
    PixelConv, PixelTable, Prepared, Requant, Slice, Store, SumPool, Upsample,
    cost::Work,
    isa::{Algorithm, at_level, compiled},
};

/// Makes [`Problem`] and [`Entry`] of the list of operations.
macro_rules! operations {
    ($($(#[$doc:meta])* $operation:ident($problem:ty), $name:literal;)*) => {
        /// Something to compute, with its shapes, formats and weights.
        #[derive(Clone, Copy, Debug)]
        pub enum Problem<'a> {
            $($(#[$doc])* $operation($problem),)*
        }

        impl Problem<'_> {
            /// Name of the operation.
            pub const fn operation(&self) -> &'static str {
                match self {
                    $(Problem::$operation(_) => $name,)*
                }
            }
        }

        /// The functions of a kernel, for the operation that it computes.
        #[derive(Clone, Copy, Debug)]
        pub(crate) enum Entry {
            $($operation {
                supports: for<'a> fn(&$problem) -> bool,
                prepare: for<'a> fn(Level, &$problem, &mut Store<'_>) -> Option<Box<dyn Prepared>>,
                work: for<'a> fn(&$problem) -> Work,
            },)*
        }

        impl Entry {
            pub const fn operation(&self) -> &'static str {
                match self {
                    $(Entry::$operation { .. } => $name,)*
                }
            }

            pub fn supports(&self, problem: &Problem<'_>) -> bool {
                match (self, problem) {
                    $((Entry::$operation { supports, .. }, Problem::$operation(problem)) => {
                        supports(problem)
                    })*
                    _ => false,
                }
            }

            pub fn work(&self, problem: &Problem<'_>) -> Option<Work> {
                match (self, problem) {
                    $((Entry::$operation { work, .. }, Problem::$operation(problem)) => {
                        Some(work(problem))
                    })*
                    _ => None,
                }
            }

            pub fn prepare(&self, level: Level, problem: &Problem<'_>, store: &mut Store<'_>) -> Option<Box<dyn Prepared>> {
                match (self, problem) {
                    $((Entry::$operation { supports, prepare, .. }, Problem::$operation(problem)) => {
                        if supports(problem) { prepare(level, problem, store) } else { None }
                    })*
                    _ => None,
                }
            }
        }
    };
}

operations! {
    /// Addition of two code tensors.
    Add(Add), "add";
    /// Channels of several tensors and constant ones, side by side.
    Channels(Channels<'a>), "channels";
    /// A function of one code.
    CodeTable(CodeTable<'a>), "code table";
    /// Convolution, or a fully connected layer over codes.
    Conv(Conv<'a>), "convolution";
    /// Channel-major order.
    Flatten(Flatten), "flatten";
    /// Fully connected layer over sums.
    LinearSums(LinearSums<'a>), "linear over sums";
    /// Largest code of a window.
    MaxPool(MaxPool), "max pool";
    /// Product of two code tensors.
    Mul(Mul<'a>), "product";
    /// Pixel table and convolution in one.
    PixelConv(PixelConv<'a>), "pixel table + convolution";
    /// Pixel table.
    PixelTable(PixelTable<'a>), "pixel table";
    /// Sums to codes.
    Requant(Requant<'a>), "requantization";
    /// A regular part of a tensor.
    Slice(Slice), "slice";
    /// Sum of a window.
    SumPool(SumPool<'a>), "sum pool";
    /// Nearest-neighbour resize.
    Upsample(Upsample), "upsample";
}

impl Problem<'_> {
    /// Bytes of the output.
    pub fn output_bytes(&self) -> usize {
        let finished =
            |extent: Extent, finish: &Finish<'_>| extent.elements() * finish.element_bytes();
        match self {
            Problem::Add(p) => p.elements,
            Problem::Channels(p) => p.pixels * p.channels(),
            Problem::CodeTable(p) => p.elements,
            Problem::Conv(p) => finished(p.output(), &p.finish),
            Problem::Flatten(p) => p.input.elements(),
            Problem::LinearSums(p) => p.channels * p.finish.element_bytes(),
            Problem::MaxPool(p) => p.output().elements(),
            Problem::Mul(p) => finished(p.output(), &p.finish),
            Problem::PixelConv(p) => finished(p.conv.output(), &p.conv.finish),
            Problem::PixelTable(p) => p.output().elements(),
            Problem::Requant(p) => p.pixels * p.channels * p.finish.element_bytes(),
            Problem::Slice(p) => p.output().elements(),
            Problem::SumPool(p) => finished(p.output(), &p.finish),
            Problem::Upsample(p) => p.output().elements(),
        }
    }

    /// Multiply-adds by weights; 0 for operations without weights.
    pub fn macs(&self) -> u64 {
        match self {
            Problem::Conv(p) => p.macs(),
            Problem::LinearSums(p) => (p.features * p.channels) as u64,
            Problem::PixelConv(p) => p.macs(),
            _ => 0,
        }
    }
}

/// An [`Algorithm`] that solves a kind of problem.
pub(crate) trait KernelFor<P>: Algorithm + Sized {
    /// Whether it can, on a processor that has its level.
    fn supports(_: &P) -> bool {
        true
    }

    /// The work of a problem that it supports; nothing where it has no rival.
    fn work(_: &P) -> Work {
        Work::default()
    }

    /// Packs weights and parameters for a problem that it supports. What is made of all weights goes through the store.
    fn pack(problem: &P, store: &mut Store<'_>) -> Self;

    /// Packs and chooses the copy of an instruction set; `None` where this processor lacks it.
    fn prepare(level: Level, problem: &P, store: &mut Store<'_>) -> Option<Box<dyn Prepared>> {
        at_level!(level, I => compiled::<I>(Self::pack(problem, store)), else None)
    }
}
