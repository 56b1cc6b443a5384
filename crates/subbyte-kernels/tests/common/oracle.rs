//! Every operation in the plainest way: one element at a time, in 64 bits.

use subbyte_kernels::{Conv, Extent, Finish, Part, PixelTable, Problem, Window};
use subbyte_num::{CodeType, count_thresholds};

use super::Tensor;

/// The output of `problem`.
pub fn solve(problem: &Problem<'_>, inputs: &[Tensor]) -> Tensor {
    match problem {
        Problem::Add(p) => {
            let pairs = inputs[0].codes().iter().zip(inputs[1].codes());
            let levels = pairs.map(|(&a, &b)| p.left.level(a) + p.right.level(b));
            Tensor::Codes(levels.map(|level| p.code.saturate(level)).collect())
        }
        Problem::Channels(p) => Tensor::Codes(channels(p.pixels, p.parts, inputs)),
        Problem::CodeTable(p) => {
            let codes = inputs[0].codes().iter();
            Tensor::Codes(codes.map(|&c| p.table[usize::from(c)]).collect())
        }
        Problem::Conv(p) => conv(p, inputs[0].codes()),
        Problem::Flatten(p) => codes(Extent::new(p.input.elements(), 1, 1), |i, _, _| {
            let (channel, pixel) = (i / p.input.pixels(), i % p.input.pixels());
            let (y, x) = (pixel / p.input.width, pixel % p.input.width);
            inputs[0].codes()[p.input.index(channel, y, x)]
        }),
        Problem::LinearSums(p) => finished(&p.finish, Extent::new(p.channels, 1, 1), |o, _, _| {
            let weights = &p.weights[o * p.features..][..p.features];
            let products = weights.iter().zip(inputs[0].sums());
            let sum: i128 = products.map(|(&w, &x)| i128::from(w) * i128::from(x)).sum();
            sum as i64 + i64::from(p.bias.get(o).copied().unwrap_or(0))
        }),
        Problem::MaxPool(p) => codes(p.output(), |c, y, x| {
            let taps = taps(&p.window, p.input, y, x).flatten();
            let seen = taps.map(|(y, x)| inputs[0].codes()[p.input.index(c, y, x)]);
            seen.max().expect("a window sees the input")
        }),
        Problem::Mul(p) => finished(&p.finish, p.output(), |c, y, x| {
            let level = |code: CodeType, extent: Extent, input: usize| {
                let (y, x) = if extent.pixels() == 1 { (0, 0) } else { (y, x) };
                i64::from(code.level(inputs[input].codes()[extent.index(c, y, x)]))
            };
            level(p.left_code, p.left, 0) * level(p.right_code, p.right, 1)
        }),
        Problem::PixelConv(p) => conv(&p.conv, &pixel_table(&p.table, inputs[0].codes())),
        Problem::PixelTable(p) => Tensor::Codes(pixel_table(p, inputs[0].codes())),
        Problem::Requant(p) => finished(
            &p.finish,
            Extent::new(p.channels, p.pixels, 1),
            |c, y, _| i64::from(inputs[0].sums()[y * p.channels + c]),
        ),
        Problem::Slice(p) => codes(p.output(), |c, y, x| {
            let [c, y, x] = [(0, c), (1, y), (2, x)].map(|(a, i)| p.start[a] + i * p.step[a]);
            inputs[0].codes()[p.input.index(c, y, x)]
        }),
        Problem::SumPool(p) => finished(&p.finish, p.output(), |c, y, x| {
            let taps = taps(&p.window, p.input, y, x).flatten();
            let codes = taps.map(|(y, x)| inputs[0].codes()[p.input.index(c, y, x)]);
            codes.map(|code| i64::from(p.code.level(code))).sum()
        }),
        Problem::Upsample(p) => codes(p.output(), |c, y, x| {
            inputs[0].codes()[p.input.index(c, y / p.factor[0], x / p.factor[1])]
        }),
    }
}

fn codes(extent: Extent, code: impl Fn(usize, usize, usize) -> u8) -> Tensor {
    let mut codes = vec![0; extent.elements()];
    each(extent, |i, c, y, x| codes[i] = code(c, y, x));
    Tensor::Codes(codes)
}

