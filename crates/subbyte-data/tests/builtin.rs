//! The set inside the binary.

use std::{collections::HashSet, fs, path::Path};
use subbyte_data::{Geometry, fashion_mnist_subset};

#[test]
fn the_builtin_set_is_what_its_readme_says() {
    let split = fashion_mnist_subset();
    for (part, per_class, fingerprint) in [
        (&split.train, 1350, "f3ef131cbf4524dd"),
        (&split.test, 500, "d7cad353fc07fa06"),
    ] {
        assert_eq!(
            part.geometry(),
            Geometry {
                height: 28,
                width: 28,
                colours: 1
            }
        );
        assert_eq!(part.class_counts(), [per_class; 10]);
        assert_eq!(part.classes()[9], "Ankle boot");
        assert_eq!(part.fingerprint(), fingerprint);
    }
}

#[test]
fn no_test_image_is_a_training_image() {
    let split = fashion_mnist_subset();
    let train: HashSet<&[u8]> = (0..split.train.len())
        .map(|i| split.train.image(i))
        .collect();
    let shared = (0..split.test.len()).filter(|&i| train.contains(split.test.image(i)));
    assert_eq!(shared.count(), 0);
}

#[test]
fn the_builtin_set_stays_small() {
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
    let bytes: u64 = (fs::read_dir(assets).unwrap())
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    assert!(bytes <= 8_000_000, "{bytes} bytes");
}
