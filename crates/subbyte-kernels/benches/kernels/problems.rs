//! Typical layers.

use subbyte_kernels::{
    Add, Channels, CodeTable, Conv, Extent, Finish, Flatten, Fold, LinearSums, MaxPool, Mul, Part,
    PixelConv, PixelTable, Problem, Requant, Slice, SumPool, Upsample, WeightLevels, Window,
};
use subbyte_num::CodeType;

use crate::common::{Tensor, random::Random};

const CODE: CodeType = CodeType::unsigned(2);

/// Data that lives as long as the program.
fn keep<T>(data: Vec<T>) -> &'static [T] {
    data.leak()
}

/// A square window with the padding that keeps the size.
pub fn square(kernel: usize, stride: usize) -> Window {
    Window {
        kernel: [kernel; 2],
        stride: [stride; 2],
        padding: [kernel / 2; 4],
    }
}

fn weight_levels(levels: Vec<i32>, channels: usize) -> &'static WeightLevels {
    Box::leak(Box::new(WeightLevels::new(levels, channels)))
}

fn thresholds(random: &mut Random, channels: usize) -> Finish<'static> {
    Finish::Thresholds {
        max_code: 3,
        thresholds: keep(random.integers(1000, channels * 3)),
        descending: keep(vec![false; channels]),
    }
}

/// A convolution of 2-bit codes with weights of seven levels.
pub fn conv(
    random: &mut Random,
    input: Extent,
    channels: usize,
    window: Window,
    groups: usize,
) -> Conv<'static> {
    let weights = channels * window.taps() * input.channels / groups;
    Conv {
        input,
        channels,
        window,
        groups,
        code: CODE,
        pad: 0,
        weights: weight_levels(random.integers(3, weights), channels),
        bias: &[],
        finish: thresholds(random, channels),
    }
}

