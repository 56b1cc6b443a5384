//! Imported files compute what onnxruntime computes, operator by operator.

mod common;

use std::collections::BTreeMap;

use common::{fixture, floats, interpreter, pixels};
use subbyte_graph::{DiffusionKind, Graph, Op, Quantizer, Role};
use subbyte_onnx::{OnnxErrorKind, Preprocess, ReadOptions, from_bytes, read};

/// Largest difference of a float network; quantized ones differ by nothing, or by a step where an input lies at a tie.
const FLOAT: f32 = 2e-5;

fn import(name: &str, options: &ReadOptions) -> Graph {
    read(fixture(&format!("{name}.onnx")), options).unwrap_or_else(|e| panic!("{e}"))
}

/// The graph of a fixture, whose output must be that recorded up to `tolerance` of the largest.
fn check(name: &str, options: &ReadOptions, tolerance: f32) -> Graph {
    let graph = import(name, options);
    let Op::Image {
        colours,
        height,
        width,
    } = graph.nodes[0].op
    else {
        panic!("{name} does not begin with its image")
    };
    let found = interpreter::run(&graph, &pixels([colours, height, width])).data;
    let wanted = floats(&format!("{name}.f32"));
    assert_eq!(found.len(), wanted.len(), "{name}");
    let largest = wanted.iter().fold(0f32, |max, x| max.max(x.abs()));
    for (i, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
        assert!(
            (found - wanted).abs() <= tolerance * largest,
            "{name}: output {i} is {found}, not {wanted}"
        );
    }
    graph
}

fn count(graph: &Graph, is: impl Fn(&Op) -> bool) -> usize {
    graph.nodes.iter().filter(|node| is(&node.op)).count()
}

/// The quantizers in order, those of weights and activations alike.
fn quantizers(graph: &Graph) -> Vec<Quantizer> {
    let of = |op: &Op| match op {
        Op::Quantize(quantizer) => Some(*quantizer),
        _ => None,
    };
    graph.nodes.iter().filter_map(|node| of(&node.op)).collect()
}

#[test]
fn float_networks_compute_the_same() {
    for name in ["convolutions", "arithmetic", "shapes", "slices", "external"] {
        check(name, &ReadOptions::default(), FLOAT);
    }
}

#[test]
fn a_classifier_keeps_its_names_norms_and_classes() {
    let graph = check("classifier", &ReadOptions::default(), FLOAT);
    assert_eq!(graph.name, "classifier");
    assert_eq!(graph.classes, ["cat", "dog", "sea lion", "newt", "owl"]);
    assert_eq!(count(&graph, |op| matches!(op, Op::BatchNorm { .. })), 3);
    for name in ["conv0.weight", "bn1.running_var", "fc.bias"] {
        assert!(graph.params.contains_key(name), "{name}");
    }
    assert_eq!(graph.params["bn1.running_var"].role, Role::Statistic);
    assert!(graph.nodes.iter().any(|node| node.name == "fc"));
}

#[test]
fn activations_are_recognised_however_they_are_spelled() {
    let graph = check("activations", &ReadOptions::default(), FLOAT);
    let is = |wanted: Op| count(&graph, |op| *op == wanted);
    assert_eq!(is(Op::HardSwish), 5);
    assert_eq!(is(Op::HardSigmoid), 3);
    assert_eq!([is(Op::Silu), is(Op::Relu), is(Op::Relu6)], [1; 3]);
    assert_eq!(is(Op::Mul), 0);
}

