//! The recipes that come with subbyte, and the page that describes their keys.

use std::path::{Path, PathBuf};

use subbyte_data::{Dataset, Geometry};
use subbyte_train::{
    Recipe,
    recipe::{Bits, End, KEYS},
    sweep::SweepSpec,
};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn recipe(name: &str) -> Recipe {
    Recipe::load(&root().join("recipes").join(name)).unwrap()
}

/// Images of the geometry and classes of CIFAR-100.
fn cifar100() -> Dataset {
    let geometry = Geometry {
        height: 32,
        width: 32,
        colours: 3,
    };
    let classes = (0..100).map(|class| class.to_string()).collect();
    Dataset::new(geometry, classes, vec![7; geometry.bytes()], vec![0]).unwrap()
}

#[test]
fn every_recipe_in_the_folder_is_valid_and_builds_its_network() {
    let builtin = subbyte_data::fashion_mnist_subset().train;
    let mut count = 0;
    for entry in std::fs::read_dir(root().join("recipes")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "toml") {
            let spec = SweepSpec {
                recipes: vec![path],
                seeds: 1,
                ..SweepSpec::default()
            };
            let cifar = cifar100();
            // One recipe, or one for every row.
            for run in spec.plan(Path::new("sweep")).unwrap().runs() {
                let data = if run.recipe.data.path == "builtin" {
                    &builtin
                } else {
                    &cifar
                };
                let graph = run.recipe.network(data).unwrap();
                let classes = match graph.diffusion {
                    None => data.classes().len(),
                    Some(_) => 0,
                };
                assert_eq!(graph.classes.len(), classes);
            }
            count += 1;
        }
    }
    assert!(count >= 4, "{count} recipes");
}

#[test]
fn the_rows_of_a_table_differ_only_in_what_they_compare() {
    let full = recipe("cifar100-resnet20-w2a2.toml");
    let body = recipe("cifar100-resnet20-body-only.toml");
    let float = recipe("cifar100-resnet20-float.toml");
    assert_eq!((full.first, full.last), (End::Body, End::Body));
    assert_eq!((body.first, body.last), (End::Float, End::Float));
    assert_eq!(float.bits, Bits::Float);
    let keys = |differences: Vec<String>| -> Vec<String> {
        let key = |d: &String| d.split(':').next().unwrap_or_default().to_owned();
        differences.iter().map(key).collect()
    };
    assert_eq!(
        keys(full.differences(&body)),
        ["first", "last", "input", "table.bits"]
    );
    assert_eq!(
        keys(body.differences(&float)),
        ["bits", "first", "last", "learning-rate"]
    );
}

#[test]
fn the_rows_from_a_published_network_differ_only_in_bits() {
    let [two, three, four] =
        [2, 3, 4].map(|bits| recipe(&format!("cifar10-resnet20-w{bits}a{bits}.toml")));
    for row in [three, four] {
        let differences = two.differences(&row);
        let bits = |difference: &String| difference.split(':').next().unwrap().ends_with("bits");
        assert!(differences.iter().all(bits), "{differences:?}");
    }
    assert_eq!(two.from, recipe("cifar10-resnet20-float.toml").from);
}

#[test]
fn the_page_describes_every_key_with_its_default() {
    let page = std::fs::read_to_string(root().join("docs/training.md")).unwrap();
    let defaults: toml::Table = Recipe::default().to_toml().parse().unwrap();
    for key in KEYS {
        let row = page
            .lines()
            .find(|line| line.starts_with(&format!("| `{}` |", key.name)))
            .unwrap_or_else(|| panic!("{} is not described", key.name));
        let written = row.split('|').nth(2).unwrap().trim().trim_matches('`');
        let default = match key.name.split_once('.') {
            Some((table, name)) => defaults[table].get(name),
            None => defaults.get(key.name),
        };
        match default {
            None => assert!(
                ["none", "activation bits", "\"table\""].contains(&written),
                "{row}"
            ),
            Some(toml::Value::Float(value)) => assert_eq!(written.parse(), Ok(*value), "{row}"),
            Some(value) => assert_eq!(written, value.to_string(), "{row}"),
        }
    }
}
