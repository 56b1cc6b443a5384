use serde_json::Value;
use subbyte_graph::{networks::FirstLayer, sbg};

use crate::support::{Place, model, network};

/// Sum of a number over all layers.
fn sum(layers: &Value, key: &str) -> u64 {
    let layers = layers.as_array().unwrap().iter();
    layers.map(|layer| layer[key].as_u64().unwrap()).sum()
}

fn layer<'a>(report: &'a Value, operator: &str) -> &'a Value {
    let layers = report["layers"].as_array().unwrap();
    layers.iter().find(|l| l["operator"] == operator).unwrap()
}

#[test]
fn every_byte_of_a_model_is_accounted_for() {
    let place = Place::new();
    place.model("small.sbm", &model());
    let report = place.run(&["inspect", "small.sbm", "--json"]).json();
    let length = std::fs::metadata(place.path("small.sbm")).unwrap().len();
    assert_eq!(report["bytes"], length);
    assert_eq!(sum(&report["items"], "bytes"), length);
    let of_layers = sum(&report["layers"], "bytes");
    assert!(of_layers < length);
    assert_eq!(report["totals"]["bytes"], of_layers);
    let extras: u64 = report["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|item| {
            ["VECTORS", "NAMES", "PROVENANCE"].contains(&item["section"].as_str().unwrap())
        })
        .map(|item| item["bytes"].as_u64().unwrap())
        .sum();
    assert_eq!(report["payload"]["bytes"], length - extras);
    assert!(report["payload"]["ratio"].as_f64().unwrap() > 1.0);
    let zeros = report["payload"]["zero_weights"].as_f64().unwrap();
    assert!((0.1..0.9).contains(&zeros), "{zeros}");
}

#[test]
fn layers_of_a_model_have_bits_and_operations() {
    let place = Place::new();
    place.model("small.sbm", &model());
    let report = place.run(&["inspect", "small.sbm", "--json"]).json();
    assert_eq!(report["kind"], "model");
    assert_eq!(report["checkpoint"], Value::Null);
    let stem = layer(&report, "Conv2d");
    assert_eq!(stem["shape"], serde_json::json!([16, 14, 14]));
    assert_eq!(
        (&stem["weight_bits"], &stem["input_bits"]),
        (&2.0.into(), &2.into())
    );
    // 3x3 taps on the ten codes that the table makes of a grey pixel.
    let macs = 16 * 14 * 14 * 9 * 10;
    assert_eq!(stem["macs"], macs);
    assert_eq!(stem["bit_operations"], 4 * macs);
    assert_eq!(layer(&report, "Requant")["output_bits"], 2);
    assert_eq!(layer(&report, "Requant")["weight_bits"], Value::Null);
    assert_eq!(
        sum(&report["layers"], "macs"),
        report["totals"]["macs"].as_u64().unwrap()
    );

    let table = &report["pixel_table"];
    assert_eq!((&table["depth"], &table["bits"]), (&10.into(), &2.into()));
    let shares = table["code_shares"].as_array().unwrap();
    let whole: f64 = shares.iter().map(|share| share.as_f64().unwrap()).sum();
    assert!(shares.len() == 4 && (whole - 1.0).abs() < 1e-9);
    assert_eq!(
        report["provenance"]["recipe"],
        "network = \"small\"\nepochs = 2\n"
    );
    assert_eq!(report["test_vectors"], 2);
}

#[test]
fn people_see_the_same_as_tables() {
    let place = Place::new();
    place.model("small.sbm", &model());
    let outcome = place.run(&["inspect", "small.sbm"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    for part in [
        "model for 28x28 grey images",
        "Conv2d 3x3/2",
        "16x14x14",
        "282,240",
        "1,128,960",
        "one table for all colours, D = 10, 2 bits",
        "test vectors",
        "Weight bits / 8",
        "of the weights are 0",
        "    epochs = 2",
        "class 9",
    ] {
        assert!(outcome.stdout.contains(part), "{part}: {}", outcome.stdout);
    }
}

#[test]
fn a_network_and_its_model_do_the_same_work() {
    let place = Place::new();
    place.model("small.sbm", &model());
    place.checkpoint(
        "small.sbg",
        &network(FirstLayer::default()),
        "network = \"small\"",
    );
    let model = place.run(&["inspect", "small.sbm", "--json"]).json();
    let graph = place.run(&["inspect", "small.sbg", "--json"]).json();
    assert_eq!(graph["kind"], "graph");
    for key in ["macs", "bit_operations"] {
        assert_eq!(graph["totals"][key], model["totals"][key], "{key}");
    }
    for key in ["items", "sections", "provenance", "pixel_table"] {
        assert_eq!(graph[key], Value::Null, "{key}");
    }
    let checkpoint = &graph["checkpoint"];
    assert_eq!(checkpoint["epochs"], 2);
    assert_eq!(checkpoint["last_epoch"]["accuracy"], 0.5);
    assert!(
        checkpoint["recipe"]
            .as_str()
            .unwrap()
            .contains("network = \"small\"")
    );
    let text = place.run(&["inspect", "small.sbg"]).stdout;
    assert!(text.contains("training accuracy 50.00 %"), "{text}");
}

#[test]
fn float_layers_are_called_so() {
    let place = Place::new();
    let graph = network(FirstLayer::Float);
    sbg::save(place.path("float.sbg"), &graph, &Default::default()).unwrap();
    let report = place.run(&["inspect", "float.sbg", "--json"]).json();
    let stem = layer(&report, "Conv2d");
    assert_eq!(stem["weight_bits"], Value::Null);
    assert_eq!(stem["bit_operations"], Value::Null);
    assert_eq!(report["totals"]["bit_operations"], Value::Null);
    assert_eq!(report["checkpoint"], Value::Null);
    assert!(
        place
            .run(&["inspect", "float.sbg"])
            .stdout
            .contains("float")
    );
}

#[test]
fn files_that_are_missing_cut_off_or_damaged_are_named() {
    let place = Place::new();
    place.run(&["inspect", "none.sbm"]).refused(&["none.sbm"]);
    let whole = subbyte_model::write(&model()).unwrap();
    place.write("short.sbm", &whole[..whole.len() / 2]);
    place
        .run(&["inspect", "short.sbm"])
        .refused(&["short.sbm", "cut off", "subbyte lower"]);
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 4;
    place.write("flipped.sbm", flipped);
    place
        .run(&["inspect", "flipped.sbm"])
        .refused(&["flipped.sbm", "checksum"]);
    let mut flipped = whole.clone();
    flipped[0] ^= 1;
    place.write("start.sbm", flipped);
    place
        .run(&["inspect", "start.sbm"])
        .refused(&["start.sbm", "not an .sbm file"]);
    place.write("notes.txt", "something else");
    place
        .run(&["inspect", "notes.txt"])
        .refused(&["notes.txt is neither a model (.sbm) nor a network (.sbg, .onnx)"]);
    place.write("other.sbg", "something else");
    place.run(&["inspect", "other.sbg"]).refused(&["other.sbg"]);
}
