//! What was measured of trained networks, as it is kept and put together.
//!
//! [`RunResult`] is what one run came to, with everything that its row in a table has to say; [`Spread`] is mean and deviation over
//! several. Nothing here measures.

mod layers;
mod machine;
mod run;
mod spread;

pub use layers::{LayerBits, input_kind, layer_bits};
pub use machine::machine;
pub use run::RunResult;
pub use spread::Spread;
