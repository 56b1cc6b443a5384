//! CIFAR directories and archives, whole and damaged.

use flate2::{Compression, write::GzEncoder};
use std::{
    fs,
    path::{Path, PathBuf},
};
use subbyte_data::{ErrorKind, Geometry, Options, Part, Source, Split, open};
use tempfile::TempDir;

const PLANE: usize = 32 * 32;

/// A record whose planes have a value of their own in every pixel (modulo a byte).
fn record(labels: &[u8], seed: u8) -> Vec<u8> {
    let planes = (0..3 * PLANE).map(|i| (i % 251) as u8 ^ (i / PLANE) as u8 ^ seed);
    labels.iter().copied().chain(planes).collect()
}

type File = (&'static str, Vec<u8>);

fn cifar_10() -> Vec<File> {
    let names = "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n";
    vec![
        ("data_batch_2.bin", record(&[2], 2)),
        ("batches.meta.txt", names.into()),
        (
            "data_batch_1.bin",
            [record(&[1], 1), record(&[9], 10)].concat(),
        ),
        ("data_batch_3.bin", record(&[3], 3)),
        (
            "test_batch.bin",
            [record(&[6], 6), record(&[0], 7)].concat(),
        ),
        ("data_batch_5.bin", record(&[5], 5)),
        ("readme.html", b"<p>".to_vec()),
        ("data_batch_4.bin", record(&[4], 4)),
    ]
}

fn cifar_100() -> Vec<File> {
    let names: String = (0..100).map(|i| format!("fine {i}\n")).collect();
    vec![
        (
            "train.bin",
            [record(&[19, 99], 1), record(&[3, 0], 2)].concat(),
        ),
        ("test.bin", record(&[4, 55], 3)),
        ("coarse_label_names.txt", b"coarse\n".to_vec()),
        ("fine_label_names.txt", names.into()),
    ]
}

fn unpack(directory: &Path, files: &[File]) -> PathBuf {
    fs::create_dir_all(directory).unwrap();
    for (name, bytes) in files {
        fs::write(directory.join(name), bytes).unwrap();
    }
    directory.to_path_buf()
}

fn tar(folder: &str, files: &[File]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Directory);
    header.set_size(0);
    archive.append_data(&mut header, folder, &[][..]).unwrap();
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive
            .append_data(&mut header, format!("{folder}/{name}"), &bytes[..])
            .unwrap();
    }
    archive.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}

fn source(path: &Path) -> Source {
    open(path, &Options::default()).unwrap()
}

/// Reads a set as a directory, a directory's parent, an archive, a plain tar of another name, and an archive's directory.
fn read_every_way(folder: &str, archive: &str, files: &[File]) -> Split {
    let place = TempDir::new().unwrap();
    let unpacked = unpack(&place.path().join("unpacked").join(folder), files);
    let split = source(&unpacked).split().unwrap();
    assert_eq!(source(unpacked.parent().unwrap()).split().unwrap(), split);
    let packed = place.path().join("packed");
    fs::create_dir(&packed).unwrap();
    fs::write(packed.join(archive), gzip(&tar(folder, files))).unwrap();
    assert_eq!(source(&packed.join(archive)).split().unwrap(), split);
    assert_eq!(source(&packed).split().unwrap(), split);
    let plain = place.path().join("other.tar");
    fs::write(&plain, tar(".", files)).unwrap();
    assert_eq!(source(&plain).split().unwrap(), split);
    split
}

#[test]
fn cifar_10_is_read_from_directories_and_archives_in_the_order_of_its_batches() {
    let Split { train, test } = read_every_way(
        "cifar-10-batches-bin",
        "cifar-10-binary.tar.gz",
        &cifar_10(),
    );
    assert_eq!(train.labels(), [1, 9, 2, 3, 4, 5]);
    assert_eq!(test.labels(), [6, 0]);
    assert_eq!(train.classes().len(), 10);
    assert_eq!(train.classes()[9], "truck");
    assert_eq!(
        train.geometry(),
        Geometry {
            height: 32,
            width: 32,
            colours: 3
        }
    );
}

#[test]
fn cifar_100_uses_fine_labels() {
    let Split { train, test } =
        read_every_way("cifar-100-binary", "cifar-100-binary.tar.gz", &cifar_100());
    assert_eq!((train.labels(), test.labels()), (&[99, 0][..], &[55][..]));
    assert_eq!(test.classes()[55], "fine 55");
}

