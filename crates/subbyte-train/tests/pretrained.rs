//! Starting from networks that were trained elsewhere.

use std::{collections::BTreeMap, fs, path::Path};

use burn::tensor::Device;
use safetensors::{Dtype, tensor::TensorView};
use subbyte_data::{Dataset, Geometry};
use subbyte_exec::{Images, Network};
use subbyte_graph::{Graph, Op, sbg};
use subbyte_train::{Control, Event, Outcome, Recipe, Run, TrainError};

/// Some real images of all ten classes.
fn images() -> Dataset {
    let data = subbyte_data::fashion_mnist_subset().train;
    data.select(&(0..300).collect::<Vec<_>>()).unwrap()
}

/// What a run without epochs makes of a ResNet-20 that starts from `file`.
fn import(file: &Path, settings: &[&str]) -> Result<Graph, TrainError> {
    let temporary = tempfile::tempdir().unwrap();
    let mut recipe = Recipe::default();
    let from = format!("from={}", file.display());
    let base = [
        &from,
        "network=resnet20",
        "bits=float",
        "epochs=0",
        "reestimation-images=0",
    ];
    for setting in base.iter().chain(settings) {
        recipe.set(setting).unwrap();
    }
    let run = Run::new(recipe, images(), temporary.path())?;
    match run.train(&mut |_: &Event<'_>| Control::Continue, false)? {
        Outcome::Finished(finished) => Ok(finished.graph),
        Outcome::Stopped { .. } => panic!("stopped"),
    }
}

fn message(file: &Path) -> String {
    import(file, &[]).expect_err("accepted").to_string()
}

/// Writes tensors of f32 numbers.
fn safetensors(path: &Path, tensors: &[(&str, &[usize], &[f32])]) {
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, _, numbers)| numbers.iter().flat_map(|n| n.to_le_bytes()).collect())
        .collect();
    let views: BTreeMap<&str, TensorView<'_>> = (tensors.iter().zip(&bytes))
        .map(|(&(name, shape, _), bytes)| {
            let view = TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap();
            (name, view)
        })
        .collect();
    safetensors::serialize_to_file(views, None, path).unwrap();
}

#[test]
fn a_safetensors_file_under_other_names_gives_what_has_the_shape() {
    let temporary = tempfile::tempdir().unwrap();
    let file = temporary.path().join("model.safetensors");
    let bias: Vec<f32> = (0..10).map(|i| i as f32).collect();
    let weight: Vec<f32> = (0..16 * 9 * 16).map(|i| i as f32 / 1000.0).collect();
    safetensors(
        &file,
        &[
            ("fc.bias", &[10], &bias),
            ("layer1.0.conv2.weight", &[16, 16, 3, 3], &weight),
            ("layer1.0.bn2.running_mean", &[16], &[0.5; 16]),
            // Three colours, where the images have one.
            ("conv1.weight", &[16, 3, 3, 3], &[9.0; 16 * 27]),
            ("extra.weight", &[1], &[0.0]),
        ],
    );
    let graph = import(&file, &[]).unwrap();
    let value = |name: &str| graph.params[name].to_vec();
    assert_eq!(value("classifier.bias"), bias);
    assert_eq!(value("stage1.block1.conv2.weight"), weight);
    assert_eq!(value("stage1.block1.conv2.norm.mean"), [0.5; 16]);
    assert!(value("stem.weight").iter().all(|&w| w != 9.0));
}

/// `data/state_dict.py` says what is in the file.
#[test]
fn a_state_dict_of_pytorch_gives_its_tensors() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/state_dict.th");
    let graph = import(&file, &[]).unwrap();
    let bias: Vec<f32> = (0..10).map(|i| i as f32 / 4.0).collect();
    let gamma: Vec<f32> = (0..16).map(|i| 1.0 + i as f32 / 8.0).collect();
    assert_eq!(graph.params["classifier.bias"].to_vec(), bias);
    assert_eq!(graph.params["stem.norm.gamma"].to_vec(), gamma);

    // A quantized network takes the same.
    let graph = import(&file, &["bits=w2a2"]).unwrap();
    assert_eq!(graph.params["classifier.bias"].to_vec(), bias);
}

