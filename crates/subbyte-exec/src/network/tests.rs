use crate::{Images, Inputs};
use burn::tensor::{Device, Tensor};
use subbyte_graph::networks::{
    ActivationQuantizer, Bits, FirstLayer, LastLayer, NetworkConfig, WeightQuantizer, build,
};
use subbyte_graph::{CodedRows, Graph, Op, Param, Role, Storage};
use subbyte_num::{Minifloat, Packed};

use super::*;
use crate::ops::cross_entropy;
use crate::ops::testing::{assert_close, to_vec, without_custom_operations};

fn images(n: usize, size: usize, colours: usize) -> Images {
    let len = n * size * size * colours;
    let data: Vec<u8> = (0..len as u64)
        .map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8)
        .collect();
    Images::new(data, [n, size, size, colours])
}

fn config(bits: &str) -> NetworkConfig {
    let float = bits == "float";
    NetworkConfig {
        colours: 1,
        height: 28,
        width: 28,
        bits: (!float).then(|| bits.parse::<Bits>().expect("bits")),
        first: if float {
            FirstLayer::Float
        } else {
            FirstLayer::default()
        },
        last: if float {
            LastLayer::Float
        } else {
            LastLayer::Body
        },
        ..NetworkConfig::default()
    }
}

fn network(name: &str, bits: &str) -> Network {
    network_of(name, &config(bits))
}

fn network_of(name: &str, config: &NetworkConfig) -> Network {
    let graph = build(name, config).expect("network");
    let mut network = Network::new(&graph, &Device::flex().autodiff()).expect("network");
    network.initialise_scales(images(8, 28, 1)).expect("scales");
    network
}

/// One step of plain gradient descent; returns the loss.
fn descend(network: &mut Network, images: &Images, labels: &[u32]) -> f32 {
    let mut forward = network.forward(images, Mode::Train).expect("forward");
    let loss = cross_entropy(forward.outputs.remove(0), labels, 0.0);
    let mut gradients = loss.backward();
    network.update_statistics(&forward.statistics, 0.1);
    network
        .parameters_mut()
        .update(&mut gradients, |info, value, gradient| {
            let rate = if info.role == Role::Scale { 1e-3 } else { 5e-2 };
            value - gradient * rate
        });
    to_vec(&loss)[0]
}

#[test]
fn every_built_in_network_trains_and_evaluates() {
    for (name, bits, size) in [
        ("small", "float", 28),
        ("small", "w2a2", 28),
        ("small", "w1a2", 28),
        ("lenet5", "w3a4", 28),
        ("resnet20", "w2a2", 28),
        ("resnet18-cifar", "w1a1", 28),
    ] {
        let mut network = network(name, bits);
        let images = images(4, size, 1);
        let loss = descend(&mut network, &images, &[0, 1, 2, 3]);
        assert!(loss.is_finite() && loss > 0.0, "{name} {bits}: {loss}");
        let logits = network.predict(&images).expect("forward");
        assert_eq!(logits.dims(), [4, 1, 1, 10]);
        assert!(to_vec(&logits).iter().all(|x| x.is_finite()), "{name}");
    }
}

#[test]
fn training_learns_a_batch_by_heart() {
    for bits in ["float", "w2a2"] {
        let mut network = network("small", bits);
        let labels: Vec<u32> = (0..20).map(|i| i % 10).collect();
        // Stripes whose width tells the class.
        let stripes = |label: u32| (0..28 * 28).map(move |i| (i % 28 * (label + 1) * 9) as u8);
        let data: Vec<u8> = labels.iter().flat_map(|label| stripes(*label)).collect();
        let images = Images::new(data, [20, 28, 28, 1]);
        let first = descend(&mut network, &images, &labels);
        let last = (0..40)
            .map(|_| descend(&mut network, &images, &labels))
            .last();
        assert!(
            last.expect("loss") < 0.7 * first,
            "{bits}: {first} to {last:?}"
        );
    }
}

#[test]
fn every_trained_parameter_gets_a_gradient_and_the_others_none() {
    let mut network = network("resnet20", "w2a2");
    let mut forward = network
        .forward(images(4, 28, 1), Mode::Train)
        .expect("forward");
    let loss = cross_entropy(forward.outputs.remove(0), &[1, 2, 3, 4], 0.1);
    let mut gradients = loss.backward();
    let mut with_gradient = Vec::new();
    network
        .parameters_mut()
        .update(&mut gradients, |info, value, _| {
            with_gradient.push(info.name.clone());
            value
        });
    let trained = network
        .parameters()
        .iter()
        .filter(|(info, _)| info.role.is_trained());
    let trained: Vec<String> = trained.map(|(info, _)| info.name.clone()).collect();
    assert_eq!(with_gradient, trained);
}

