//! Networks whose exports are checked: between them every operator, quantizer and storage of weights.

use subbyte_graph::{
    CodedRows, Graph, LayerBits, NodeId, Op, Param, Placement, Quantizer, Role, RunMultipliers,
    Storage, Window,
};
use subbyte_num::Packed;
use subbyte_onnx::{ReadOptions, read};

use super::{fixture, interpreter, pixels};

/// All networks by name.
pub fn all() -> Vec<(&'static str, Graph)> {
    vec![
        ("float", imported("classifier")),
        ("functions", functions()),
        ("eight_bits", placed(8, 8)),
        ("few_bits", placed(3, 2)),
        ("tables", tables(3)),
        ("table_shared", tables(1)),
        ("quantizers", quantizers()),
        ("codes", codes()),
        ("imported_int8", imported("qdq_int8")),
        ("imported_low", imported("qdq_low")),
        ("imported_qonnx", imported("qonnx")),
    ]
}

fn imported(name: &str) -> Graph {
    read(fixture(&format!("{name}.onnx")), &ReadOptions::default())
        .unwrap_or_else(|e| panic!("{e}"))
}

/// The float classifier with quantizers everywhere, whose steps the test image sets.
fn placed(weights: u8, activations: u8) -> Graph {
    let placement = Placement {
        body: LayerBits {
            weights: Some(weights),
            activations,
        },
        layers: Default::default(),
        wide: 8,
    };
    let mut graph = imported("classifier")
        .place_quantizers(&placement)
        .unwrap_or_else(|e| panic!("{e}"));
    set_steps(&mut graph);
    graph
}

/// Gives quantizers without a step one that reaches the largest number before them.
fn set_steps(graph: &mut Graph) {
    for id in 0..graph.nodes.len() {
        let node = &graph.nodes[id];
        let Op::Quantize(quantizer) = node.op else {
            continue;
        };
        let Some(name) = node
            .inputs
            .get(1)
            .and_then(|&s| graph.param_of(s))
            .map(|(name, _)| name.to_owned())
        else {
            continue;
        };
        if graph.params[&name].to_vec() != [0.0] {
            continue;
        }
        let before = interpreter::run_to(graph, node.inputs[0], &pixels([3, 8, 8]));
        let largest = before.data.iter().fold(0f32, |max, x| max.max(x.abs()));
        let levels = quantizer.code_type().max_level() as f32;
        let step = quantizer.parameter_for(largest / levels * 0.9);
        graph.params.get_mut(&name).expect("a scale").storage = Storage::F32(vec![step]);
    }
}

/// Numbers that look random and are the same everywhere.
fn numbers(seed: usize, count: usize) -> Vec<f32> {
    let number = |i: usize| ((i * 7919 + seed * 104_729) % 1009) as f32 / 504.5 - 1.0;
    (0..count).map(number).collect()
}

fn image(graph: &mut Graph, colours: usize, size: usize) -> NodeId {
    let op = Op::Image {
        colours,
        height: size,
        width: size,
    };
    graph.push("image", op, &[])
}

fn normalized(graph: &mut Graph) -> NodeId {
    let image = image(graph, 3, 8);
    let op = Op::Normalize {
        mean: vec![0.4, 0.5, 0.6],
        std: vec![0.2, 0.25, 0.3],
    };
    graph.push("input", op, &[image])
}

fn weight(graph: &mut Graph, name: &str, shape: &[usize], seed: usize) -> NodeId {
    let count = shape.iter().product();
    let fan: usize = shape[1..].iter().product();
    let data = numbers(seed, count)
        .iter()
        .map(|x| x / (fan as f32).sqrt())
        .collect();
    graph.param(name, Param::new(shape, Role::Weight, data))
}

fn scale(graph: &mut Graph, name: &str, values: &[f32]) -> NodeId {
    graph.param(
        name,
        Param::new([values.len()], Role::Scale, values.to_vec()),
    )
}