#[test]
fn files_that_cannot_be_used_are_refused_with_the_reason() {
    let temporary = tempfile::tempdir().unwrap();
    let file = temporary.path().join("file");
    safetensors(&file, &[("encoder.weight", &[1], &[0.0])]);
    assert!(
        message(&file).contains("known network"),
        "{}",
        message(&file)
    );

    let double = TensorView::new(Dtype::F64, vec![1], &[0; 8]).unwrap();
    safetensors::serialize_to_file([("fc.bias", double)], None, &file).unwrap();
    let found = message(&file);
    assert!(
        found.contains("fc.bias") && found.contains("F64"),
        "{found}"
    );

    let bias = ("fc.bias", &[1][..], &[0.0][..]);
    safetensors(&file, &[bias, ("module.fc.bias", &[1], &[1.0])]);
    assert!(message(&file).contains("twice"), "{}", message(&file));

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/state_dict.th");
    let whole = fs::read(path).unwrap();
    for bytes in [
        &b""[..],
        b"rubbish",
        b"rubbish as long as a header",
        &whole[..whole.len() - 1],
        &whole[..100],
    ] {
        fs::write(&file, bytes).unwrap();
        let found = message(&file);
        assert!(found.contains(&file.display().to_string()), "{found}");
    }
    for place in [temporary.path(), &temporary.path().join("nothing")] {
        let found = message(place);
        assert!(found.contains(&place.display().to_string()), "{found}");
    }
}

#[test]
fn imported_networks_are_normalized_as_they_were_trained() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/state_dict.th");
    let error = import(&file, &["normalize=imagenet"]).unwrap_err();
    assert!(error.to_string().contains("grey"), "{error}");

    let recipe = |setting: &str| {
        let mut recipe = Recipe::default();
        recipe.set("bits=float").unwrap();
        recipe.set(setting).unwrap();
        recipe
    };
    let geometry = Geometry {
        height: 32,
        width: 32,
        colours: 3,
    };
    let data = Dataset::new(
        geometry,
        vec!["a".into()],
        vec![51; geometry.bytes()],
        vec![0],
    );
    let data = data.unwrap();
    let mean = |setting: &str| {
        let graph = recipe(setting).network(&data).unwrap();
        graph.nodes.iter().find_map(|node| match &node.op {
            Op::Normalize { mean, .. } => Some(mean.clone()),
            _ => None,
        })
    };
    assert_eq!(mean("normalize=imagenet"), Some(vec![0.485, 0.456, 0.406]));
    assert_eq!(mean("normalize=data"), Some(vec![0.2; 3]));
}

#[test]
fn without_epochs_a_network_must_come_from_somewhere_and_stays_as_it_is() {
    let mut recipe = Recipe::default();
    recipe.set("epochs=0").unwrap();
    assert!(recipe.validate().unwrap_err().to_string().contains("from"));

    let temporary = tempfile::tempdir().unwrap();
    let first = import(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/state_dict.th"),
        &[],
    )
    .unwrap();
    let file = temporary.path().join("first.sbg");
    sbg::save(&file, &first, &Default::default()).unwrap();
    let second = import(&file, &["seed=9"]).unwrap();
    assert!(second.params == first.params);
}

/// A float network for the images, as a file that was made elsewhere would hold it: without norms.
fn float_network(path: &Path) -> Graph {
    let mut recipe = Recipe::default();
    for setting in ["bits=float", "seed=3"] {
        recipe.set(setting).unwrap();
    }
    let mut graph = recipe.network(&images()).unwrap();
    graph.fold_norms();
    graph.own_parameters();
    sbg::save(path, &graph, &sbg::Extras::default()).unwrap();
    graph
}

