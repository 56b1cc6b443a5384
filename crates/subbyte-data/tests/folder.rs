//! Folders of images, and single image files.

use image::{DynamicImage, GrayImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
use std::{
    fs,
    path::{Path, PathBuf},
};
use subbyte_data::{
    Dataset, Error, ErrorKind, Filter, Geometry, Options, Part, Resize, image_files, open,
    read_image,
};
use tempfile::TempDir;

const COLOUR: Geometry = Geometry {
    height: 6,
    width: 5,
    colours: 3,
};
const GREY: Geometry = Geometry {
    colours: 1,
    ..COLOUR
};

fn picture(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        Rgb([(x * 20) as u8, (y * 15) as u8, (x * y) as u8])
    })
}

fn save(path: &Path, image: impl Into<DynamicImage>) -> PathBuf {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    image.into().save(path).unwrap();
    path.to_path_buf()
}

fn read(path: &Path, options: Options, part: Part) -> Result<Dataset, Error> {
    open(path, &options)?.read(part)
}

fn resize(shorter_side: usize) -> Option<Resize> {
    Some(Resize {
        shorter_side,
        filter: Filter::Bilinear,
    })
}

#[test]
fn lossless_files_of_the_right_size_come_back_untouched() {
    let place = TempDir::new().unwrap();
    let pixels = picture(5, 6).into_raw();
    for name in ["a.png", "a.webp"] {
        let path = save(&place.path().join(name), picture(5, 6));
        assert_eq!(read_image(&path, COLOUR, None).unwrap(), pixels);
        assert_eq!(read_image(&path, COLOUR, resize(64)).unwrap(), pixels);
    }
    let path = save(&place.path().join("a.jpg"), picture(5, 6));
    assert_eq!(read_image(&path, COLOUR, None).unwrap().len(), pixels.len());
}

#[test]
fn the_format_is_told_by_content() {
    let place = TempDir::new().unwrap();
    let path = place.path().join("a.jpg");
    picture(5, 6)
        .save_with_format(&path, ImageFormat::Png)
        .unwrap();
    assert_eq!(
        read_image(&path, COLOUR, None).unwrap(),
        picture(5, 6).into_raw()
    );
}

#[test]
fn colours_become_those_of_the_network() {
    let place = TempDir::new().unwrap();
    let grey = GrayImage::from_fn(5, 6, |x, y| [(40 * x + y) as u8].into());
    let path = save(&place.path().join("grey.png"), grey.clone());
    let tripled: Vec<u8> = grey.as_raw().iter().flat_map(|&v| [v; 3]).collect();
    assert_eq!(read_image(&path, GREY, None).unwrap(), grey.into_raw());
    assert_eq!(read_image(&path, COLOUR, None).unwrap(), tripled);

    let flat = |colour: [u8; 3]| RgbImage::from_pixel(5, 6, Rgb(colour));
    for (colour, luma) in [
        ([255, 0, 0], 54),
        ([0, 255, 0], 182),
        ([0, 0, 255], 18),
        ([90, 90, 90], 90),
    ] {
        let path = save(&place.path().join("colour.png"), flat(colour));
        assert_eq!(read_image(&path, GREY, None).unwrap(), [luma; 30]);
    }
    let see_through = RgbaImage::from_pixel(5, 6, Rgba([10, 20, 30, 0]));
    let path = save(&place.path().join("alpha.png"), see_through);
    assert_eq!(
        read_image(&path, COLOUR, None).unwrap(),
        [10, 20, 30].repeat(30)
    );
}

#[test]
fn other_sizes_are_resized_and_cut_or_refused() {
    let place = TempDir::new().unwrap();
    // Left half black, right half white, 80 pixels across: halved, then the 24 columns about the middle.
    let halves = GrayImage::from_fn(80, 48, |x, _| [if x < 40 { 0 } else { 255 }].into());
    let path = save(&place.path().join("halves.png"), halves);
    let wanted = Geometry {
        height: 24,
        width: 24,
        colours: 1,
    };
    let image = read_image(&path, wanted, resize(24)).unwrap();
    for row in image.chunks_exact(24) {
        assert!(
            row[..11].iter().all(|&v| v == 0) && row[13..].iter().all(|&v| v == 255),
            "{row:?}"
        );
    }
    let error = read_image(&path, wanted, None).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Size { .. }));
    assert!(
        error.to_string().contains("80x48 grey where 24x24 grey"),
        "{error}"
    );
    let error = read_image(&path, wanted, resize(23)).unwrap_err();
    assert!(
        error.to_string().contains("resize to 24 or more"),
        "{error}"
    );
}

