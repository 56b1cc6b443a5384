//! The random models that other tests stand on.

use std::collections::{BTreeMap, BTreeSet};

use subbyte_model::testing::{random_image, random_model};
use subbyte_model::{Kind, Op, Pad, Requant, Tensor, Weights, reference};

const SEEDS: u64 = 400;

#[test]
fn every_random_model_is_valid_and_runs() {
    for seed in 0..SEEDS {
        let model = random_model(seed);
        let tensors = model
            .analyse()
            .unwrap_or_else(|p| panic!("seed {seed}: {p}"));
        let values = reference::trace(&model, &random_image(&model, seed)).unwrap();
        for (id, (tensor, value)) in tensors.iter().zip(&values).enumerate() {
            match (tensor.kind, value) {
                (Kind::Image, reference::Value::Image) => {}
                (Kind::Codes(ty), reference::Value::Codes(codes)) => {
                    assert_eq!(codes.len(), tensor.shape.len());
                    assert!(
                        codes.iter().all(|&c| c <= ty.max_code()),
                        "seed {seed} node {id}"
                    );
                }
                (Kind::Sums { lo, hi }, reference::Value::Sums(sums)) => {
                    assert_eq!(sums.len(), tensor.shape.len());
                    assert!(
                        sums.iter().all(|s| (lo..=hi).contains(s)),
                        "seed {seed} node {id}"
                    );
                }
                other => panic!("seed {seed} node {id}: {other:?}"),
            }
        }
    }
}

#[test]
fn most_random_models_look_at_their_image() {
    let alive = (0..SEEDS).filter(|&seed| {
        let model = random_model(seed);
        let logits = |image| reference::run(&model, &random_image(&model, image)).unwrap();
        logits(1) != logits(2)
    });
    let alive = alive.count();
    assert!(alive as u64 > SEEDS * 2 / 3, "{alive} of {SEEDS}");
}

#[test]
fn one_seed_is_one_model() {
    for seed in 0..5 {
        assert_eq!(random_model(seed), random_model(seed));
    }
    assert_ne!(random_model(0).nodes, random_model(1).nodes);
}

#[test]
fn random_models_use_every_operation_in_every_form() {
    let mut seen = BTreeSet::new();
    for seed in 0..SEEDS {
        let model = random_model(seed);
        let tensors = model.analyse().unwrap();
        for node in &model.nodes {
            seen.extend(forms(&node.op));
            for tensor in node.inputs.iter().map(|&id| tensors[id]) {
                match (&node.op, tensor.kind) {
                    (Op::Linear(_), Kind::Sums { .. }) => seen.insert("linear of sums"),
                    (Op::Conv2d(_), Kind::Codes(ty)) if ty.step == 2 => seen.insert("bipolar conv"),
                    (Op::Conv2d(_), Kind::Codes(ty)) if ty.offset < 0 => seen.insert("signed conv"),
                    _ => false,
                };
            }
        }
    }
    let all = [
        "add",
        "average pool",
        "bias",
        "bipolar conv",
        "channel pad",
        "code table",
        "concat",
        "conv",
        "descending",
        "flatten",
        "global pool",
        "groups",
        "image",
        "linear",
        "linear of sums",
        "list codebook",
        "max pool",
        "mul",
        "mul-shift",
        "multipliers",
        "output",
        "pad code",
        "pad skip",
        "pixel table",
        "segments",
        "several tables",
        "signed conv",
        "slice",
        "stride",
        "thresholds",
        "uneven padding",
        "upsample",
        "wide conv",
    ];
    assert_eq!(seen, BTreeSet::from(all));
}

/// What kernels are chosen by: bits, channels, windows, padding. Prints how often each class was met.
#[test]
fn random_models_reach_every_class_of_shapes_and_formats() {
    let mut met = BTreeMap::new();
    for seed in 0..SEEDS {
        let model = random_model(seed);
        let tensors = model.analyse().unwrap();
        for node in &model.nodes {
            let input = node.inputs.first().map(|&id| tensors[id]);
            for class in input.map_or_else(Vec::new, |input| classes(&node.op, &input)) {
                *met.entry(class).or_insert(0) += 1;
            }
        }
    }
    for (class, times) in &met {
        println!("{class:<36} {times:>5}");
    }
    let mut required = Vec::new();
    for bits in 1..=8 {
        required.extend((1..=8).map(|codes| format!("conv w{bits}a{codes}")));
        required.push(format!("requant to {bits} bits"));
    }
    for side in [1, 3, 5, 7] {
        required.push(format!("conv {side}x{side}"));
    }
    let names = "conv of two sizes, conv stride 1, conv stride 2, conv one group, conv groups, conv depthwise, \
                 conv powers of two, conv padding of no level, conv padding of level 0, conv padding of another level, \
                 conv few inputs, conv more than 16 inputs, conv more than 64 inputs, \
                 conv few outputs, conv more than 16 outputs, conv more than 64 outputs, \
                 pixels as they are, requant at the ends of i32";
    required.extend(names.split(", ").map(str::to_string));
    required.retain(|class| !met.contains_key(class));
    assert!(required.is_empty(), "never met: {required:#?}");
}