fn logits(graph: &Graph) -> Vec<f32> {
    let data = images();
    let network = Network::new(graph, &Device::flex()).unwrap();
    let pixels = data.images()[..20 * data.geometry().bytes()].to_vec();
    let Geometry {
        height,
        width,
        colours,
    } = data.geometry();
    let images = Images::new(pixels, [20, height, width, colours]);
    let logits = network.predict(&images).unwrap();
    logits.into_data().iter::<f32>().collect()
}

#[test]
fn an_imported_float_network_computes_what_it_did() {
    let temporary = tempfile::tempdir().unwrap();
    let file = temporary.path().join("float.sbg");
    let float = float_network(&file);
    let imported = import(&file, &["network=imported"]).unwrap();
    let norms = |graph: &Graph| {
        let is_norm = |node: &&subbyte_graph::Node| matches!(node.op, Op::BatchNorm { .. });
        graph.nodes.iter().filter(is_norm).count()
    };
    assert_eq!((norms(&float), norms(&imported) > 3), (0, true));
    let (before, after) = (logits(&float), logits(&imported));
    let largest = before.iter().fold(0f32, |max, x| max.max(x.abs()));
    for (before, after) in before.iter().zip(after) {
        assert!((before - after).abs() < 1e-3 * largest);
    }
}

#[test]
fn an_imported_network_is_quantized_from_the_pixels_to_the_logits() {
    let temporary = tempfile::tempdir().unwrap();
    let file = temporary.path().join("float.sbg");
    float_network(&file);
    for settings in [
        &["bits=w2a2"][..],
        &["bits=w1a2", "input=thermometer"],
        &["bits=w2a2", "table.depth=4"],
        &["bits=w4a4", "first=eight-bit", "last=eight-bit"],
    ] {
        let settings = [&["network=imported"], settings].concat();
        let graph = import(&file, &settings).unwrap();
        assert!(graph.is_fully_quantized(), "{settings:?}");
        subbyte_graph::fuse::fuse(&graph).unwrap_or_else(|e| panic!("{settings:?}: {e}"));
    }
}

#[test]
fn an_imported_network_that_is_quantized_stays_as_it_is() {
    let temporary = tempfile::tempdir().unwrap();
    let file = temporary.path().join("float.sbg");
    float_network(&file);
    let quantized = import(&file, &["network=imported", "bits=w3a3"]).unwrap();
    let file = temporary.path().join("quantized.sbg");
    sbg::save(&file, &quantized, &Default::default()).unwrap();
    let again = import(&file, &["network=imported", "bits=w2a2"]).unwrap();
    assert!(again.params == quantized.params && again.nodes == quantized.nodes);
}

#[test]
fn what_cannot_be_imported_is_named() {
    let temporary = tempfile::tempdir().unwrap();
    let file = temporary.path().join("float.sbg");
    let mut graph = float_network(&file);
    let error = |settings: &[&str]| {
        let settings = [&["network=imported"], settings].concat();
        import(&file, &settings).expect_err("accepted").to_string()
    };
    for (settings, part) in [
        (
            &["first=float", "bits=w2a2"][..],
            "quantized in every layer",
        ),
        (&["bits=w2a2", "activation-quantizer=pact"], "learned steps"),
        (&["preprocess=torch"], "ONNX"),
        (&["from-scales=new"], "no scales"),
    ] {
        let message = error(settings);
        assert!(message.contains(part), "{message}");
    }
    graph.classes = Vec::new();
    for node in &mut graph.nodes {
        if let Op::Image { height, width, .. } = &mut node.op {
            (*height, *width) = (32, 32);
        }
    }
    sbg::save(&file, &graph, &sbg::Extras::default()).unwrap();
    let message = error(&["bits=w2a2"]);
    assert!(
        message.contains("32x32") && message.contains("float.sbg"),
        "{message}"
    );
}
