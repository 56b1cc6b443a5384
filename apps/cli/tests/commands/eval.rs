//! Models measured on folders of image files.

use serde_json::Value;
use subbyte_graph::{
    networks::{self, FirstLayer},
    sbg,
};
use subbyte_model::{Model, reference, testing};

use crate::support::{Place, model, network};

const CLASSES: u64 = 10;
const IMAGES: u64 = 13;

/// A folder for each class with as many images.
fn place() -> (Place, Model) {
    let (place, model) = (Place::new(), model());
    place.model("small.sbm", &model);
    for class in 0..CLASSES {
        for i in 0..IMAGES {
            place.image(&name(class, i), &image(&model, class, i), 28);
        }
    }
    (place, model)
}

fn name(class: u64, i: u64) -> String {
    format!("data/class{class}/{i:02}.png")
}

fn image(model: &Model, class: u64, i: u64) -> Vec<u8> {
    testing::random_image(model, class * IMAGES + i)
}

/// How many images the reference puts into their class, of those that `counts`.
fn right(model: &Model, counts: impl Fn(u64, u64) -> bool) -> u64 {
    let mut right = 0;
    for (class, i) in (0..CLASSES).flat_map(|class| (0..IMAGES).map(move |i| (class, i))) {
        let logits = reference::run(model, &image(model, class, i)).unwrap();
        let best = logits.iter().max().unwrap();
        let first = logits.iter().position(|logit| logit == best).unwrap() as u64;
        right += u64::from(counts(class, i) && first == class);
    }
    right
}

/// Images in their class, as a report's share of all says.
fn counted(report: &Value) -> u64 {
    let images = report["images"].as_u64().unwrap() as f64;
    let count = report["top1"].as_f64().unwrap() * images;
    assert!((count - count.round()).abs() < 1e-9, "{count}");
    count.round() as u64
}

#[test]
fn a_folder_of_classes_gives_the_accuracy_of_the_reference_whatever_the_threads() {
    let (place, model) = place();
    let expected = right(&model, |_, _| true);
    for threads in ["1", "2", "5"] {
        let arguments = ["eval", "small.sbm", "data", "--json", "--threads", threads];
        let report = place.run(&arguments).json();
        assert_eq!(report["images"], CLASSES * IMAGES);
        assert_eq!(counted(&report), expected, "{threads} threads");
        assert_eq!(report["threads"].to_string(), threads);
    }
    let table = place.run(&["eval", "small.sbm", "data", "--threads", "1"]);
    assert!(table.stdout.contains("(1 thread)"), "{}", table.stdout);
    let portable = ["eval", "small.sbm", "data", "--json", "--level", "portable"];
    assert_eq!(counted(&place.run(&portable).json()), expected);
}

/// One folder for each of some classes, named by `name`, each with the image that a perfect judge of the model would put there.
fn sorted_by_the_model(model: &Model, name: impl Fn(usize) -> String) -> Place {
    let place = Place::new();
    place.model("small.sbm", model);
    for seed in 0..60 {
        let image = testing::random_image(model, seed);
        let logits = reference::run(model, &image).unwrap();
        let best = logits.iter().max().unwrap();
        let class = logits.iter().position(|logit| logit == best).unwrap();
        place.image(&format!("data/{}/{seed}.png", name(class)), &image, 28);
    }
    place
}

#[test]
fn labels_follow_the_names_of_the_folders_not_their_order() {
    let mut model = model();
    // Folders that sort the other way round, one with a character that no folder has.
    model.classes = (0..10).map(|class| format!("{}/x", 9 - class)).collect();
    let place = sorted_by_the_model(&model, |class| model.classes[class].replace('/', "_"));
    let outcome = place.run(&["eval", "small.sbm", "data", "--json"]);
    assert_eq!(outcome.json()["top1"], 1.0);
    assert!(!outcome.stderr.contains("note"), "{}", outcome.stderr);

    // A folder without images is a class as the others are.
    std::fs::create_dir_all(place.path("data/other")).unwrap();
    place
        .run(&["eval", "small.sbm", "data"])
        .refused(&["data", "named like no class", "other"]);
}

