//! What a valid model is: shapes, the proof that sums fit, and every way to be wrong.

mod common;

use subbyte_model::{
    CodeType, Conv2d, Kind, Linear, MAX_NODES, Model, MulShift, Multipliers, Op, Pad, PixelTable,
    Problem, Requant, Weights,
};

fn op<'a>(model: &'a mut Model, name: &str) -> &'a mut Op {
    let node = model.nodes.iter_mut().find(|n| n.name == name);
    &mut node.expect("a node of the example").op
}

fn conv(model: &mut Model) -> &mut Conv2d {
    match op(model, "conv") {
        Op::Conv2d(conv) => conv,
        _ => panic!("not a convolution"),
    }
}

fn grouped(model: &mut Model) -> &mut Weights {
    match op(model, "grouped") {
        Op::Conv2d(conv) => &mut conv.weights,
        _ => panic!("not a convolution"),
    }
}

fn linear(model: &mut Model) -> &mut Linear {
    match op(model, "linear") {
        Op::Linear(layer) => layer,
        _ => panic!("not a linear layer"),
    }
}

fn table(model: &mut Model) -> &mut PixelTable {
    match op(model, "table") {
        Op::PixelTable(table) => table,
        _ => panic!("not a pixel table"),
    }
}

fn stream(model: &mut Model) -> &mut Vec<MulShift> {
    match op(model, "stream") {
        Op::Requant(Requant::MulShift { channels, .. }) => channels,
        _ => panic!("not a multiplier and shift"),
    }
}

fn thresholds(model: &mut Model) -> (&mut CodeType, &mut Vec<i32>, &mut Vec<bool>) {
    match op(model, "thresholds") {
        Op::Requant(Requant::Thresholds {
            code,
            thresholds,
            descending,
        }) => (code, thresholds, descending),
        _ => panic!("not thresholds"),
    }
}

fn set(model: &mut Model, name: &str, new: Op) {
    *op(model, name) = new;
}

fn window(model: &mut Model) -> &mut subbyte_model::Window {
    match op(model, "max pool") {
        Op::MaxPool(window) => window,
        _ => panic!("not a pool"),
    }
}

/// A change to the example, and the problems that it must cause, the node's number and name left out.
type Case = (fn(&mut Model), &'static [&'static str]);

