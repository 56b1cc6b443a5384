//! Image files read as a stream.

use image::GrayImage;
use std::{
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};
use subbyte_data::{
    DECODED_AHEAD, Error, ErrorKind, Geometry, ImageStream, Options, open, read_image,
};
use tempfile::TempDir;

const GEOMETRY: Geometry = Geometry {
    height: 3,
    width: 4,
    colours: 1,
};

/// Pixels of image `i`.
fn pixels(i: usize) -> Vec<u8> {
    (0..12).map(|pixel| (i * 31 + pixel * 7) as u8).collect()
}

/// Images with the numbers `0..count`; their names sort like the numbers.
fn images(folder: &Path, count: usize) -> Vec<PathBuf> {
    fs::create_dir_all(folder).unwrap();
    let save = |i| {
        let path = folder.join(format!("{i:05}.png"));
        let image = GrayImage::from_raw(4, 3, pixels(i)).unwrap();
        image.save(&path).unwrap();
        path
    };
    (0..count).map(save).collect()
}

fn stream(files: &[PathBuf], threads: usize) -> ImageStream {
    let threads = NonZeroUsize::new(threads).unwrap();
    ImageStream::new(files.into(), GEOMETRY, None, threads).unwrap()
}

#[test]
fn images_come_in_the_order_of_the_files_whatever_the_threads() {
    let place = TempDir::new().unwrap();
    let mut files = images(place.path(), 100);
    fs::write(&files[50], "no picture").unwrap();
    files.insert(51, place.path().join("gone.png"));
    for threads in [1, 2, 3, 8, 200] {
        let mut stream = stream(&files, threads);
        assert_eq!(stream.len(), files.len());
        for file in &files {
            let image = stream.next().expect("as many images as files");
            let text = |error: Error| error.to_string();
            assert_eq!(
                image.map_err(text),
                read_image(file, GEOMETRY, None).map_err(text)
            );
        }
        assert!(stream.next().is_none() && stream.next().is_none());
    }
}

#[test]
fn no_more_images_are_in_memory_than_are_promised() {
    let place = TempDir::new().unwrap();
    let files = images(place.path(), 200);
    for threads in [1, 2] {
        let mut stream = stream(&files, threads);
        let taken = 5;
        for i in 0..taken {
            assert_eq!(stream.next().unwrap().unwrap(), pixels(i));
        }
        // Long enough for the threads to decode all, if nothing stopped them.
        thread::sleep(Duration::from_millis(300));
        let alive = threads * (DECODED_AHEAD + 1);
        // Whatever lies beyond was not read, so that it can still be spoiled.
        for file in &files[taken + alive..] {
            fs::write(file, "no picture").unwrap();
        }
        let good = stream.filter(Result::is_ok).count();
        assert!(good <= alive, "{good} images were decoded ahead");
        images(place.path(), 200);
    }
}

#[test]
fn a_stream_can_be_left_early() {
    let place = TempDir::new().unwrap();
    let files = images(place.path(), 60);
    let mut stream = stream(&files, 2);
    assert_eq!(stream.next().unwrap().unwrap(), pixels(0));
    drop(stream);
}

#[test]
fn senseless_sizes_are_refused_at_once() {
    let nothing = Geometry {
        width: 0,
        ..GEOMETRY
    };
    let error = ImageStream::new([].into(), nothing, None, NonZeroUsize::MIN).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Geometry(_)), "{error}");
}

#[test]
fn the_files_of_a_folder_are_the_images_of_its_data_set() {
    let place = TempDir::new().unwrap();
    for (part, class, count) in [
        ("train", "cat", 1),
        ("train", "dog", 1),
        ("test", "cat", 3),
        ("test", "dog", 2),
    ] {
        images(&place.path().join(part).join(class), count);
    }
    let options = Options {
        geometry: Some(GEOMETRY),
        resize: None,
    };
    let source = open(place.path(), &options).unwrap();
    let (list, whole) = (
        source.held_out_files().unwrap().unwrap(),
        source.held_out().unwrap(),
    );
    assert_eq!(list.classes, ["cat", "dog"]);
    assert_eq!(list.labels, [0, 0, 0, 1, 1]);
    assert_eq!(
        (&list.classes[..], &list.labels[..]),
        (whole.classes(), whole.labels())
    );
    for (image, (_, expected)) in stream(&list.files, 2).zip(whole.examples()) {
        assert_eq!(image.unwrap(), expected);
    }
}

#[test]
fn sets_that_are_one_file_have_no_list() {
    let place = TempDir::new().unwrap();
    let header = |dims: &[u8]| {
        let sizes = dims.iter().flat_map(|&n| [0, 0, 0, n]);
        [0, 0, 8, dims.len() as u8]
            .into_iter()
            .chain(sizes)
            .collect::<Vec<u8>>()
    };
    let write = |name: &str, bytes| fs::write(place.path().join(name), bytes).unwrap();
    write(
        "t10k-images-idx3-ubyte",
        [header(&[1, 3, 4]), pixels(0)].concat(),
    );
    write("t10k-labels-idx1-ubyte", [header(&[1]), vec![0]].concat());
    write(
        "train-images-idx3-ubyte",
        [header(&[1, 3, 4]), pixels(0)].concat(),
    );
    write("train-labels-idx1-ubyte", [header(&[1]), vec![0]].concat());
    let source = open(place.path(), &Options::default()).unwrap();
    assert_eq!(source.held_out_files().unwrap(), None);
}
