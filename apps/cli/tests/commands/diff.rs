//! Where a quantized network departs from its float network.

use serde_json::Value;

use crate::support::{Place, decode, model};

/// A trained float network.
const FLOAT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../zoo/fashion-mnist-small-float-seed1.sbg"
);

/// A network for other images.
const ONNX: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../crates/subbyte-onnx/tests/fixtures/classifier.onnx"
);

/// Writes `q.sbm` and `q.sbg` with activations of so many bits.
fn quantized(place: &Place, bits: &str) {
    let outcome = place.run(&[
        "quantize",
        FLOAT,
        "--calibration",
        "builtin",
        "--images",
        "64",
        "--bits",
        bits,
        "--graph",
        "q.sbg",
        "-o",
        "q.sbm",
    ]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
}

fn diff(place: &Place, file: &str, more: &[&str]) -> Value {
    let always = ["diff", FLOAT, file, "--data", "builtin", "--images", "32"];
    place.run(&[&always[..], more, &["--json"]].concat()).json()
}

#[test]
fn few_bits_are_named_and_many_are_not() {
    let place = Place::new();
    quantized(&place, "w8a8");
    let report = diff(&place, "q.sbm", &[]);
    assert_eq!(report["images"], 32);
    assert!(report["first_that_hurts"].is_null(), "{report}");
    let tensors = report["tensors"].as_array().unwrap();
    for tensor in tensors {
        assert!(tensor["sqnr"].as_f64().unwrap() > 24.0, "{tensor}");
        assert_eq!(tensor["hurts"], false);
    }
    // The network and its model are the same.
    assert_eq!(diff(&place, "q.sbg", &[])["tensors"], report["tensors"]);

    quantized(&place, "w8a1");
    let report = diff(&place, "q.sbm", &["-o", "pictures"]);
    let name = report["first_that_hurts"].as_str().unwrap();
    let tensors = report["tensors"].as_array().unwrap();
    let first = tensors.iter().find(|t| t["hurts"] == true).unwrap();
    assert_eq!(first["tensor"], name);
    assert_eq!(first["bits"], 1);
    assert_eq!(first["histogram"].as_array().unwrap().len(), 2);
    assert!(first["lost"].as_f64().unwrap() > 3.01);
    for picture in ["noise.png", "codes.png"] {
        assert!(decode(&place.path("pictures").join(picture)).1 > 100);
    }
    let always = ["diff", FLOAT, "q.sbm", "--data", "builtin", "--images", "4"];
    let table = place.run(&always).stdout;
    assert!(
        table.contains(&format!("The first tensor that hurts is {name}:")),
        "{table}"
    );
    assert!(table.contains("SQNR, dB") && table.contains('█'));
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let place = Place::new();
    place.model("small.sbm", &model());
    let data = ["--data", "builtin"];
    let run = |files: [&str; 2]| place.run(&[&["diff"], &files[..], &data[..]].concat());
    run(["small.sbm", "small.sbm"]).refused(&["small.sbm is a model", "give the float network"]);
    run([FLOAT, FLOAT]).refused(&["is not quantized in every layer"]);
    run([ONNX, "small.sbm"]).refused(&["classifier.onnx reads images of", "small.sbm of"]);
}
