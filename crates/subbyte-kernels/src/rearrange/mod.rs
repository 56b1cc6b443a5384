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
