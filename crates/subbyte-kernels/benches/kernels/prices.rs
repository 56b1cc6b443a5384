//! The table of prices: what each part of a kernel's work costs, by least squares over convolutions of many shapes.

use std::hint::black_box;

use subbyte_kernels::{Extent, Level, REGISTRY};

use crate::{
    common::{Bench, random::Random},
    fastest,
    problems::{depthwise, first_layers, low_bit, square},
};

/// Input channels, output channels, size, kernel, stride.
const SHAPES: [[usize; 5]; 14] = [
    [3, 16, 32, 3, 1],
    [16, 16, 32, 3, 1],
    [16, 32, 32, 3, 2],
    [32, 32, 16, 3, 1],
    [64, 64, 8, 3, 1],
    [30, 64, 64, 7, 2],
    [64, 64, 56, 3, 1],
    [64, 128, 56, 3, 2],
    [64, 128, 56, 1, 2],
    [128, 128, 28, 3, 1],
    [256, 256, 14, 3, 1],
    [512, 512, 7, 3, 1],
    [96, 24, 28, 1, 1],
    [512, 100, 1, 1, 1],
];

const BITS: [[u8; 2]; 6] = [[1, 1], [1, 2], [2, 2], [2, 4], [4, 4], [8, 8]];

/// Prints the rows of `src/prices.in` that this processor can measure.
pub fn print() {
    let random = &mut Random(1);
    let mut cases = Vec::new();
    for [inputs, channels, size, kernel, stride] in SHAPES {
        for bits in BITS {
            let input = Extent::new(inputs, size, size);
            cases.push(low_bit(
                random,
                input,
                channels,
                square(kernel, stride),
                bits,
            ));
        }
    }
    for [channels, size] in [[16, 32], [96, 56], [192, 28], [576, 14], [20, 9]] {
        cases.push(depthwise(random, channels, size));
    }
    first_layers(random, &mut cases);
    println!("[");
    let convolutions = ["convolution", "pixel table + convolution"];
    for kernel in REGISTRY
        .iter()
        .filter(|k| convolutions.contains(&k.operation()))
    {
        for &level in kernel.levels() {
            let mut rows = Vec::new();
            for (_, problem, inputs) in cases.iter().filter(|case| kernel.supports(&case.1)) {
                let work = kernel.work(problem);
                // What takes long enough at the lowest level is known well enough from the smaller cases.
                if work == Default::default()
                    || level == Level::Portable && problem.macs() > 1 << 24
                {
                    continue;
                }
                let Some(prepared) = kernel.prepare(level, problem) else {
                    continue;
                };
                let mut bench = Bench::new(problem, &*prepared, inputs);
                let time = fastest(|| black_box(&mut bench).run(&*prepared));
                let parts = work.parts().map(|part| part as f64);
                rows.push((parts, time.as_nanos() as f64 * 1e3));
            }
            if !rows.is_empty() {
                let prices = fit(&rows).map(|price| price.round() as u64);
                let (name, level) = (kernel.name(), format!("{level:?}"));
                println!("    (\"{name}\", Level::{level}, {prices:?}),");
            }
        }
    }
    println!("]");
}

/// Prices of at least 0 with the least relative errors.
fn fit(rows: &[([f64; 4], f64)]) -> [f64; 4] {
    let mut prices = [0.0; 4];
    // One price after the other, each the best beside the others.
    for _ in 0..10_000 {
        for i in 0..4 {
            let (mut over, mut under) = (0.0, 0.0);
            for (parts, time) in rows {
                let others: f64 = (0..4)
                    .filter(|&j| j != i)
                    .map(|j| prices[j] * parts[j])
                    .sum();
                let part = parts[i] / time;
                over += part * (1.0 - others / time);
                under += part * part;
            }
            prices[i] = if under > 0.0 {
                f64::max(over / under, 0.0)
            } else {
                0.0
            };
        }
    }
    prices
}
