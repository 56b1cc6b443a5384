//! A small model that uses every operation once or more, written out so that it never changes.

use subbyte_model::{
    CodeType, Conv2d, Input, Linear, Model, MulShift, Multipliers, Node, NodeId, Op, Packed, Pad,
    PixelTable, Requant, Resampling, Resize, Segment, TestVector, Weights, Window, reference,
};

pub fn node(name: &str, inputs: &[NodeId], op: Op) -> Node {
    Node {
        name: name.to_string(),
        inputs: inputs.to_vec(),
        op,
    }
}

/// Codes of `bits` bits in no particular order.
pub fn pattern(bits: u8, len: usize) -> Packed {
    let code = |i: usize| (i * i * 7 + i * 3 + i / 5) as u8 & ((1u16 << bits) - 1) as u8;
    Packed::new(bits, &(0..len).map(code).collect::<Vec<u8>>())
}

fn uniform(channels: usize, per_channel: usize, bits: u8, a: i16, b: i16) -> Weights {
    let codes = pattern(bits, channels * per_channel).unpack();
    Weights::affine(channels, per_channel, bits, a, b, &codes)
}

/// Two segments: powers of two with multipliers, and binary.
fn mixed(per_channel: usize) -> Weights {
    let powers = Segment {
        channels: 3,
        codebook: vec![0, 1, -1, 2, -2, 4, -4, 8],
        codes: pattern(3, 3 * per_channel),
        multipliers: Some(Multipliers {
            length: 2,
            values: (0..3 * per_channel.div_ceil(2))
                .map(|i| i as i16 * 90 - 20)
                .collect(),
        }),
    };
    let binary = Segment {
        channels: 1,
        codebook: vec![-1, 1],
        codes: pattern(1, per_channel),
        multipliers: None,
    };
    Weights {
        per_channel,
        segments: vec![powers, binary],
    }
}

fn conv(weights: Weights, kernel: [usize; 2], padding: [usize; 4], pad: Pad) -> Conv2d {
    Conv2d {
        weights,
        bias: Vec::new(),
        kernel,
        stride: [1, 1],
        padding,
        pad,
        groups: 1,
    }
}

fn thresholds(code: CodeType, channels: usize, distance: i32) -> Op {
    let n = i32::from(code.max_code());
    let channel = |c: i32| (0..n).map(move |k| (k - n / 2) * distance + c);
    Op::Requant(Requant::Thresholds {
        code,
        thresholds: (0..channels as i32).flat_map(channel).collect(),
        descending: (0..channels).map(|c| c % 3 == 1).collect(),
    })
}

fn mul_shift(code: CodeType, channels: usize) -> Op {
    let channel = |c: usize| MulShift {
        bias: c as i32 * 5 - 3,
        pre: 1,
        mult: 900 - 500 * c as i16,
        add: 70_000,
        shift: if c < 2 { 9 } else { 10 },
    };
    Op::Requant(Requant::MulShift {
        code,
        channels: (0..channels).map(channel).collect(),
    })
}

fn window(kernel: [usize; 2], stride: [usize; 2], padding: [usize; 4]) -> Window {
    Window {
        kernel,
        stride,
        padding,
    }
}

/// The model; node names are the operations'.
pub fn every_op() -> Model {
    let (u2, u8, s8) = (
        CodeType::unsigned(2),
        CodeType::unsigned(8),
        CodeType::signed(8),
    );
    let table = PixelTable {
        depth: 2,
        tables: 3,
        code: u2,
        codes: pattern(2, 3 * 256 * 2),
    };
    let grouped = Conv2d {
        bias: vec![100, -7, 0, 3],
        stride: [1, 1],
        groups: 2,
        ..conv(mixed(2), [1, 1], [0; 4], Pad::Skip)
    };
    let padded = conv(uniform(4, 54, 2, 2, -3), [3, 3], [1, 1, 1, 1], Pad::Code(0));
    let skipping = conv(uniform(5, 16, 1, 2, -1), [2, 2], [1, 0, 0, 1], Pad::Skip);
    let nodes = vec![
        node("image", &[], Op::Image),
        node("table", &[0], Op::PixelTable(table)),
        node("conv", &[1], Op::Conv2d(padded)),
        node("thresholds", &[2], thresholds(u2, 4, 9)),
        node("stream", &[2], mul_shift(u8, 4)),
        node("grouped", &[3], Op::Conv2d(grouped)),
        node("branch", &[5], mul_shift(s8, 4)),
        node("add", &[4, 6], Op::Add { code: u8 }),
        node(
            "code table",
            &[7],
            Op::CodeTable {
                code: u2,
                table: (0..=255).map(|c| c / 64).collect(),
            },
        ),
        node(
            "max pool",
            &[8],
            Op::MaxPool(window([2, 2], [2, 2], [0, 0, 0, 1])),
        ),
        node("concat", &[9, 9], Op::Concat),
        node(
            "slice",
            &[10],
            Op::Slice {
                start: [1, 0, 0],
                end: [8, 2, 3],
                step: [2, 1, 2],
            },
        ),
        node(
            "pad channels",
            &[11],
            Op::PadChannels {
                before: 1,
                after: 2,
                code: 3,
            },
        ),
        node(
            "upsample",
            &[12],
            Op::Upsample {
                vertical: 2,
                horizontal: 1,
            },
        ),
        node("global pool", &[13], Op::GlobalAvgPool),
        node("gate", &[14], thresholds(u2, 7, 2)),
        node("mul", &[13, 15], Op::Mul),
        node("mul codes", &[16], thresholds(CodeType::bipolar(1), 7, 1)),
        node(
            "average pool",
            &[8],
            Op::AvgPool(window([2, 3], [1, 2], [1, 1, 0, 1])),
        ),
        node("bipolar", &[18], thresholds(CodeType::bipolar(2), 4, 3)),
        node("skipping conv", &[19], Op::Conv2d(skipping)),
        node("codes", &[20], thresholds(u2, 5, 6)),
        node("flatten", &[21], Op::Flatten),
        node(
            "linear",
            &[22],
            Op::Linear(Linear {
                weights: uniform(3, 60, 4, 1, -8),
                bias: vec![1, -70_000, 2],
            }),
        ),
        node(
            "output",
            &[23],
            Op::Output {
                scale_bits: 0.125f32.to_bits(),
            },
        ),
    ];
    let mut model = Model {
        input: Input {
            colours: 3,
            height: 4,
            width: 5,
            resize: Some(Resize {
                shorter_side: 6,
                filter: Resampling::Bicubic,
            }),
        },
        nodes,
        classes: ["cat", "dog", "räv"].map(String::from).to_vec(),
        provenance: vec![("recipe".to_string(), "none".to_string())],
        vectors: Vec::new(),
    };
    let image: Vec<u8> = (0..60).map(|i| (i * 41 % 256) as u8).collect();
    let logits = reference::run(&model, &image).expect("the model is valid");
    model.vectors.push(TestVector { image, logits });
    model
}
