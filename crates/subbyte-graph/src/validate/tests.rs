use crate::{
    CodedRows, Graph, Node, Op, Param, Quantizer, Role, Shape, Storage, Window,
    networks::{NetworkConfig, build},
};

fn small() -> Graph {
    let config = NetworkConfig {
        height: 28,
        width: 28,
        ..NetworkConfig::default()
    };
    build("small", &config).unwrap()
}

/// Image of 3 x 8 x 8, normalized; the id of the last node.
fn normalized() -> (Graph, usize) {
    let mut graph = Graph::new("test");
    let image = Op::Image {
        colours: 3,
        height: 8,
        width: 8,
    };
    let image = graph.push("image", image, &[]);
    let normalize = Op::Normalize {
        mean: vec![0.5; 3],
        std: vec![0.25; 3],
    };
    let x = graph.push("normalize", normalize, &[image]);
    (graph, x)
}

/// All problems as one text; panics where there are none.
fn problems(graph: &Graph) -> String {
    graph.validate().unwrap_err().to_string()
}

/// The problems of `graph` after `change`, which must be as many as `expected` and contain each of them.
fn expect(mut graph: Graph, change: impl FnOnce(&mut Graph), expected: &[&str]) {
    change(&mut graph);
    let problems = problems(&graph);
    for expected in expected {
        assert!(problems.contains(expected), "`{expected}` in\n{problems}");
    }
    assert_eq!(problems.lines().count(), expected.len(), "{problems}");
}

fn node<'a>(graph: &'a mut Graph, name: &str) -> &'a mut Node {
    let mut nodes = graph.nodes.iter_mut();
    nodes.find(|node| node.name == name).unwrap()
}

fn param<'a>(graph: &'a mut Graph, name: &str) -> &'a mut Param {
    graph.params.get_mut(name).unwrap()
}

#[test]
fn all_problems_are_listed_at_once() {
    expect(
        small(),
        |g| {
            g.params.remove("conv2.weight");
            g.params
                .insert("left over".into(), Param::new([1], Role::Bias, vec![0.0]));
            param(g, "conv4.norm.gamma").storage = Storage::F32(vec![1.0; 3]);
            param(g, "block3.conv1.norm.variance").storage = Storage::F32(vec![-1.0; 32]);
            node(g, "stem.quantize").op = Op::Quantize(Quantizer::Lsq {
                bits: 9,
                signed: false,
            });
            g.classes = vec!["one".into()];
        },
        &[
            "conv2.weight: parameter `conv2.weight` does not exist",
            "left over: no node reads this parameter",
            "conv4.norm.gamma: has 3 numbers for the shape [64]",
            "block3.conv1.norm.variance: a variance is negative",
            "stem.quantize: has 9 bits",
        ],
    );
}

#[test]
fn structure_is_checked() {
    let change_input =
        |name: &'static str, input: usize| move |g: &mut Graph| node(g, name).inputs[0] = input;
    // What lies behind a node of unknown shape is not judged; what it no longer reads is.
    expect(
        small(),
        change_input("stem.relu", 10_000),
        &[
            "stem.relu: reads node 10000, but there are",
            "stem.norm: nothing reads it",
        ],
    );
    expect(
        small(),
        |g| {
            let last = g.nodes.len() - 1;
            node(g, "stem.relu").inputs[0] = last;
        },
        &[
            "does not come before it: sort the nodes topologically",
            "stem.norm: nothing reads it",
        ],
    );
    expect(
        small(),
        |g| {
            node(g, "stem.relu").inputs.clear();
        },
        &[
            "stem.relu: has 0 inputs, needs 1",
            "stem.norm: nothing reads it",
        ],
    );
    expect(
        small(),
        |g| node(g, "stem.relu").name = "stem".into(),
        &["stem: two nodes have this name"],
    );
    expect(
        small(),
        |g| g.outputs = vec![],
        &["has no outputs", "classifier: nothing reads it"],
    );
    expect(
        small(),
        |g| g.outputs.push(10_000),
        &["node 10000 is an output"],
    );
    expect(
        small(),
        |g| g.outputs.push(0),
        &["image: is an output but no feature tensor"],
    );
    expect(
        small(),
        |g| g.classes = vec!["one".into(); 3],
        &["makes logits [10, 1, 1] for 3 class names"],
    );
    expect(
        small(),
        |g| {
            let image = g.nodes[0].op.clone();
            let id = g.push("second", image, &[]);
            let table = g
                .nodes
                .iter()
                .position(|n| n.name == "input.table.quantize");
            let x = g.push("more", Op::PixelTable, &[id, table.unwrap()]);
            g.outputs.push(x);
        },
        &["has 2 image inputs"],
    );
}

