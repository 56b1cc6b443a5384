//! Operations that move codes and change none.

mod channels;
mod flatten;
mod slice;
mod upsample;

pub(crate) use channels::Copy;
pub use channels::{Channels, Part};
pub use flatten::Flatten;
pub use slice::Slice;
pub use upsample::Upsample;

/// Copies the codes of a pixel. Lengths that pixels often have are known to the compiler: a call would take longer than the copy.
#[inline(always)]
fn copy(to: &mut [u8], from: &[u8]) {
    match to.len() {
        8 => to[..8].copy_from_slice(&from[..8]),
        16 => to[..16].copy_from_slice(&from[..16]),
        32 => to[..32].copy_from_slice(&from[..32]),
        64 => to[..64].copy_from_slice(&from[..64]),
        _ => to.copy_from_slice(from),
    }
}

/// As [`copy`], with one code.
#[inline(always)]
fn fill(to: &mut [u8], code: u8) {
    match to.len() {
        8 => to[..8].fill(code),
        16 => to[..16].fill(code),
        32 => to[..32].fill(code),
        _ => to.fill(code),
    }
}
