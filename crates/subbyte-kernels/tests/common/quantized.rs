//! Random convolutions as quantized networks have them: weights and codes of given bits, every form of both.

use subbyte_kernels::{Conv, Extent, Problem, WeightLevels, Window};

use super::{
    Tensor,
    cases::{Visit, window},
    random::{OwnedFinish, Random},
};

/// Multiply-adds of a case, about; the naive solution takes most of a test's time.
const PRODUCTS: usize = 60_000;

/// The `i`-th pair of bits of weights and codes; 64 in a row are all pairs, neighbours differ in both.
pub fn bits(i: u64) -> [u8; 2] {
    let pair = i * 27 % 64;
    [pair as u8 / 8 + 1, pair as u8 % 8 + 1]
}

/// A convolution with weights and codes of such bits.
pub fn conv(random: &mut Random, [weight_bits, code_bits]: [u8; 2], visit: Visit<'_>) {
    let code = random.code_type(code_bits..=code_bits);
    let [mut inputs, mut outputs] = [random.size(1..=20), random.size(1..=20)];
    match random.size(0..=4) {
        0 => inputs = random.size(65..=130),
        1 => outputs = random.size(65..=130),
        2 => [inputs, outputs] = [random.pick(&[16, 32, 64]), random.pick(&[16, 32, 64])],
        _ => {}
    }
    let groups = match random.size(0..=5) {
        0 => {
            outputs = inputs;
            inputs
        }
        1 => random.size(2..=3),
        _ => 1,
    };
    (inputs, outputs) = (
        inputs.next_multiple_of(groups),
        outputs.next_multiple_of(groups),
    );
    let side = random.size(1..=11);
    let mut input = Extent::new(inputs, side, random.size(1..=11));
    let mut over = window(random, input, &[1, 3, 3, 5, 7]);
    let weights = |taps: usize| outputs * taps * inputs / groups;
    while input.pixels() > 1 && weights(over.taps()) * input.pixels() > PRODUCTS {
        input.height = input.height.div_ceil(2);
        input.width = input.width.div_ceil(2);
        over = window(random, input, &[over.kernel[0]]);
    }
    let weights = integers(random, weight_bits, weights(over.taps()));
    let bias = match random.chance(2) {
        true => Vec::new(),
        false => random.integers(1000, outputs),
    };
    let largest = weights.iter().map(|w| w.abs()).max().unwrap_or(1);
    let per_channel = (weights.len() / outputs) as i32;
    let weights = WeightLevels::new(weights, outputs);
    let reach = code.max_level().max(-code.min_level()) * largest * per_channel + 1000;
    let finish = OwnedFinish::random(random, outputs, reach);
    let problem = Conv {
        input,
        channels: outputs,
        window: over,
        groups,
        code,
        pad: match random.chance(2) {
            true => 0,
            false => code.level(random.size(0..=code.max_code().into()) as u8),
        },
        weights: &weights,
        bias: &bias,
        finish: finish.finish(),
    };
    let codes = random.codes(code, input.elements());
    visit(&Problem::Conv(problem), &[Tensor::Codes(codes)]);
}

/// A convolution of 3x3 and stride 1 that tiles of 2x2 pixels may compute, of weights whose sums over a kernel fit 8 bits or
/// just do not.
pub fn tiles(random: &mut Random, visit: Visit<'_>) {
    let code = random.code_type(1..=6);
    let [mut inputs, mut outputs] = [random.size(1..=20), random.size(1..=20)];
    match random.size(0..=4) {
        0 => inputs = random.size(65..=80),
        1 => outputs = random.size(65..=80),
        2 => [inputs, outputs] = [random.pick(&[16, 32, 64]), random.pick(&[16, 32, 48])],
        _ => {}
    }
    let pixels = (PRODUCTS / (9 * inputs * outputs)).clamp(4, 100);
    let height = random.size(2..=pixels / 2);
    let input = Extent::new(inputs, height, (pixels / height).max(2));
    let padding = match random.chance(4) && height > 2 && input.width > 2 {
        true => [0; 4],
        false => [1, 1, random.size(1..=2), random.size(1..=2)],
    };
    let signs = random.pick(&[[1; 9], [-1; 9], [1, -1, 1, -1, 1, -1, 1, -1, 1]]);
    let (form, bits) = (random.size(0..=2), random.size(1..=4) as u8);
    let mut weights = integers(random, bits, 9 * inputs * outputs);
    if form > 0 {
        // Over the taps of an input: -126 or 126, one more for each that is changed; 127 and -128 are the ends of 8 bits.
        for (i, weight) in weights.iter_mut().enumerate() {
            *weight = 14 * signs[i / inputs % 9];
        }
        let (input, corners) = (random.size(0..=inputs - 1), [0, 8, 2]);
        for corner in &corners[..random.size(0..=3)] {
            weights[corner * inputs + input] += signs[*corner];
        }
    }
    // Four times the sums fit 32 bits, or just do not.
    let most = random.pick(&[1000, 1000, 1 << 29]);
    let bias = random.integers(most, outputs);
    let weights = WeightLevels::new(weights, outputs);
    let reach = code.max_level().max(-code.min_level()) * 15 * 9 * inputs as i32 + 1000;
    let finish = OwnedFinish::random(random, outputs, reach);
    let problem = Conv {
        input,
        channels: outputs,
        window: Window {
            kernel: [3; 2],
            stride: [1; 2],
            padding,
        },
        groups: 1,
        code,
        pad: code.level(random.size(0..=code.max_code().into()) as u8),
        weights: &weights,
        bias: &bias,
        finish: finish.finish(),
    };
    let codes = random.codes(code, input.elements());
    visit(&Problem::Conv(problem), &[Tensor::Codes(codes)]);
}

/// Weights of `bits` bits: symmetric odd levels, levels of two's complement, powers of two; now and then all alike.
fn integers(random: &mut Random, bits: u8, len: usize) -> Vec<i32> {
    let n = (1 << bits) - 1;
    let levels: Vec<i32> = match random.size(0..=2) {
        0 => (0..=n).map(|u| 2 * u - n).collect(),
        1 if bits == 3 => vec![-4, -2, -1, 0, 1, 2, 4],
        _ => (0..=n).map(|u| u - (n + 1) / 2).collect(),
    };
    let ends = [levels[0], levels[levels.len() - 1]];
    match random.size(0..=9) {
        0 => vec![ends[0]; len],
        1 => vec![ends[1]; len],
        2 => (0..len).map(|_| random.pick(&ends)).collect(),
        _ => (0..len).map(|_| random.pick(&levels)).collect(),
    }
}