#[test]
fn damaged_image_files_are_errors_that_name_them() {
    let place = TempDir::new().unwrap();
    for name in ["a.png", "a.jpg", "a.webp"] {
        let path = save(&place.path().join(name), picture(5, 6));
        let whole = fs::read(&path).unwrap();
        for len in [1, 10, whole.len() / 2, whole.len() * 9 / 10] {
            fs::write(&path, &whole[..len]).unwrap();
            let error = read_image(&path, COLOUR, None).unwrap_err();
            assert!(
                matches!(error.kind(), ErrorKind::Undecodable(_)),
                "{name} cut at {len}: {error}"
            );
            assert_eq!(error.path().unwrap(), path);
        }
        // Whatever a flipped byte does, it does not panic.
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x55;
            fs::write(&path, &damaged).unwrap();
            let _ = read_image(&path, COLOUR, resize(6));
        }
    }
    let error = read_image(&place.path().join("absent.png"), COLOUR, None).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Io(_)));
}

/// `train/` with classes a (2 images), b (none) and c (1 image), `val/` with class c (1 image).
fn divided() -> TempDir {
    let place = TempDir::new().unwrap();
    save(&place.path().join("train/c/x.PNG"), picture(5, 6));
    save(&place.path().join("train/a/2.webp"), RgbImage::new(5, 6));
    save(
        &place.path().join("train/a/10.png"),
        RgbImage::from_pixel(5, 6, Rgb([9; 3])),
    );
    save(&place.path().join("val/c/y.png"), picture(5, 6));
    fs::create_dir(place.path().join("train/b")).unwrap();
    fs::create_dir(place.path().join("train/.hidden")).unwrap();
    fs::write(place.path().join("train/a/notes.txt"), "not an image").unwrap();
    place
}

#[test]
fn a_divided_folder_has_classes_by_name_and_both_parts() {
    let place = divided();
    let source = open(place.path(), &Options::default()).unwrap();
    assert_eq!(
        (source.name(), source.parts()),
        ("image folder", &[Part::Train, Part::Test][..])
    );
    let split = source.split().unwrap();
    assert_eq!(split.train.classes(), ["a", "b", "c"]);
    assert_eq!(split.train.class_counts(), [2, 0, 1]);
    assert_eq!(split.train.geometry(), COLOUR);
    // Sorted by name, so "10" comes before "2".
    assert_eq!(
        split.train.images(),
        [vec![9; 90], vec![0; 90], picture(5, 6).into_raw()].concat()
    );
    assert_eq!(
        (split.test.labels(), split.test.classes().len()),
        (&[2][..], 3)
    );
    save(&place.path().join("test/a/z.png"), picture(5, 6));
    let with_test = open(place.path(), &Options::default()).unwrap();
    assert_eq!(
        with_test.held_out().unwrap().labels(),
        [0],
        "test/ goes before val/"
    );
}

#[test]
fn a_folder_that_is_not_divided_is_never_taken_for_a_test_set() {
    let place = TempDir::new().unwrap();
    save(&place.path().join("train/1.png"), picture(5, 6));
    save(&place.path().join("ship/1.png"), picture(5, 6));
    let source = open(place.path(), &Options::default()).unwrap();
    assert_eq!(source.parts(), [Part::Undivided]);
    assert_eq!(source.held_out().unwrap().classes(), ["ship", "train"]);
    let message = source.split().unwrap_err().to_string();
    assert!(
        message.contains("no training part") && message.contains("train/ and test/"),
        "{message}"
    );
}