/// Sums modulo 2^32, finished.
fn finished(
    finish: &Finish<'_>,
    extent: Extent,
    sum: impl Fn(usize, usize, usize) -> i64,
) -> Tensor {
    let mut sums = vec![0; extent.elements()];
    each(extent, |i, c, y, x| sums[i] = sum(c, y, x) as i32);
    let coded = |code: &dyn Fn(i32, usize) -> u8| {
        let sums = sums.iter().enumerate();
        Tensor::Codes(sums.map(|(i, &s)| code(s, i % extent.channels)).collect())
    };
    match *finish {
        Finish::Sums => Tensor::Sums(sums),
        Finish::Thresholds {
            max_code,
            thresholds,
            descending,
        } => coded(&|sum, channel| {
            let n = usize::from(max_code);
            count_thresholds(sum, &thresholds[channel * n..][..n], descending[channel])
        }),
        Finish::MulShift { max_code, channels } => {
            coded(&|sum, channel| channels[channel].apply(sum, max_code))
        }
    }
}

/// Calls `f(index, channel, y, x)` for every element.
fn each(extent: Extent, mut f: impl FnMut(usize, usize, usize, usize)) {
    for y in 0..extent.height {
        for x in 0..extent.width {
            for c in 0..extent.channels {
                f(extent.index(c, y, x), c, y, x);
            }
        }
    }
}

/// The input position under every tap of the window at an output position, `None` outside.
fn taps(
    window: &Window,
    input: Extent,
    y: usize,
    x: usize,
) -> impl Iterator<Item = Option<(usize, usize)>> {
    let [kernel_h, kernel_w] = window.kernel;
    let top = (y * window.stride[0]) as isize - window.padding[0] as isize;
    let left = (x * window.stride[1]) as isize - window.padding[1] as isize;
    (0..kernel_h as isize).flat_map(move |ky| {
        (0..kernel_w as isize).map(move |kx| {
            let inside = |i: isize, size: usize| (0..size as isize).contains(&i);
            let (y, x) = (top + ky, left + kx);
            (inside(y, input.height) && inside(x, input.width)).then_some((y as usize, x as usize))
        })
    })
}

fn conv(p: &Conv<'_>, input: &[u8]) -> Tensor {
    let (inputs, outputs) = (p.input.channels / p.groups, p.channels / p.groups);
    finished(&p.finish, p.output(), |o, y, x| {
        let mut sum = i64::from(p.bias.get(o).copied().unwrap_or(0));
        for (tap, seen) in taps(&p.window, p.input, y, x).enumerate() {
            for i in 0..inputs {
                let weight = p.weights[(o * p.window.taps() + tap) * inputs + i];
                let level = match seen {
                    Some((y, x)) => p
                        .code
                        .level(input[p.input.index(o / outputs * inputs + i, y, x)]),
                    None => p.pad,
                };
                sum += i64::from(weight) * i64::from(level);
            }
        }
        sum
    })
}

fn pixel_table(p: &PixelTable<'_>, image: &[u8]) -> Vec<u8> {
    let colours = p.input.channels;
    let tables = p.codes.len() / (256 * p.depth);
    let mut codes = vec![0; p.output().elements()];
    each(p.output(), |i, c, y, x| {
        let (colour, d) = (c / p.depth, c % p.depth);
        let value = usize::from(image[(y * p.input.width + x) * colours + colour]);
        codes[i] = p.codes[(colour % tables * 256 + value) * p.depth + d];
    });
    codes
}

fn channels(pixels: usize, parts: &[Part], inputs: &[Tensor]) -> Vec<u8> {
    let mut codes = Vec::new();
    for pixel in 0..pixels {
        let mut input = 0;
        for part in parts {
            match *part {
                Part::Constant(channels, code) => codes.extend(vec![code; channels]),
                Part::Input(channels) => {
                    codes.extend(&inputs[input].codes()[pixel * channels..][..channels]);
                    input += 1;
                }
            }
        }
    }
    codes
}
