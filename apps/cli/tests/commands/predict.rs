use serde_json::Value;
use subbyte_kernels::Level;
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
}

#[test]
fn a_folder_without_images_is_a_problem_like_others() {
    let place = Place::new();
    folder(&place, 3);
    place.write("empty/notes.txt", "");
    let outcome = place.run(&["predict", "small.sbm", "empty", "in", "--json"]);
    outcome.refused(&["2 of 4 images", "empty", "no images", "0001.png"]);
    let report: Value = serde_json::from_str(&outcome.stdout).expect("one object");
    assert_eq!(report["images"].as_array().unwrap().len(), 2);
    assert_eq!(report["broken"][0]["file"], "empty");
    assert_eq!(report["interrupted"], false);
    let alone = place.run(&["predict", "small.sbm", "empty", "--json"]);
    alone.refused(&["1 of 1 images", "empty"]);
    let report: Value = serde_json::from_str(&alone.stdout).expect("one object");
    assert_eq!(report["images"], Value::Array(Vec::new()));
}

/// Opening a pipe that nobody writes to would wait for ever.
#[cfg(unix)]
#[test]
fn pipes_are_refused() {
    let place = Place::new();
    folder(&place, 3);
    for name in ["in/0001.png", "model.sbm"] {
        let _ = std::fs::remove_file(place.path(name));
        let made = std::process::Command::new("mkfifo")
            .arg(place.path(name))
            .status();
        assert!(made.unwrap().success());
    }
    let outcome = place.run(&["predict", "small.sbm", "in"]);
    outcome.refused(&["1 of 3 images", "0001.png", "no regular file"]);
    let outcome = place.run(&["predict", "model.sbm", "in"]);
    outcome.refused(&["model.sbm", "no regular file"]);
}

/// A folder of images in which the one in the middle is broken. Names sort like numbers.
fn folder(place: &Place, count: u64) {
    let model = model();
    place.model("small.sbm", &model);
    for i in 0..count {
        place.image(
            &format!("in/{i:04}.png"),
            &testing::random_image(&model, i),
            28,
        );
    }
    place.write(&format!("in/{:04}.png", count / 2), "no picture");
}

#[test]
fn any_number_of_threads_shows_the_same_in_the_same_order() {
    let place = Place::new();
    let count = 101;
    folder(&place, count);
    let run = |more: &[&str]| {
        let outcome = place.run(&[&["predict", "small.sbm", "in", "--top", "1"], more].concat());
        outcome.refused(&["1 of 101 images", "in/0050.png"]);
        outcome.stdout
    };
    let table = run(&["--threads", "1"]);
    assert_eq!(run(&["--threads", "2"]), table);
    assert_eq!(run(&["--threads", "7", "--level", "portable"]), table);
    assert_eq!(table.lines().count() as u64, 2 + count - 1);

    let text = run(&["--threads", "1", "--json"]);
    assert_eq!(run(&["--threads", "2", "--json"]), text);
    let report: Value = serde_json::from_str(&text).expect("one object");
    assert_eq!(report["broken"].as_array().unwrap().len(), 1);
    assert!(
        report["broken"][0]["file"]
            .as_str()
            .unwrap()
            .ends_with("0050.png")
    );
    let good: Vec<u64> = (0..count).filter(|&i| i != count / 2).collect();
    let images = report["images"].as_array().unwrap();
    assert_eq!(images.len(), good.len());
    let model = model();
    for (image, i) in images.iter().zip(good) {
        assert!(
            image["file"]
                .as_str()
                .unwrap()
                .ends_with(&format!("{i:04}.png"))
        );
        let logits = reference::run(&model, &testing::random_image(&model, i)).unwrap();
        let prediction = &image["predictions"][0];
        assert_eq!(prediction["logit"], *logits.iter().max().unwrap());
    }
}

#[test]
fn as_many_threads_as_may_be_asked_for_start_and_no_more() {
    let place = Place::new();
    folder(&place, 3);
    std::fs::remove_file(place.path("in/0001.png")).unwrap();
    let run = |threads| place.run(&["predict", "small.sbm", "in", "--threads", threads]);
    assert_eq!(run("1024").code, 0);
    let refused = run("1025");
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("1024"), "{}", refused.stderr);
}

#[test]
fn a_level_that_the_processor_lacks_is_refused() {
    let place = Place::new();
    folder(&place, 3);
    for level in Level::ALL.iter().filter(|level| !level.is_available()) {
        place
            .run(&["predict", "small.sbm", "in", "--level", level.name()])
            .refused(&["processor lacks", level.name()]);
    }
    let outcome = place.run(&["predict", "small.sbm", "in", "--level", "mmx"]);
    assert_eq!(outcome.code, 2, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("portable"), "{}", outcome.stderr);
}

/// A reader that does not take what is written keeps the command waiting until the interruption has arrived.
#[cfg(unix)]
#[test]
fn an_interruption_ends_the_list_properly() {
    use std::io::{BufRead, BufReader, Read};
    use std::process::{Command, Stdio};
    let place = Place::new();
    let count = 2000;
    folder(&place, count);
    let mut child = Command::new(env!("CARGO_BIN_EXE_subbyte"))
        .current_dir(place.path("."))
        .args(["predict", "small.sbm", "in", "--threads", "1", "--json"])
        .args(["--top", "10"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // When the first line comes, the command is in the midst of its work; all of them are more than a pipe holds.
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    stdout.read_line(&mut text).unwrap();
    let interrupted = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(interrupted.unwrap().success());
    std::thread::sleep(std::time::Duration::from_millis(300));
    stdout.read_to_string(&mut text).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("interrupted after"), "{stderr}");
    let report: Value = serde_json::from_str(&text).expect("one whole object");
    assert_eq!(report["interrupted"], true);
    let shown = report["images"].as_array().unwrap().len() as u64;
    assert!((1..count / 2).contains(&shown), "{shown} images");
}