/// A title, a problem, its inputs.
pub type Case = (String, Problem<'static>, Vec<Tensor>);

/// One or more problems of every operation.
pub fn all(random: &mut Random) -> Vec<Case> {
    let mut cases = Vec::new();
    for (channels, size) in [(64, 56), (128, 28), (256, 14), (512, 7)] {
        let input = Extent::new(channels, size, size);
        for bits in [[1, 1], [1, 2], [2, 1], [2, 2], [4, 4]] {
            cases.push(low_bit(random, input, channels, square(3, 1), bits));
        }
    }
    for (inputs, channels, size, kernel, stride) in [
        (16, 16, 32, 3, 1),
        (32, 32, 16, 3, 1),
        (64, 64, 8, 3, 1),
        (64, 64, 56, 3, 1),
        (128, 128, 28, 3, 1),
        (256, 256, 14, 3, 1),
        (512, 512, 7, 3, 1),
        (64, 128, 56, 3, 2),
        (64, 128, 56, 1, 2),
        (30, 64, 224, 7, 2),
        (512, 1000, 1, 1, 1),
    ] {
        let input = Extent::new(inputs, size, size);
        let problem = conv(random, input, channels, square(kernel, stride), 1);
        let title = format!("{kernel}x{kernel}/{stride} {inputs} -> {channels} at {size}");
        let codes = Tensor::Codes(random.codes(CODE, input.elements()));
        cases.push((title, Problem::Conv(problem), vec![codes]));
    }
    cases.push(depthwise(random, 96, 56));
    first_layers(random, &mut cases);
    others(random, &mut cases);
    cases
}

/// A 3x3 convolution of every channel on its own.
pub fn depthwise(random: &mut Random, channels: usize, size: usize) -> Case {
    let input = Extent::new(channels, size, size);
    let problem = conv(random, input, channels, square(3, 1), channels);
    let codes = Tensor::Codes(random.codes(CODE, input.elements()));
    let title = format!("3x3/1 {channels} depthwise at {size}");
    (title, Problem::Conv(problem), vec![codes])
}

/// A convolution of `[weights, codes]` bits.
pub fn low_bit(
    random: &mut Random,
    input: Extent,
    channels: usize,
    window: Window,
    bits: [u8; 2],
) -> Case {
    let code = CodeType::unsigned(bits[1]);
    let mut problem = conv(random, input, channels, window, 1);
    let most = i64::from(CodeType::unsigned(bits[0]).max_code());
    let weights = problem
        .weights
        .iter()
        .map(|_| (2 * random.range(0..=most) - most) as i32);
    problem.weights = weight_levels(weights.collect(), channels);
    problem.code = code;
    let max = i64::from(code.max_code());
    let codes = (0..input.elements()).map(|_| random.range(0..=max) as u8);
    let (kernel, stride) = (window.kernel[0], window.stride[0]);
    let title = format!(
        "w{}a{} {kernel}x{kernel}/{stride} {} -> {channels} at {}",
        bits[0], bits[1], input.channels, input.height
    );
    (
        title,
        Problem::Conv(problem),
        vec![Tensor::Codes(codes.collect())],
    )
}

/// First layers behind pixel tables of few, some and many different rows.
pub fn first_layers(random: &mut Random, cases: &mut Vec<Case>) {
    let depth = 10usize;
    // A table that orders the values has few different vectors of codes, one without any order has 256.
    let ordered =
        (0..256 * depth).map(|i| (i / depth * 31 / 256).saturating_sub(i % depth * 3).min(3) as u8);
    let mut any = || {
        (0..256 * depth)
            .map(|_| random.range(0..=3) as u8)
            .collect::<Vec<_>>()
    };
    let some = any();
    let some = (0..256 * depth).map(|i| some[i / depth / 3 * depth + i % depth]);
    let tables = [
        ("ordered", keep(ordered.collect())),
        ("some", keep(some.collect())),
        ("any", keep(any())),
    ];
    let layers = [(32, 3, 1, 16), (32, 3, 1, 64), (224, 7, 2, 64)];
    for ((name, codes), (size, kernel, stride, channels)) in tables
        .into_iter()
        .flat_map(|table| layers.map(|layer| (table, layer)))
    {
        let table = PixelTable {
            input: Extent::new(3, size, size),
            depth,
            codes,
        };
        let conv = conv(random, table.output(), channels, square(kernel, stride), 1);
        // Equal pixels would find all that they need in the first cache.
        let pixels = (0..table.input.elements()).map(|_| random.range(0..=255) as u8);
        let image = vec![Tensor::Codes(pixels.collect())];
        let title = format!("{kernel}x{kernel}/{stride} RGB -> {channels} at {size}, {name}");
        let fold = Fold::of(&table, &conv).map(|fold| &*Box::leak(Box::new(fold)));
        cases.push((
            title,
            Problem::PixelConv(PixelConv { table, conv, fold }),
            image.clone(),
        ));
        if kernel == 3 {
            let title = format!("RGB -> 30 codes at {size}");
            cases.push((title, Problem::PixelTable(table), image));
        }
    }
}

fn others(random: &mut Random, cases: &mut Vec<Case>) {
    let input = Extent::new(64, 56, 56);
    let codes = Tensor::Codes(random.codes(CODE, input.elements()));
    let sums = Tensor::Sums(random.integers(1000, input.elements()));
    let title = "64 at 56";
    let elements = input.elements();
    let add = |step| Add {
        elements,
        left: CODE,
        right: CodeType { step, ..CODE },
        code: CODE,
    };
    let finish = thresholds(random, 64);
    let mut push = |problem, inputs: &[&Tensor]| {
        let inputs = inputs.iter().map(|&tensor| tensor.clone()).collect();
        cases.push((title.to_string(), problem, inputs));
    };
    push(Problem::Add(add(1)), &[&codes, &codes]);
    push(Problem::Add(add(2)), &[&codes, &codes]);
    push(
        Problem::Channels(Channels {
            pixels: input.pixels(),
            parts: &[Part::Input(64), Part::Constant(64, 0)],
        }),
        &[&codes],
    );
    let table = &[3, 2, 1, 0];
    push(Problem::CodeTable(CodeTable { elements, table }), &[&codes]);
    push(Problem::Flatten(Flatten { input }), &[&codes]);
    let gate = Mul {
        left: input,
        right: Extent::new(64, 1, 1),
        left_code: CODE,
        right_code: CODE,
        finish,
    };
    push(Problem::Mul(gate), &[&codes, &codes]);
    let requant = Requant {
        pixels: input.pixels(),
        channels: 64,
        finish,
    };
    push(Problem::Requant(requant), &[&sums]);
    let max_pool = MaxPool {
        input,
        window: square(3, 2),
    };
    push(Problem::MaxPool(max_pool), &[&codes]);
    for window in [square(2, 2), SumPool::whole(input)] {
        let pool = SumPool {
            input,
            code: CODE,
            window,
            finish,
        };
        push(Problem::SumPool(pool), &[&codes]);
    }
    let slice = Slice {
        input,
        start: [0; 3],
        end: [64, 56, 56],
        step: [1, 2, 2],
    };
    push(Problem::Slice(slice), &[&codes]);
    let factor = [2, 2];
    push(Problem::Upsample(Upsample { input, factor }), &[&codes]);
    let linear = LinearSums {
        features: 512,
        range: (-1000, 1000),
        channels: 1000,
        weights: weight_levels(random.integers(3, 512_000), 1000),
        bias: &[],
        finish: Finish::Sums,
    };
    let sums = Tensor::Sums(random.integers(1000, 512));
    let linear = Problem::LinearSums(linear);
    cases.push(("512 -> 1000".into(), linear, vec![sums]));
}
