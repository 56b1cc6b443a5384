//! Folders of images that are decoded whenever they are needed, as ImageNet has them.

use image::{Rgb, RgbImage};
use std::{fs, num::NonZeroUsize, path::Path};
use subbyte_data::{
    Augment, Batch, ErrorKind, Filter, Geometry, ImageSet, Loader, LoaderOptions, Options, Resize,
    Split, open, read_image,
};
use tempfile::TempDir;

const GEOMETRY: Geometry = Geometry {
    height: 8,
    width: 8,
    colours: 3,
};

const RESIZE: Resize = Resize {
    shorter_side: 9,
    filter: Filter::Bilinear,
};

const OPTIONS: LoaderOptions = LoaderOptions {
    batch: 4,
    shuffle: true,
    augment: Augment {
        pad: 0,
        flip: true,
        cutout: 0,
        crop: Some(0.08),
    },
    drop_last: true,
    seed: 3,
};

/// Images of many sizes, brighter to the right, bluer with the number.
fn save(path: &Path, number: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let (width, height) = (10 + number % 7, 9 + number % 5);
    RgbImage::from_fn(width, height, |x, _| {
        Rgb([(x * 12) as u8, 7, number as u8 * 5])
    })
    .save_with_format(path, image::ImageFormat::Png)
    .unwrap();
}

/// Three classes with ten training and two test images each.
fn imagenet() -> TempDir {
    let place = TempDir::new().unwrap();
    for (label, class) in (0..).zip(["n01", "n02", "n10"]) {
        for i in 0..10 {
            let name = format!("train/{class}/{class}_{i}.JPEG");
            save(&place.path().join(name), label * 10 + i);
        }
        for i in 0..2 {
            save(
                &place.path().join(format!("val/{class}/v_{i}.JPEG")),
                40 + label * 2 + i,
            );
        }
    }
    place
}

fn sets(place: &Path) -> Split<ImageSet> {
    let options = Options {
        geometry: Some(GEOMETRY),
        resize: Some(RESIZE),
    };
    open(place, &options).unwrap().sets().unwrap()
}

fn epoch(set: &ImageSet, options: LoaderOptions, epoch: u64) -> Vec<Batch> {
    let batches = Loader::new(set.clone(), options).unwrap().epoch(epoch);
    batches.unwrap().map(Result::unwrap).collect()
}

fn threads() -> NonZeroUsize {
    NonZeroUsize::new(2).unwrap()
}

#[test]
fn sorted_folders_are_the_classes_and_files_stay_where_they_are() {
    let place = imagenet();
    let Split { train, test } = sets(place.path());
    assert!(matches!(&train, ImageSet::Files(set) if set.files.len() == 30));
    assert_eq!((train.len(), test.len()), (30, 6));
    assert_eq!(train.classes(), ["n01", "n02", "n10"]);
    assert_eq!((train.label(9), train.label(10), test.label(5)), (0, 1, 2));
    assert_eq!(train.geometry(), GEOMETRY);
}

#[test]
fn evaluation_sees_the_centre_of_the_resized_image() {
    let place = imagenet();
    let test = sets(place.path()).test;
    let ImageSet::Files(files) = &test else {
        panic!("loaded");
    };
    let mut seen = 0;
    for (i, example) in test.examples(threads()).unwrap().enumerate() {
        let (label, image) = example.unwrap();
        let expected = read_image(&files.files[i], GEOMETRY, Some(RESIZE)).unwrap();
        assert_eq!((label, &*image), (i / 2, &*expected));
        seen += 1;
    }
    assert_eq!(seen, 6);
    // So do batches without changes.
    let plain = LoaderOptions {
        augment: Augment::default(),
        shuffle: false,
        drop_last: false,
        ..OPTIONS
    };
    let first = &epoch(&test, plain, 0)[0];
    let expected = read_image(&files.files[0], GEOMETRY, Some(RESIZE)).unwrap();
    assert_eq!(first.images[..GEOMETRY.bytes()], expected);
}

