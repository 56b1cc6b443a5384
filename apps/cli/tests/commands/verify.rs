use subbyte_graph::{networks::FirstLayer, sbg};
use subbyte_kernels::Level;

use crate::support::{Place, model, network};

#[test]
fn every_level_of_the_machine_is_replayed_or_named_as_skipped() {
    let place = Place::new();
    place.model("small.sbm", &model());
    let outcome = place.run(&["verify", "small.sbm"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let rows = |level: &str| {
        outcome
            .stdout
            .lines()
            .filter(|line| line.starts_with(level))
            .count()
    };
    assert_eq!(rows("reference"), 1);
    let (mut replayed, mut skipped) = (1, 0);
    for level in Level::ALL {
        if level.is_available() {
            assert_eq!(rows(level.name()), 2, "{}", outcome.stdout);
            replayed += 2;
        } else {
            let named = outcome
                .stdout
                .lines()
                .any(|l| l.starts_with("skipped") && l.contains(level.name()));
            assert!(named, "{}", outcome.stdout);
            skipped += 1;
        }
    }
    let fine = outcome
        .stdout
        .lines()
        .filter(|line| line.ends_with("ok"))
        .count();
    assert_eq!(fine, replayed);
    let report = place.run(&["verify", "small.sbm", "--json"]).json();
    let replays = report["replays"].as_array().unwrap();
    assert_eq!(replays.len(), replayed);
    assert!(replays.iter().all(|replay| replay["failure"].is_null()));
    assert_eq!(report["skipped"].as_array().unwrap().len(), skipped);
    assert_eq!(report["vectors"], 2);
    println!("{skipped} levels are not available here");
}

#[test]
fn a_wrong_logit_fails_on_every_level() {
    let place = Place::new();
    let mut model = model();
    model.vectors[1].logits[3] += 1;
    place.model("changed.sbm", &model);
    let outcome = place.run(&["verify", "changed.sbm"]);
    outcome.refused(&["changed.sbm"]);
    assert!(
        outcome.stdout.contains("FAILED: vector 1: logit 3"),
        "{}",
        outcome.stdout
    );
    assert!(
        outcome.stdout.lines().all(|line| !line.ends_with("ok")),
        "{}",
        outcome.stdout
    );
    let outcome = place.run(&["verify", "changed.sbm", "--json"]);
    outcome.refused(&["changed.sbm"]);
    let report: serde_json::Value = serde_json::from_str(&outcome.stdout).expect("one object");
    for replay in report["replays"].as_array().unwrap() {
        let failure = replay["failure"].as_str().unwrap();
        assert!(failure.starts_with("vector 1: logit 3"), "{failure}");
    }
}

#[test]
fn without_test_vectors_nothing_is_claimed() {
    let place = Place::new();
    let mut model = model();
    model.vectors.clear();
    place.model("bare.sbm", &model);
    place
        .run(&["verify", "bare.sbm"])
        .refused(&["bare.sbm", "no test vectors", "--vectors"]);
}

#[test]
fn a_network_is_sent_to_lower() {
    let place = Place::new();
    let graph = network(FirstLayer::default());
    sbg::save(place.path("net.sbg"), &graph, &Default::default()).unwrap();
    place
        .run(&["verify", "net.sbg"])
        .refused(&["net.sbg", "subbyte lower"]);
}

#[test]
fn an_unknown_level_in_the_environment_is_an_error_of_every_command() {
    let place = Place::new();
    place.model("small.sbm", &model());
    for command in [
        &["verify", "small.sbm"][..],
        &["inspect", "small.sbm"],
        &["bench", "small.sbm", "--level", "portable"],
        &["cpu"],
    ] {
        let outcome = place.run_with(command, Some("bogus"));
        outcome.refused(&["SUBBYTE_ISA", "bogus", "portable"]);
        assert_eq!(outcome.stdout, "");
    }
}