#[test]
fn steps_over_several_nodes_compute_what_single_nodes_do() {
    let network = network("resnet20", "w2a2");
    let images = images(3, 28, 1);
    for mode in [Mode::Train, Mode::Evaluate] {
        let fused = network.forward(&images, mode).expect("forward");
        let mut seen = Vec::new();
        let plain = network
            .observe(&images, mode, |id, _| seen.push(id))
            .expect("forward");
        assert_eq!(to_vec(&fused.outputs[0]), to_vec(&plain.outputs[0]));
        assert_eq!(fused.statistics, plain.statistics);
        let activations = network
            .graph()
            .nodes
            .iter()
            .enumerate()
            .filter(|(_, node)| {
                let param = node
                    .inputs
                    .first()
                    .and_then(|&id| network.graph().source_param(id));
                match node.op {
                    Op::Image { .. } | Op::Param { .. } => false,
                    Op::Quantize(_) => param.is_none(),
                    _ => true,
                }
            });
        assert_eq!(seen, activations.map(|(id, _)| id).collect::<Vec<_>>());
    }
}

#[test]
fn a_backend_without_custom_operations_trains_the_same_network() {
    use ActivationQuantizer as Activation;
    use WeightQuantizer as Weight;
    for (bits, weight_quantizer, activation_quantizer, tolerance) in [
        ("float", Weight::Lsq, Activation::Lsq, 1e-3),
        ("w4a4", Weight::Lsq, Activation::Lsq, 0.1),
        ("w4a4", Weight::Dorefa, Activation::Dorefa, 0.1),
        ("w4a4", Weight::Dorefa, Activation::Pact, 0.1),
    ] {
        let config = NetworkConfig {
            weight_quantizer,
            activation_quantizer,
            ..config(bits)
        };
        let run = || {
            let mut network = network_of("small", &config);
            let images = images(6, 28, 1);
            let loss = descend(&mut network, &images, &[0, 1, 2, 3, 4, 5]);
            let logits = network.predict(&images).expect("forward");
            (loss, to_vec(&logits))
        };
        let (custom, plain) = (run(), without_custom_operations(run));
        assert_ne!(custom, plain, "both ran the same operations");
        assert!((custom.0 - plain.0).abs() < tolerance * custom.0, "{bits}");
        assert_close(&custom.1, &plain.1, 10.0 * tolerance);
    }
}

#[test]
fn steps_do_not_depend_on_the_thread_count() {
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.expect("thread pool").install(|| {
            let mut network = network("small", "w2a2");
            for _ in 0..2 {
                descend(&mut network, &images(18, 28, 1), &[3; 18]);
            }
            network.to_graph()
        })
    };
    assert!(run(1) == run(3));
}

#[test]
fn the_graph_comes_back_with_the_numbers_of_now() {
    let mut network = network("small", "w2a2");
    descend(&mut network, &images(4, 28, 1), &[0, 1, 2, 3]);
    let graph = network.to_graph();
    assert_eq!(graph.nodes, network.graph().nodes);
    let again = Network::new(&graph, &Device::flex()).expect("network");
    let images = images(2, 28, 1);
    let logits = [&network, &again].map(|n| to_vec(&n.predict(&images).expect("forward")));
    assert_eq!(logits[0], logits[1]);
}

/// `image -> normalize -> LSQ, twice with one step -> …`: what the quantizers see is known.
fn two_users() -> Graph {
    let mut g = Graph::new("two");
    let image = g.push(
        "image",
        Op::Image {
            colours: 1,
            height: 2,
            width: 2,
        },
        &[],
    );
    let normalize = Op::Normalize {
        mean: vec![0.0],
        std: vec![1.0 / 255.0],
    };
    let x = g.push("x", normalize, &[image]);
    let scale = g.param("scale", Param::new([1], Role::Scale, vec![0.0]));
    let first = g.lsq("first", x, scale, 8, false);
    let sum = g.push("sum", Op::Add, &[first, x]);
    let second = g.lsq("second", sum, scale, 8, false);
    g.outputs = vec![second];
    g
}