#[test]
fn images_of_one_folder_are_brought_to_one_size_or_refused_together() {
    let place = divided();
    save(&place.path().join("train/b/wide.png"), picture(50, 30));
    save(&place.path().join("train/b/tall.jpeg"), picture(30, 50));
    let error = read(place.path(), Options::default(), Part::Train).unwrap_err();
    let ErrorKind::Several(errors) = error.kind() else {
        panic!("{error}");
    };
    assert_eq!(
        errors[0].path().unwrap(),
        place.path().join("train/b/tall.jpeg")
    );
    assert_eq!(
        errors[1].path().unwrap(),
        place.path().join("train/b/wide.png")
    );
    assert!(
        errors
            .iter()
            .all(|error| matches!(error.kind(), ErrorKind::Size { .. }))
    );

    let small = Geometry {
        height: 8,
        width: 8,
        colours: 1,
    };
    let geometry = Some(small);
    let options = Options {
        geometry,
        resize: resize(9),
    };
    let train = read(place.path(), options, Part::Train).unwrap();
    assert_eq!((train.geometry(), train.len()), (small, 5));
    assert_eq!(
        train.image(2),
        read_image(&place.path().join("train/b/tall.jpeg"), small, resize(9)).unwrap()
    );
    let options = Options {
        geometry,
        resize: resize(7),
    };
    let error = open(place.path(), &options).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Argument(_)), "{error}");
    let geometry = Some(Geometry { height: 0, ..small });
    let options = Options {
        geometry,
        resize: None,
    };
    let error = open(place.path(), &options).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Geometry(_)), "{error}");
}

#[test]
fn unusable_folders_say_why() {
    let place = divided();
    fs::write(place.path().join("train/b/old.bmp"), "BM").unwrap();
    let error = read(place.path(), Options::default(), Part::Train).unwrap_err();
    assert_eq!(error.path().unwrap(), place.path().join("train/b/old.bmp"));

    let place = divided();
    save(&place.path().join("val/d/1.png"), picture(5, 6));
    let error = read(place.path(), Options::default(), Part::Test).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::UnknownClass));
    assert_eq!(error.path().unwrap(), place.path().join("val/d"));

    let place = divided();
    fs::remove_file(place.path().join("val/c/y.png")).unwrap();
    let error = read(place.path(), Options::default(), Part::Test).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Empty), "{error}");
}

#[test]
fn of_many_problems_the_first_are_written_out() {
    let place = TempDir::new().unwrap();
    for i in 10..25 {
        save(&place.path().join(format!("a/{i}.png")), picture(5, 6));
        fs::write(place.path().join(format!("a/{i}.png")), "damaged").unwrap();
    }
    let options = Options {
        geometry: Some(COLOUR),
        resize: None,
    };
    let message = read(place.path(), options, Part::Undivided)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains(": 15 problems\n") && message.ends_with("and 5 more"),
        "{message}"
    );
    assert!(
        message.contains("19.png") && !message.contains("20.png"),
        "{message}"
    );
}

#[test]
fn image_files_of_a_folder_come_in_order_of_names() {
    let place = TempDir::new().unwrap();
    for name in ["b.png", "a.JPG", ".hidden.png", "notes.txt", "below/c.png"] {
        let path = place.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    let expected = ["a.JPG", "b.png"].map(|name| place.path().join(name));
    assert_eq!(image_files(place.path()).unwrap(), expected);
    let gone = place.path().join("gone");
    let message = image_files(&gone).unwrap_err().to_string();
    assert!(message.contains("gone"), "{message}");
}

/// Opening a pipe that nobody writes to would wait for ever.
#[cfg(unix)]
#[test]
fn what_is_no_regular_file_is_refused_unopened() {
    let place = TempDir::new().unwrap();
    let pipe = place.path().join("pipe.png");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    for path in [&pipe, Path::new("/dev/zero"), place.path()] {
        let error = read_image(path, GREY, None).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::NotAFile), "{error}");
    }
    let error = open(&pipe, &Options::default()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NotAFile), "{error}");
}

#[test]
fn messages_say_what_an_image_is() {
    let place = TempDir::new().unwrap();
    let colour = save(&place.path().join("colour.png"), picture(7, 8));
    let error = read_image(&colour, GREY, None).unwrap_err().to_string();
    assert!(
        error.contains("is 7x8 colour where 5x6 grey is needed"),
        "{error}"
    );
    let empty = place.path().join("empty.png");
    fs::write(&empty, "").unwrap();
    let error = read_image(&empty, GREY, None).unwrap_err().to_string();
    assert!(error.contains("empty.png: is empty"), "{error}");
}
