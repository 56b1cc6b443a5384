//! Networks quantized after training: a real one of the zoo on the images inside the binary, and wrong wishes.

use std::path::Path;

use serde_json::Value;

use crate::support::{Place, decode, model};

/// A trained float network.
const FLOAT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../zoo/fashion-mnist-small-float-seed1.sbg"
);

/// A trained network as PyTorch's exporter writes it, with random weights; its input is 1x8x8.
const ONNX: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../crates/subbyte-onnx/tests/fixtures/classifier.onnx"
);

fn quantize(place: &Place, options: &[&str]) -> Value {
    let always = [
        "quantize",
        FLOAT,
        "--calibration",
        "builtin",
        "--images",
        "128",
        "-o",
        "q.sbm",
        "--json",
    ];
    let report = place.run(&[&always, options].concat()).json();
    assert_eq!(report["differing_codes"], 0, "{report}");
    let bytes = std::fs::metadata(place.path("q.sbm")).unwrap().len();
    assert_eq!(report["bytes"], bytes);
    report
}

fn top1(report: &Value) -> f64 {
    report["top1"].as_f64().unwrap()
}

#[test]
fn few_bits_keep_the_accuracy_by_closed_form_rounding_alone() {
    let place = Place::new();
    let closed = quantize(&place, &["--bits", "w2a8", "--graph", "q.sbg"]);
    assert_eq!(place.run(&["verify", "q.sbm"]).code, 0);
    let nearest = quantize(&place, &["--bits", "w2a8", "--method", "nearest"]);
    let float = closed["float_top1"].as_f64().unwrap();
    assert!(top1(&closed) > float - 0.03, "{closed}");
    assert!(top1(&nearest) < float - 0.1, "{nearest}");
    // The network that was written is the one that was lowered.
    let again = place
        .run(&["eval", "q.sbg", "--data", "builtin", "--json"])
        .json();
    assert_eq!(again["top1"], closed["top1"]);
}

#[test]
fn bits_follow_a_budget() {
    let place = Place::new();
    let float = 0.89;
    let options = ["--method", "ptilmpq", "--budget", "20kB", "--vectors", "0"];
    let report = quantize(&place, &options);
    assert!(report["bytes"].as_u64().unwrap() <= 20_000, "{report}");
    assert!(top1(&report) > float - 0.015, "{report}");
    let published = quantize(
        &place,
        &[&options[..], &["--criterion", "published"]].concat(),
    );
    assert!(published["bytes"].as_u64().unwrap() <= 20_000);
    assert!(top1(&published) < top1(&report), "{published}");
    let wish = [
        "quantize",
        FLOAT,
        "--calibration",
        "builtin",
        "--method",
        "ptilmpq",
        "-o",
        "no.sbm",
    ];
    let refused = place.run(&[&wish[..], &["--budget", "9kB"]].concat());
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    let told = refused.stderr.trim_end();
    let least = told
        .rsplit_once("a budget of 9000 bytes cannot be met; the smallest model takes ")
        .and_then(|(_, least)| least.strip_suffix(" bytes"))
        .unwrap_or_else(|| panic!("{told}"));
    assert!(!Path::new(&place.path("no.sbm")).exists());
    // What is told to be possible is.
    let met = place.run(&[&wish[..], &["--budget", least, "--json"]].concat());
    assert!(met.json()["bytes"].as_u64().unwrap() <= least.parse().unwrap());
    let unsaid = place.run(&wish);
    assert_eq!(unsaid.code, 2, "{}", unsaid.stderr);
    assert!(unsaid.stderr.contains("needs a --budget"));
}

#[test]
fn the_published_criterion_needs_no_images() {
    let place = Place::new();
    let written = place.run(&["export", FLOAT, "-o", "float.onnx"]);
    assert_eq!(written.code, 0, "{}", written.stderr);
    let always = [
        "quantize",
        "float.onnx",
        "--preprocess",
        "raw",
        "--method",
        "ptilmpq",
        "--budget",
        "60kB",
        "--json",
    ];
    let run = |more: &[&str]| place.run(&[&always[..], more].concat());
    let without = run(&["-o", "free.sbm"]);
    assert!(
        without.stderr.contains("no images calibrate"),
        "{}",
        without.stderr
    );
    let report = without.json();
    assert!(report["top1"].is_null() && report["float_top1"].is_null());
    assert_eq!(
        report["bytes"],
        std::fs::metadata(place.path("free.sbm")).unwrap().len()
    );
    // Images to measure on take no part in it: the same codes come out.
    let measured = run(&["-o", "measured.sbm", "--data", "builtin", "--vectors", "0"]).json();
    let eval = |file: &str| {
        let arguments = ["eval", file, "--data", "builtin", "--json"];
        top1(&place.run(&arguments).json())
    };
    assert_eq!(top1(&measured), eval("free.sbm"));
    let calibrated = run(&[
        "-o",
        "calibrated.sbm",
        "--calibration",
        "builtin",
        "--criterion",
        "published",
    ])
    .json();
    assert!(
        top1(&measured) > top1(&calibrated) - 0.03,
        "{measured} {calibrated}"
    );
    let asked = run(&["--criterion", "output-error"]);
    assert_eq!(asked.code, 2, "{}", asked.stderr);
}

