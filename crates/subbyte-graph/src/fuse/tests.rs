//! The pass on built-in networks and on single patterns.

use subbyte_model::{CodeType, Op as IntegerOp, Pad};

use super::{FusedOp, fuse};
use crate::networks::{Bits, FirstLayer, Input, LastLayer, NetworkConfig, TableConfig, build};
use crate::{Graph, NodeId, Op, Param, Quantizer, Role, TableInit};

/// A network whose scales are as after initialisation from data.
fn network(name: &str, config: &NetworkConfig) -> Graph {
    let mut graph = build(name, config).expect("valid configuration");
    let unset = |p: &&mut Param| p.role == Role::Scale && p.to_vec() == [0.0];
    for (i, param) in graph.params.values_mut().filter(unset).enumerate() {
        *param = Param::new([1], Role::Scale, vec![0.05 + 0.001 * i as f32]);
    }
    graph
}

fn config(weights: u8, activations: u8) -> NetworkConfig {
    NetworkConfig {
        bits: Some(Bits {
            weights,
            activations,
        }),
        ..NetworkConfig::default()
    }
}

#[test]
fn every_fully_quantized_network_fuses() {
    for name in ["small", "lenet5", "resnet20", "vgg-small"] {
        for (weights, activations) in [(1, 2), (2, 2), (8, 8)] {
            let fused = fuse(&network(name, &config(weights, activations)));
            assert!(
                fused.is_ok(),
                "{name} w{weights}a{activations}: {}",
                fused.unwrap_err()
            );
        }
    }
}

#[test]
fn every_operator_between_sums_and_codes_is_absorbed() {
    let graph = network("resnet20", &config(2, 2));
    let fused = fuse(&graph).unwrap();
    let count = |f: &dyn Fn(&FusedOp) -> bool| fused.nodes.iter().filter(|n| f(&n.op)).count();
    assert_eq!(
        count(&|op| matches!(op, FusedOp::Integer(IntegerOp::Conv2d(_)))),
        19
    );
    // Every convolution ends in codes, and nothing else needs sums.
    assert_eq!(count(&|op| matches!(op, FusedOp::Requant(_))), 19);
    assert_eq!(
        count(&|op| matches!(op, FusedOp::Integer(IntegerOp::Add { .. }))),
        9
    );
    // Each block and the classifier read the stream at 2 bits, and two shortcuts cross into another stream.
    assert_eq!(
        count(&|op| matches!(op, FusedOp::Integer(IntegerOp::CodeTable { .. }))),
        9 + 1 + 2
    );
    assert!(matches!(
        fused.nodes.last().unwrap().op,
        FusedOp::Integer(IntegerOp::Output { .. })
    ));
}

#[test]
fn all_float_parts_are_named_at_once() {
    let config = NetworkConfig {
        first: FirstLayer::Float,
        last: LastLayer::Float,
        ..config(2, 2)
    };
    let graph = network("resnet20", &config);
    let problems = fuse(&graph).unwrap_err().0.0;
    assert!(
        problems
            .iter()
            .any(|p| p.what.contains("float first layer")),
        "{problems:?}"
    );
    assert!(
        problems
            .iter()
            .any(|p| p.what.contains("weights are float")),
        "{problems:?}"
    );
    assert!(
        !graph.is_fully_quantized()
            && network("resnet20", &self::config(2, 2)).is_fully_quantized()
    );
}

#[test]
fn scales_that_are_not_set_are_an_error() {
    let graph = build("small", &config(2, 2)).unwrap();
    let problems = fuse(&graph).unwrap_err().0.0;
    assert!(
        problems.iter().all(|p| p.what.contains("is not set")),
        "{problems:?}"
    );
}

/// Image -> identity table -> 1x1 convolution; returns the graph and the convolution.
fn stem(channels: usize) -> (Graph, NodeId) {
    let mut g = Graph::new("pattern");
    let image = g.push(
        "image",
        Op::Image {
            colours: 1,
            height: 2,
            width: 2,
        },
        &[],
    );
    let pixels = (0..256).map(|v| v as f32).collect();
    let table = g.param("table", Param::new([1, 256, 1], Role::Constant, pixels));
    let one = g.param("table.scale", Param::new([1], Role::Constant, vec![1.0]));
    let table = g.lsq("table.codes", table, one, 8, false);
    let x = g.push("pixels", Op::PixelTable, &[image, table]);
    let weight = (0..channels)
        .map(|c| if c % 2 == 0 { 1.0 } else { -1.0 })
        .collect();
    let weight = g.param(
        "weight",
        Param::new([channels, 1, 1, 1], Role::Weight, weight),
    );
    let weight = g.push(
        "weight.codes",
        Op::Quantize(Quantizer::BinaryMean { per_channel: true }),
        &[weight],
    );
    let conv = g.conv2d("conv", x, weight, 1, 0, 1);
    (g, conv)
}

