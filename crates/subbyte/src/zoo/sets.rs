//! Public data sets by name: a card names its data, wherever they lie.

use std::path::Path;

/// Names with the folders that the sets are customarily unpacked to.
const SETS: [(&str, &str); 5] = [
    ("cifar10", "cifar-10-batches-bin"),
    ("cifar100", "cifar-100-binary"),
    ("mnist", "mnist"),
    ("fashion-mnist", "fashion-mnist"),
    ("imagenet-sample", "imagenet-sample"),
];

/// The name of the data set at a path, by its last part; `builtin` is that of the images inside the binary.
pub fn data_name(path: &str) -> String {
    let last = Path::new(path).file_name().unwrap_or_default();
    let last = last.to_string_lossy();
    let folder = last.strip_suffix(".tar.gz").unwrap_or(&last);
    let known = SETS.iter().find(|(_, known)| *known == folder);
    known.map_or(folder, |(name, _)| name).to_owned()
}

/// The folder of a data set within the one that holds them all.
pub fn data_folder(name: &str) -> &str {
    let known = SETS.iter().find(|(known, _)| *known == name);
    known.map_or(name, |(_, folder)| folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_found_where_it_was() {
        for (path, name, folder) in [
            ("/data/cifar-100-binary", "cifar100", "cifar-100-binary"),
            ("cifar-100-binary.tar.gz", "cifar100", "cifar-100-binary"),
            (
                "../cifar-10-batches-bin/",
                "cifar10",
                "cifar-10-batches-bin",
            ),
            ("builtin", "builtin", "builtin"),
            ("/home/me/flowers", "flowers", "flowers"),
        ] {
            assert_eq!((&data_name(path)[..], data_folder(name)), (name, folder));
        }
    }
}
