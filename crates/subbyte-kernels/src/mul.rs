//! Product of two code tensors, for gates such as squeeze-and-excitation.

use subbyte_num::CodeType;

use crate::{
    Extent, Finish, Job, KernelFor, Store,
    finish::Finisher,
    isa::{Algorithm, Isa},
    memory::{Split, view_mut},
};

/// Two code tensors of equal channels -> sums or codes: levels are multiplied; a side of height and width 1 is spread over the
/// other's.
#[derive(Clone, Copy, Debug)]
pub struct Mul<'a> {
    /// Size of the first.
    pub left: Extent,
    /// Size of the second.
    pub right: Extent,
    /// Codes of the first.
    pub left_code: CodeType,
    /// Codes of the second.
    pub right_code: CodeType,
    /// How the products leave.
    pub finish: Finish<'a>,
}

impl Mul<'_> {
    /// Size of the output.
    pub const fn output(&self) -> Extent {
        if self.left.pixels() == 1 {
            self.right
        } else {
            self.left
        }
    }
}

pub(crate) struct Product {
    left: (Extent, CodeType),
    right: (Extent, CodeType),
    pixels: usize,
    finisher: Finisher,
}

impl KernelFor<Mul<'_>> for Product {
    fn pack(mul: &Mul<'_>, _: &mut Store<'_>) -> Self {
        Product {
            left: (mul.left, mul.left_code),
            right: (mul.right, mul.right_code),
            pixels: mul.output().pixels(),
            finisher: Finisher::new(&mul.finish, mul.left.channels),
        }
    }
}

/// The codes of a pixel, those of the only one where there is one.
fn pixel(codes: &[u8], extent: Extent, pixel: usize) -> &[u8] {
    let pixel = if extent.pixels() == 1 { 0 } else { pixel };
    &codes[pixel * extent.channels..][..extent.channels]
}

impl Algorithm for Product {
    #[inline(always)]
    fn run<I: Isa>(&self, _: I, job: Job<'_>) {
        let ((left_extent, left_code), (right_extent, right_code)) = (self.left, self.right);
        let (left, right) = (job.inputs.get::<u8>(0), job.inputs.get::<u8>(1));
        let sums = &mut view_mut::<i32>(job.scratch)[..self.finisher.stride()];
        for (to, i) in job.rows.enumerate() {
            let left = pixel(left, left_extent, i);
            let right = pixel(right, right_extent, i);
            for ((sum, &left), &right) in sums.iter_mut().zip(left).zip(right) {
                *sum = left_code.level(left).wrapping_mul(right_code.level(right));
            }
            self.finisher.write(sums, job.output, to);
        }
    }

    fn scratch_bytes(&self) -> usize {
        4 * self.finisher.stride()
    }

    fn packed_bytes(&self) -> usize {
        self.finisher.packed_bytes()
    }

    fn split(&self) -> Split {
        let channels = self.left.0.channels;
        Split::pixels(self.pixels, channels * self.finisher.element_bytes())
    }
}
