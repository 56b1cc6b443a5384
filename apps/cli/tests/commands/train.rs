//! From a recipe to a measured model: `train`, `eval`, `lower`, `quickstart`.

use std::fs;

use serde_json::Value;
use subbyte::data::{Dataset, fashion_mnist_subset};

use crate::support::Place;

const RECIPE: &str = r#"
network = "small"
epochs = 1
batch-size = 32
reestimation-images = 64
data = { path = "data", validation = 0.1 }
table = { depth = 4 }
"#;

/// A folder with a recipe and a few real images as IDX files.
pub fn place() -> Place {
    let place = Place::new();
    fs::create_dir(place.path("data")).unwrap();
    let split = fashion_mnist_subset();
    for (part, name, count) in [(&split.train, "train", 320), (&split.test, "t10k", 100)] {
        let geometry = part.geometry();
        let sizes = [count, geometry.height, geometry.width];
        let images = &part.images()[..count * geometry.bytes()];
        let labels: Vec<u8> = part.labels()[..count].iter().map(|&l| l as u8).collect();
        write_idx(&place, &format!("{name}-images-idx3-ubyte"), &sizes, images);
        write_idx(
            &place,
            &format!("{name}-labels-idx1-ubyte"),
            &sizes[..1],
            &labels,
        );
    }
    fs::write(place.path("recipe.toml"), RECIPE).unwrap();
    place
}

fn write_idx(place: &Place, name: &str, sizes: &[usize], bytes: &[u8]) {
    let mut file = vec![0, 0, 8, sizes.len() as u8];
    file.extend(sizes.iter().flat_map(|&n| (n as u32).to_be_bytes()));
    file.extend(bytes);
    fs::write(place.path("data").join(name), file).unwrap();
}

/// The figures of a fully quantized network, as every command that measures one prints them.
fn assert_measured(json: &Value, images: usize) {
    let top1 = json["top1"].as_f64().unwrap();
    assert!(
        (0.0..=1.0).contains(&top1) && json["top5"].as_f64().unwrap() >= top1,
        "{json}"
    );
    assert_eq!(json["top1_evaluated"], json["top1"]);
    assert_eq!(json["differing_codes"], 0);
    assert_eq!(json["differing_predictions"], 0);
    assert_eq!(json["images"], images);
    assert!(json["images_per_second"].as_f64().unwrap() > 0.0);
    assert!(json["bytes"].as_u64().unwrap() > 1000);
    assert!(json["layers"].as_array().unwrap().len() > 10);
}

#[test]
fn a_trained_network_is_lowered_and_measures_the_same_everywhere() {
    let place = place();
    let trained = place
        .run(&[
            "train",
            "recipe.toml",
            "-o",
            "run",
            "--tensorboard",
            "--json",
        ])
        .json();
    assert_measured(&trained, 100);
    assert_eq!(trained["epochs"].as_array().unwrap().len(), 1);
    assert!(place.path("run/events.out.tfevents.subbyte").exists());
    let inspected = place.run(&["inspect", "run/final.sbg"]).stdout;
    assert!(inspected.contains(" of 256 rows distinct, "), "{inspected}");

    let evaluated = place.run(&["eval", "run/final.sbg", "--json"]).json();
    assert_measured(&evaluated, 100);
    let lowered = place
        .run(&["lower", "run/final.sbg", "-o", "net.sbm", "--json"])
        .json();
    assert_measured(&lowered, 100);
    let model = place.run(&["eval", "net.sbm", "data", "--json"]).json();
    for key in ["top1", "top5", "images", "bytes"] {
        assert_eq!(model[key], lowered[key], "{key}");
    }
    assert_eq!(model["top1"], trained["top1"]);
    assert_eq!(model["top1_evaluated"], Value::Null);
    assert_eq!(evaluated["top1"], trained["top1"]);
}

#[test]
fn a_network_is_not_overwritten_by_its_model() {
    let place = place();
    place
        .run(&["train", "recipe.toml", "-o", "run", "--json"])
        .json();
    let before = fs::read(place.path("run/final.sbg")).unwrap();
    let refused = place.run(&["lower", "run/final.sbg", "-o", "./run/../run/final.sbg"]);
    refused.refused(&["overwrite", "-o"]);
    assert_eq!(fs::read(place.path("run/final.sbg")).unwrap(), before);
}

#[test]
fn a_run_that_cannot_start_leaves_the_folder_as_it_was() {
    let place = place();
    let wrong = [
        "train",
        "recipe.toml",
        "-o",
        "run",
        "--set",
        "batch-size=100000",
    ];
    place.run(&wrong).refused(&["batch"]);
    assert!(!place.path("run").exists());
    place
        .run(&["train", "recipe.toml", "-o", "run", "--json"])
        .json();
    place
        .run(&["train", "recipe.toml", "-o", "run"])
        .refused(&["--resume", "--force"]);
    place
        .run(&[&wrong[..], &["--force"]].concat())
        .refused(&["batch"]);
    for file in [
        "final.sbg",
        "final.sbm",
        "checkpoint.sbg",
        "log.jsonl",
        "recipe.toml",
    ] {
        assert!(place.path("run").join(file).exists(), "{file}");
    }
}

