//! Fixtures, the image that they were recorded with, and a plain interpreter to compare with.

pub mod interpreter;
#[allow(dead_code, reason = "import needs none")]
pub mod networks;

use std::path::PathBuf;

use interpreter::Tensor;

/// Path of a fixture.
pub fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// Little-endian floats of a fixture.
pub fn floats(name: &str) -> Vec<f32> {
    let bytes = std::fs::read(fixture(name)).expect("a fixture");
    let (numbers, _) = bytes.as_chunks();
    numbers.iter().map(|&b| f32::from_le_bytes(b)).collect()
}

/// The test image, as `make.py` has it.
pub fn pixels(shape: [usize; 3]) -> Tensor {
    let [colours, height, width] = shape;
    let mut data = Vec::new();
    for c in 0..colours {
        for y in 0..height {
            for x in 0..width {
                data.push(((c * 67 + y * 29 + x * 13 + 7 * x * y + 11 * c * y) % 256) as f32);
            }
        }
    }
    Tensor { shape, data }
}
