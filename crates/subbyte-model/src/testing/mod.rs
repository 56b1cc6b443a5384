//! Random models and images for tests: valid, small, and between them using every operation in every form.

mod builder;
mod params;
mod repair;
mod rng;

use alloc::{format, string::ToString, vec::Vec};

pub use repair::repair_checksums;
pub use rng::Rng;

use crate::{Input, Model, Resampling, Resize, TestVector, reference};
use builder::Builder;

/// The valid model that `seed` stands for: up to a few dozen nodes, images of at most 12 x 12 pixels, a few million
/// multiplications. It may carry test vectors, whose logits are the reference's.
pub fn random_model(seed: u64) -> Model {
    let mut rng = Rng::new(seed);
    let input = random_input(&mut rng);
    let image = pixels(&input, seed);
    let mut builder = Builder::new(rng, input, image);
    for _ in 0..builder.rng.size(1, 9) {
        builder.step();
    }
    let (mut rng, nodes, logits) = builder.finish();
    let mut model = Model {
        input,
        nodes,
        classes: Vec::new(),
        provenance: Vec::new(),
        vectors: Vec::new(),
    };
    if rng.once_in(2) {
        model.classes = (0..logits).map(|i| format!("class {i} \u{2713}")).collect();
    }
    if rng.once_in(2) {
        model
            .provenance
            .push(("seed".to_string(), seed.to_string()));
    }
    for i in 0..rng.below(3) as u64 {
        let image = random_image(&model, i);
        let logits = reference::run(&model, &image).expect("the model is valid");
        model.vectors.push(TestVector { image, logits });
    }
    model
}

/// An image of the model's size, `[height][width][colours]`.
pub fn random_image(model: &Model, seed: u64) -> Vec<u8> {
    pixels(&model.input, seed)
}

fn pixels(input: &Input, seed: u64) -> Vec<u8> {
    // Far from the seeds of the models themselves.
    let mut rng = Rng::new(seed ^ 0x696d_6167_6573);
    let bytes = input.height * input.width * input.colours;
    (0..bytes).map(|_| rng.bits() as u8).collect()
}

fn random_input(rng: &mut Rng) -> Input {
    let (height, width) = (rng.size(1, 12), rng.size(1, 12));
    let filters = [
        Resampling::Nearest,
        Resampling::Bilinear,
        Resampling::Bicubic,
        Resampling::Lanczos3,
    ];
    Input {
        colours: rng.pick(&[1, 3]),
        height,
        width,
        resize: rng.once_in(2).then(|| Resize {
            shorter_side: height.max(width) + rng.below(9),
            filter: rng.pick(&filters),
        }),
    }
}
