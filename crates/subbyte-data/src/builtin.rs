use crate::{
    Dataset, Error, Split,
    read::idx::{dataset, read_images, read_labels},
};
use flate2::bufread::GzDecoder;

/// Zalando's names of the ten classes, in the order of the labels.
const CLASSES: [&str; 10] = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
];

/// A subset of Fashion-MNIST that is part of the binary: 28x28 grey images of ten classes of clothing, 13,500 to train and 5,000
/// to test, as many of each class. `assets/README.md` says how it was chosen; its licence lies beside it.
pub fn fashion_mnist_subset() -> Split {
    let train = read(
        include_bytes!("../assets/train-images-idx3-ubyte.gz"),
        include_bytes!("../assets/train-labels-idx1-ubyte.gz"),
    );
    let test = read(
        include_bytes!("../assets/t10k-images-idx3-ubyte.gz"),
        include_bytes!("../assets/t10k-labels-idx1-ubyte.gz"),
    );
    match (train, test) {
        (Ok(train), Ok(test)) => Split { train, test },
        (Err(error), _) | (_, Err(error)) => {
            unreachable!("the bytes are part of the binary and tested: {error}")
        }
    }
}

fn read(images: &[u8], labels: &[u8]) -> Result<Dataset, Error> {
    let (geometry, pixels) = read_images(&mut GzDecoder::new(images))?;
    let labels = read_labels(&mut GzDecoder::new(labels))?;
    dataset(
        geometry,
        CLASSES.map(String::from).to_vec(),
        pixels,
        &labels,
    )
}
