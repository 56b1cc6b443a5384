//! The reference interpreter against results computed by hand and against other formulations.

use subbyte_model::reference::{RunError, Value, run, trace};
use subbyte_model::testing::{random_image, random_model};
use subbyte_model::{
    CodeType, Conv2d, Input, Kind, Linear, Model, MulShift, Multipliers, Node, NodeId, Op, Packed,
    Pad, PixelTable, Requant, Segment, Shape, Weights, Window,
};

const U8: CodeType = CodeType::unsigned(8);

/// Runs operations on an image: node 1 holds its pixels as 8-bit codes, `ops` follow from node 2 on. Returns the last one's value.
fn last_of(shape: [usize; 3], image: &[u8], ops: Vec<(Op, &[NodeId])>) -> Value {
    let [colours, height, width] = shape;
    let identity: Vec<u8> = (0..=255).collect();
    let table = PixelTable {
        depth: 1,
        tables: 1,
        code: U8,
        codes: Packed::new(8, &identity),
    };
    let mut all = vec![(Op::Image, &[][..]), (Op::PixelTable(table), &[0][..])];
    all.extend(ops);
    let target = all.len() - 1;
    all.push((Op::GlobalAvgPool, &[1]));
    let logits = [all.len() - 1];
    all.push((Op::Output { scale_bits: 1 }, &logits));
    let node = |(i, (op, inputs)): (usize, (Op, &[NodeId]))| Node {
        name: format!("n{i}"),
        inputs: inputs.to_vec(),
        op,
    };
    let model = Model {
        input: Input {
            colours,
            height,
            width,
            resize: None,
        },
        nodes: all.into_iter().enumerate().map(node).collect(),
        classes: Vec::new(),
        provenance: Vec::new(),
        vectors: Vec::new(),
    };
    trace(&model, image)
        .unwrap_or_else(|e| panic!("{e}"))
        .swap_remove(target)
}

fn codes(codes: &[u8]) -> Value {
    Value::Codes(codes.to_vec())
}

fn sums(sums: &[i32]) -> Value {
    Value::Sums(sums.to_vec())
}

