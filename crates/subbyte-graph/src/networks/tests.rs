use super::*;
use crate::{Encoder, Op, Role, Shape, TableInit};

/// Float network for `colours` x `side` x `side` images.
fn float(name: &str, colours: usize, side: usize, classes: usize) -> Graph {
    let config = NetworkConfig {
        colours,
        height: side,
        width: side,
        classes,
        bits: None,
        first: FirstLayer::Float,
        last: LastLayer::Float,
        ..NetworkConfig::default()
    };
    build(name, &config).unwrap_or_else(|e| panic!("{e}"))
}

fn trained_numbers(graph: &Graph) -> usize {
    let trained = graph.params.values().filter(|p| p.role.is_trained());
    trained.map(crate::Param::len).sum()
}

fn total_macs(graph: &Graph) -> u64 {
    graph.macs(&graph.shapes().unwrap()).iter().sum()
}

#[test]
fn sizes_are_the_published_ones() {
    for (name, side, classes, params, macs) in [
        ("resnet20", 32, 10, 269_722, 40_551_040),
        ("resnet32", 32, 10, 464_154, 68_862_592),
        ("resnet56", 32, 10, 853_018, 125_485_696),
        ("resnet18", 224, 1000, 11_689_512, 1_814_073_344),
        ("resnet18-cifar", 32, 10, 11_173_962, 555_422_720),
    ] {
        let graph = float(name, 3, side, classes);
        assert_eq!(trained_numbers(&graph), params, "{name}");
        assert_eq!(total_macs(&graph), macs, "{name}");
    }
    // LeNet-5 has 61,706 with biases; here every hidden layer has two numbers a channel instead of one.
    let lenet = float("lenet5", 1, 28, 10);
    assert_eq!(trained_numbers(&lenet), 61_706 + 6 + 16 + 120 + 84);
    assert_eq!(total_macs(&lenet), 416_520);
}

#[test]
fn the_small_network_stays_small() {
    let config = NetworkConfig {
        colours: 1,
        height: 28,
        width: 28,
        ..NetworkConfig::default()
    };
    let graph = build("small", &config).unwrap();
    assert!(total_macs(&graph) <= 2_500_000, "{}", total_macs(&graph));
}

fn firsts() -> Vec<FirstLayer> {
    let mut firsts = vec![FirstLayer::Float, FirstLayer::EightBit];
    let encoders = [
        Encoder::Naive { bits: 2 },
        Encoder::BitPlanes,
        Encoder::Thermometer { depth: 32 },
        Encoder::GeneralisedThermometer { depth: 10, bits: 2 },
        Encoder::Identity,
    ];
    firsts.extend(encoders.map(|encoder| FirstLayer::Body(Input::Encoder(encoder))));
    let table = |shared, init| {
        FirstLayer::Body(Input::Table(TableConfig {
            shared,
            init,
            ..TableConfig::default()
        }))
    };
    firsts.push(table(true, TableInit::Uniform));
    firsts.push(table(false, TableInit::BitPlanes));
    firsts
}

#[test]
fn every_combination_is_a_valid_graph_of_the_right_logits() {
    let bits = [(1, 1), (1, 2), (2, 2), (4, 4), (8, 8)];
    let bits = bits.map(|(weights, activations)| {
        Some(Bits {
            weights,
            activations,
        })
    });
    for name in ["small", "lenet5", "resnet20"] {
        for (i, first) in firsts().into_iter().enumerate() {
            for bits in bits.into_iter().chain([None]) {
                for last in [LastLayer::Float, LastLayer::EightBit, LastLayer::Body] {
                    let config = NetworkConfig {
                        colours: if i % 2 == 0 { 3 } else { 1 },
                        classes: 7,
                        bits,
                        first,
                        last,
                        ..NetworkConfig::default()
                    };
                    let graph =
                        build(name, &config).unwrap_or_else(|e| panic!("{name} {config:?}: {e}"));
                    let shapes = graph.shapes().unwrap();
                    assert_eq!(shapes[graph.outputs[0]], Shape::Feature([7, 1, 1]));
                    let quantizers = graph
                        .nodes
                        .iter()
                        .filter(|node| matches!(node.op, Op::Quantize(_)))
                        .count();
                    assert_eq!(quantizers == 0, bits.is_none());
                }
            }
        }
    }
}

#[test]
fn every_network_builds_fully_quantized() {
    for network in NETWORKS {
        for activation_quantizer in [
            ActivationQuantizer::Lsq,
            ActivationQuantizer::MidTreadHalf { max: 2.0 },
            ActivationQuantizer::Dorefa,
            ActivationQuantizer::Pact,
        ] {
            let config = NetworkConfig {
                weight_quantizer: match activation_quantizer {
                    ActivationQuantizer::Dorefa => WeightQuantizer::Dorefa,
                    _ => WeightQuantizer::Lsq,
                },
                height: 64,
                width: 48,
                activation_quantizer,
                ..NetworkConfig::default()
            };
            let graph = build(network.name, &config).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(graph.name, network.name);
        }
    }
}

#[test]
fn a_float_network_is_the_quantized_one_less_its_quantizers() {
    let quantized = build("resnet20", &NetworkConfig::default()).unwrap();
    let config = NetworkConfig {
        bits: None,
        ..NetworkConfig::default()
    };
    let float = build("resnet20", &config).unwrap();
    let names = |graph: &Graph| -> Vec<String> {
        let kept = graph
            .nodes
            .iter()
            .filter(|node| !node.name.ends_with(".quantize") && !node.name.ends_with(".scale"));
        kept.map(|node| node.name.clone()).collect()
    };
    assert_eq!(names(&quantized), names(&float));
    for (name, param) in &float.params {
        assert_eq!(quantized.params.get(name), Some(param), "{name}");
    }
}