#[test]
fn a_step_is_set_to_the_largest_that_its_users_ask_for() {
    let mut network = Network::new(&two_users(), &Device::flex()).expect("network");
    let images = Images::new(vec![0, 10, 20, 30], [1, 2, 2, 1]);
    network.initialise_scales(&images).expect("scales");
    let rough = 2.0 * 30.0 / 255f32.sqrt();
    let found = network.parameters().values("scale").expect("scale");
    // The second user sees about twice the first one's values, the first one's own being rounded.
    assert_close(&found, &[rough], 0.05);
    let before = found;
    network
        .initialise_scales(Images::new(vec![255; 4], [1, 2, 2, 1]))
        .expect("scales");
    assert_eq!(network.parameters().values("scale").expect("scale"), before);
}

#[test]
fn reestimation_averages_the_statistics_of_its_batches() {
    let mut network = network("small", "w2a2");
    let batches = [images(4, 28, 1), images(6, 28, 1)];
    let each = batches.clone().map(|batch| {
        let forward = network.forward(&batch, Mode::Train).expect("forward");
        forward.statistics
    });
    network.reestimate(batches).expect("statistics");
    for ((node, a), (_, b)) in each[0].iter().zip(&each[1]) {
        let inputs = &network.graph().nodes[*node].inputs;
        for (input, a, b) in [
            (3, a.mean.clone(), b.mean.clone()),
            (4, a.unbiased_variance(), b.unbiased_variance()),
        ] {
            let (name, _) = network.graph().param_of(inputs[input]).expect("statistic");
            let expected: Vec<f32> = a.iter().zip(&b).map(|(a, b)| (a + b) / 2.0).collect();
            let found = network.parameters().values(name).expect("statistic");
            assert_close(&found, &expected, 1e-6);
        }
    }
    assert!(matches!(network.reestimate([]), Err(ExecError::NoImages)));
}

#[test]
fn moving_operators_keep_the_layout_of_the_graph() {
    let mut g = Graph::new("moves");
    let image = g.push(
        "image",
        Op::Image {
            colours: 3,
            height: 2,
            width: 3,
        },
        &[],
    );
    let normalize = Op::Normalize {
        mean: vec![0.0; 3],
        std: vec![1.0 / 255.0; 3],
    };
    let x = g.push("x", normalize, &[image]);
    let slice = Op::Slice {
        start: [1, 0, 0],
        end: [3, 2, 3],
        step: [1, 1, 2],
    };
    let slice = g.push("slice", slice, &[x]);
    let pad = g.push(
        "pad",
        Op::PadChannels {
            before: 1,
            after: 2,
        },
        &[slice],
    );
    let flat = g.push("flat", Op::Flatten, &[x]);
    let up = g.push(
        "up",
        Op::Upsample {
            vertical: 2,
            horizontal: 3,
        },
        &[x],
    );
    let both = g.push("both", Op::Concat, &[x, x]);
    g.outputs = vec![pad, flat, up, both];
    let network = Network::new(&g, &Device::flex()).expect("network");
    // Pixel (y, x), colour c holds 100 y + 10 x + c.
    let value = |y: usize, x: usize, c: usize| (100 * y + 10 * x + c) as u8;
    let data: Vec<u8> = (0..18).map(|i| value(i / 9, i / 3 % 3, i % 3)).collect();
    let images = Images::new(data, [1, 2, 3, 3]);
    let outputs = network
        .forward(&images, Mode::Evaluate)
        .expect("forward")
        .outputs;
    let at = |t: &Tensor<4>, y: usize, x: usize, c: usize| {
        let [_, _, width, channels] = t.dims();
        to_vec(t)[(y * width + x) * channels + c].round() as u8
    };
    assert_eq!(outputs[0].dims(), [1, 2, 2, 5]);
    assert_eq!(at(&outputs[0], 1, 1, 0), 0);
    assert_eq!(at(&outputs[0], 1, 1, 1), value(1, 2, 1));
    assert_eq!(at(&outputs[0], 1, 1, 2), value(1, 2, 2));
    assert_eq!(at(&outputs[0], 1, 1, 3), 0);
    assert_eq!(outputs[1].dims(), [1, 1, 1, 18]);
    assert_eq!(at(&outputs[1], 0, 0, 6 + 3 + 2), value(1, 2, 1));
    assert_eq!(outputs[2].dims(), [1, 4, 9, 3]);
    assert_eq!(at(&outputs[2], 3, 5, 2), value(1, 1, 2));
    assert_eq!(outputs[3].dims(), [1, 2, 3, 6]);
    assert_eq!(at(&outputs[3], 1, 0, 4), value(1, 0, 1));
}

