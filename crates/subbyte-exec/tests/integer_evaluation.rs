//! Evaluation on codes equals the reference interpreter of the lowered model, tensor by tensor.

use burn::tensor::Device;
use subbyte_exec::evaluate::IntegerNetwork;
use subbyte_graph::networks::{
    ActivationQuantizer, Bits, FirstLayer, Input, LastLayer, NetworkConfig, WeightQuantizer, build,
};
use subbyte_graph::{Encoder, Graph, Param, Role};
use subbyte_model::reference;

/// Numbers without structure, the same in every run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn between(&mut self, lo: f32, hi: f32) -> f32 {
        lo + (hi - lo) * (self.next() % 10_000) as f32 / 10_000.0
    }
}

/// A built-in network with steps and statistics such as training leaves, some norms falling.
fn trained(name: &str, config: &NetworkConfig) -> Graph {
    let mut graph = build(name, config).expect("a valid configuration");
    let noise = &mut Noise(config.seed + 1);
    for (name, param) in &mut graph.params {
        let values = match param.role {
            Role::Scale | Role::Clip if param.to_vec() == [0.0] => {
                let wide = name.contains("stream");
                vec![noise.between(0.4, 0.7) / if wide { 50.0 } else { 1.0 }]
            }
            Role::Norm if name.ends_with("gamma") => param
                .to_vec()
                .iter()
                .map(|_| noise.between(-0.3, 1.5))
                .collect(),
            Role::Norm | Role::Bias => param
                .to_vec()
                .iter()
                .map(|_| noise.between(-0.5, 0.5))
                .collect(),
            Role::Statistic if name.ends_with("mean") => param
                .to_vec()
                .iter()
                .map(|_| noise.between(-1.0, 1.0))
                .collect(),
            Role::Statistic => param
                .to_vec()
                .iter()
                .map(|_| noise.between(0.2, 4.0))
                .collect(),
            _ => continue,
        };
        *param = Param::new(param.shape.clone(), param.role, values);
    }
    graph
}

fn assert_agrees(name: &str, config: &NetworkConfig) {
    let graph = trained(name, config);
    let network =
        IntegerNetwork::new(&graph, &Device::flex()).unwrap_or_else(|e| panic!("{name}: {e}"));
    let model = subbyte_lower::lower(&graph).unwrap();
    let noise = &mut Noise(7);
    let images: Vec<u8> = (0..2 * network.image_bytes())
        .map(|_| noise.next() as u8)
        .collect();
    let evaluated = network.trace(&images);
    let mut distinct = std::collections::BTreeSet::new();
    for (image, values) in images.chunks(network.image_bytes()).zip(evaluated) {
        let expected = reference::trace(&model, image).unwrap();
        for ((node, value), expected) in model.nodes.iter().zip(&values).zip(&expected) {
            assert_eq!(value, expected, "{name} {config:?}: {}", node.name);
        }
        assert_eq!(
            network.logits(image),
            [reference::run(&model, image).unwrap()]
        );
        distinct.insert(format!("{:?}", values.last()));
    }
    assert_eq!(
        distinct.len(),
        2,
        "{name}: the logits do not depend on the image"
    );
}

fn small(weights: u8, activations: u8) -> NetworkConfig {
    NetworkConfig {
        colours: 1,
        height: 28,
        width: 28,
        bits: Some(Bits {
            weights,
            activations,
        }),
        seed: u64::from(weights * 8 + activations),
        ..NetworkConfig::default()
    }
}

#[test]
fn every_pair_of_bits_agrees() {
    for weights in 1..=8 {
        for activations in 1..=8 {
            assert_agrees("small", &small(weights, activations));
        }
    }
}

#[test]
fn every_first_and_last_layer_agrees() {
    let encoder = |e| FirstLayer::Body(Input::Encoder(e));
    let firsts = [
        FirstLayer::EightBit,
        encoder(Encoder::Naive { bits: 2 }),
        encoder(Encoder::BitPlanes),
        encoder(Encoder::Thermometer { depth: 32 }),
        encoder(Encoder::GeneralisedThermometer { depth: 10, bits: 2 }),
    ];
    for first in firsts {
        for last in [LastLayer::EightBit, LastLayer::Body] {
            assert_agrees(
                "small",
                &NetworkConfig {
                    first,
                    last,
                    ..small(2, 2)
                },
            );
        }
    }
}

#[test]
fn every_quantizer_agrees_at_every_pair_of_bits() {
    for (weight_quantizer, activation_quantizer) in [
        (WeightQuantizer::Dorefa, ActivationQuantizer::Dorefa),
        (WeightQuantizer::Lsq, ActivationQuantizer::Pact),
    ] {
        for weights in 1..=8 {
            for activations in 1..=8 {
                let config = NetworkConfig {
                    weight_quantizer,
                    activation_quantizer,
                    ..small(weights, activations)
                };
                assert_agrees("small", &config);
            }
        }
    }
    for activation_quantizer in [ActivationQuantizer::Dorefa, ActivationQuantizer::Pact] {
        let config = NetworkConfig {
            weight_quantizer: WeightQuantizer::Dorefa,
            activation_quantizer,
            seed: 5,
            ..NetworkConfig::default()
        };
        assert_agrees("resnet20", &config);
    }
    let half = ActivationQuantizer::MidTreadHalf { max: 2.0 };
    assert_agrees(
        "small",
        &NetworkConfig {
            activation_quantizer: half,
            ..small(1, 2)
        },
    );
}

#[test]
fn other_networks_agree() {
    assert_agrees("lenet5", &small(2, 2));
    let colour = NetworkConfig {
        seed: 5,
        ..NetworkConfig::default()
    };
    assert_agrees("resnet20", &colour);
}