/// One segment whose codes stand for the levels that are listed.
fn weights(channels: usize, levels: &[i16]) -> Weights {
    let mut codebook = levels.to_vec();
    codebook.resize(levels.len().next_power_of_two().max(2), 0);
    let order: Vec<u8> = (0..levels.len() as u8).collect();
    Weights {
        per_channel: levels.len() / channels,
        segments: vec![Segment {
            channels,
            codes: Packed::new(codebook.len().ilog2() as u8, &order),
            codebook,
            multipliers: None,
        }],
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

/// Reads the 8-bit codes of node 1 as levels -128 to 127.
fn as_signed() -> Op {
    Op::CodeTable {
        code: CodeType::signed(8),
        table: (0..=255).collect(),
    }
}

#[test]
fn pixel_tables_put_the_codes_of_a_colour_side_by_side() {
    let code = CodeType::unsigned(2);
    let table = |tables: usize| {
        let codes: Vec<u8> = (0..tables * 512)
            .map(|i| ((i / 512 + i / 2 + i % 2) % 4) as u8)
            .collect();
        Op::PixelTable(PixelTable {
            depth: 2,
            tables,
            code,
            codes: Packed::new(2, &codes),
        })
    };
    // Table t holds (t + v + d) % 4 at [v][d].
    let image = [10, 20, 31];
    assert_eq!(
        last_of([3, 1, 1], &image, vec![(table(1), &[0])]),
        codes(&[2, 3, 0, 1, 3, 0])
    );
    assert_eq!(
        last_of([3, 1, 1], &image, vec![(table(3), &[0])]),
        codes(&[2, 3, 1, 2, 1, 2])
    );
}

#[test]
fn convolution_of_two_by_two_pixels() {
    // 1 2    kernel 1 10     padding right and below
    // 3 4           100 1000
    let image = [1, 2, 3, 4];
    let run = |pad, stride, bias| {
        let conv = Conv2d {
            stride,
            bias,
            ..conv(weights(1, &[1, 10, 100, 1000]), [2, 2], [0, 0, 1, 1], pad)
        };
        last_of([1, 2, 2], &image, vec![(Op::Conv2d(conv), &[1])])
    };
    assert_eq!(run(Pad::Skip, [1, 1], vec![]), sums(&[4321, 402, 43, 4]));
    assert_eq!(
        run(Pad::Code(5), [1, 1], vec![]),
        sums(&[4321, 5452, 5543, 5554])
    );
    assert_eq!(run(Pad::Code(5), [2, 1], vec![-1]), sums(&[4320, 5451]));
}

#[test]
fn groups_see_their_own_channels() {
    let conv = Conv2d {
        groups: 3,
        ..conv(weights(6, &[1, 2, 3, 4, 5, 6]), [1, 1], [0; 4], Pad::Skip)
    };
    let made = last_of([3, 1, 1], &[1, 10, 100], vec![(Op::Conv2d(conv), &[1])]);
    assert_eq!(made, sums(&[1, 2, 30, 40, 500, 600]));
}

#[test]
fn multipliers_scale_runs_and_the_last_run_may_be_short() {
    let mut weights = weights(1, &[1, 2, 3]);
    weights.segments[0].multipliers = Some(Multipliers {
        length: 2,
        values: vec![10, -100],
    });
    let conv = conv(weights, [1, 1], [0; 4], Pad::Skip);
    let made = last_of([3, 1, 1], &[1, 1, 1], vec![(Op::Conv2d(conv), &[1])]);
    assert_eq!(made, sums(&[10 + 20 - 300]));
}

#[test]
fn levels_of_signed_and_bipolar_codes_enter_sums() {
    let sum_of = |code| {
        let conv = conv(weights(1, &[1, 1, 1]), [1, 1], [0; 4], Pad::Skip);
        let table = Op::CodeTable {
            code,
            table: (0..=255).map(|c| c % 4).collect(),
        };
        last_of(
            [3, 1, 1],
            &[0, 1, 3],
            vec![(table, &[1]), (Op::Conv2d(conv), &[2])],
        )
    };
    assert_eq!(sum_of(CodeType::unsigned(2)), sums(&[1 + 3]));
    assert_eq!(sum_of(CodeType::signed(2)), sums(&[-2 - 1 + 1]));
    assert_eq!(sum_of(CodeType::bipolar(2)), sums(&[-3 - 1 + 3]));
}

#[test]
fn additions_saturate_at_both_ends() {
    let add = |code| {
        let ops: Vec<(Op, &[NodeId])> = vec![(as_signed(), &[1]), (Op::Add { code }, &[1, 2])];
        last_of([3, 1, 1], &[10, 100, 255], ops)
    };
    // Levels 10 - 118, 100 - 28, 255 + 127.
    assert_eq!(add(U8), codes(&[0, 72, 255]));
    assert_eq!(add(CodeType::signed(8)), codes(&[20, 200, 255]));
}

#[test]
fn products_spread_a_single_pixel() {
    let flat = Op::Slice {
        start: [0, 0, 1],
        end: [1, 1, 2],
        step: [1, 1, 1],
    };
    let ops: Vec<(Op, &[NodeId])> = vec![(flat, &[1]), (as_signed(), &[1]), (Op::Mul, &[2, 3])];
    // The pixel 2 times levels 1 - 128, 2 - 128, 200 - 128.
    assert_eq!(
        last_of([1, 1, 3], &[1, 2, 200], ops),
        sums(&[-254, -252, 144])
    );
}

#[test]
fn pools_leave_padding_out() {
    let window = Window {
        kernel: [2, 2],
        stride: [2, 2],
        padding: [1, 1, 1, 1],
    };
    let image = [1, 2, 3, 4];
    let max = last_of(
        [1, 2, 2],
        &image,
        vec![(as_signed(), &[1]), (Op::MaxPool(window), &[2])],
    );
    assert_eq!(max, codes(&image));
    let sum = last_of(
        [1, 2, 2],
        &image,
        vec![(as_signed(), &[1]), (Op::AvgPool(window), &[2])],
    );
    assert_eq!(sum, sums(&[-127, -126, -125, -124]));
    let all = last_of(
        [1, 2, 2],
        &image,
        vec![(as_signed(), &[1]), (Op::GlobalAvgPool, &[2])],
    );
    assert_eq!(all, sums(&[10 - 4 * 128]));
}

#[test]
fn codes_are_moved_to_their_places() {
    let image = [1, 2, 3, 4, 5, 6];
    let one = |op, shape| last_of(shape, &image, vec![(op, &[1])]);
    assert_eq!(one(Op::Flatten, [3, 1, 2]), codes(&[1, 4, 2, 5, 3, 6]));
    assert_eq!(
        one(
            Op::Upsample {
                vertical: 2,
                horizontal: 2
            },
            [3, 1, 2]
        ),
        codes(&[1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6].repeat(2))
    );
    let pad = Op::PadChannels {
        before: 1,
        after: 2,
        code: 9,
    };
    assert_eq!(
        one(pad, [3, 1, 2]),
        codes(&[9, 1, 2, 3, 9, 9, 9, 4, 5, 6, 9, 9])
    );
    let slice = Op::Slice {
        start: [0, 1, 0],
        end: [3, 2, 1],
        step: [2, 1, 1],
    };
    assert_eq!(one(slice, [3, 2, 1]), codes(&[4, 6]));
    let concat = last_of([1, 2, 3], &image, vec![(Op::Concat, &[1, 1])]);
    assert_eq!(concat, codes(&[1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]));
}

#[test]
fn requantization_goes_by_channel() {
    let pooled = |requant| {
        last_of(
            [3, 1, 1],
            &[10, 20, 30],
            vec![(Op::GlobalAvgPool, &[1]), (Op::Requant(requant), &[2])],
        )
    };
    let made = pooled(Requant::Thresholds {
        code: CodeType::unsigned(2),
        thresholds: vec![10, 11, 12, 10, 20, 30, 10, 20, 30],
        descending: vec![false, false, true],
    });
    assert_eq!(made, codes(&[1, 2, 0]));
    let halve = MulShift {
        bias: 2,
        pre: 1,
        mult: 3,
        add: -5,
        shift: 1,
    };
    // ((10 + 2) >> 1) * 3 - 5 >> 1 and so on; the last one saturates.
    let steep = MulShift { mult: 99, ..halve };
    let made = pooled(Requant::MulShift {
        code: U8,
        channels: vec![halve, halve, steep],
    });
    assert_eq!(made, codes(&[6, 14, 255]));
}

#[test]
fn linear_layers_take_sums_as_well() {
    let layer = || {
        Op::Linear(Linear {
            weights: weights(2, &[1, 2, 3, -1, 0, 1]),
            bias: vec![1000, 0],
        })
    };
    let image = [1, 2, 3, 10, 20, 30];
    let of_sums = last_of(
        [3, 2, 1],
        &image,
        vec![(Op::GlobalAvgPool, &[1]), (layer(), &[2])],
    );
    assert_eq!(of_sums, sums(&[1000 + 11 + 44 + 99, 22]));
    let of_codes = last_of([3, 1, 1], &image[..3], vec![(layer(), &[1])]);
    assert_eq!(of_codes, sums(&[1014, 2]));
}

#[test]
fn images_of_another_size_are_refused() {
    let model = random_model(0);
    let image = random_image(&model, 0);
    let expected = image.len();
    for found in [0, expected - 1, expected + 1] {
        let wrong = vec![0; found];
        assert_eq!(
            run(&model, &wrong),
            Err(RunError::ImageSize { expected, found })
        );
    }
}

/// Every convolution of random models once more: in i64, over `[channel][row][column]`, each input spread to the outputs that
/// see it, and padding as a larger input.
#[test]
fn convolutions_equal_a_scattering_formulation() {
    let mut seen = 0;
    for seed in 0..150 {
        let model = random_model(seed);
        let tensors = model.analyse().unwrap();
        let values = trace(&model, &random_image(&model, seed)).unwrap();
        for (id, node) in model.nodes.iter().enumerate() {
            if let Op::Conv2d(conv) = &node.op {
                let input = node.inputs[0];
                let (Kind::Codes(ty), Value::Codes(codes)) = (tensors[input].kind, &values[input])
                else {
                    panic!("convolutions read codes");
                };
                let level = |c| i64::from(ty.level(c));
                let levels: Vec<i64> = codes.iter().map(|&c| level(c)).collect();
                let pad = match conv.pad {
                    Pad::Skip => 0,
                    Pad::Code(c) => level(c),
                };
                let expected = scatter(conv, &levels, tensors[input].shape, pad, tensors[id].shape);
                assert_eq!(values[id], Value::Sums(expected), "seed {seed} node {id}");
                seen += 1;
            }
        }
    }
    assert!(seen > 100, "{seen} convolutions");
}

fn scatter(conv: &Conv2d, levels: &[i64], input: Shape, pad: i64, out: Shape) -> Vec<i32> {
    let [top, left, bottom, right] = conv.padding;
    let weights = conv.weights.levels();
    let ins = input.channels / conv.groups;
    let mut sums = vec![0i64; out.len()];
    for y in 0..top + input.height + bottom {
        for x in 0..left + input.width + right {
            for c in 0..input.channels {
                let inside = (top..top + input.height).contains(&y)
                    && (left..left + input.width).contains(&x);
                let level = if inside {
                    levels[input.index(y - top, x - left, c)]
                } else {
                    pad
                };
                for o in 0..out.channels {
                    if o / (out.channels / conv.groups) != c / ins {
                        continue;
                    }
                    for ky in
                        (0..conv.kernel[0]).filter(|ky| *ky <= y && (y - ky) % conv.stride[0] == 0)
                    {
                        for kx in (0..conv.kernel[1])
                            .filter(|kx| *kx <= x && (x - kx) % conv.stride[1] == 0)
                        {
                            let (oy, ox) = ((y - ky) / conv.stride[0], (x - kx) / conv.stride[1]);
                            if oy < out.height && ox < out.width {
                                let tap = ((o * conv.kernel[0] + ky) * conv.kernel[1] + kx) * ins
                                    + c % ins;
                                sums[out.index(oy, ox, o)] += level * i64::from(weights[tap]);
                            }
                        }
                    }
                }
            }
        }
    }
    for (i, sum) in sums.iter_mut().enumerate() {
        *sum += conv.bias.get(i % out.channels).map_or(0, |&b| i64::from(b));
    }
    sums.into_iter()
        .map(|sum| i32::try_from(sum).unwrap())
        .collect()
}