#[test]
fn a_dry_run_says_what_a_run_would_take_and_writes_nothing() {
    let place = place();
    let dry = ["train", "recipe.toml", "-o", "run", "--dry-run", "--json"];
    let json = place.run(&dry).json();
    // A tenth of 320 images is held back.
    assert_eq!([&json["images"], &json["steps_per_epoch"]], [288, 9]);
    let ms = json["step_ms"].as_f64().unwrap();
    let seconds = json["training_seconds"].as_f64().unwrap();
    assert!(
        ms > 0.0 && (seconds - 9.0 * ms / 1e3).abs() < 1e-6,
        "{json}"
    );
    if cfg!(target_os = "linux") {
        assert!(json["peak_memory_bytes"].as_u64().unwrap() > 1 << 20);
    }
    assert!(!place.path("run").exists());
    place
        .run(&[
            "train",
            "recipe.toml",
            "--dry-run",
            "--set",
            "batch-size=100000",
        ])
        .refused(&["batch"]);
}

#[test]
fn a_float_network_is_measured_and_cannot_be_lowered() {
    let place = place();
    let float = [
        "train",
        "recipe.toml",
        "-o",
        "run",
        "--set",
        "bits=float",
        "--set",
        "last=float",
        "--json",
    ];
    let json = place.run(&float).json();
    assert_eq!(
        (&json["top1"], &json["differing_codes"]),
        (&Value::Null, &Value::Null)
    );
    assert!(json["top1_evaluated"].is_f64(), "{json}");
    place
        .run(&["lower", "run/final.sbg"])
        .refused(&["integers only", "pixel table"]);
}

#[test]
fn wrong_recipes_and_data_are_named() {
    let place = place();
    let set = |key| place.run(&["train", "recipe.toml", "-o", "run", "--set", key]);
    set("epoch=3").refused(&["epochs"]);
    set("bits=w9a2").refused(&["bits"]);
    set("learning-rate=1e30").refused(&["loss", "smaller learning-rate"]);
    place.run(&["train", "none.toml"]).refused(&["none.toml"]);
    place
        .run(&["train", "recipe.toml", "--data", "nowhere"])
        .refused(&["nowhere"]);
    fs::write(place.path("data/t10k-images-idx3-ubyte"), [0, 0, 8, 3, 0]).unwrap();
    place
        .run(&["train", "recipe.toml", "-o", "other"])
        .refused(&["t10k-images-idx3-ubyte"]);
}

#[test]
fn quickstart_makes_everything_that_it_promises() {
    let place = Place::new();
    let json = place
        .run(&["quickstart", "-o", "out", "--epochs", "1", "--json"])
        .json();
    let images = Dataset::len(&fashion_mnist_subset().test);
    assert_measured(&json, images);
    let networks = json["networks"].as_array().unwrap();
    let names: Vec<&str> = networks
        .iter()
        .map(|n| n["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        ["float", "body-only", "fully-quantized", "integer-model"]
    );
    for network in networks {
        // One epoch is little, but no network may be left at chance.
        assert!(network["top1"].as_f64().unwrap() > 0.5, "{network}");
        assert!(network["bytes"].as_u64().unwrap() > 0);
    }
    for file in [
        "model.sbm",
        "curves.png",
        "pixel-table.png",
        "codes.png",
        "report.html",
    ] {
        assert!(place.path("out").join(file).exists(), "{file}");
    }
}

/// The recipe for ImageNet, on small images in its folders and from a float network of which little is known.
#[test]
fn the_recipe_for_imagenet_trains_and_measures_on_folders_of_images_of_any_size() {
    let place = Place::new();
    for (class, bright) in [("n01", 30), ("n02", 130), ("n10", 230)] {
        for i in 0..6 {
            let (width, height) = (34 + i, 40 - i);
            let pixels: Vec<u8> = (0..width * height)
                .map(|p| bright + (p % width) as u8 % 20)
                .collect();
            for part in ["train", "val"] {
                place.image(
                    &format!("imagenet/{part}/{class}/{i}.JPEG"),
                    &pixels,
                    width as u32,
                );
            }
        }
    }
    let header = r#"{"fc.bias":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}}"#;
    let mut float = (header.len() as u64).to_le_bytes().to_vec();
    float.extend(header.bytes());
    float.extend([0.25_f32; 3].iter().flat_map(|x| x.to_le_bytes()));
    place.write("float.safetensors", float);
    let recipe = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../recipes/imagenet-resnet18-w2a2.toml"
    );
    let sets = [
        "from=float.safetensors",
        "data.size=32",
        "data.shorter-side=36",
        "data.validation=0.2",
        "epochs=1",
        "warm-up-epochs=0",
        "batch-size=4",
        "reestimation-images=4",
    ];
    let sets = sets.iter().flat_map(|set| ["--set", set]);
    let arguments = ["train", recipe, "--data", "imagenet", "-o", "run", "--json"];
    let arguments: Vec<&str> = arguments.into_iter().chain(sets).collect();
    let trained = place.run(&arguments);
    assert!(
        trained.stderr.contains("1 parameters taken"),
        "{}",
        trained.stderr
    );
    let trained = trained.json();
    assert_measured(&trained, 18);
    // The model knows how its images were brought to size.
    let model = place
        .run(&["eval", "run/final.sbm", "imagenet", "--json"])
        .json();
    assert_eq!(
        (&model["top1"], &model["top5"]),
        (&trained["top1"], &trained["top5"])
    );
}
