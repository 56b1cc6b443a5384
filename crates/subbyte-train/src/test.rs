//! What several tests need.

use subbyte_data::Dataset;
use subbyte_graph::Graph;

use crate::Recipe;

/// The first `images` of the built-in training images; all classes occur among a few dozen.
pub(crate) fn images(images: usize) -> Dataset {
    let data = subbyte_data::fashion_mnist_subset().train;
    data.select(&(0..images).collect::<Vec<_>>()).unwrap()
}

/// A network for such images.
pub(crate) fn network() -> Graph {
    Recipe::default().network(&images(20)).unwrap()
}