#[test]
fn training_sees_random_crops_that_depend_on_seed_epoch_and_image_alone() {
    let place = imagenet();
    let train = sets(place.path()).train;
    let first = epoch(&train, OPTIONS, 0);
    assert_eq!(first.len(), 7);
    assert_eq!(epoch(&train, OPTIONS, 0), first);
    let image_of = |batches: &[Batch], label: u16, blue: u8| {
        let images = batches
            .iter()
            .flat_map(|b| b.images.chunks_exact(GEOMETRY.bytes()));
        let labels = batches.iter().flat_map(|b| b.labels.iter());
        let mut found = images
            .zip(labels)
            .filter(|(image, l)| **l == label && image[2] == blue);
        found.next().map(|(image, _)| image.to_vec())
    };
    let other = LoaderOptions {
        batch: 7,
        drop_last: false,
        ..OPTIONS
    };
    let whole = epoch(&train, other, 0);
    let next = epoch(&train, other, 1);
    let mut changed = 0;
    for number in 0..30 {
        let find = |batches| image_of(batches, number / 10, number as u8 * 5);
        let here = find(&whole).expect("every image once");
        if let Some(there) = find(&first) {
            assert_eq!(there, here);
        }
        changed += usize::from(find(&next).expect("every image once") != here);
        // Brightness rises or, in mirror images, falls over the width.
        let row: Vec<u8> = here[..24].chunks(3).map(|pixel| pixel[0]).collect();
        assert!(
            row.is_sorted() || row.is_sorted_by(|a, b| a >= b),
            "{row:?}"
        );
    }
    assert!(changed > 25, "{changed}");
}

#[test]
fn a_file_that_cannot_be_used_ends_the_epoch_with_an_error_that_names_it() {
    let place = imagenet();
    let broken = place.path().join("train/n02/n02_4.JPEG");
    fs::write(&broken, "no picture").unwrap();
    let train = sets(place.path()).train;
    let batches = Loader::new(train.clone(), OPTIONS)
        .unwrap()
        .epoch(0)
        .unwrap();
    let results: Vec<_> = batches.collect();
    let error = results.last().unwrap().as_ref().unwrap_err();
    assert_eq!(error.path(), Some(&*broken));
    assert!(results[..results.len() - 1].iter().all(Result::is_ok));
    let errors = train.examples(threads()).unwrap().filter(Result::is_err);
    assert_eq!(errors.count(), 1);
}

#[test]
fn validation_images_are_taken_from_the_files_as_from_memory() {
    let place = imagenet();
    let train = sets(place.path()).train;
    let (rest, validation) = train.split_validation(0.2, 5).unwrap();
    assert_eq!((rest.len(), validation.len()), (24, 6));
    let in_memory = train.sample(30).unwrap().into_owned();
    let (_, expected) = in_memory.split_validation(0.2, 5).unwrap();
    assert_eq!(&*validation.sample(6).unwrap(), &expected);
    assert!(train.split_validation(0.0, 5).is_err());
}

#[test]
fn names_lengths_and_labels_make_the_fingerprint() {
    let place = imagenet();
    let fingerprint = || sets(place.path()).train.fingerprint().unwrap();
    let first = fingerprint();
    assert_eq!(fingerprint(), first);
    let file = place.path().join("train/n01/n01_0.JPEG");
    let mut bytes = fs::read(&file).unwrap();
    bytes.push(0);
    fs::write(&file, bytes).unwrap();
    let second = fingerprint();
    fs::rename(&file, file.with_file_name("n01_00.JPEG")).unwrap();
    let third = fingerprint();
    assert!(first != second && second != third && third != first);
}

#[test]
fn without_a_size_the_images_are_read_at_once() {
    let place = imagenet();
    let error = open(place.path(), &Options::default())
        .unwrap()
        .sets()
        .unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Several(_)), "{error}");
}
