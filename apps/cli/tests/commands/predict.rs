use subbyte_model::{Resampling, Resize, reference, testing};

use crate::support::{Place, model};

#[test]
fn predictions_are_those_of_the_reference() {
    let place = Place::new();
    let model = model();
    place.model("small.sbm", &model);
    let image = testing::random_image(&model, 7);
    place.image("a.png", &image, 28);
    let report = place
        .run(&["predict", "small.sbm", "a.png", "--top", "10", "--json"])
        .json();
    let predictions = report["images"][0]["predictions"].as_array().unwrap();
    assert_eq!(report["images"][0]["file"], "a.png");
    let logits = reference::run(&model, &image).unwrap();
    assert_eq!(predictions.len(), logits.len());
    let mut whole = 0.0;
    for pair in predictions.windows(2) {
        assert!(pair[0]["logit"].as_i64() >= pair[1]["logit"].as_i64());
    }
    for prediction in predictions {
        let class = prediction["class"].as_u64().unwrap() as usize;
        assert_eq!(prediction["logit"], logits[class]);
        assert_eq!(prediction["name"], model.classes[class]);
        whole += prediction["probability"].as_f64().unwrap();
    }
    assert!((whole - 1.0).abs() < 1e-9, "{whole}");
}

#[test]
fn a_folder_stands_for_its_images_and_classes_may_be_nameless() {
    let place = Place::new();
    let mut model = model();
    model.classes.clear();
    place.model("small.sbm", &model);
    for (i, name) in ["in/b.png", "in/a.png", "c.png"].iter().enumerate() {
        place.image(name, &testing::random_image(&model, i as u64), 28);
    }
    place.write("in/notes.txt", "no image");
    let report = place
        .run(&[
            "predict",
            "small.sbm",
            "in",
            "c.png",
            "--top",
            "1",
            "--json",
        ])
        .json();
    let images = report["images"].as_array().unwrap();
    let files: Vec<&str> = images.iter().map(|i| i["file"].as_str().unwrap()).collect();
    let name = |file: &str| file.replace('\\', "/");
    assert_eq!(
        files.iter().map(|f| name(f)).collect::<Vec<_>>(),
        ["in/a.png", "in/b.png", "c.png"]
    );
    for image in images {
        assert_eq!(image["predictions"].as_array().unwrap().len(), 1);
        assert!(image["predictions"][0]["name"].is_null());
    }
}

#[test]
fn other_sizes_need_a_rule() {
    let place = Place::new();
    let mut model = model();
    place.model("strict.sbm", &model);
    model.input.resize = Some(Resize {
        shorter_side: 28,
        filter: Resampling::Bilinear,
    });
    place.model("resizing.sbm", &model);
    place.image("wide.png", &[90; 40 * 30], 40);
    let refused = place.run(&["predict", "strict.sbm", "wide.png"]);
    refused.refused(&["wide.png", "40x30", "28x28"]);
    let report = place
        .run(&["predict", "resizing.sbm", "wide.png", "--json"])
        .json();
    // Resampling a flat image changes no pixel.
    let logits = reference::run(&model, &[90; 28 * 28]).unwrap();
    for prediction in report["images"][0]["predictions"].as_array().unwrap() {
        assert_eq!(
            prediction["logit"],
            logits[prediction["class"].as_u64().unwrap() as usize]
        );
    }
}

#[test]
fn images_that_cannot_be_read_are_named_and_the_others_shown() {
    let place = Place::new();
    let model = model();
    place.model("small.sbm", &model);
    place.image("good.png", &testing::random_image(&model, 0), 28);
    place.write("bad.png", "not a picture");
    let outcome = place.run(&["predict", "small.sbm", "bad.png", "good.png", "gone.png"]);
    outcome.refused(&["bad.png", "gone.png"]);
    assert!(!outcome.stderr.contains("good.png"), "{}", outcome.stderr);
    let rows: Vec<&str> = outcome.stdout.lines().skip(2).collect();
    assert_eq!(rows.len(), 3, "{}", outcome.stdout);
    assert!(rows[0].starts_with("good.png") && rows[1].starts_with(' '));
    place.write("empty/notes.txt", "");
    place
        .run(&["predict", "small.sbm", "empty"])
        .refused(&["empty", "no images"]);
}