fn classes(op: &Op, input: &Tensor) -> Vec<String> {
    let mut classes = Vec::new();
    let channels = |channels| match channels {
        0..=16 => "few",
        17..=64 => "more than 16",
        _ => "more than 64",
    };
    match (op, input.code()) {
        (Op::PixelTable(table), _)
            if table.depth == 1 && table.codes.unpack().into_iter().eq(0..=255) =>
        {
            classes.push("pixels as they are".into());
        }
        (Op::Conv2d(conv), Some(code)) => {
            for segment in &conv.weights.segments {
                classes.push(format!("conv w{}a{}", segment.codes.bits(), code.bits));
                if segment.codebook == [0, 1, -1, 2, -2, 4, -4, 0] {
                    classes.push("conv powers of two".into());
                }
            }
            classes.push(match conv.kernel {
                [height, width] if height == width => format!("conv {height}x{width}"),
                _ => "conv of two sizes".into(),
            });
            let inputs = input.shape.channels;
            let outputs = conv.weights.channels();
            classes.push(format!("conv {} inputs", channels(inputs)));
            classes.push(format!("conv {} outputs", channels(outputs)));
            if conv.stride[0] == conv.stride[1] {
                classes.push(format!("conv stride {}", conv.stride[0]));
            }
            classes.push(match conv.groups {
                1 => "conv one group".into(),
                groups if groups == inputs && groups == outputs => "conv depthwise".into(),
                _ => "conv groups".into(),
            });
            if conv.padding != [0; 4] {
                classes.push(match conv.pad {
                    Pad::Skip => "conv padding of no level".into(),
                    Pad::Code(pad) if code.level(pad) == 0 => "conv padding of level 0".into(),
                    Pad::Code(_) => "conv padding of another level".into(),
                });
            }
        }
        (Op::Requant(requant), _) => {
            classes.push(format!("requant to {} bits", requant.code().bits));
            if let Requant::Thresholds { thresholds, .. } = requant
                && thresholds.contains(&i32::MIN)
                && thresholds.contains(&i32::MAX)
            {
                classes.push("requant at the ends of i32".into());
            }
        }
        _ => {}
    }
    classes
}

fn forms(op: &Op) -> Vec<&'static str> {
    let mut forms = Vec::new();
    let mut note = |holds: bool, form| {
        if holds {
            forms.push(form);
        }
    };
    match op {
        Op::Image => note(true, "image"),
        Op::PixelTable(table) => {
            note(true, "pixel table");
            note(table.tables > 1, "several tables");
        }
        Op::Conv2d(conv) => {
            let [top, left, bottom, right] = conv.padding;
            note(true, "conv");
            note(conv.groups > 1, "groups");
            note(conv.stride != [1, 1], "stride");
            note((top, left) != (bottom, right), "uneven padding");
            note(conv.padding != [0; 4] && conv.pad == Pad::Skip, "pad skip");
            note(conv.padding != [0; 4] && conv.pad != Pad::Skip, "pad code");
            note(conv.weights.channels() > 64, "wide conv");
            note(!conv.bias.is_empty(), "bias");
            forms.extend(weight_forms(&conv.weights));
        }
        Op::Linear(layer) => {
            note(true, "linear");
            forms.extend(weight_forms(&layer.weights));
        }
        Op::Add { .. } => note(true, "add"),
        Op::Mul => note(true, "mul"),
        Op::MaxPool(_) => note(true, "max pool"),
        Op::AvgPool(_) => note(true, "average pool"),
        Op::GlobalAvgPool => note(true, "global pool"),
        Op::Concat => note(true, "concat"),
        Op::Slice { .. } => note(true, "slice"),
        Op::PadChannels { .. } => note(true, "channel pad"),
        Op::Flatten => note(true, "flatten"),
        Op::Upsample { .. } => note(true, "upsample"),
        Op::Requant(Requant::Thresholds { descending, .. }) => {
            note(true, "thresholds");
            note(descending.contains(&true), "descending");
        }
        Op::Requant(Requant::MulShift { .. }) => note(true, "mul-shift"),
        Op::CodeTable { .. } => note(true, "code table"),
        Op::Output { .. } => note(true, "output"),
    }
    forms
}

fn weight_forms(weights: &Weights) -> Vec<&'static str> {
    let mut forms = Vec::new();
    if weights.segments.len() > 1 {
        forms.push("segments");
    }
    for segment in &weights.segments {
        if segment.as_affine().is_none() {
            forms.push("list codebook");
        }
        if segment.multipliers.is_some() {
            forms.push("multipliers");
        }
    }
    forms
}