#[test]
fn a_diffusion_network_becomes_norms_and_attentions() {
    let graph = import("unet", &ReadOptions::default());
    let mut noisy = pixels([2, 8, 8]);
    noisy.data.iter_mut().for_each(|x| *x = *x / 128.0 - 1.0);
    let numbers = |data: &[f32]| interpreter::Tensor {
        shape: [data.len(), 1, 1],
        data: data.to_vec(),
    };
    let inputs = BTreeMap::from([
        ("noisy", noisy),
        ("sigma", numbers(&[0.7])),
        ("label", numbers(&[0.1, -0.5, 0.9])),
    ]);
    let found = interpreter::run_on(&graph, &inputs).data;
    let wanted = floats("unet.f32");
    assert_eq!(found.len(), wanted.len());
    for (found, wanted) in found.iter().zip(&wanted) {
        assert!((found - wanted).abs() <= FLOAT, "{found}, not {wanted}");
    }
    let is = |wanted: fn(&Op) -> bool| count(&graph, wanted);
    assert_eq!(is(|op| matches!(op, Op::GroupNorm { .. })), 8);
    assert_eq!(is(|op| matches!(op, Op::Attention { .. })), 3);
    assert_eq!(is(|op| *op == Op::Silu), 8);
    assert_eq!(is(|op| matches!(op, Op::BatchNorm { .. })), 0);
    let diffusion = graph.diffusion.expect("a diffusion network");
    assert_eq!(
        [diffusion.picture.as_str(), &diffusion.level],
        ["noisy", "sigma"]
    );
    let kind = DiffusionKind::Picture {
        sigma_min: 0.002,
        sigma_max: 80.0,
        steps: None,
    };
    assert_eq!(diffusion.kind, kind);
}

#[test]
fn idioms_leave_no_nodes_behind() {
    let graph = check("arithmetic", &ReadOptions::default(), FLOAT);
    // Constants went into the convolution before them, or stand where there is none.
    assert_eq!(count(&graph, |op| *op == Op::Mul), 1);
    assert_eq!(count(&graph, |op| *op == Op::Add), 3);
    // One for each tensor that is flattened, none for the axes that come and go.
    let graph = check("shapes", &ReadOptions::default(), FLOAT);
    assert_eq!(count(&graph, |op| *op == Op::Flatten), 2);
    let graph = check("slices", &ReadOptions::default(), FLOAT);
    let padded = |op: &Op| matches!(op, Op::MaxPool(w) | Op::AvgPool(w) if w.padding == [1; 4]);
    assert_eq!(count(&graph, padded), 2);
}

#[test]
fn averages_may_leave_out_padding_that_no_window_reads() {
    let graph = check("pools", &ReadOptions::default(), FLOAT);
    let plain = |op: &Op| matches!(op, Op::AvgPool(w) if w.padding == [0; 4]);
    assert_eq!(count(&graph, plain), 2);
    assert_eq!(count(&graph, |op| matches!(op, Op::AvgPoolInside(_))), 1);
}

#[test]
fn normalizations_become_the_images() {
    let with = |preprocess| ReadOptions {
        preprocess,
        ..ReadOptions::default()
    };
    for (name, preprocess) in [
        ("normalized_unit", Preprocess::Unit),
        ("normalized_raw", Preprocess::Raw),
        ("normalized_norm", Preprocess::Raw),
        ("normalized_reversed", Preprocess::Unit),
        ("channels_last", Preprocess::Raw),
    ] {
        let told = check(name, &with(Some(preprocess)), FLOAT);
        let guessed = check(name, &with(None), FLOAT);
        assert_eq!(told, guessed, "{name}");
        assert_eq!(
            count(&told, |op| matches!(op, Op::Normalize { .. })),
            1,
            "{name}"
        );
    }
    check("normalized_caffe", &with(Some(Preprocess::Caffe)), FLOAT);
}

#[test]
fn element_types_and_open_sizes_are_read() {
    let options = ReadOptions {
        size: Some([8, 8]),
        ..ReadOptions::default()
    };
    check("element_types", &options, FLOAT);
    let path = fixture("element_types.onnx");
    let open = read(&path, &ReadOptions::default()).unwrap_err();
    assert!(
        open.to_string().contains("leaves height or width open"),
        "{open}"
    );
    let other = ReadOptions {
        size: Some([9, 8]),
        ..ReadOptions::default()
    };
    let fixed = read(fixture("classifier.onnx"), &other).unwrap_err();
    assert!(
        fixed.to_string().contains("fixes images of 8 x 8"),
        "{fixed}"
    );
}

#[test]
fn external_data_needs_its_whole_file() {
    let bytes = std::fs::read(fixture("external.onnx")).unwrap();
    let error = |folder: Option<&std::path::Path>| {
        from_bytes(&bytes, folder, &ReadOptions::default())
            .unwrap_err()
            .to_string()
    };
    assert!(error(None).contains("no folder was given"));
    let folder = tempfile::tempdir().unwrap();
    assert!(error(Some(folder.path())).contains("cannot be read"));
    std::fs::write(folder.path().join("external.data"), [0; 10]).unwrap();
    assert!(error(Some(folder.path())).contains("has 10 bytes, too few for 432"));
}