#[test]
fn parameters_must_fit_their_use() {
    let set_role = |name: &'static str, role| move |g: &mut Graph| param(g, name).role = role;
    expect(
        small(),
        set_role("stem.weight", Role::Bias),
        &["stem.weight: is the weight of `stem` but has the role Bias; use Weight"],
    );
    expect(
        small(),
        set_role("stage1.stream.scale", Role::Statistic),
        &["stage1.stream.scale: is the scale of `conv2.quantize`"],
    );
    for (name, role) in [
        ("input.table", Role::Constant),
        ("stem.weight", Role::Constant),
    ] {
        let mut graph = small();
        param(&mut graph, name).role = role;
        assert_eq!(graph.validate(), Ok(()));
    }
    expect(
        small(),
        set_role("stem.scale", Role::Constant),
        &["stem.scale: a scale must be positive"],
    );
    expect(
        small(),
        |g| param(g, "stem.weight.scale").storage = Storage::F32(vec![-1.0]),
        &["stem.weight.scale: a scale must be positive"],
    );
    expect(
        small(),
        |g| param(g, "classifier.bias").storage = Storage::F32(vec![f32::INFINITY; 10]),
        &["classifier.bias: some numbers are infinite or NaN"],
    );
    expect(
        small(),
        |g| {
            *param(g, "stem.norm.beta") = Param::new([2], Role::Norm, vec![0.0; 2]);
        },
        &["stem.norm: its beta is [2]; [16] is needed"],
    );
}

#[test]
fn quantizers_must_stand_where_they_can_work() {
    let quantizer = |name: &'static str, quantizer| {
        move |g: &mut Graph| node(g, name).op = Op::Quantize(quantizer)
    };
    expect(
        small(),
        quantizer(
            "stem.weight.quantize",
            Quantizer::Lsq {
                bits: 1,
                signed: true,
            },
        ),
        &["stem.weight.quantize: a signed learned-step quantizer has no positive level at 1 bit"],
    );
    expect(
        small(),
        |g| {
            let quantize = node(g, "stem.quantize");
            quantize.op = Op::Quantize(Quantizer::BinaryMean { per_channel: false });
            quantize.inputs.pop();
        },
        &[
            "stem.quantize: its quantizer is for weights",
            "stem.scale: nothing reads it",
        ],
    );
    expect(
        small(),
        |g| {
            let quantize = node(g, "stem.quantize");
            quantize.op = Op::Quantize(Quantizer::MidTreadHalf { bits: 2, max: 0.0 });
            quantize.inputs.pop();
        },
        &[
            "stem.quantize: its largest value is 0",
            "stem.scale: nothing reads it",
        ],
    );
    expect(
        small(),
        |g| *param(g, "stem.scale") = Param::new([16], Role::Scale, vec![1.0; 16]),
        &["stem.quantize: its scale is [16]; [1] is needed, or [out] for a weight"],
    );
    let mut graph = small();
    *param(&mut graph, "stem.weight.scale") = Param::new([16], Role::Scale, vec![1.0; 16]);
    assert_eq!(graph.validate(), Ok(()));
}

#[test]
fn codes_must_be_whole() {
    let codes = |codebook: usize, scales: usize, len: usize| {
        move |g: &mut Graph| {
            param(g, "classifier.weight").storage = Storage::Codes(vec![CodedRows {
                codebook: vec![1.0; codebook],
                scales: vec![1.0; scales],
                multipliers: None,
                codes: subbyte_num::Packed::new(2, &vec![0; len]),
            }]);
        }
    };
    let mut graph = small();
    codes(4, 10, 640)(&mut graph);
    assert_eq!(graph.validate(), Ok(()));
    expect(
        small(),
        codes(3, 10, 640),
        &["its codebook has 3 entries; codes of 2 bits need 4"],
    );
    expect(small(), codes(4, 64, 640), &["has 64 scales"]);
    expect(
        small(),
        codes(4, 1, 639),
        &["has 639 numbers for the shape [10, 64]"],
    );
}

/// Problems of one node that reads normalized pixels `[3, 8, 8]`.
fn one(op: Op) -> Result<Shape, String> {
    let (mut graph, x) = normalized();
    let id = graph.push("node", op, &[x]);
    graph.outputs = vec![id];
    graph.validate().map_err(|problems| problems.to_string())?;
    Ok(graph.shapes().unwrap()[id].clone())
}

fn window(kernel: usize, stride: usize, padding: usize) -> Window {
    Window {
        kernel: [kernel; 2],
        stride: [stride; 2],
        padding: [padding; 4],
    }
}

#[test]
fn shapes_follow_the_operators() {
    for (op, expected) in [
        (Op::MaxPool(window(3, 2, 1)), [3, 4, 4]),
        (Op::AvgPool(window(8, 1, 0)), [3, 1, 1]),
        (Op::GlobalAvgPool, [3, 1, 1]),
        (Op::Flatten, [192, 1, 1]),
        (
            Op::PadChannels {
                before: 2,
                after: 4,
            },
            [9, 8, 8],
        ),
        (
            Op::Upsample {
                vertical: 2,
                horizontal: 3,
            },
            [3, 16, 24],
        ),
        (
            Op::Slice {
                start: [1, 0, 0],
                end: [3, 8, 7],
                step: [1, 2, 2],
            },
            [2, 4, 4],
        ),
        (Op::Concat, [3, 8, 8]),
        (Op::HardSwish, [3, 8, 8]),
    ] {
        assert_eq!(one(op.clone()), Ok(Shape::Feature(expected)), "{op:?}");
    }
}

