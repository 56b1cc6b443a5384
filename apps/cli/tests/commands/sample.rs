use subbyte_graph::sbg;

use crate::support::{Place, decode, diffusion_network, model, network};
use subbyte_graph::networks::FirstLayer;

/// A folder with a diffusion network `net.sbg`.
fn place() -> Place {
    let place = Place::new();
    let extras = sbg::Extras::default();
    sbg::save(place.path("net.sbg"), &diffusion_network(), &extras).unwrap();
    place
}

#[test]
fn pictures_are_written_as_a_grid_and_are_those_of_the_seed() {
    let place = place();
    let run = |seed: &str, file: &str| {
        let arguments = ["sample", "net.sbg", "--steps", "3", "--seed", seed];
        let report = place
            .run(&[&arguments[..], &["--grid", "2x3", "-o", file, "--json"]].concat())
            .json();
        assert_eq!(report["pictures"], 6);
        assert_eq!(report["steps"], 3);
        assert!(report["seconds_per_picture"].as_f64().unwrap() > 0.0);
        std::fs::read(place.path(file)).unwrap()
    };
    let first = run("1", "first.png");
    assert_eq!(decode(&place.path("first.png")), (3 * 30 - 2, 2 * 30 - 2));
    assert_eq!(run("1", "again.png"), first);
    assert_ne!(run("2", "other.png"), first);
    let outcome = place.run(&["sample", "net.sbg", "--steps", "1", "--grid", "1x1"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert_eq!(decode(&place.path("net.png")), (28, 28));
}

#[test]
fn what_cannot_be_sampled_is_refused() {
    let place = place();
    place.model("small.sbm", &model());
    let classifier = network(FirstLayer::Float);
    let extras = sbg::Extras::default();
    sbg::save(place.path("small.sbg"), &classifier, &extras).unwrap();
    let run = |arguments: &[&str]| place.run(&[&["sample"], arguments].concat());
    run(&["net.sbg", "--steps", "1001"]).refused(&["1001 steps", "1 to 1000"]);
    run(&["net.sbg", "--steps", "0"]).refused(&["0 steps"]);
    run(&["net.sbg", "--set", "difficulty=0.5"]).refused(&["no input `difficulty`"]);
    run(&["net.sbg", "-o", "net.sbg"]).refused(&["would overwrite"]);
    run(&["small.sbg"]).refused(&["no diffusion network"]);
    run(&["small.sbm"]).refused(&["model of integers"]);
    run(&["missing.sbg"]).refused(&["missing.sbg"]);
    for wrong in [&["--grid", "0x3"][..], &["--grid", "3"], &["--set", "x"]] {
        let outcome = run(&[&["net.sbg"], wrong].concat());
        assert_eq!(outcome.code, 2, "{}", outcome.stderr);
    }
    assert!(!place.path("net.png").exists());
}

#[test]
fn commands_for_classifiers_say_what_a_diffusion_network_is_for() {
    let place = place();
    place
        .run(&["eval", "net.sbg", "--data", "builtin"])
        .refused(&["reads floats (noisy, timestep)", "subbyte sample"]);
    place
        .run(&["lower", "net.sbg", "--data", "builtin"])
        .refused(&["noisy: is an input of floats"]);
    place
        .run(&["export", "net.sbg"])
        .refused(&["not written to ONNX"]);
    let report = place.run(&["inspect", "net.sbg", "--json"]).json();
    assert_eq!(report["input"], serde_json::json!([1, 28, 28]));
}
