//! A small run on real images that takes a second or two.

use std::path::Path;

use subbyte_data::Dataset;
use subbyte_train::{Control, Event, Outcome, Recipe, Run, TrainError};

/// 300 images of the built-in set, spread over it so that all classes occur.
pub fn images() -> Dataset {
    let data = subbyte_data::fashion_mnist_subset().train;
    let every = data.len() / 300;
    let indices: Vec<usize> = (0..300).map(|i| i * every).collect();
    data.select(&indices).unwrap()
}

/// Four epochs of a 2-bit LeNet-5 with a pixel table.
pub fn recipe(settings: &[&str]) -> Recipe {
    let mut recipe = Recipe::default();
    let base = [
        "network=lenet5",
        "epochs=4",
        "batch-size=30",
        "data.validation=0.2",
        "augment.pad=2",
        "augment.flip=true",
        "table.depth=4",
        "warm-up-epochs=0.5",
        "reestimation-images=90",
    ];
    for setting in base.iter().chain(settings) {
        recipe.set(setting).unwrap();
    }
    recipe
}

pub fn run(recipe: Recipe, folder: &Path) -> Run {
    Run::new(recipe, images(), folder).unwrap()
}

/// Trains without looking.
pub fn train(recipe: Recipe, folder: &Path, resume: bool) -> Result<Outcome, TrainError> {
    run(recipe, folder).train(&mut |_: &Event<'_>| Control::Continue, resume)
}
