//! IDX directories, whole and damaged.

use flate2::{Compression, write::GzEncoder};
use std::{fs, io::Write, path::Path};
use subbyte_data::{ErrorKind, Geometry, Options, Part, open};
use tempfile::TempDir;

fn images(count: u32, height: u32, width: u32) -> Vec<u8> {
    let header = [0x803, count, height, width].map(u32::to_be_bytes).concat();
    let pixels = (0..count * height * width).map(|i| i as u8);
    header.into_iter().chain(pixels).collect()
}

fn labels(labels: &[u8]) -> Vec<u8> {
    let header = [0x801, labels.len() as u32].map(u32::to_be_bytes).concat();
    [&header, labels].concat()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A whole set: 3 training and 2 test images of 2 rows and 4 columns.
fn whole() -> TempDir {
    let directory = TempDir::new().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(directory.path().join(name), bytes).unwrap();
    write("train-images-idx3-ubyte", &images(3, 2, 4));
    write("train-labels-idx1-ubyte", &labels(&[7, 0, 9]));
    write("t10k-images-idx3-ubyte", &images(2, 2, 4));
    write("t10k-labels-idx1-ubyte", &labels(&[1, 2]));
    directory
}

/// The message and what the test says of the kind of error after one file was changed.
fn error_with(name: &str, bytes: &[u8], expected: fn(&ErrorKind) -> bool) -> String {
    let directory = whole();
    fs::write(directory.path().join(name), bytes).unwrap();
    let error = read(directory.path(), Part::Train).unwrap_err();
    assert!(expected(error.kind()), "{error:?}");
    assert_eq!(error.path().unwrap(), directory.path().join(name));
    error.to_string()
}

fn read(path: &Path, part: Part) -> Result<subbyte_data::Dataset, subbyte_data::Error> {
    open(path, &Options::default())?.read(part)
}

#[test]
fn plain_and_gzip_files_give_the_same_images() {
    let directory = whole();
    let source = open(directory.path(), &Options::default()).unwrap();
    assert_eq!(
        (source.name(), source.parts()),
        ("IDX", &[Part::Train, Part::Test][..])
    );
    let split = source.split().unwrap();
    assert_eq!(
        split.train.geometry(),
        Geometry {
            height: 2,
            width: 4,
            colours: 1
        }
    );
    assert_eq!((split.train.len(), split.test.len()), (3, 2));
    assert_eq!(split.train.image(1), [8, 9, 10, 11, 12, 13, 14, 15]);
    assert_eq!(split.train.labels(), [7, 0, 9]);
    assert_eq!(split.test.label(1), 2);
    assert_eq!(split.test.classes()[9], "9");
    assert_eq!(source.held_out().unwrap(), split.test);

    let compressed = TempDir::new().unwrap();
    for entry in fs::read_dir(directory.path()).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{}.gz", path.file_name().unwrap().display());
        fs::write(compressed.path().join(name), gzip(&fs::read(path).unwrap())).unwrap();
    }
    assert_eq!(
        open(compressed.path(), &Options::default())
            .unwrap()
            .split()
            .unwrap(),
        split
    );
}

#[test]
fn files_that_are_cut_off_anywhere_are_refused() {
    for (name, whole) in [
        ("train-images-idx3-ubyte", images(3, 2, 4)),
        ("train-labels-idx1-ubyte", labels(&[7, 0, 9])),
    ] {
        for len in 0..whole.len() {
            let message = error_with(name, &whole[..len], |kind| {
                matches!(kind, ErrorKind::Length { .. })
            });
            assert!(message.contains("cut off"), "{message}");
        }
        let compressed = gzip(&whole);
        for len in 2..compressed.len() {
            error_with(name, &compressed[..len], |kind| {
                matches!(kind, ErrorKind::Length { .. } | ErrorKind::Io(_))
            });
        }
        error_with(name, &[&whole[..], &[0]].concat(), |kind| {
            matches!(kind, ErrorKind::Length { .. })
        });
    }
}

#[test]
fn no_flipped_bit_of_a_compressed_file_passes_unseen() {
    let whole_images = images(3, 2, 4);
    let compressed = gzip(&whole_images);
    let directory = whole();
    let path = directory.path().join("train-images-idx3-ubyte");
    let expected = read(directory.path(), Part::Train).unwrap();
    for bit in 0..compressed.len() * 8 {
        let mut damaged = compressed.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &damaged).unwrap();
        // Header fields such as the time of writing may change, pixels may not.
        if let Ok(read) = read(directory.path(), Part::Train) {
            assert_eq!(read, expected, "bit {bit}");
        }
    }
}

#[test]
fn a_wrong_magic_number_says_what_was_expected() {
    let message = error_with("train-images-idx3-ubyte", &labels(&[0; 40]), |kind| {
        matches!(
            kind,
            ErrorKind::Magic {
                expected: 0x803,
                found: 0x801,
                ..
            }
        )
    });
    assert!(message.contains("IDX file of grey images"), "{message}");
    error_with("train-labels-idx1-ubyte", &images(3, 2, 4), |kind| {
        matches!(
            kind,
            ErrorKind::Magic {
                expected: 0x801,
                found: 0x803,
                ..
            }
        )
    });
}

