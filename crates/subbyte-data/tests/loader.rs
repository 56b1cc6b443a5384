//! Batches depend on data, options and epoch, and on nothing else.

use std::{sync::Arc, thread, time::Duration};
use subbyte_data::{Augment, Batch, Dataset, ErrorKind, Geometry, Loader, LoaderOptions};

const GEOMETRY: Geometry = Geometry {
    height: 4,
    width: 3,
    colours: 3,
};

const OPTIONS: LoaderOptions = LoaderOptions {
    batch: 8,
    shuffle: true,
    augment: Augment {
        pad: 2,
        flip: true,
        crop: None,
        cutout: 3,
    },
    drop_last: false,
    seed: 11,
};

const PLAIN: Augment = Augment {
    pad: 0,
    cutout: 0,
    flip: false,
    crop: None,
};

/// 50 images; the label of an image is its number, and so is its first byte.
fn data() -> Arc<Dataset> {
    let images = (0..50)
        .flat_map(|i| (0..36).map(move |j| (i + 7 * j) as u8))
        .collect();
    let classes = (0..50).map(|i| i.to_string()).collect();
    Arc::new(Dataset::new(GEOMETRY, classes, images, (0..50).collect()).unwrap())
}

fn loader(options: LoaderOptions) -> Loader {
    Loader::new(data(), options).unwrap()
}

fn epoch(options: LoaderOptions, epoch: u64) -> Vec<Batch> {
    let batches = loader(options).epoch(epoch).unwrap();
    batches.map(Result::unwrap).collect()
}

fn labels(batches: &[Batch]) -> Vec<u16> {
    batches
        .iter()
        .flat_map(|batch| batch.labels.clone())
        .collect()
}

#[test]
fn an_epoch_has_every_image_once_with_its_label() {
    let options = LoaderOptions {
        augment: PLAIN,
        ..OPTIONS
    };
    let batches = epoch(options, 3);
    let sizes: Vec<usize> = batches.iter().map(|batch| batch.labels.len()).collect();
    assert_eq!(sizes, [8, 8, 8, 8, 8, 8, 2]);
    let data = data();
    for batch in &batches {
        for (image, &label) in batch.images.chunks_exact(36).zip(&batch.labels) {
            assert_eq!(image, data.image(label.into()));
        }
    }
    let mut sorted = labels(&batches);
    sorted.sort_unstable();
    assert_eq!(sorted, data.labels());
}

#[test]
fn without_shuffling_the_order_is_that_of_the_data() {
    let options = LoaderOptions {
        shuffle: false,
        ..OPTIONS
    };
    assert_eq!(labels(&epoch(options, 0)), data().labels());
    assert_eq!(labels(&epoch(options, 1)), data().labels());
}

#[test]
fn an_incomplete_batch_is_left_out_on_request() {
    let loader = loader(LoaderOptions {
        drop_last: true,
        ..OPTIONS
    });
    let batches = loader.epoch(0).unwrap();
    assert_eq!(
        (batches.len(), loader.batches(), loader.images()),
        (6, 6, 48)
    );
    assert!(
        batches
            .into_iter()
            .all(|batch| batch.unwrap().labels.len() == 8)
    );
    assert_eq!(self::loader(OPTIONS).images(), 50);
}

#[test]
fn any_epoch_can_be_had_again_and_differs_from_the_others() {
    let all: Vec<Vec<Batch>> = (0..5).map(|number| epoch(OPTIONS, number)).collect();
    for (number, batches) in all.iter().enumerate().rev() {
        assert_eq!(&epoch(OPTIONS, number as u64), batches);
        assert!(
            all[..number]
                .iter()
                .all(|other| labels(other) != labels(batches))
        );
    }
    let seeded = LoaderOptions {
        seed: 12,
        ..OPTIONS
    };
    assert_ne!(labels(&epoch(seeded, 0)), labels(&all[0]));
}

#[test]
fn batches_are_the_same_however_threads_are_interleaved() {
    let expected = epoch(OPTIONS, 7);
    thread::scope(|scope| {
        for delay in 0..6 {
            let expected = &expected;
            scope.spawn(move || {
                let batches = loader(OPTIONS).epoch(7).unwrap().map(Result::unwrap);
                let batches = batches.inspect(|batch| {
                    thread::sleep(Duration::from_micros(delay * u64::from(batch.labels[0])));
                });
                assert_eq!(&batches.collect::<Vec<_>>(), expected);
            });
        }
    });
}

#[test]
fn what_happens_to_an_image_does_not_depend_on_its_place_or_the_batch_size() {
    let image_of = |options, label: u16| {
        let batches = epoch(options, 2);
        let images = batches
            .iter()
            .flat_map(|batch| batch.images.chunks_exact(36));
        let place = labels(&batches).iter().position(|&l| l == label).unwrap();
        images.clone().nth(place).unwrap().to_vec()
    };
    let other = LoaderOptions {
        batch: 13,
        shuffle: false,
        ..OPTIONS
    };
    for label in 0..50 {
        assert_eq!(image_of(OPTIONS, label), image_of(other, label));
    }
}

#[test]
fn an_epoch_can_be_left_early() {
    let data = data();
    let loader = Loader::new(
        data.clone(),
        LoaderOptions {
            batch: 1,
            ..OPTIONS
        },
    )
    .unwrap();
    drop(loader.epoch(0).unwrap().next().unwrap().unwrap());
    drop(loader);
    // The background thread lets go of the data.
    let mut waited = 0;
    while Arc::strong_count(&data) > 1 && waited < 1000 {
        thread::sleep(Duration::from_millis(10));
        waited += 1;
    }
    assert_eq!(Arc::strong_count(&data), 1);
}

/// Pins shuffling and augmentation: runs of earlier versions must stay repeatable.
#[test]
fn the_first_batch_is_what_it_always_was() {
    let rows = [
        [0, 0, 0, 0, 0, 0, 66, 73, 80],
        [0, 0, 0, 0, 0, 0, 129, 136, 143],
        [0, 0, 0, 0, 0, 0, 192, 199, 206],
        [0; 9],
    ];
    let mut cut = rows;
    for row in &mut cut[..2] {
        row[3..].fill(128);
    }
    for (cutout, rows) in [(0, rows), (3, cut)] {
        let augment = Augment {
            cutout,
            ..OPTIONS.augment
        };
        let batch = &epoch(LoaderOptions { augment, ..OPTIONS }, 0)[0];
        assert_eq!(batch.labels, [3, 17, 16, 19, 26, 25, 13, 6]);
        assert_eq!(batch.images[..36], *rows.as_flattened());
    }
}

#[test]
fn options_that_make_no_batches_are_refused() {
    let refused = |options| {
        let error = Loader::new(data(), options).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Argument(_)), "{error}");
    };
    refused(LoaderOptions {
        batch: 0,
        ..OPTIONS
    });
    refused(LoaderOptions {
        batch: 51,
        drop_last: true,
        ..OPTIONS
    });
    for (pad, cutout) in [(4, 0), (usize::MAX, 0), (0, 4), (0, usize::MAX)] {
        refused(LoaderOptions {
            augment: Augment {
                pad,
                cutout,
                ..PLAIN
            },
            ..OPTIONS
        });
    }
    for crop in [0.0, -1.0, 1.1, f64::NAN] {
        refused(LoaderOptions {
            augment: Augment {
                crop: Some(crop),
                ..PLAIN
            },
            ..OPTIONS
        });
    }
    assert_eq!(
        loader(LoaderOptions {
            batch: usize::MAX,
            ..OPTIONS
        })
        .epoch(0)
        .unwrap()
        .count(),
        1
    );
}
