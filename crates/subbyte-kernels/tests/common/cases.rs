//! Random problems of every operation: odd sizes, strides, kernels, groups, formats, extremes.

use subbyte_kernels::{
    Add, Channels, CodeTable, Conv, Extent, Finish, Flatten, Fold, LinearSums, MaxPool, Mul, Part,
    PixelConv, PixelTable, Problem, Requant, Slice, SumPool, Upsample, WeightLevels, Window,
};
use subbyte_num::CodeType;

use super::{
    Tensor, quantized,
    random::{OwnedFinish, Random},
};

/// Receives a problem with its inputs.
pub type Visit<'a> = &'a mut dyn FnMut(&Problem<'_>, &[Tensor]);

/// A random case of every operation.
pub fn visit_all(seed: u64, visit: Visit<'_>) {
    let random = &mut Random(seed);
    conv(random, visit);
    conv_wide(random, visit);
    quantized::conv(random, quantized::bits(seed), visit);
    // Kernels for few bits have the most ways to go wrong.
    let few = [random.size(1..=3) as u8, random.size(1..=2) as u8];
    quantized::conv(random, few, visit);
    quantized::tiles(random, visit);
    pixels(random, visit);
    linear_sums(random, visit);
    pointwise(random, visit);
    pools(random, visit);
    rearrange(random, visit);
}

/// A window that fits `input` once it is padded, with one of these kernel sizes or seldom two.
pub fn window(random: &mut Random, input: Extent, kernels: &[usize]) -> Window {
    let kernel = match random.chance(4) {
        true => [random.pick(kernels), random.pick(kernels)],
        false => [random.pick(kernels); 2],
    };
    let stride = [random.size(1..=3), random.size(1..=2)];
    let mut pad = |size: usize, kernel: usize| {
        let least = kernel.saturating_sub(size).min(kernel - 1);
        random.size(least..=(kernel / 2).max(least))
    };
    let (top, left) = (pad(input.height, kernel[0]), pad(input.width, kernel[1]));
    let (bottom, right) = (pad(input.height, kernel[0]), pad(input.width, kernel[1]));
    Window {
        kernel,
        stride,
        padding: [top, left, bottom, right],
    }
}

/// Groups with the channels on both sides: plain, grouped, depthwise, depthwise with a multiplier.
fn groups(random: &mut Random) -> (usize, usize, usize) {
    match random.size(0..=5) {
        0 => {
            let channels = random.size(2..=37);
            (channels, channels, channels)
        }
        1 => {
            let channels = random.size(2..=9);
            (channels, channels, channels * 3)
        }
        2 => {
            let groups = random.size(2..=4);
            let (inputs, outputs) = (random.size(1..=5), random.size(1..=19));
            (groups, groups * inputs, groups * outputs)
        }
        _ => (1, random.size(1..=35), random.size(1..=50)),
    }
}

fn conv(random: &mut Random, visit: Visit<'_>) {
    let (groups, inputs, outputs) = groups(random);
    let code = random.code_type(1..=8);
    let input = Extent::new(inputs, random.size(1..=11), random.size(1..=11));
    let window = window(random, input, &[1, 2, 3, 5, 7]);
    let pad = match random.chance(2) {
        true => 0,
        false => code.level(random.size(0..=usize::from(code.max_code())) as u8),
    };
    let per_channel = window.taps() * inputs / groups;
    let max = random.pick(&[1, 3, 127]);
    let weights = WeightLevels::new(random.integers(max, outputs * per_channel), outputs);
    let bias = match random.chance(2) {
        true => Vec::new(),
        false => random.integers(1000, outputs),
    };
    let reach = code.max_level().max(-code.min_level()) * max * per_channel as i32 + 1000;
    let finish = OwnedFinish::random(random, outputs, reach);
    let problem = Conv {
        input,
        channels: outputs,
        window,
        groups,
        code,
        pad,
        weights: &weights,
        bias: &bias,
        finish: finish.finish(),
    };
    let codes = random.codes(code, input.elements());
    visit(&Problem::Conv(problem), &[Tensor::Codes(codes)]);
}

/// Weights at and beyond the ends of 16 bits, levels of large steps, sums that wrap.
fn conv_wide(random: &mut Random, visit: Visit<'_>) {
    let code = CodeType {
        bits: random.size(1..=8) as u8,
        step: random.pick(&[1, 128, 3000]),
        offset: random.pick(&[0, -32768, 32767]),
    };
    let input = Extent::new(random.size(1..=9), random.size(1..=5), random.size(1..=5));
    let window = window(random, input, &[1, 3]);
    let channels = random.size(1..=20);
    let max = random.pick(&[32767, 32768, 1 << 20]);
    let mut weights = random.integers(max, channels * window.taps() * input.channels);
    if max == 32768 {
        // -32768 fits 16 bits and its products are the largest.
        weights.iter_mut().for_each(|w| *w = -w.abs());
    }
    let weights = WeightLevels::new(weights, channels);
    let problem = Conv {
        input,
        channels,
        window,
        groups: 1,
        code,
        pad: 0,
        weights: &weights,
        bias: &[],
        finish: Finish::Sums,
    };
    let codes = random.codes(code, input.elements());
    visit(&Problem::Conv(problem), &[Tensor::Codes(codes)]);
}

fn pixels(random: &mut Random, visit: Visit<'_>) {
    let code = random.code_type(1..=8);
    let input = Extent::new(random.pick(&[1, 3]), random.size(1..=9), random.size(1..=9));
    let depth = random.size(1..=11);
    let tables = random.pick(&[1, input.channels]);
    // Pixels as they are, for networks with an 8-bit first layer.
    let identity = random.chance(6);
    let (code, depth, tables) = match identity {
        true => (CodeType::unsigned(8), 1, 1),
        false => (code, depth, tables),
    };
    let codes = match identity {
        true => (0..=255).collect(),
        false => random.codes(code, tables * 256 * depth),
    };
    let table = PixelTable {
        input,
        depth,
        codes: &codes,
    };
    let image = [Tensor::Codes(
        random.codes(CodeType::unsigned(8), input.elements()),
    )];
    visit(&Problem::PixelTable(table), &image);

    let window = window(random, input, &[1, 3, 5, 7]);
    // Folding table and weights takes most of the time.
    let channels = match window.taps() {
        1 if random.chance(2) => random.size(65..=80),
        1..=9 => random.size(1..=20),
        _ => random.size(1..=6),
    };
    let per_channel = window.taps() * table.output().channels;
    let weights = WeightLevels::new(random.integers(3, channels * per_channel), channels);
    let bias = random.integers(1000, channels);
    let reach = code.max_level().max(-code.min_level()) * 3 * per_channel as i32 + 1000;
    let finish = OwnedFinish::random(random, channels, reach);
    let conv = Conv {
        input: table.output(),
        channels,
        window,
        groups: 1,
        code,
        pad: random.pick(&[0, code.min_level(), code.max_level()]),
        weights: &weights,
        bias: &bias,
        finish: finish.finish(),
    };
    let fold = Fold::of(&table, &conv);
    let fold = fold.as_ref();
    visit(&Problem::PixelConv(PixelConv { table, conv, fold }), &image);
}

fn linear_sums(random: &mut Random, visit: Visit<'_>) {
    let (features, channels) = (random.size(1..=40), random.size(1..=40));
    let (most, weight) = random.pick(&[
        (1000, 7),
        (32767, 32767),
        (100_000, 127),
        (i32::MAX, 1 << 17),
    ]);
    let input = random.integers(most, features);
    let weights = WeightLevels::new(random.integers(weight, features * channels), channels);
    let bias = random.integers(1000, channels);
    let finish = match i64::from(most) * i64::from(weight) * features as i64 {
        reach if reach < 1 << 29 => OwnedFinish::random(random, channels, reach as i32 + 1000),
        _ => OwnedFinish::Sums,
    };
    let problem = LinearSums {
        features,
        range: (-most, most),
        channels,
        weights: &weights,
        bias: &bias,
        finish: finish.finish(),
    };
    visit(&Problem::LinearSums(problem), &[Tensor::Sums(input)]);
}

fn pointwise(random: &mut Random, visit: Visit<'_>) {
    let extent = Extent::new(random.size(1..=37), random.size(1..=5), random.size(1..=5));
    let (left_code, right_code) = (random.code_type(1..=8), random.code_type(1..=8));
    let left = Tensor::Codes(random.codes(left_code, extent.elements()));
    let right = Tensor::Codes(random.codes(right_code, extent.elements()));
    let add = Add {
        elements: extent.elements(),
        left: left_code,
        right: right_code,
        code: random.code_type(1..=8),
    };
    visit(&Problem::Add(add), &[left.clone(), right]);

    let gate = Extent::new(extent.channels, 1, 1);
    let finish = OwnedFinish::random(random, extent.channels, 1 << 16);
    let narrow = Tensor::Codes(random.codes(right_code, gate.elements()));
    let mul = Mul {
        left: extent,
        right: gate,
        left_code,
        right_code,
        finish: finish.finish(),
    };
    visit(&Problem::Mul(mul), &[left.clone(), narrow.clone()]);
    let turned = Mul {
        left: gate,
        right: extent,
        left_code: right_code,
        right_code: left_code,
        ..mul
    };
    visit(&Problem::Mul(turned), &[narrow, left.clone()]);

    let table = random.codes(CodeType::unsigned(8), 1 << left_code.bits);
    let table = CodeTable {
        elements: extent.elements(),
        table: &table,
    };
    visit(&Problem::CodeTable(table), &[left]);

    let sums = random.integers(1 << 20, extent.elements());
    let finish = OwnedFinish::random(random, extent.channels, 1 << 20);
    let requant = Requant {
        pixels: extent.pixels(),
        channels: extent.channels,
        finish: finish.finish(),
    };
    visit(&Problem::Requant(requant), &[Tensor::Sums(sums)]);
}

fn pools(random: &mut Random, visit: Visit<'_>) {
    let input = Extent::new(random.size(1..=37), random.size(1..=9), random.size(1..=9));
    let code = random.code_type(1..=8);
    let codes = [Tensor::Codes(random.codes(code, input.elements()))];
    let max_pool = MaxPool {
        input,
        window: window(random, input, &[1, 2, 3, 5]),
    };
    visit(&Problem::MaxPool(max_pool), &codes);
    let window = match random.chance(3) {
        true => SumPool::whole(input),
        false => window(random, input, &[2, 3]),
    };
    let finish = OwnedFinish::random(random, input.channels, 255 * window.taps() as i32);
    let sum_pool = SumPool {
        input,
        code,
        window,
        finish: finish.finish(),
    };
    visit(&Problem::SumPool(sum_pool), &codes);
}

fn rearrange(random: &mut Random, visit: Visit<'_>) {
    let code = CodeType::unsigned(8);
    let input = Extent::new(random.size(1..=19), random.size(1..=7), random.size(1..=7));
    let codes = [Tensor::Codes(random.codes(code, input.elements()))];
    visit(&Problem::Flatten(Flatten { input }), &codes);
    let upsample = Upsample {
        input,
        factor: [random.size(1..=3), random.size(1..=3)],
    };
    visit(&Problem::Upsample(upsample), &codes);

    let size = [input.channels, input.height, input.width];
    let start = size.map(|size| random.size(0..=size - 1));
    let mut end = size;
    for (end, start) in end.iter_mut().zip(start) {
        *end = random.size(start + 1..=*end);
    }
    let slice = Slice {
        input,
        start,
        end,
        step: [(); 3].map(|()| random.size(1..=3)),
    };
    visit(&Problem::Slice(slice), &codes);

    let mut inputs = Vec::new();
    let mut parts = Vec::new();
    for _ in 0..random.size(1..=4) {
        let channels = random.size(1..=20);
        if random.chance(3) {
            parts.push(Part::Constant(channels, random.next() as u8));
        } else {
            parts.push(Part::Input(channels));
            let codes = random.codes(code, input.pixels() * channels);
            inputs.push(Tensor::Codes(codes));
        }
    }
    let channels = Channels {
        pixels: input.pixels(),
        parts: &parts,
    };
    visit(&Problem::Channels(channels), &inputs);
}