/// Global average, linear layer with bias.
fn classified(graph: &mut Graph, x: NodeId, channels: usize) {
    let x = graph.push("pool", Op::GlobalAvgPool, &[x]);
    let x = graph.push("flatten", Op::Flatten, &[x]);
    let w = weight(graph, "fc.weight", &[5, channels], 3);
    let b = graph.param("fc.bias", Param::new([5], Role::Bias, numbers(4, 5)));
    let x = graph.push("fc", Op::Linear, &[x, w, b]);
    graph.outputs = vec![x];
}

/// Every float operator.
fn functions() -> Graph {
    let mut g = Graph::new("functions");
    let x = normalized(&mut g);
    let w = weight(&mut g, "conv.weight", &[4, 3, 3, 3], 1);
    let b = g.param("conv.bias", Param::new([4], Role::Bias, numbers(2, 4)));
    let conv = Op::Conv2d {
        stride: [1, 2],
        padding: [1, 0, 0, 1],
        groups: 1,
    };
    let x = g.push("conv", conv, &[x, w, b]);
    let x = g.batch_norm("norm", x, 4);
    let silu = g.push("silu", Op::Silu, &[x]);
    let swish = g.push("swish", Op::HardSwish, &[x]);
    let six = g.push("six", Op::Relu6, &[x]);
    let relu = g.push("relu", Op::Relu, &[x]);
    let x = g.push("concat", Op::Concat, &[silu, swish, six, relu]);
    let w = weight(&mut g, "depthwise.weight", &[16, 1, 3, 3], 5);
    let x = g.conv2d("depthwise", x, w, 1, 1, 16);
    let gate = g.push("gate.pool", Op::GlobalAvgPool, &[x]);
    let w = weight(&mut g, "gate.weight", &[16, 16], 6);
    let gate = g.push("gate.linear", Op::Linear, &[gate, w]);
    let gate = g.push("gate", Op::HardSigmoid, &[gate]);
    let x = g.push("gated", Op::Mul, &[x, gate]);
    let window = Window {
        kernel: [3, 2],
        stride: [2, 1],
        padding: [1, 0, 1, 1],
    };
    let max = g.push("max", Op::MaxPool(window), &[x]);
    let mean = g.push("mean", Op::AvgPool(window), &[x]);
    let x = g.push("sum", Op::Add, &[max, mean]);
    let slice = Op::Slice {
        start: [1, 0, 0],
        end: [9, 3, 2],
        step: [2, 1, 1],
    };
    let x = g.push("slice", slice, &[x]);
    let x = g.push(
        "pad",
        Op::PadChannels {
            before: 1,
            after: 2,
        },
        &[x],
    );
    let up = Op::Upsample {
        vertical: 2,
        horizontal: 3,
    };
    let x = g.push("up", up, &[x]);
    classified(&mut g, x, 7);
    g
}

/// Learned pixel tables of 64 rows, one or one for each colour, behind a quantizer.
fn tables(count: usize) -> Graph {
    let mut g = Graph::new("tables");
    let image = image(&mut g, 3, 8);
    let depth = 2;
    let data = numbers(7, count * 64 * depth)
        .iter()
        .map(|x| x + 1.0)
        .collect();
    let table = g.param("table", Param::new([count, 64, depth], Role::Table, data));
    let step = scale(&mut g, "table.scale", &[0.5]);
    let table = g.lsq("table.quantize", table, step, 2, false);
    let x = g.push("input", Op::PixelTable, &[image, table]);
    let w = weight(&mut g, "conv.weight", &[4, 6, 3, 3], 1);
    let step = scale(&mut g, "conv.weight.scale", &[0.05, 0.06, 0.07, 0.08]);
    let w = g.lsq("conv.weight.quantize", w, step, 4, true);
    let x = g.conv2d("conv", x, w, 1, 1, 1);
    let x = g.batch_norm("norm", x, 4);
    let step = scale(&mut g, "norm.scale", &[0.1]);
    let x = g.lsq("norm.quantize", x, step, 4, false);
    classified(&mut g, x, 4);
    g
}

