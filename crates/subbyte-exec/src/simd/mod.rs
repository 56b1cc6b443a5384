//! f32 products with the widest vectors of the machine, in safe code over [`pulp`].
//!
//! Every sum runs over its terms in one fixed order, whatever the vector width, so results do not depend on the instruction
//! set as long as it has fused multiply-add, and never on the number of threads.

mod gather;
mod outer;
mod panels;
mod scratch;
#[cfg(test)]
mod tests;

pub(crate) use gather::gather;
pub(crate) use outer::outer;
pub(crate) use panels::Panels;
pub(crate) use scratch::with_scratch;

use pulp::{Arch, Simd, WithSimd};
pub(crate) use subbyte_kernels::products::{Pixels, Run};

/// Partial sums that are kept side by side, so that a long sum vectorizes in one order on every machine.
pub(crate) const SUMS: usize = 16;

/// f32 values in one vector register.
fn lanes(arch: Arch) -> usize {
    struct Lanes;
    impl WithSimd for Lanes {
        type Output = usize;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            S::F32_LANES
        }
    }
    arch.dispatch(Lanes)
}

/// Defines functions that are compiled for the widest vectors of this machine. The compiler vectorizes their loops and keeps the
/// order of floating-point operations, so results are the same on every machine.
macro_rules! vectorize {
    ($($(#[$meta:meta])* $vis:vis fn $name:ident<$life:lifetime>(
        $($arg:ident: $ty:ty),* $(,)?
    ) -> $ret:ty $body:block)*) => {$(
        $(#[$meta])*
        $vis fn $name<$life>($($arg: $ty),*) -> $ret {
            struct Call<$life> {
                $($arg: $ty,)*
            }
            impl<$life> ::pulp::WithSimd for Call<$life> {
                type Output = $ret;
                #[inline(always)]
                fn with_simd<S: ::pulp::Simd>(self, _: S) -> $ret {
                    let Self { $($arg),* } = self;
                    $body
                }
            }
            ::pulp::Arch::new().dispatch(Call { $($arg),* })
        }
    )*};
}
pub(crate) use vectorize;
