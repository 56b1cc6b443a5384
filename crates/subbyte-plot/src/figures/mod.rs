//! One figure a file: from plain data to marks.

mod accuracy_bytes;
mod code_histograms;
mod labels;
mod pixel_table;
mod tensor_noise;
mod training_curves;

pub use accuracy_bytes::{Point, accuracy_bytes};
pub use code_histograms::{Histogram, code_histograms};
pub use pixel_table::{PixelTablePicture, pixel_table};
pub use tensor_noise::{TensorNoise, tensor_noise};
pub use training_curves::{Epoch, Run, training_curves};

/// Width of every figure: what a page's column takes.
const WIDTH: f64 = 860.0;