#[test]
fn every_fault_is_found_and_named() {
    let cases: &[Case] = &[
        // The model as a whole.
        (|m| m.nodes.clear(), &["0 nodes; 1 to 65536 are possible"]),
        (
            |m| m.input.colours = 2,
            &["images of 2 colours; 1 or 3 are possible"],
        ),
        (|m| m.input.height = 0, &["a tensor of 3 channels, 0 rows"]),
        (
            |m| m.input.width = usize::MAX,
            &[
                "a tensor of 3 channels",
                "images are resized to a shorter side of 6",
            ],
        ),
        (
            |m| m.input.resize.as_mut().unwrap().shorter_side = 4,
            &["a shorter side of 4; 5 to"],
        ),
        (|m| m.classes.truncate(2), &["2 class names for 3 logits"]),
        (
            |m| m.vectors[0].image.truncate(9),
            &["test vector 0: image of 9 bytes, not 60"],
        ),
        (
            |m| m.vectors[0].logits.push(0),
            &["test vector 0: 4 logits, not 3"],
        ),
        (
            |m| m.nodes[3].name = "conv".into(),
            &["node 2 has the same name"],
        ),
        (|m| m.nodes[3].name.clear(), &["the name is empty"]),
        (
            |m| m.nodes[3].inputs = vec![3],
            &["reads node 3, which is not before it"],
        ),
        (|m| m.nodes[3].inputs = vec![], &["reads 0 tensors"]),
        (|m| m.nodes[4].inputs.push(2), &["reads 2 tensors"]),
        (
            |m| m.nodes.truncate(9),
            &["the last node, and no other, is the output"],
        ),
        (
            |m| set(m, "flatten", Op::Image),
            &["the first node, and no other, is the image"],
        ),
        // Kinds of inputs.
        (|m| m.nodes[1].inputs = vec![1], &["reads node 1"]),
        (
            |m| set(m, "conv", Op::Flatten),
            &["reads sums", "reads sums"],
        ),
        (|m| set(m, "add", Op::GlobalAvgPool), &["reads 2 tensors"]),
        (
            |m| m.nodes[24].inputs = vec![22],
            &["reads sums, but is given codes"],
        ),
        (
            |m| m.nodes[24].inputs = vec![20],
            &["reads a flat vector, but is given"],
        ),
        // Parameters and how they fit.
        (
            |m| table(m).depth = 3,
            &["1536 codes where 2304 are needed"],
        ),
        (
            |m| table(m).tables = 2,
            &[
                "2 tables; 1 or one for each of 3 colours",
                "1536 codes where 1024",
            ],
        ),
        (
            |m| table(m).code.bits = 3,
            &["codes of 2 bits in a table of 3 bits"],
        ),
        (
            |m| table(m).code.step = 0,
            &["code type of 2 bits and step 0"],
        ),
        (
            |m| conv(m).kernel = [1, 3],
            &[
                "padding of 1 is not less than the kernel's 1",
                "padding of 1",
            ],
        ),
        (
            |m| conv(m).kernel = [9, 1],
            &["padding of 1 is not less", "padding of 1 is not less"],
        ),
        (|m| conv(m).stride = [0, 1], &["stride is 0; 1 to"]),
        (|m| conv(m).groups = 0, &["number of groups is 0"]),
        (
            |m| conv(m).groups = 3,
            &["the output channels are not a multiple of 3 groups"],
        ),
        (
            |m| conv(m).groups = 2,
            &["54 weights an output channel do not fit 6 input channels in 2 groups"],
        ),
        (
            |m| conv(m).pad = Pad::Code(4),
            &["code 4 does not fit the input's 2 bits"],
        ),
        (
            |m| conv(m).bias = vec![1],
            &["1 biases do not match the output channels"],
        ),
        (
            |m| conv(m).weights.per_channel = 0,
            &["the number of weights is not 1 to", "216 weights where 0"],
        ),
        (
            |m| conv(m).weights.per_channel = usize::MAX,
            &[
                "the number of weights is not 1 to",
                "216 weights where too many",
            ],
        ),
        (
            |m| conv(m).weights.segments.clear(),
            &["the number of output channels is not 1 to"],
        ),
        (
            |m| conv(m).weights.segments[0].channels = 5,
            &["weight segment 0: 216 weights where 270"],
        ),
        (
            |m| conv(m).weights.segments[0].codebook.truncate(3),
            &["weight segment 0: 3 levels in the codebook where 4"],
        ),
        (
            |m| {
                grouped(m).segments[0].multipliers = Some(Multipliers {
                    length: 0,
                    values: vec![],
                })
            },
            &["multipliers for runs of no weights"],
        ),
        (
            |m| {
                grouped(m).segments[0]
                    .multipliers
                    .as_mut()
                    .unwrap()
                    .values
                    .truncate(2)
            },
            &["2 multipliers where 3"],
        ),
        (
            |m| linear(m).weights.per_channel = 30,
            &["weight segment 0: 180 weights where 90"],
        ),
        (|m| m.nodes[23].inputs = vec![19], &["reads a flat vector"]),
        (
            |m| m.nodes[23].inputs = vec![14],
            &["60 weights an output for 7 inputs"],
        ),
        (
            |m| {
                set(
                    m,
                    "add",
                    Op::Add {
                        code: CodeType::bipolar(3),
                    },
                )
            },
            &["the result has step 2, not 1"],
        ),
        (
            |m| m.nodes[7].inputs = vec![4, 1],
            &["adds tensors of different shapes"],
        ),
        (
            |m| {
                let code = CodeType::unsigned(8);
                set(m, "skipping conv", Op::Add { code });
                m.nodes[20].inputs = vec![13, 19];
            },
            &["adds codes of steps 1 and 2"],
        ),
        (
            |m| m.nodes[16].inputs = vec![13, 12],
            &["multiplies tensors whose shapes do not fit"],
        ),
        (
            |m| window(m).padding = [2, 0, 0, 0],
            &["padding of 2 is not less than the kernel's 2"],
        ),
        (
            |m| window(m).kernel = [5, 5],
            &["a kernel of 5 x 5 on 4 rows and 6 columns"],
        ),
        (
            |m| m.nodes[10].inputs = vec![9, 8],
            &["joins tensors of different code types, heights or widths"],
        ),
        (|m| m.nodes[10].inputs.clear(), &["reads 0 tensors"]),
        (
            |m| {
                set(
                    m,
                    "slice",
                    Op::Slice {
                        start: [0; 3],
                        end: [9, 1, 1],
                        step: [1; 3],
                    },
                )
            },
            &["slice up to [9, 1, 1] of a tensor of [8, 2, 3]"],
        ),
        (
            |m| {
                set(
                    m,
                    "slice",
                    Op::Slice {
                        start: [2; 3],
                        end: [2; 3],
                        step: [0, 1, 1],
                    },
                )
            },
            &[
                "step of the slice is 0",
                "slice 2..2 is empty",
                "slice 2..2",
                "slice 2..2",
            ],
        ),
        (
            |m| {
                set(
                    m,
                    "pad channels",
                    Op::PadChannels {
                        before: 0,
                        after: 1,
                        code: 4,
                    },
                )
            },
            &["code 4 does not fit"],
        ),
        (
            |m| {
                set(
                    m,
                    "pad channels",
                    Op::PadChannels {
                        before: usize::MAX,
                        after: 1,
                        code: 0,
                    },
                )
            },
            &["channels before is"],
        ),
        (
            |m| {
                set(
                    m,
                    "upsample",
                    Op::Upsample {
                        vertical: 0,
                        horizontal: 1,
                    },
                )
            },
            &["vertical factor is 0"],
        ),
        (
            |m| {
                set(
                    m,
                    "upsample",
                    Op::Upsample {
                        vertical: 1 << 20,
                        horizontal: 1 << 20,
                    },
                )
            },
            &["a tensor of 7 channels"],
        ),
        (
            |m| *thresholds(m).0 = CodeType::unsigned(5),
            &["thresholds for codes of 5 bits", "12 thresholds where 124"],
        ),
        (
            |m| *thresholds(m).0 = CodeType::unsigned(9),
            &["code type of 9 bits"],
        ),
        (
            |m| thresholds(m).1[4] = 99,
            &["the thresholds of channel 1 do not ascend"],
        ),
        (
            |m| {
                thresholds(m).2.pop();
            },
            &["12 thresholds where 9"],
        ),
        (
            |m| {
                stream(m).pop();
            },
            &["parameters for 3 channels where 4 are needed"],
        ),
        (
            |m| stream(m)[2].shift = 31,
            &["shift or addend of channel 2 is outside its limits"],
        ),
        (
            |m| stream(m)[3].bias = i32::MAX,
            &["channel 3: sums of -183 to 183 with a bias of 2147483647"],
        ),
        (
            |m| {
                set(
                    m,
                    "code table",
                    Op::CodeTable {
                        code: CodeType::unsigned(1),
                        table: vec![0; 200],
                    },
                )
            },
            &["a table of 200 entries; a power of two"],
        ),
        (
            |m| {
                set(
                    m,
                    "code table",
                    Op::CodeTable {
                        code: CodeType::unsigned(1),
                        table: vec![0; 128],
                    },
                )
            },
            &["a table of 128 entries for 256 codes"],
        ),
        (
            |m| {
                set(
                    m,
                    "code table",
                    Op::CodeTable {
                        code: CodeType::unsigned(1),
                        table: vec![2; 256],
                    },
                )
            },
            &["code 2 does not fit 1 bits"],
        ),
        (
            |m| {
                set(
                    m,
                    "output",
                    Op::Output {
                        scale_bits: f32::INFINITY.to_bits(),
                    },
                )
            },
            &["the scale of the logits"],
        ),
        (
            |m| {
                set(
                    m,
                    "output",
                    Op::Output {
                        scale_bits: (-1f32).to_bits(),
                    },
                )
            },
            &["the scale of the logits"],
        ),
    ];
    let mut wrong = Vec::new();
    for (i, (change, expected)) in cases.iter().enumerate() {
        let mut model = common::every_op();
        change(&mut model);
        let found = match model.analyse() {
            Ok(_) => Vec::new(),
            Err(problems) => problems.list().to_vec(),
        };
        let same = |(found, expected): (&Problem, &&str)| found.text.contains(expected);
        if found.len() != expected.len() || !found.iter().zip(*expected).all(same) {
            wrong.push(format!("case {i}: {expected:?}\n{found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn all_problems_are_listed_with_their_nodes() {
    let mut model = common::every_op();
    thresholds(&mut model).1[4] = 99;
    linear(&mut model).bias.pop();
    model.nodes[8].name = "add".into();
    let text = model.analyse().unwrap_err().to_string();
    assert_eq!(
        text,
        "the model is not valid\
         \n  node 3 (thresholds): the thresholds of channel 1 do not ascend\
         \n  node 8 (add): node 7 has the same name\
         \n  node 23 (linear): 2 biases do not match the output channels"
    );
}

#[test]
fn there_is_a_limit_to_the_number_of_nodes() {
    let mut model = common::every_op();
    let spare = model.nodes[9].clone();
    let output = model.nodes.pop().unwrap();
    while model.nodes.len() < MAX_NODES - 1 {
        let mut node = spare.clone();
        node.name = format!("spare {}", model.nodes.len());
        model.nodes.push(node);
    }
    model.nodes.push(output);
    assert!(model.analyse().is_ok());
    model.nodes.insert(0, spare);
    let text = model.analyse().unwrap_err().to_string();
    assert!(text.contains("65537 nodes; 1 to 65536"), "{text}");
}

/// The example with one 1x1 convolution of given levels, read by a requantization of given bias.
fn with_sums(levels: &[i16; 2], multiplier: i16, bias: i32, after: i32) -> Result<Kind, String> {
    let mut model = common::every_op();
    // Two channels in a group: codes 0 to 3 each.
    let weights = grouped(&mut model);
    *weights = Weights {
        per_channel: 2,
        ..Weights::affine(4, 2, 1, levels[1] - levels[0], levels[0], &[0, 1].repeat(4))
    };
    weights.segments[0].multipliers = Some(Multipliers {
        length: 1,
        values: vec![multiplier; 8],
    });
    let Op::Conv2d(conv) = op(&mut model, "grouped") else {
        panic!("not a convolution")
    };
    conv.bias = vec![bias; 4];
    let Op::Requant(Requant::MulShift { channels, .. }) = op(&mut model, "branch") else {
        panic!("not a multiplier and shift")
    };
    for channel in channels {
        channel.bias = after;
    }
    match model.analyse() {
        Ok(tensors) => Ok(tensors[5].kind),
        Err(problems) => Err(problems.list()[0].text.clone()),
    }
}

#[test]
fn sums_at_the_limit_pass_and_one_more_does_not() {
    let sums = |lo, hi| Ok(Kind::Sums { lo, hi });
    // Positive terms reach 3 * (5 + 2), negative ones nothing.
    assert_eq!(with_sums(&[2, 5], 1, 0, 0), sums(0, 21));
    assert_eq!(with_sums(&[2, 5], 1, i32::MAX - 21, 0), sums(0, i32::MAX));
    assert!(with_sums(&[2, 5], 1, i32::MAX - 20, 0).is_err());
    // Terms of both signs: the bias must fit beside either, as the order of additions is open.
    assert_eq!(with_sums(&[-2, 5], 1, 0, 0), sums(-6, 15));
    assert_eq!(with_sums(&[-2, 5], 1, i32::MAX - 15, 0), sums(-6, i32::MAX));
    assert!(with_sums(&[-2, 5], 1, i32::MAX - 14, 0).is_err());
    assert_eq!(with_sums(&[-2, 5], 1, i32::MIN + 6, 0), sums(i32::MIN, 15));
    assert!(with_sums(&[-2, 5], 1, i32::MIN + 5, 0).is_err());
    // Multipliers count, and runs are summed before them.
    assert_eq!(with_sums(&[-2, 5], -100, 0, 0), sums(-1500, 600));
    assert_eq!(with_sums(&[-2, 5], 0, 0, 0), sums(-6, 15));
    let large = 3 * 32_767 * 2 * 10_000;
    assert_eq!(
        with_sums(&[-32_767, -32_767], 10_000, 0, 0),
        sums(-large, 0)
    );
    assert!(
        with_sums(&[-32_767, -32_767], 11_000, 0, 0)
            .unwrap_err()
            .starts_with("sums of output channel 0 can reach")
    );
}

#[test]
fn the_bias_of_a_requantization_is_part_of_the_proof() {
    assert!(with_sums(&[-2, 5], 1, 0, i32::MAX - 15).is_ok());
    assert!(with_sums(&[-2, 5], 1, 0, i32::MAX - 14).is_err());
    assert!(with_sums(&[-2, 5], 1, 0, i32::MIN + 6).is_ok());
    assert!(with_sums(&[-2, 5], 1, 0, i32::MIN + 5).is_err());
}
