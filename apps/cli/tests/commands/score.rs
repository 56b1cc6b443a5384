use subbyte_graph::{Graph, Role, Storage, networks::FirstLayer, sbg};

use crate::support::{Place, decode, diffusion_network, network};

/// A folder with a diffusion network `float.sbg`, the same with coarse weights `coarse.sbg`, and a classifier `small.sbg`.
fn place() -> Place {
    let place = Place::new();
    let mut graph = diffusion_network();
    let save = |name: &str, graph: &Graph| {
        sbg::save(place.path(name), graph, &sbg::Extras::default()).unwrap();
    };
    save("float.sbg", &graph);
    for param in graph.params.values_mut() {
        if let (Role::Weight, Storage::F32(weights)) = (param.role, &mut param.storage) {
            let largest = weights.iter().fold(0f32, |m, w| m.max(w.abs()));
            let step = largest / 7.0;
            weights
                .iter_mut()
                .for_each(|w| *w = (*w / step).round() * step);
        }
    }
    save("coarse.sbg", &graph);
    save("small.sbg", &network(FirstLayer::Float));
    place
}

#[test]
fn a_network_is_equal_to_itself_and_less_so_to_its_coarse_form() {
    let place = place();
    let run = |other: &str| {
        let samples = ["--samples", "3", "--steps", "2", "--json", "-o", "both.png"];
        place
            .run(&[&["score", "float.sbg", other], &samples[..]].concat())
            .json()
    };
    let same = run("float.sbg");
    assert_eq!(same["psnr_db"], 150.0);
    assert!((same["ssim"].as_f64().unwrap() - 1.0).abs() < 1e-9);
    let coarse = run("coarse.sbg");
    let of = |key: &str| coarse[key].as_f64().unwrap();
    assert!(of("psnr_db") < 100.0 && of("psnr_db_least") <= of("psnr_db"));
    assert!(of("ssim") < 1.0 && of("ssim") > -1.0);
    assert!(of("quantized_sparsity") > of("float_sparsity"));
    assert!(coarse["fid"].is_null() && coarse["features"].is_null());
    assert_eq!(coarse["samples"], 3);
    // Two columns of two rows each of both networks.
    assert_eq!(decode(&place.path("both.png")), (2 * 30 - 2, 4 * 30 - 2));
}

#[test]
fn sets_of_pictures_are_compared_by_the_features_of_a_classifier() {
    let place = place();
    let arguments = ["score", "float.sbg", "coarse.sbg", "--steps", "1", "--json"];
    let features = ["--samples", "50", "--features", "small.sbg"];
    let report = place.run(&[&arguments[..], &features].concat()).json();
    assert_eq!(report["features"], "classifier");
    let of = |key: &str| report[key].as_f64().unwrap();
    // The same noise through nearly the same network is nearer than other noise.
    assert!(of("fid") < of("float_fid") && of("sfid") < of("float_sfid"));
    for key in ["precision", "recall", "float_precision", "float_recall"] {
        assert!((0.0..=1.0).contains(&of(key)), "{key}");
    }
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let place = place();
    let run = |arguments: &[&str]| place.run(&[&["score"], arguments].concat());
    run(&["float.sbg", "small.sbg"]).refused(&["no diffusion network"]);
    run(&["float.sbg", "coarse.sbg", "--features", "small.sbg"]).refused(&["50 or more"]);
    run(&[
        "float.sbg",
        "coarse.sbg",
        "--samples",
        "50",
        "--features",
        "float.sbg",
    ])
    .refused(&["it reads no image"]);
}