#[test]
fn planes_become_pixels() {
    let place = TempDir::new().unwrap();
    let train = source(&unpack(place.path(), &cifar_100()))
        .read(Part::Train)
        .unwrap();
    let record = record(&[], 2);
    for (pixel, colours) in train.image(1).chunks_exact(3).enumerate() {
        assert_eq!(colours, [0, 1, 2].map(|c| record[c * PLANE + pixel]));
    }
}

#[test]
fn classes_are_numbered_where_names_are_missing() {
    let place = TempDir::new().unwrap();
    let directory = unpack(place.path(), &cifar_100());
    fs::remove_file(directory.join("fine_label_names.txt")).unwrap();
    assert_eq!(
        source(&directory).read(Part::Test).unwrap().classes()[42],
        "42"
    );
    fs::write(directory.join("fine_label_names.txt"), "one\ntwo\n").unwrap();
    let error = source(&directory).read(Part::Test).unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::ClassNames { found: 2, .. }),
        "{error}"
    );
}

#[test]
fn damaged_files_are_named_all_at_once() {
    let place = TempDir::new().unwrap();
    let directory = unpack(place.path(), &cifar_10());
    fs::write(directory.join("data_batch_1.bin"), &record(&[1], 1)[..3000]).unwrap();
    fs::write(directory.join("data_batch_2.bin"), record(&[10], 1)).unwrap();
    fs::write(directory.join("data_batch_3.bin"), "").unwrap();
    fs::remove_file(directory.join("data_batch_5.bin")).unwrap();
    let error = source(&directory).read(Part::Train).unwrap_err();
    let ErrorKind::Several(errors) = error.kind() else {
        panic!("{error}");
    };
    assert!(matches!(errors[0].kind(), ErrorKind::Length { .. }));
    assert!(matches!(
        errors[1].kind(),
        ErrorKind::Label {
            index: 0,
            label: 10,
            classes: 10
        }
    ));
    assert!(matches!(errors[2].kind(), ErrorKind::Length { .. }));
    assert!(matches!(errors[3].kind(), ErrorKind::Missing(_)));
    for (error, number) in errors.iter().zip([1, 2, 3, 5]) {
        assert_eq!(
            error.path().unwrap(),
            directory.join(format!("data_batch_{number}.bin"))
        );
    }
    assert_eq!(source(&directory).read(Part::Test).unwrap().len(), 2);
}

#[test]
fn archives_that_are_cut_off_or_damaged_are_refused() {
    let place = TempDir::new().unwrap();
    let path = place.path().join("cifar-100-binary.tar.gz");
    let archive = gzip(&tar("cifar-100-binary", &cifar_100()));
    let try_split = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        open(&path, &Options::default()).and_then(|source| source.split())
    };
    let whole = try_split(&archive).unwrap();
    for len in (0..archive.len()).step_by(97).chain([archive.len() - 1]) {
        let error = try_split(&archive[..len]).unwrap_err();
        assert!(error.path().unwrap().starts_with(&path), "{error}");
    }
    for at in (0..archive.len()).step_by(61) {
        let mut damaged = archive.clone();
        damaged[at] ^= 0x10;
        if let Ok(split) = try_split(&damaged) {
            assert_eq!(split, whole, "byte {at}");
        }
    }
}

#[test]
fn an_archive_without_a_file_names_it() {
    let place = TempDir::new().unwrap();
    let path = place.path().join("cifar.tgz");
    fs::write(&path, gzip(&tar("x", &cifar_100()[1..]))).unwrap();
    let error = source(&path).read(Part::Train).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Missing(_)));
    assert_eq!(error.path().unwrap(), path.join("train.bin"));
}

#[test]
fn two_data_sets_in_one_directory_are_not_guessed_between() {
    let place = TempDir::new().unwrap();
    unpack(&place.path().join("cifar-10-batches-bin"), &cifar_10());
    unpack(&place.path().join("cifar-100-binary"), &cifar_100());
    let message = open(place.path(), &Options::default())
        .unwrap_err()
        .to_string();
    assert!(message.contains("CIFAR-10, CIFAR-100"), "{message}");
}

#[cfg(unix)]
#[test]
fn pipes_among_the_files_are_refused_unopened() {
    for pipe in ["test.bin", "fine_label_names.txt"] {
        let place = TempDir::new().unwrap();
        unpack(place.path(), &cifar_100());
        let path = place.path().join(pipe);
        fs::remove_file(&path).unwrap();
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        let error = source(place.path()).split().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::NotAFile), "{error}");
        assert_eq!(error.path(), Some(&*path));
    }
}