#[test]
fn headers_that_announce_too_much_or_nothing_are_refused() {
    let images = |sizes: [u32; 3]| -> Vec<u8> {
        [[0x803].as_slice(), &sizes]
            .concat()
            .iter()
            .flat_map(|word| word.to_be_bytes())
            .collect()
    };
    let name = "train-images-idx3-ubyte";
    error_with(name, &images([u32::MAX; 3]), |kind| {
        matches!(kind, ErrorKind::TooLarge { .. } | ErrorKind::Geometry(_))
    });
    error_with(name, &images([1 << 20, 1 << 10, 1 << 10]), |kind| {
        matches!(kind, ErrorKind::TooLarge { .. })
    });
    // Announces 4 GB, holds nothing: must fail at once without taking the memory.
    error_with(name, &images([1 << 12, 1 << 10, 1 << 10]), |kind| {
        matches!(kind, ErrorKind::Length { .. })
    });
    error_with(name, &images([3, 0, 4]), |kind| {
        matches!(kind, ErrorKind::Geometry(_))
    });
}

#[test]
fn labels_that_do_not_fit_are_refused() {
    let name = "train-labels-idx1-ubyte";
    let message = error_with(name, &labels(&[7, 10, 9]), |kind| {
        matches!(
            kind,
            ErrorKind::Label {
                index: 1,
                label: 10,
                classes: 10
            }
        )
    });
    assert!(message.contains("out of range"), "{message}");
    error_with(name, &labels(&[7, 1]), |kind| {
        matches!(
            kind,
            ErrorKind::Counts {
                images: 3,
                labels: 2
            }
        )
    });
    let directory = whole();
    fs::write(
        directory.path().join("train-images-idx3-ubyte"),
        images(0, 2, 4),
    )
    .unwrap();
    fs::write(directory.path().join(name), labels(&[])).unwrap();
    let error = read(directory.path(), Part::Train).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Empty), "{error}");
}

#[test]
fn class_names_are_read_where_there_are_any() {
    let directory = whole();
    let path = directory.path().join("classes.txt");
    let names: Vec<String> = (0..26).map(|i| format!("letter {i}")).collect();
    fs::write(&path, names.join("\r\n") + "\r\n\r\n").unwrap();
    fs::write(
        directory.path().join("t10k-labels-idx1-ubyte"),
        labels(&[1, 25]),
    )
    .unwrap();
    let test = read(directory.path(), Part::Test).unwrap();
    assert_eq!((test.classes(), test.labels()), (&names[..], &[1, 25][..]));
    fs::write(&path, " \n").unwrap();
    let error = read(directory.path(), Part::Test).unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::ClassNames { found: 0, .. }),
        "{error}"
    );
}

#[test]
fn a_missing_file_is_named_and_the_other_part_can_be_read() {
    let directory = whole();
    fs::remove_file(directory.path().join("train-labels-idx1-ubyte")).unwrap();
    let message = read(directory.path(), Part::Train).unwrap_err().to_string();
    assert!(
        message.contains("train-labels-idx1-ubyte or train-labels-idx1-ubyte.gz is missing"),
        "{message}"
    );
    assert_eq!(read(directory.path(), Part::Test).unwrap().len(), 2);
}

#[test]
fn another_size_than_the_options_ask_for_is_refused() {
    let directory = whole();
    let geometry = Some(Geometry {
        height: 4,
        width: 2,
        colours: 1,
    });
    let source = open(
        directory.path(),
        &Options {
            geometry,
            resize: None,
        },
    )
    .unwrap();
    let error = source.read(Part::Test).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("4x2 grey where 2x4 grey is needed"),
        "{error}"
    );
}

#[test]
fn what_is_no_data_set_is_an_error_that_lists_what_was_looked_for() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("notes.txt");
    fs::write(&file, "no images").unwrap();
    for path in [directory.path(), &file] {
        let message = open(path, &Options::default()).unwrap_err().to_string();
        assert!(
            message.starts_with(&path.display().to_string()),
            "{message}"
        );
        for kind in ["MNIST", "CIFAR-10:", "CIFAR-100:", ".webp"] {
            assert!(message.contains(kind), "{message}");
        }
    }
    let absent = directory.path().join("absent");
    let error = open(&absent, &Options::default()).unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Io(_)) && error.path() == Some(&absent),
        "{error}"
    );
}

#[cfg(unix)]
#[test]
fn pipes_among_the_files_are_refused_unopened() {
    let place = whole();
    let pipe = place.path().join("classes.txt");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let error = read(place.path(), Part::Train).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NotAFile), "{error}");

    let place = whole();
    let pipe = place.path().join("t10k-labels-idx1-ubyte");
    fs::remove_file(&pipe).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let error = read(place.path(), Part::Test).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Missing(_)), "{error}");
}