#[test]
fn wrong_input_is_an_error() {
    let network = network("small", "w2a2");
    let wrong = network
        .predict(images(1, 32, 3))
        .expect_err("size")
        .to_string();
    assert!(
        wrong.contains("[28, 28, 1]") && wrong.contains("[32, 32, 3]"),
        "{wrong}"
    );
    let none = Images::new(vec![], [0, 28, 28, 1]);
    assert!(matches!(network.predict(&none), Err(ExecError::NoImages)));
    let mut broken = network.graph().clone();
    broken.outputs.clear();
    assert!(matches!(
        Network::new(&broken, &Device::flex()),
        Err(ExecError::Graph { .. })
    ));
}

#[test]
fn weights_that_are_codes_stay_packed_and_compute_what_their_numbers_do() {
    let mut graph = network("small", "float").to_graph();
    let weight = graph.params.get_mut("conv2.weight").expect("a layer");
    let codes: Vec<u8> = (0..weight.len()).map(|i| (i * 7 % 16) as u8).collect();
    let rows = weight.shape[0];
    weight.role = Role::Constant;
    weight.storage = Storage::Codes(vec![CodedRows {
        codebook: Minifloat::E2M1.levels().collect(),
        scales: (0..rows).map(|r| 0.01 + 0.001 * r as f32).collect(),
        multipliers: None,
        codes: Packed::new(4, &codes),
    }]);
    let packed = Network::new(&graph, &Device::flex()).expect("network");
    assert!(packed.parameters().get("conv2.weight").is_none());
    assert_eq!(packed.to_graph(), graph);
    let mut plain = graph.clone();
    let weight = plain.params.get_mut("conv2.weight").expect("a layer");
    weight.storage = Storage::F32(weight.to_vec());
    let plain = Network::new(&plain, &Device::flex()).expect("network");
    let images = images(3, 28, 1);
    let [found, expected] =
        [&packed, &plain].map(|n| to_vec(&n.predict(&images).expect("forward")));
    assert_eq!(found, expected);
    // Also where gradients are taken: of what is trained, and none of codes.
    let mut tracked = Network::new(&graph, &Device::flex().autodiff()).expect("network");
    assert!(descend(&mut tracked, &images, &[0, 1, 2]).is_finite());
}

/// `level * x + x` of a float input of two channels and one number for each image.
fn scaled_sum() -> Network {
    let mut graph = Graph::new("sum");
    let input = |channels, height, width| Op::Input {
        channels,
        height,
        width,
    };
    let x = graph.push("x", input(2, 1, 2), &[]);
    let level = graph.push("level", input(1, 1, 1), &[]);
    let scaled = graph.push("scaled", Op::Mul, &[x, level]);
    let sum = graph.push("sum", Op::Add, &[scaled, x]);
    graph.outputs.push(sum);
    Network::new(&graph, &Device::flex()).expect("a valid graph")
}

#[test]
fn float_inputs_are_read_by_name() {
    let network = scaled_sum();
    let data = vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
    let inputs =
        Inputs::new()
            .with("x", data, [2, 1, 2, 2])
            .with("level", vec![1.0, 10.0], [2, 1, 1, 1]);
    let out = network.predict(&inputs).expect("inputs that fit");
    let expected = [2.0, 4.0, 6.0, 8.0, 55.0, 66.0, 77.0, 88.0];
    assert_eq!(to_vec(&out), expected);
}

#[test]
fn float_inputs_that_do_not_fit_are_refused() {
    let network = scaled_sum();
    let x = || Inputs::new().with("x", vec![0.0; 8], [2, 1, 2, 2]);
    let message = |inputs: Inputs| network.predict(&inputs).expect_err("refused").to_string();
    assert!(message(x()).contains("`level` is not given"));
    let one = x().with("level", vec![0.0], [1, 1, 1, 1]);
    assert!(message(one).contains("are needed"));
    let more = x()
        .with("level", vec![0.0; 2], [2, 1, 1, 1])
        .with("y", vec![0.0; 2], [2, 1, 1, 1]);
    assert!(message(more).contains("no input `y`"));
    assert!(message(images(1, 28, 1).into()).contains("is not given"));
}