#[test]
fn impossible_sizes_are_refused() {
    let slice = |start, end, step| Op::Slice { start, end, step };
    for (op, expected) in [
        (Op::MaxPool(window(9, 1, 0)), "larger than its padded input"),
        (Op::MaxPool(window(2, 1, 2)), "not smaller than its window"),
        (Op::AvgPool(window(2, 0, 0)), "at least 1"),
        (Op::AvgPool(window(0, 1, 0)), "not smaller than its window"),
        (
            Op::MaxPool(window(usize::MAX, 1, usize::MAX - 1)),
            "more than this machine can count",
        ),
        (slice([0; 3], [4, 8, 8], [1; 3]), "cuts"),
        (slice([0; 3], [3, 8, 8], [1, 0, 1]), "cuts"),
        (slice([2; 3], [2, 8, 8], [1; 3]), "cuts"),
        (
            Op::Upsample {
                vertical: 0,
                horizontal: 1,
            },
            "empty",
        ),
        (
            Op::Upsample {
                vertical: usize::MAX,
                horizontal: 1,
            },
            "more than this machine can count",
        ),
        (
            Op::Upsample {
                vertical: 1 << 20,
                horizontal: 1 << 20,
            },
            "too large",
        ),
        (
            Op::PadChannels {
                before: usize::MAX,
                after: 1,
            },
            "more than this machine can count",
        ),
        (Op::Add, "has 1 inputs, needs 2"),
        (
            Op::Conv2d {
                stride: [1; 2],
                padding: [0; 4],
                groups: 1,
            },
            "has 1 inputs, needs 2 to 3",
        ),
        (Op::PixelTable, "has 1 inputs"),
    ] {
        let error = one(op.clone()).unwrap_err();
        assert!(error.contains(expected), "{op:?}: {error}");
    }
}

/// Problems of a convolution of normalized pixels with a weight of `shape`.
fn conv(shape: [usize; 4], stride: usize, padding: usize, groups: usize) -> Result<Shape, String> {
    let (mut graph, x) = normalized();
    let weight = Param::new(shape, Role::Weight, vec![0.0; shape.iter().product()]);
    let weight = graph.param("weight", weight);
    let id = graph.conv2d("conv", x, weight, stride, padding, groups);
    graph.outputs = vec![id];
    graph.validate().map_err(|problems| problems.to_string())?;
    Ok(graph.shapes().unwrap()[id].clone())
}

#[test]
fn convolutions_fit_their_weights_and_groups() {
    assert_eq!(conv([6, 3, 3, 3], 2, 1, 1), Ok(Shape::Feature([6, 4, 4])));
    assert_eq!(conv([6, 1, 3, 3], 1, 0, 3), Ok(Shape::Feature([6, 6, 6])));
    for (result, expected) in [
        (
            conv([6, 2, 3, 3], 1, 0, 1),
            "reads 2 channels a group, its input has 3",
        ),
        (
            conv([4, 1, 3, 3], 1, 0, 3),
            "3 groups do not divide 3 input and 4 output channels",
        ),
        (conv([6, 3, 3, 3], 1, 0, 0), "0 groups"),
        (conv([6, 3, 9, 3], 1, 0, 1), "larger than its padded input"),
    ] {
        let error = result.unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn images_and_tables_fit() {
    let with_table = |shape: [usize; 3]| {
        let mut graph = Graph::new("test");
        let image = Op::Image {
            colours: 3,
            height: 4,
            width: 4,
        };
        let image = graph.push("image", image, &[]);
        let table = Param::new(shape, Role::Table, vec![0.0; shape.iter().product()]);
        let table = graph.param("table", table);
        let id = graph.push("input", Op::PixelTable, &[image, table]);
        graph.outputs = vec![id];
        graph.validate().map_err(|problems| problems.to_string())?;
        Ok::<_, String>(graph.shapes().unwrap()[id].clone())
    };
    assert_eq!(with_table([1, 256, 5]), Ok(Shape::Feature([15, 4, 4])));
    assert_eq!(with_table([3, 64, 2]), Ok(Shape::Feature([6, 4, 4])));
    assert!(
        with_table([2, 256, 5])
            .unwrap_err()
            .contains("[1 or 3, rows, depth]")
    );
    assert!(
        with_table([1, 255, 5])
            .unwrap_err()
            .contains("[1 or 3, rows, depth]")
    );
    let again = Op::Normalize {
        mean: vec![0.0; 3],
        std: vec![1.0; 3],
    };
    assert!(one(again).unwrap_err().contains("not the image"));
    expect(
        normalized().0,
        |g| {
            g.outputs = vec![1];
            node(g, "normalize").op = Op::Normalize {
                mean: vec![0.0],
                std: vec![1.0],
            };
        },
        &["has 1 means and 1 deviations for 3 colours"],
    );
    expect(
        normalized().0,
        |g| {
            node(g, "normalize").op = Op::Relu;
            g.outputs = vec![1];
        },
        &["normalize: reads the u8 image"],
    );
}