#[test]
fn folders_may_be_numbers_of_classes_and_else_their_order_counts() {
    let mut model = model();
    model.classes.clear();
    // As text, 3 comes after 010.
    let place = sorted_by_the_model(&model, |class| "0".repeat(class % 3) + &class.to_string());
    let outcome = place.run(&["eval", "small.sbm", "data", "--json"]);
    assert_eq!(outcome.json()["top1"], 1.0);
    assert!(!outcome.stderr.contains("note"), "{}", outcome.stderr);

    let place = sorted_by_the_model(&model, |class| format!("class {class}"));
    for class in 0..10 {
        std::fs::create_dir_all(place.path(&format!("data/class {class}"))).unwrap();
    }
    let outcome = place.run(&["eval", "small.sbm", "data", "--json"]);
    assert_eq!(outcome.json()["top1"], 1.0);
    assert!(outcome.stderr.contains("in the order of their names"));
}

#[test]
fn broken_images_are_left_out_and_named_at_the_end() {
    let (place, model) = place();
    for (class, i) in [(4, 6), (9, 12)] {
        place.write(&name(class, i), "no picture");
    }
    let outcome = place.run(&["eval", "small.sbm", "data", "--json"]);
    outcome.refused(&["2 of 130 images", "class4", "06.png", "class9", "12.png"]);
    let report: Value = serde_json::from_str(&outcome.stdout).expect("one object");
    assert_eq!(report["images"], CLASSES * IMAGES - 2);
    let broken = report["broken"].as_array().unwrap();
    let files: Vec<_> = broken.iter().map(|b| b["file"].as_str().unwrap()).collect();
    assert!(files.len() == 2 && files[0].contains("class4"), "{files:?}");
    let counts = |class, i| ![(4, 6), (9, 12)].contains(&(class, i));
    assert_eq!(counted(&report), right(&model, counts));
}

#[test]
fn nothing_is_claimed_where_no_image_can_be_used() {
    let place = Place::new();
    place.model("small.sbm", &model());
    for class in 0..CLASSES {
        place.write(&name(class, 0), "no picture");
    }
    let outcome = place.run(&["eval", "small.sbm", "data"]);
    outcome.refused(&["10 of 10 images"]);
    assert_eq!(outcome.stdout, "");
}

#[test]
fn data_of_other_classes_are_refused() {
    let place = Place::new();
    let model = model();
    place.model("small.sbm", &model);
    place.image("data/only/a.png", &testing::random_image(&model, 0), 28);
    place
        .run(&["eval", "small.sbm", "data"])
        .refused(&["1 classes", "10"]);
}

#[test]
fn builtin_data_of_another_size_are_refused_in_pixels() {
    let config = networks::NetworkConfig {
        colours: 3,
        ..Default::default()
    };
    let graph = networks::build("small", &config).unwrap();
    let place = Place::new();
    sbg::save(place.path("colour.sbg"), &graph, &Default::default()).unwrap();
    place
        .run(&["eval", "colour.sbg", "builtin"])
        .refused(&["28x28 grey", "32x32 colour"]);
}

#[test]
fn a_network_is_measured_on_the_same_images_as_its_model() {
    let (place, model) = place();
    let save = |name: &str, first| {
        sbg::save(place.path(name), &network(first), &Default::default()).unwrap();
    };
    save("small.sbg", FirstLayer::default());
    save("float.sbg", FirstLayer::Float);
    place.write(&name(4, 6), "no picture");
    let measure = |file: &str| {
        let outcome = place.run(&["eval", file, "data", "--json", "--threads", "2"]);
        outcome.refused(&["1 of 130 images", "06.png"]);
        serde_json::from_str::<Value>(&outcome.stdout).expect("one object")
    };
    let expected = right(&model, |class, i| (class, i) != (4, 6));
    let whole = measure("small.sbg");
    assert_eq!(whole["images"], 129);
    assert_eq!(whole["broken"].as_array().unwrap().len(), 1);
    assert_eq!(counted(&whole), expected);
    assert_eq!(whole["differing_codes"], 0);
    let float = measure("float.sbg");
    assert_eq!(float["images"], 129);
    assert!(float["top1_evaluated"].is_f64(), "{float}");

    // A model that was not compared on all images is not written.
    let lowered = place.run(&["lower", "small.sbg", "--data", "data", "-o", "new.sbm"]);
    lowered.refused(&["1 of 130 images"]);
    assert!(!place.path("new.sbm").exists());

    // Labels beyond the classes of the networks.
    for class in 10..12 {
        place.image(&name(class, 0), &image(&model, 0, 0), 28);
    }
    place
        .run(&["eval", "small.sbg", "data"])
        .refused(&["12 classes"]);
    place
        .run(&["eval", "float.sbg", "data"])
        .refused(&["10 classes"]);
}

