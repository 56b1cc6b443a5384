//! Times every kernel of the registry at every level of this processor on typical layers, one thread:
//! `cargo bench -p subbyte-kernels [-- words]` shows the rows that have all the words (of kernel, level and problem) in them;
//! `cargo bench -p subbyte-kernels -- prices` measures the table of prices, `src/prices.in`, anew.

#[path = "../../tests/common/mod.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod common;
mod prices;
mod problems;

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use common::{Bench, random::Random};
use subbyte_kernels::REGISTRY;

/// Time spent on each row of the table; the fastest run counts.
const PATIENCE: Duration = Duration::from_millis(60);

fn main() {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with('-'))
        .collect();
    if words == ["prices"] {
        return prices::print();
    }
    println!(
        "{:<18} {:<9} {:<34} {:>10} {:>8}",
        "kernel", "level", "problem", "us", "GMAC/s"
    );
    for (title, problem, inputs) in &problems::all(&mut Random(1)) {
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