#[test]
fn the_method_that_moves_the_output_least_is_taken() {
    let place = Place::new();
    let options = ["--method", "auto", "--budget", "30kB", "--vectors", "0"];
    let report = quantize(&place, &options);
    assert!(report["bytes"].as_u64().unwrap() <= 30_000, "{report}");
    assert!(top1(&report) > 0.88, "{report}");
    let always = ["quantize", FLOAT, "--calibration", "builtin"];
    let words = ["--images", "64", "-o", "q.sbm"];
    let outcome = place.run(&[&always[..], &words, &options].concat());
    let moves = outcome.stderr.lines().filter_map(|line| {
        let (name, moves) = line.split_once(": ")?;
        let nats = moves.split_once("moves by ")?.1.strip_suffix(" nats")?;
        Some((nats.parse::<f64>().ok()?, name))
    });
    let moves: Vec<(f64, &str)> = moves
        .filter(|(_, name)| ["uniform", "ptilmpq", "qsq"].contains(name))
        .collect();
    assert_eq!(moves.len(), 3, "{}", outcome.stderr);
    let least = moves.iter().min_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
    assert!(outcome.stderr.contains(&format!("took {}", least.1)));
    let unsaid = place.run(&[&always[..], &["--method", "auto"]].concat());
    assert_eq!(unsaid.code, 2, "{}", unsaid.stderr);
}

#[test]
fn a_budget_is_searched_for_a_loss() {
    let place = Place::new();
    let options = ["--method", "ptilmpq", "--vectors", "0", "--drop"];
    let search = |points| quantize(&place, &[&options[..], &[points]].concat());
    let (much, little) = (search("5"), search("0.5"));
    let bytes = |report: &Value| report["bytes"].as_u64().unwrap();
    assert!(bytes(&much) < bytes(&little), "{much} {little}");
    let lost = |report: &Value| report["float_top1"].as_f64().unwrap() - top1(report);
    // Other images than those of the search, so nearly.
    assert!(lost(&little) < 0.015, "{little}");
    assert!(lost(&much) < 0.065, "{much}");
    let always = [
        "quantize",
        FLOAT,
        "--calibration",
        "builtin",
        "--images",
        "128",
        "--bits",
        "w8a1",
    ];
    place
        .run(&[&always[..], &options[..], &["0"]].concat())
        .refused(&["even", "lose", "allow more"]);
}

#[test]
fn a_front_is_models_a_table_and_a_picture() {
    let place = Place::new();
    let always = [
        "quantize",
        FLOAT,
        "--calibration",
        "builtin",
        "--images",
        "128",
        "--method",
        "ptilmpq",
        "--front",
    ];
    let run = |more: &[&str]| place.run(&[&always[..], more].concat());
    let report = run(&["15kB,w3,published:25kB,25kB", "-o", "front", "--json"]).json();
    let models = report["models"].as_array().unwrap();
    let names: Vec<&str> = models.iter().filter_map(|m| m["name"].as_str()).collect();
    assert_eq!(names, ["15 kB", "w3a8", "25 kB, published", "25 kB"]);
    for model in models {
        let length = std::fs::metadata(place.path(model["file"].as_str().unwrap()))
            .unwrap()
            .len();
        assert_eq!(model["bytes"], length);
        assert!(model["budget"].as_u64().is_none_or(|b| length <= b));
        let drop = report["float_top1"].as_f64().unwrap() - top1(model);
        assert!((drop - model["drop"].as_f64().unwrap()).abs() < 1e-12);
    }
    assert!(top1(&models[3]) > top1(&models[0]), "{report}");
    assert!(decode(&place.path("front/accuracy-bytes.png")).0 > 400);
    run(&["15kB"]).refused(&["name their folder with -o"]);
    let nonsense = run(&["w9", "-o", "front"]);
    assert_eq!(nonsense.code, 2);
    assert!(nonsense.stderr.contains("w2 to w8"), "{}", nonsense.stderr);
}