#[test]
fn another_network_is_measured_on_the_same_images_and_the_gaps_are_shown() {
    let (place, model) = place();
    let float = network(FirstLayer::Float);
    sbg::save(place.path("float.sbg"), &float, &Default::default()).unwrap();
    let alone = |file: &str| place.run(&["eval", file, "data", "--json"]).json();
    let (own, other) = (alone("small.sbm"), alone("float.sbg"));
    assert!(own["against"].is_null());
    let arguments = ["eval", "small.sbm", "data", "--against", "float.sbg"];
    let report = place.run(&[&arguments[..], &["--json"]].concat()).json();
    assert_eq!(report["top1"], own["top1"]);
    for key in ["top1", "top5"] {
        let number = |value: &Value| value.as_f64().unwrap();
        let against = &report["against"];
        assert_eq!(against[key], other[format!("{key}_evaluated")]);
        let gap = number(&against[key]) - number(&report[key]);
        let told = number(&against[format!("gap_{key}")]);
        assert!((told - gap).abs() < 1e-9, "{told} {gap}");
    }
    let table = place.run(&arguments).stdout;
    assert!(
        table.contains("gap, top-1") && table.contains("points"),
        "{table}"
    );

    // Figures that cannot be compared are not.
    let mut named = model.clone();
    named.classes.reverse();
    place.model("other.sbm", &named);
    let arguments = ["eval", "small.sbm", "data", "--against", "other.sbm"];
    place.run(&arguments).refused(&["other.sbm", "classes"]);
    let config = networks::NetworkConfig::default();
    let colour = networks::build("small", &config).unwrap();
    sbg::save(place.path("colour.sbg"), &colour, &Default::default()).unwrap();
    let arguments = ["eval", "small.sbm", "data", "--against", "colour.sbg"];
    place
        .run(&arguments)
        .refused(&["32x32 colour", "28x28 grey"]);
}

/// What was measured until Ctrl-C is printed, with the code that shells have for it.
#[cfg(unix)]
#[test]
fn an_interruption_shows_what_was_measured_so_far() {
    let place = Place::new();
    let model = model();
    place.model("small.sbm", &model);
    for i in 0..300 {
        let image = testing::random_image(&model, i % 30);
        for class in 0..CLASSES {
            place.image(&format!("data/{class}/{i:04}.png"), &image, 28);
        }
    }
    let what = ["eval", "small.sbm", "data", "--json"];
    let slow = ["--threads", "1", "--level", "portable"];
    let arguments = [what, slow].concat();
    // Before it has begun an interruption ends the process, and after its end there is nothing to interrupt.
    let delays = (4..14).map(|i| std::time::Duration::from_millis(1 << i));
    let outcomes = delays.map(|delay| {
        let child = place.start(&arguments);
        std::thread::sleep(delay);
        let pid = child.id().to_string();
        let _ = std::process::Command::new("kill")
            .args(["-INT", &pid])
            .status();
        child.wait_with_output().unwrap()
    });
    let interrupted = |output: &std::process::Output| {
        output.status.code() == Some(130) && !output.stdout.is_empty()
    };
    let output = outcomes
        .into_iter()
        .find(interrupted)
        .expect("an interruption in time");
    let report: Value = serde_json::from_slice(&output.stdout).expect("one object");
    assert_eq!(report["interrupted"], true);
    let images = report["images"].as_u64().unwrap();
    assert!((1..3000).contains(&images), "{images}");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains(&format!("interrupted after {images} of 3000")),
        "{stderr}"
    );
}