#[test]
fn quantized_networks_of_onnxruntime_make_the_same_codes() {
    for name in ["qdq_int8", "qdq_uint8"] {
        let graph = check(name, &ReadOptions::default(), 1e-5);
        let quantizers = quantizers(&graph);
        let weights = Quantizer::Lsq {
            bits: 8,
            signed: true,
        };
        assert_eq!(
            quantizers.iter().filter(|q| **q == weights).count(),
            4,
            "{name}"
        );
        assert!(
            quantizers
                .iter()
                .any(|q| matches!(q, Quantizer::Affine { bits: 8, .. }))
        );
    }
}

#[test]
fn quantizers_below_eight_bits_are_kept() {
    let graph = check("qdq_low", &ReadOptions::default(), 1e-5);
    let lsq = |bits, signed| Quantizer::Lsq { bits, signed };
    let mut found = quantizers(&graph);
    found.sort_by_key(|q| format!("{q:?}"));
    let wanted = [
        Quantizer::Affine { bits: 2, zero: 1 },
        Quantizer::Affine { bits: 8, zero: 133 },
        lsq(2, true),
        lsq(3, true),
        lsq(3, true),
        lsq(4, false),
        lsq(4, true),
    ];
    assert_eq!(found, wanted);
}

#[test]
fn qonnx_quantizers_are_kept() {
    let graph = check("qonnx", &ReadOptions::default(), 1e-5);
    let lsq = |bits, signed| Quantizer::Lsq { bits, signed };
    let mut found = quantizers(&graph);
    found.sort_by_key(|q| format!("{q:?}"));
    let wanted = [
        Quantizer::Affine { bits: 4, zero: 3 },
        Quantizer::BinaryMean { per_channel: true },
        lsq(2, false),
        lsq(2, true),
        lsq(3, true),
        lsq(4, true),
        lsq(8, true),
    ];
    assert_eq!(found, wanted);
    assert!(
        graph
            .params
            .values()
            .any(|p| p.shape == [6] && p.role == Role::Constant)
    );
}

#[test]
fn a_residual_network_of_brevitas_makes_the_same_codes() {
    let graph = check("brevitas", &ReadOptions::default(), 1e-5);
    let lsq = |bits, signed| Quantizer::Lsq { bits, signed };
    let mut found = quantizers(&graph);
    found.sort_by_key(|q| format!("{q:?}"));
    let wanted = [
        lsq(2, false),
        lsq(3, true),
        lsq(4, false),
        lsq(4, false),
        lsq(4, true),
        lsq(4, true),
        lsq(8, true),
        lsq(8, true),
        lsq(8, true),
        lsq(8, true),
    ];
    assert_eq!(found, wanted);
    // Both sides of the addition share their step.
    let add = graph
        .nodes
        .iter()
        .find(|node| node.op == Op::Add)
        .expect("an addition");
    let steps: Vec<usize> = add
        .inputs
        .iter()
        .map(|&side| graph.nodes[side].inputs[1])
        .collect();
    assert_eq!(steps[0], steps[1]);
}

#[test]
fn everything_unsupported_is_listed_at_once() {
    let error = read(fixture("unsupported.onnx"), &ReadOptions::default()).unwrap_err();
    let OnnxErrorKind::Nodes(nodes) = error.kind() else {
        panic!("{error}")
    };
    let found: Vec<&str> = nodes.iter().map(|p| p.operator.as_str()).collect();
    for operator in [
        "Conv",
        "Tanh",
        "Clip",
        "qonnx.custom_op.general.Quant",
        "Resize",
        "com.example.Fancy",
    ] {
        assert!(found.contains(&operator), "{operator} in {error}");
    }
    assert_eq!(found.iter().filter(|o| **o == "LeakyRelu").count(), 5);
    let text = error.to_string();
    assert!(
        text.starts_with(&fixture("unsupported.onnx").display().to_string()),
        "{text}"
    );
    assert!(text.contains("and 2 more"), "{text}");
}
