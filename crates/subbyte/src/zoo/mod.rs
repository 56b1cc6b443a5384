//! The zoo: a folder of trained models, `NAME.sbm` or, where layers stay in floats, `NAME.sbg`, with a card `NAME.toml` each that
//! says where it comes from and how well it classifies.

mod card;
mod error;
mod sets;

pub use card::{Card, cards};
pub use error::ZooError;
pub use sets::{data_folder, data_name};