/// Every quantizer of weights and activations.
fn quantizers() -> Graph {
    let mut g = Graph::new("quantizers");
    let mut x = normalized(&mut g);
    let mut channels = 3;
    let of_weights = [
        Quantizer::BinaryMean { per_channel: true },
        Quantizer::BinaryMean { per_channel: false },
        Quantizer::DorefaWeight { bits: 2 },
        Quantizer::DorefaWeight { bits: 8 },
        Quantizer::Affine { bits: 4, zero: 5 },
    ];
    let of_activations = [
        Quantizer::MidTreadHalf { bits: 3, max: 2.0 },
        Quantizer::Pact { bits: 4 },
        Quantizer::Affine { bits: 8, zero: 100 },
        Quantizer::Lsq {
            bits: 1,
            signed: false,
        },
        Quantizer::Lsq {
            bits: 5,
            signed: true,
        },
    ];
    for (i, (of_weights, of_activations)) in of_weights.into_iter().zip(of_activations).enumerate()
    {
        let name = format!("conv{i}");
        let mut w = weight(&mut g, &format!("{name}.weight"), &[4, channels, 3, 3], i);
        let mut inputs = vec![w];
        if of_weights.parameter().is_some() {
            inputs.push(scale(&mut g, &format!("{name}.weight.scale"), &[0.03]));
        }
        w = g.push(
            format!("{name}.weight.quantize"),
            Op::Quantize(of_weights),
            &inputs,
        );
        x = g.conv2d(&name, x, w, 1, 1, 1);
        let mut inputs = vec![x];
        match of_activations.parameter() {
            Some(Role::Clip) => {
                let clip = Param::new([1], Role::Clip, vec![1.5]);
                inputs.push(g.param(format!("{name}.clip"), clip));
            }
            Some(_) => inputs.push(scale(&mut g, &format!("{name}.scale"), &[0.11])),
            None => {}
        }
        x = g.push(
            format!("{name}.quantize"),
            Op::Quantize(of_activations),
            &inputs,
        );
        channels = 4;
    }
    classified(&mut g, x, 4);
    g
}

/// Weights that are stored as codes: with the signed uniform codebook, of rows of several codebooks, with multipliers, and with a
/// codebook of no whole numbers.
fn codes() -> Graph {
    let mut g = Graph::new("codes");
    let mut x = normalized(&mut g);
    let run = |bits: u8, codebook: &[f32], scales: &[f32], count: usize| {
        let codes: Vec<u8> = (0..count)
            .map(|i| (i * 7 % 13) as u8 % (1 << bits))
            .collect();
        CodedRows {
            codebook: codebook.to_vec(),
            scales: scales.to_vec(),
            multipliers: None,
            codes: Packed::new(bits, &codes),
        }
    };
    let signed = [-4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0];
    let mut multiplied = run(1, &[-1.0, 1.0], &[0.02], 4 * 36);
    multiplied.multipliers = Some(RunMultipliers {
        length: 2,
        values: (0..4 * 9 * 2).map(|i| 1 + i % 3).collect(),
    });
    let stored = [
        (3, vec![run(3, &signed, &[0.03, 0.04, 0.05, 0.06], 4 * 27)]),
        (
            4,
            vec![
                run(3, &signed, &[0.05], 36),
                run(1, &[-1.0, 1.0], &[0.07, 0.08, 0.09], 3 * 36),
            ],
        ),
        (4, vec![multiplied]),
        (
            4,
            vec![run(
                2,
                &[-1.5, -0.4, 0.3, 1.2],
                &[0.1, 0.2, 0.1, 0.1],
                4 * 36,
            )],
        ),
    ];
    for (i, (channels, runs)) in stored.into_iter().enumerate() {
        let param = Param {
            shape: vec![4, channels, 3, 3],
            role: Role::Weight,
            storage: Storage::Codes(runs),
        };
        let w = g.param(format!("conv{i}.weight"), param);
        x = g.conv2d(&format!("conv{i}"), x, w, 1, 1, 1);
        let step = scale(&mut g, &format!("conv{i}.scale"), &[0.0]);
        x = g.lsq(&format!("conv{i}.quantize"), x, step, 4, true);
    }
    classified(&mut g, x, 4);
    set_steps(&mut g);
    g
}