#[test]
fn exported_networks_are_measured_alike() {
    let place = Place::new();
    let top1 = |file: &str, more: &[&str]| {
        let arguments = ["eval", file, "--data", "builtin", "--json"];
        place.run(&[&arguments[..], more].concat()).json()["top1_evaluated"].clone()
    };
    let written = place.run(&["export", FLOAT, "-o", "float.onnx"]);
    assert_eq!(written.code, 0, "{}", written.stderr);
    assert_eq!(
        top1("float.onnx", &["--preprocess", "raw"]),
        top1(FLOAT, &[])
    );
    quantize(&place, &["--bits", "w8a8", "--graph", "q.sbg"]);
    for form in ["qonnx", "qdq"] {
        let file = format!("{form}.onnx");
        let written = place.run(&["export", "q.sbg", "--form", form, "-o", &file]);
        assert_eq!(written.code, 0, "{}", written.stderr);
        assert!(std::fs::metadata(place.path(&file)).unwrap().len() > 40_000);
    }
    place
        .run(&["export", "q.sbm"])
        .refused(&["q.sbm is a model", "export the network"]);
}

#[test]
fn powers_of_two_need_one_partial_product_a_weight() {
    let place = Place::new();
    let report = quantize(&place, &["--method", "qsq", "--vector", "16"]);
    assert!(top1(&report) > 0.88, "{report}");
    let eval = |model: &str, digits: &str| {
        let arguments = [
            "eval", model, "--data", "builtin", "--digits", digits, "--json",
        ];
        place.run(&arguments).json()
    };
    let products = |report: &Value| report["partial_products"].as_u64().unwrap();
    let (all, two, one) = (eval("q.sbm", "16"), eval("q.sbm", "2"), eval("q.sbm", "1"));
    assert_eq!(top1(&all), top1(&report));
    assert!(products(&one) < products(&two) && products(&two) < products(&all));
    // Codes are one digit each: only the multipliers of vectors lose any.
    assert!(top1(&two) > top1(&all) - 0.02, "{two}");
    place
        .run(&["eval", FLOAT, "--data", "builtin", "--digits", "2"])
        .refused(&["is a network; --digits is for models"]);
}

#[test]
fn broken_calibration_images_are_named_and_the_rest_is_used() {
    let place = Place::new();
    for i in 0..20 {
        let pixels: Vec<u8> = (0..784).map(|p| (p * (i + 3)) as u8).collect();
        place.image(&format!("images/{i:02}.png"), &pixels, 28);
    }
    place.write("images/broken.png", b"no image");
    let outcome = place.run(&[
        "quantize",
        FLOAT,
        "--calibration",
        "images",
        "--data",
        "builtin",
        "-o",
        "q.sbm",
        "--json",
    ]);
    outcome.json();
    assert!(
        outcome.stderr.contains("1 of 21 images cannot be used"),
        "{}",
        outcome.stderr
    );
    assert!(outcome.stderr.contains("broken.png"));
    place.write("none/broken.png", b"no image");
    place
        .run(&[
            "quantize",
            FLOAT,
            "--calibration",
            "none",
            "--data",
            "builtin",
            "-o",
            "q.sbm",
        ])
        .refused(&["none holds no image to calibrate with"]);
}

