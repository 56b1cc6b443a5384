//! What the equality test and the benchmark share: problems to solve, and the naive solution.

pub mod cases;
pub mod coverage;
pub mod oracle;
pub mod quantized;
pub mod random;
pub mod stored;

use subbyte_kernels::{
    Block, Job, Parts, Prepared, Problem, Region,
    memory::{view, view_mut},
};

/// How many random cases a test takes: `usual`, or what `SUBBYTE_TEST_CASES` says where the processor is emulated.
pub fn number_of_cases(usual: u64) -> u64 {
    match std::env::var("SUBBYTE_TEST_CASES") {
        Ok(number) => number.parse().expect("SUBBYTE_TEST_CASES is a number"),
        Err(_) => usual,
    }
}

/// A tensor, `[height][width][channels]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tensor {
    Codes(Vec<u8>),
    Sums(Vec<i32>),
}

impl Tensor {
    pub fn codes(&self) -> &[u8] {
        match self {
            Tensor::Codes(codes) => codes,
            Tensor::Sums(_) => panic!("sums where codes belong"),
        }
    }

    pub fn sums(&self) -> &[i32] {
        match self {
            Tensor::Sums(sums) => sums,
            Tensor::Codes(_) => panic!("codes where sums belong"),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Tensor::Codes(codes) => codes.len(),
            Tensor::Sums(sums) => 4 * sums.len(),
        }
    }
}

/// Parts that a run is divided into, where the kernel can be.
const PARTS: usize = 3;

/// An arena with inputs in place, for one kernel.
pub struct Bench {
    pub arena: Box<[Block]>,
    pub inputs: Vec<Region>,
    pub output: Region,
    pub scratch: Region,
}

impl Bench {
    pub fn new(problem: &Problem<'_>, kernel: &dyn Prepared, inputs: &[Tensor]) -> Self {
        let mut end = 0;
        let mut place = |bytes: usize| {
            let region = Region {
                start: end,
                len: Block::covering(bytes),
            };
            end = region.end();
            region
        };
        let regions: Vec<Region> = inputs.iter().map(|t| place(t.bytes())).collect();
        let scratch = Block::covering(kernel.scratch_bytes()) * Block::BYTES;
        let (output, scratch) = (place(problem.output_bytes()), place(PARTS * scratch));
        let mut arena = Block::zeros(end);
        // Whatever a kernel leaves unwritten or reads beyond its tensors has to show.
        view_mut::<u8>(&mut arena).fill(0xa5);
        for (region, tensor) in regions.iter().zip(inputs) {
            let blocks = &mut arena[region.start..region.end()];
            match tensor {
                Tensor::Codes(codes) => view_mut(blocks)[..codes.len()].copy_from_slice(codes),
                Tensor::Sums(sums) => view_mut(blocks)[..sums.len()].copy_from_slice(sums),
            }
        }
        Self {
            arena,
            inputs: regions,
            output,
            scratch,
        }
    }

    pub fn run(&mut self, kernel: &dyn Prepared) {
        kernel.run(self.job(kernel));
    }

    /// Runs part after part, as different threads would.
    pub fn run_in_parts(&mut self, kernel: &dyn Prepared) {
        let mut parts = Parts::new(self.job(kernel), kernel.split(), PARTS);
        while let Some(part) = parts.next() {
            kernel.run(part);
        }
    }

    fn job(&mut self, kernel: &dyn Prepared) -> Job<'_> {
        let rows = kernel.split().rows;
        Job::new(
            &mut self.arena,
            &self.inputs,
            self.output,
            self.scratch,
            rows,
        )
    }

    /// The output, of the kind that `like` is.
    pub fn output(&self, like: &Tensor) -> Tensor {
        let blocks = &self.arena[self.output.start..self.output.end()];
        match like {
            Tensor::Codes(codes) => Tensor::Codes(view(blocks)[..codes.len()].to_vec()),
            Tensor::Sums(sums) => Tensor::Sums(view(blocks)[..sums.len()].to_vec()),
        }
    }
}
