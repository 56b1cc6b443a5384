//! Trained models with cards: `zoo`.

use std::fs;

use serde_json::Value;

use crate::support::Place;
use crate::train::place;

/// A zoo with a quantized and a float network, trained for one epoch on a few images in the folder `data`.
fn zoo() -> Place {
    let place = place();
    for (name, bits) in [("low", "bits=w2a3"), ("float", "bits=float")] {
        let train = ["train", "recipe.toml", "-o", name, "--set", bits, "--json"];
        place.run(&train).json();
        let added = place.run(&["zoo", "add", name]);
        assert_eq!(added.code, 0, "{}", added.stderr);
    }
    place
}

fn check(place: &Place, data: &str) -> (i32, Vec<Value>) {
    let outcome = place.run(&["zoo", "check", "--data", data, "--json"]);
    let json: Value = serde_json::from_str(&outcome.stdout).unwrap();
    (outcome.code, json["models"].as_array().unwrap().clone())
}

#[test]
fn every_model_is_what_its_card_says() {
    let place = zoo();
    let (code, models) = check(&place, ".");
    assert_eq!(code, 0);
    let [float, low] = &models[..] else {
        panic!("{models:?}")
    };
    for model in [float, low] {
        assert!(model["top1"].is_f64(), "{model}");
        assert_eq!(model["top1"], model["card_top1"], "{model}");
        assert_eq!(
            (&model["data"], &model["seed"]),
            (&"data".into(), &1.into())
        );
    }
    assert_eq!(
        (&low["name"], &low["file"]),
        (&"low".into(), &"low.sbm".into())
    );
    assert_eq!(
        (&low["weight_bits"], &low["activation_bits"]),
        (&2.into(), &3.into())
    );
    assert_eq!(
        (&low["input"], &float["input"]),
        (&"table".into(), &"float".into())
    );
    assert_eq!(
        (&float["weight_bits"], &float["file"]),
        (&Value::Null, &"float.sbg".into())
    );
    let evaluated = place.run(&["eval", "zoo/low.sbm", "data", "--json"]).json();
    assert_eq!(evaluated["top1"], low["top1"]);
    let table = place.run(&["zoo", "check", "--data", "."]);
    assert!(table.stdout.contains("w2a3"), "{}", table.stdout);
}

#[test]
fn without_their_data_models_are_not_measured() {
    let place = zoo();
    let (code, models) = check(&place, "elsewhere");
    assert_eq!(code, 0);
    assert!(
        models
            .iter()
            .all(|model| model["top1"].is_null() && model["card_top1"].is_f64())
    );
}

#[test]
fn a_changed_model_and_a_wrong_card_are_found() {
    let place = zoo();
    let card = fs::read_to_string(place.path("zoo/low.toml")).unwrap();
    let lines = card.lines().map(|line| match line.starts_with("top1 = ") {
        true => "top1 = 0.999",
        false => line,
    });
    fs::write(
        place.path("zoo/low.toml"),
        lines.collect::<Vec<_>>().join("\n"),
    )
    .unwrap();
    let mut float = fs::read(place.path("zoo/float.sbg")).unwrap();
    *float.last_mut().unwrap() ^= 1;
    fs::write(place.path("zoo/float.sbg"), float).unwrap();
    let (code, models) = check(&place, ".");
    assert_eq!(code, 1);
    assert!(
        models[0]["problem"].as_str().unwrap().contains("sha256"),
        "{}",
        models[0]
    );
    assert!(models[0]["top1"].is_null());
    assert!(
        models[1]["problem"].as_str().unwrap().contains("card"),
        "{}",
        models[1]
    );
    assert!(models[1]["top1"].is_f64());
    fs::remove_file(place.path("zoo/low.sbm")).unwrap();
    let (code, models) = check(&place, ".");
    assert_eq!(code, 1);
    assert!(models[1]["problem"].as_str().unwrap().contains("low.sbm"));
}

#[test]
fn what_cannot_be_added_or_read_is_named() {
    let place = zoo();
    place
        .run(&["zoo", "add", "low"])
        .refused(&["`low`", "--force"]);
    assert_eq!(place.run(&["zoo", "add", "low", "--force"]).code, 0);
    place
        .run(&["zoo", "add", "low", "--name", "../low"])
        .refused(&["../low", "letters"]);
    place
        .run(&["zoo", "add", "data"])
        .refused(&["data", "no finished run"]);
    place
        .run(&["zoo", "check", "--zoo", "none"])
        .refused(&["none"]);
    place
        .run(&["zoo", "check", "--zoo", "data"])
        .refused(&["no cards"]);
    fs::write(place.path("zoo/bad.toml"), "file = 3").unwrap();
    place.run(&["zoo", "check"]).refused(&["bad.toml"]);
}