#[test]
fn floats_of_few_bits_run_as_a_network_and_have_no_integer_form() {
    let place = Place::new();
    let always = [
        "quantize",
        FLOAT,
        "--calibration",
        "builtin",
        "--images",
        "64",
        "--json",
    ];
    let quantize = |options: &[&str]| {
        let method = ["--method", "minifloat", "-o", "q.sbg"];
        let arguments = [&always[..], &method, options].concat();
        place.run(&arguments).json()
    };
    let evaluated = |report: &Value| report["top1_evaluated"].as_f64().unwrap();
    let fp4 = quantize(&["--weights", "fp4", "--activations", "fp8", "--steps", "100"]);
    let float = fp4["float_top1"].as_f64().unwrap();
    assert!(evaluated(&fp4) > float - 0.015, "{fp4}");
    let again = place
        .run(&["eval", "q.sbg", "--data", "builtin", "--json"])
        .json();
    assert_eq!(again["top1_evaluated"], fp4["top1_evaluated"]);
    let inspected = place.run(&["inspect", "q.sbg", "--json"]).json();
    let layers = inspected["layers"].as_array().unwrap();
    let bits: Vec<[f64; 2]> = layers
        .iter()
        .filter_map(|layer| {
            Some([
                layer["weight_bits"].as_f64()?,
                layer["input_bits"].as_f64()?,
            ])
        })
        .collect();
    assert_eq!((bits[0], bits[1]), ([8.0, 8.0], [4.0, 8.0]), "{inspected}");
    place
        .run(&["lower", "q.sbg", "--data", "builtin"])
        .refused(&["no integer form"]);
    place
        .run(&["export", "q.sbg", "-o", "q.onnx"])
        .refused(&["floats, for which ONNX"]);
    // A state is gone when the work is done, and one of something else is refused.
    let stated = [
        "--weights",
        "fp4",
        "--rounding",
        "closed-form",
        "--state",
        "state.sbg",
    ];
    quantize(&stated);
    assert!(!place.path("state.sbg").exists());
    std::fs::copy(place.path("q.sbg"), place.path("state.sbg")).unwrap();
    let method = ["--method", "minifloat", "-o", "r.sbg"];
    let arguments = [&always[..], &method, &stated].concat();
    place
        .run(&arguments)
        .refused(&["state.sbg keeps layers of another network"]);
    let largest = quantize(&[
        "--weights",
        "e2m1",
        "--rounding",
        "nearest",
        "--reach",
        "max",
    ]);
    assert!(evaluated(&largest) < float, "{largest}");
    assert!(largest["bytes"].as_u64().unwrap() < largest["float_bytes"].as_u64().unwrap() / 4);
}

#[test]
fn wishes_that_make_no_sense_are_refused_at_once() {
    let place = Place::new();
    for (wish, says) in [
        (["--bits", "w1a8"], "weights need 2 bits"),
        (["--bits", "w9a8"], "weights have 2 to 8 bits"),
        (["--bits", "w4a0"], "activations 1 to 8"),
        (["--budget", "20kB"], "are for --method ptilmpq"),
    ] {
        let outcome =
            place.run(&[&["quantize", FLOAT, "--calibration", "builtin"], &wish[..]].concat());
        assert_eq!(outcome.code, 2, "{}", outcome.stderr);
        assert!(outcome.stderr.contains(says), "{}", outcome.stderr);
    }
    for (wish, says) in [
        ("--method minifloat", "needs --weights or --activations"),
        ("--weights fp4", "are for --method minifloat"),
        ("--method minifloat --weights e4m4", "a float of 9 bits"),
        ("--method minifloat --weights e0m3", "1 to 7 exponent bits"),
        ("--method minifloat --weights fp9", "2 to 8"),
        (
            "--method minifloat --activations bf16",
            "no format has this name",
        ),
        ("--method minifloat --weights fp4 --ends 1", "2 to 8 bits"),
        ("--method minifloat --weights fp4 -o q.sbm", "name it .sbg"),
    ] {
        let wish: Vec<&str> = wish.split(' ').collect();
        let outcome = place.run(&[&["quantize", FLOAT], &wish[..]].concat());
        assert_eq!(outcome.code, 2, "{}", outcome.stderr);
        assert!(outcome.stderr.contains(says), "{}", outcome.stderr);
    }
    let without = place.run(&["quantize", ONNX]);
    assert_eq!(without.code, 2);
    assert!(without.stderr.contains("give --calibration"));
}

#[test]
fn the_quantized_network_overwrites_neither_network_nor_model() {
    let place = Place::new();
    std::fs::copy(FLOAT, place.path("net.sbg")).unwrap();
    for (graph, what) in [("net.sbg", "network net.sbg"), ("net.sbm", "model net.sbm")] {
        place
            .run(&[
                "quantize",
                "net.sbg",
                "--calibration",
                "builtin",
                "--graph",
                graph,
            ])
            .refused(&["would overwrite the", what]);
    }
    assert_eq!(
        std::fs::read(place.path("net.sbg")).unwrap(),
        std::fs::read(FLOAT).unwrap()
    );
}

#[test]
fn only_float_networks_are_quantized() {
    let place = Place::new();
    place.model("small.sbm", &model());
    place
        .run(&["quantize", "small.sbm", "--calibration", "builtin"])
        .refused(&["small.sbm is a model already", "give the float network"]);
    place
        .run(&[
            "quantize",
            FLOAT,
            "--preprocess",
            "torch",
            "--calibration",
            "builtin",
        ])
        .refused(&["--preprocess is for ONNX files"]);
    place.write("damaged.onnx", b"no protobuf at all");
    place
        .run(&["quantize", "damaged.onnx", "--calibration", "builtin"])
        .refused(&["damaged.onnx"]);
    place
        .run(&["quantize", ONNX, "--calibration", "builtin", "-o", "q.sbm"])
        .refused(&["the network reads"]);
}