/// Quantizes `x`, pools it and classifies it, so that the pattern is a whole network.
fn finish(mut g: Graph, x: NodeId, channels: usize, bits: u8, scale: f32) -> Graph {
    let scale = g.param("scale", Param::new([1], Role::Scale, vec![scale]));
    let x = g.lsq("codes", x, scale, bits, false);
    let x = g.push("pool", Op::GlobalAvgPool, &[x]);
    let weight = g.param(
        "fc.weight",
        Param::new([2, channels], Role::Weight, vec![0.5; 2 * channels]),
    );
    let weight = g.push(
        "fc.codes",
        Op::Quantize(Quantizer::BinaryMean { per_channel: false }),
        &[weight],
    );
    let bias = g.param("fc.bias", Param::new([2], Role::Bias, vec![1.0, -1.0]));
    let x = g.push("fc", Op::Linear, &[x, weight, bias]);
    g.outputs.push(x);
    g
}

#[test]
fn a_channel_norm_on_codes_becomes_sums_of_its_own() {
    let (mut g, conv) = stem(2);
    let scale = g.param("first.scale", Param::new([1], Role::Scale, vec![4.0]));
    let x = g.lsq("first", conv, scale, 8, true);
    let x = g.batch_norm("norm", x, 2);
    g.params.insert(
        "norm.gamma".into(),
        Param::new([2], Role::Norm, vec![1.0, -3.0]),
    );
    let x = g.push("relu", Op::Relu, &[x]);
    let fused = fuse(&finish(g, x, 2, 2, 8.0)).unwrap();
    let sums = fused
        .nodes
        .iter()
        .find(|n| n.name == "codes.sums")
        .expect("a depthwise convolution");
    assert!(
        matches!(&sums.op, FusedOp::Integer(IntegerOp::Conv2d(c)) if c.groups == 2 && c.pad == Pad::Code(128))
    );
}

#[test]
fn a_narrower_clamp_than_the_codes_is_a_table() {
    let (mut g, conv) = stem(1);
    let x = g.push("relu6", Op::Relu6, &[conv]);
    let fused = fuse(&finish(g, x, 1, 8, 0.1)).unwrap();
    let clamp = fused
        .nodes
        .iter()
        .find(|n| n.name == "codes.clamp")
        .expect("a code table");
    let FusedOp::Integer(IntegerOp::CodeTable { table, code }) = &clamp.op else {
        panic!("{clamp:?}")
    };
    assert_eq!(
        (*code, table[59], table[60], table[255]),
        (CodeType::unsigned(8), 59, 60, 60)
    );
}

#[test]
fn biases_become_integers_of_the_logits_scale() {
    let (g, conv) = stem(1);
    let fused = fuse(&finish(g, conv, 1, 2, 0.5)).unwrap();
    let linear = fused.nodes.iter().find_map(|n| match &n.op {
        FusedOp::Integer(IntegerOp::Linear(linear)) => Some(linear),
        _ => None,
    });
    // Scale of a logit: 0.5 (weight) * 0.5 (code) / 4 (pixels of the pool).
    assert_eq!(linear.unwrap().bias, [16, -16]);
    let Some(FusedOp::Integer(IntegerOp::Output { scale_bits })) =
        fused.nodes.last().map(|n| n.op.clone())
    else {
        panic!("no output");
    };
    assert_eq!(f32::from_bits(scale_bits), 0.0625);
}

#[test]
fn sides_of_an_addition_need_one_scale() {
    let (mut g, conv) = stem(1);
    let a = g.param("a.scale", Param::new([1], Role::Scale, vec![1.0]));
    let b = g.param("b.scale", Param::new([1], Role::Scale, vec![2.0]));
    let (x, y) = (g.lsq("a", conv, a, 8, false), g.lsq("b", conv, b, 8, false));
    let sum = g.push("add", Op::Add, &[x, y]);
    let problems = fuse(&finish(g, sum, 1, 2, 1.0)).unwrap_err().0.0;
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0].place == "add" && problems[0].what.contains("one shared scale"),
        "{problems:?}"
    );
}

#[test]
fn a_table_of_fewer_rows_becomes_one_of_all_pixel_values() {
    let table = TableConfig {
        rows: 16,
        init: TableInit::Uniform,
        ..TableConfig::default()
    };
    let config = NetworkConfig {
        first: FirstLayer::Body(Input::Table(table)),
        ..config(2, 2)
    };
    let fused = fuse(&network("small", &config)).unwrap();
    let table = fused.nodes.iter().find_map(|node| match &node.op {
        FusedOp::Integer(IntegerOp::PixelTable(table)) => Some(table),
        _ => None,
    });
    let codes = table.expect("a pixel table").codes.unpack();
    let rows: Vec<&[u8]> = codes.chunks_exact(10).collect();
    assert_eq!(rows.len(), 256);
    assert!((0..256).all(|v| rows[v] == rows[v / 16 * 16]));
    assert!((16..256).step_by(16).any(|v| rows[v] != rows[v - 1]));
}