#[test]
fn streams_share_one_step_and_layers_have_their_own() {
    let graph = build("resnet20", &NetworkConfig::default()).unwrap();
    let consumers = graph.consumers();
    let readers = |name: &str| {
        let id = graph.nodes.iter().position(|node| node.name == name);
        consumers[id.unwrap()].len()
    };
    // The stem, or the shortcut of a crossing block, and two of each of three blocks.
    for stage in 1..=3 {
        assert_eq!(readers(&format!("stage{stage}.stream.scale")), 7);
    }
    let scales = graph.params.iter().filter(|(_, p)| p.role == Role::Scale);
    for (name, _) in scales.filter(|(name, _)| !name.contains("stream")) {
        assert_eq!(readers(name), 1, "{name}");
    }
}

#[test]
fn seeds_change_weights_and_nothing_else() {
    let with_seed = |seed| {
        let config = NetworkConfig {
            seed,
            ..NetworkConfig::default()
        };
        build("small", &config).unwrap()
    };
    assert_eq!(with_seed(1), with_seed(1));
    let (a, b) = (with_seed(1), with_seed(2));
    assert_eq!(a.nodes, b.nodes);
    assert_ne!(a.params["stem.weight"], b.params["stem.weight"]);
    assert_eq!(a.params["stem.norm.gamma"], b.params["stem.norm.gamma"]);
}

#[test]
fn unknown_names_are_answered_by_the_nearest_one() {
    let error = |name| build(name, &NetworkConfig::default()).unwrap_err();
    assert!(error("resnet21").to_string().contains("`resnet20`"));
    assert!(error("vggsmall").to_string().contains("`vgg-small`"));
    assert!(
        error("lenet")
            .to_string()
            .contains("small, lenet5, convnet, resnet20")
    );
    assert!(build("vgg_small", &NetworkConfig::default()).is_ok());
}

#[test]
fn a_wrong_configuration_lists_every_problem() {
    let config = NetworkConfig {
        colours: 2,
        height: usize::MAX,
        width: 0,
        classes: 0,
        bits: Some(Bits {
            weights: 9,
            activations: 0,
        }),
        residual_bits: 1,
        std: vec![0.0, f32::NAN],
        first: FirstLayer::Body(Input::Encoder(Encoder::Thermometer { depth: 0 })),
        ..NetworkConfig::default()
    };
    let Err(NetworkError::Config(problems)) = build("small", &config) else {
        panic!("a wrong configuration is refused");
    };
    for key in [
        "colours",
        "height",
        "width",
        "classes",
        "w9a0",
        "residual-bits",
        "finite",
        "positive",
        "encoder",
    ] {
        assert!(
            problems.iter().any(|p| p.contains(key)),
            "{key}: {problems:?}"
        );
    }
}

#[test]
fn images_that_are_too_small_are_refused() {
    for (name, side) in [("lenet5", 3), ("vgg-small", 7), ("small", 1)] {
        let config = NetworkConfig {
            height: side,
            width: side,
            ..NetworkConfig::default()
        };
        let error = build(name, &config).unwrap_err().to_string();
        assert!(error.contains("larger than its padded input"), "{error}");
    }
}

#[test]
fn configurations_read_as_recipes_write_them() {
    let json = r#"{"colours": 1, "bits": "w1a2", "last": "eight-bit", "activation-quantizer": {"mid-tread-half": {"max": 2.0}},
        "first": {"body": {"table": {"depth": 8, "init": "bit-planes"}}}}"#;
    let config: NetworkConfig = serde_json::from_str(json).unwrap();
    assert_eq!(config.bits.map(|b| b.to_string()).as_deref(), Some("w1a2"));
    assert_eq!(config.last, LastLayer::EightBit);
    let again: NetworkConfig =
        serde_json::from_str(&serde_json::to_string(&config).unwrap()).unwrap();
    assert_eq!(config, again);
    let float: NetworkConfig = serde_json::from_str(r#"{"bits": "float"}"#).unwrap();
    assert_eq!(float.bits, None);
    for wrong in [r#"{"bits": "2"}"#, r#"{"colors": 3}"#, r#"{"bits": "w2a"}"#] {
        assert!(
            serde_json::from_str::<NetworkConfig>(wrong).is_err(),
            "{wrong}"
        );
    }
}

#[test]
fn the_diffusion_network_keeps_the_shape_of_its_pictures() {
    let config = |height, bits| NetworkConfig {
        colours: 1,
        height,
        width: 28,
        bits,
        ..NetworkConfig::default()
    };
    let graph = build("unet", &config(28, None)).unwrap();
    let shapes = graph.shapes().unwrap();
    assert_eq!(shapes[graph.outputs[0]].feature(), Some([1, 28, 28]));
    let inputs: Vec<&str> = graph
        .inputs()
        .map(|(_, node, _)| node.name.as_str())
        .collect();
    assert_eq!(inputs, ["noisy", "timestep"]);
    assert!(graph.diffusion.is_some());
    // What ends a branch begins at zero, so that blocks begin as their shortcuts.
    for name in [
        "end.weight",
        "middle0.conv1.weight",
        "middle.attention.out.weight",
    ] {
        assert!(
            graph.params[name].to_vec().iter().all(|w| *w == 0.0),
            "{name}"
        );
    }
    let low = NetworkConfig::default().bits;
    let refusal = |config| build("unet", &config).unwrap_err().to_string();
    assert!(refusal(config(28, low)).contains("trained in floats"));
    assert!(refusal(config(30, None)).contains("one size is needed"));
}
