//! Times every kernel of the registry at every level of this processor on typical layers, one thread:
//! `cargo bench -p subbyte-kernels [-- words]` shows the rows that have all the words (of kernel, level and problem) in them.

#[path = "../tests/common/mod.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod common;

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use common::{Bench, Tensor, random::Random};
use subbyte_kernels::{
    Add, Channels, CodeTable, Conv, Extent, Finish, Flatten, LinearSums, MaxPool, Mul, Part,
    PixelConv, PixelTable, Problem, REGISTRY, Requant, Slice, SumPool, Upsample, Window,
};
use subbyte_num::CodeType;

/// Time spent on each row of the table; the fastest run counts.
const PATIENCE: Duration = Duration::from_millis(200);

const CODE: CodeType = CodeType::unsigned(2);

fn main() {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with('-'))
        .collect();
    println!(
        "{:<18} {:<9} {:<34} {:>10} {:>8}",
        "kernel", "level", "problem", "us", "GMAC/s"
    );
    for (title, problem, inputs) in &problems(&mut Random(1)) {
        for kernel in REGISTRY.iter().filter(|k| k.supports(problem)) {
            for &level in kernel.levels() {
                let row = format!("{} {level} {title}", kernel.name());
                if !words.iter().all(|word| row.contains(word.as_str())) {
                    continue;
                }
                let Some(prepared) = kernel.prepare(level, problem) else {
                    println!(
                        "{:<18} {level:<9} skipped, not on this processor",
                        kernel.name()
                    );
                    continue;
                };
                let mut bench = Bench::new(problem, &*prepared, inputs);
                let best = fastest(|| black_box(&mut bench).run(&*prepared));
                let rate = match problem.macs() {
                    0 => String::new(),
                    macs => format!("{:.1}", macs as f64 / best.as_nanos() as f64),
                };
                let micros = best.as_nanos() as f64 / 1e3;
                let name = kernel.name();
                println!("{name:<18} {level:<9} {title:<34} {micros:>10.1} {rate:>8}");
            }
        }
    }
}

fn fastest(mut run: impl FnMut()) -> Duration {
    let (start, mut best) = (Instant::now(), Duration::MAX);
    while start.elapsed() < PATIENCE {
        let run_start = Instant::now();
        run();
        best = best.min(run_start.elapsed());
    }
    best
}

/// Data that lives as long as the program.
fn keep<T>(data: Vec<T>) -> &'static [T] {
    data.leak()
}

fn square(kernel: usize, stride: usize) -> Window {
    Window {
        kernel: [kernel; 2],
        stride: [stride; 2],
        padding: [kernel / 2; 4],
    }
}

fn thresholds(random: &mut Random, channels: usize) -> Finish<'static> {
    Finish::Thresholds {
        max_code: 3,
        thresholds: keep(random.integers(1000, channels * 3)),
        descending: keep(vec![false; channels]),
    }
}

fn conv(
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
        weights: keep(random.integers(3, weights)),
        bias: &[],
        finish: thresholds(random, channels),
    }
}

type Case = (String, Problem<'static>, Vec<Tensor>);

fn problems(random: &mut Random) -> Vec<Case> {
    let mut cases = Vec::new();
    for (bits, inputs, channels, size) in [1, 2].into_iter().flat_map(|bits| {
        [(64, 56), (128, 28), (256, 14), (512, 7)].map(|(c, size)| (bits, c, c, size))
    }) {
        for levels in [2, 4] {
            let input = Extent::new(inputs, size, size);
            let code = CodeType::unsigned(bits);
            let mut problem = conv(random, input, channels, square(3, 1), 1);
            let count = problem.weights.len();
            let weights = (0..count)
                .map(|_| random.pick(&[-3, 3, -1, 1][..levels]))
                .collect();
            problem.weights = keep(weights);
            problem.code = code;
            let title = format!(
                "w{}a{bits} 3x3/1 {inputs} -> {channels} at {size}",
                levels.ilog2()
            );
            let codes = Tensor::Codes(
                (0..input.elements())
                    .map(|_| random.size(0..=usize::from(code.max_code())) as u8)
                    .collect(),
            );
            cases.push((title, Problem::Conv(problem), vec![codes]));
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
    let input = Extent::new(96, 56, 56);
    let problem = conv(random, input, 96, square(3, 1), 96);
    let codes = Tensor::Codes(random.codes(CODE, input.elements()));
    cases.push((
        "3x3/1 96 depthwise at 56".into(),
        Problem::Conv(problem),
        vec![codes],
    ));
    first_layers(random, &mut cases);
    others(random, &mut cases);
    cases
}

fn first_layers(random: &mut Random, cases: &mut Vec<Case>) {
    let depth = 10usize;
    // A table that orders the values has few different vectors of codes, one without any order has 256.
    let ordered =
        (0..256 * depth).map(|i| (i / depth * 31 / 256).saturating_sub(i % depth * 3).min(3) as u8);
    let tables = [
        ("ordered", keep(ordered.collect())),
        ("any", keep(random.codes(CODE, 256 * depth))),
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
        let image = vec![Tensor::Codes(
            random.codes(CodeType::unsigned(8), table.input.elements()),
        )];
        let title = format!("{kernel}x{kernel}/{stride} RGB -> {channels} at {size}, {name}");
        cases.push((
            title,
            Problem::PixelConv(PixelConv { table, conv }),
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
        weights: keep(random.integers(3, 512_000)),
        bias: &[],
        finish: Finish::Sums,
    };
    let sums = Tensor::Sums(random.integers(1000, 512));
    let linear = Problem::LinearSums(linear);
    cases.push(("512 -> 1000".into(), linear, vec![sums]));
}
