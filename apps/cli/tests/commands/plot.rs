use subbyte_graph::{networks::FirstLayer, sbg};

use crate::support::{Outcome, Place, decode, epoch, model, network};

/// The files that a command says it wrote.
fn written(outcome: &Outcome) -> Vec<String> {
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    outcome
        .stdout
        .lines()
        .map(|line| line.replace('\\', "/"))
        .collect()
}

#[test]
fn runs_are_drawn_together() {
    let place = Place::new();
    let log = format!("{}\n{}\n", epoch(1), epoch(2));
    place.write("first/log.jsonl", &log);
    place.write("second/log.jsonl", &log);
    let outcome = place.run(&[
        "plot",
        "first",
        "second/log.jsonl",
        "-o",
        "out",
        "--format",
        "svg",
    ]);
    assert_eq!(written(&outcome), ["out/curves.svg"]);
    let svg = std::fs::read_to_string(place.path("out/curves.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("first") && svg.contains("second"));
    let outcome = place.run(&["plot", "first", "-o", "out"]);
    assert_eq!(written(&outcome), ["out/curves.png"]);
    assert!(decode(&place.path("out/curves.png")).0 > 400);
}

#[test]
fn a_model_shows_its_table_and_where_data_are_named_its_codes() {
    let place = Place::new();
    let mut model = model();
    place.model("small.sbm", &model);
    let outcome = place.run(&["plot", "small.sbm", "-o", "bare"]);
    assert_eq!(written(&outcome), ["bare/small-table.png"]);
    assert!(outcome.stderr.contains("--data"), "{}", outcome.stderr);
    let outcome = place.run(&["plot", "small.sbm", "-o", "given", "--data", "builtin"]);
    assert_eq!(
        written(&outcome),
        ["given/small-table.png", "given/small-codes.png"]
    );
    // 256 columns of whole pixels.
    assert!(decode(&place.path("given/small-table.png")).0 > 768);
    assert!(decode(&place.path("given/small-codes.png")).1 > 100);

    model.provenance.push(("data".into(), "builtin".into()));
    place.model("noted.sbm", &model);
    let outcome = place.run(&["plot", "noted.sbm", "-o", "noted"]);
    assert_eq!(
        written(&outcome),
        ["noted/noted-table.png", "noted/noted-codes.png"]
    );
}

#[test]
fn data_on_another_machine_only_matter_when_asked_for() {
    let place = Place::new();
    let mut model = model();
    model
        .provenance
        .push(("data".into(), "elsewhere/images".into()));
    place.model("small.sbm", &model);
    let outcome = place.run(&["plot", "small.sbm"]);
    assert_eq!(written(&outcome), ["./small-table.png"]);
    assert!(
        outcome.stderr.contains("elsewhere/images"),
        "{}",
        outcome.stderr
    );
    let outcome = place.run(&["plot", "small.sbm", "--data", "missing"]);
    outcome.refused(&["missing"]);
}

#[test]
fn a_network_is_drawn_as_the_model_that_it_becomes() {
    let place = Place::new();
    let recipe = "network = \"small\"\n[data]\npath = \"builtin\"";
    place.checkpoint("net.sbg", &network(FirstLayer::default()), recipe);
    place.model("net.sbm", &model());
    let outcome = place.run(&["plot", "net.sbg", "net.sbm"]);
    let files = ["./net-table.png", "./net-codes.png", "./net-2-table.png"];
    assert_eq!(written(&outcome), files);
    let float = network(FirstLayer::Float);
    sbg::save(place.path("float.sbg"), &float, &Default::default()).unwrap();
    place
        .run(&["plot", "float.sbg"])
        .refused(&["float.sbg", "fully quantized"]);
}

#[test]
fn a_folder_without_a_finished_epoch_is_named() {
    let place = Place::new();
    place.write("empty/notes.txt", "");
    place
        .run(&["plot", "empty"])
        .refused(&["empty", "no run folder"]);
    place.write("begun/log.jsonl", "");
    place
        .run(&["plot", "begun"])
        .refused(&["log.jsonl", "no epoch"]);
}
