//! Every kernel equals the naive solution, bit for bit, at every level of this processor.

mod common;

use std::collections::BTreeMap;

use common::{Bench, cases, coverage, number_of_cases, oracle, stored};
use subbyte_kernels::{Level, Problem, REGISTRY, Store, choose};

/// Random cases of every operation.
const SEEDS: u64 = 400;

/// Whether Miri, which runs some thousand times slower, can solve it at once.
fn is_small(problem: &Problem<'_>) -> bool {
    let folded = match problem {
        // Every weight meets every value of a pixel when the two are folded.
        Problem::PixelConv(p) => 256 * p.conv.weights.len(),
        _ => 0,
    };
    problem.macs() + folded as u64 <= 1000
}

#[test]
fn every_kernel_equals_the_naive_solution() {
    let levels: Vec<Level> = Level::ALL.to_vec();
    let mut solved = BTreeMap::new();
    for seed in 0..number_of_cases(SEEDS) {
        cases::visit_all(seed, &mut |problem, inputs| {
            if cfg!(miri) && !is_small(problem) {
                return;
            }
            let expected = oracle::solve(problem, inputs);
            for kernel in REGISTRY.iter().filter(|k| k.supports(problem)) {
                for &level in &levels {
                    let Some(prepared) = kernel.prepare(level, problem) else {
                        continue;
                    };
                    let mut bench = Bench::new(problem, &*prepared, inputs);
                    bench.run(&*prepared);
                    // The second run finds the scratch space and the output as the first one left them, and is done in parts.
                    for run in 0..2 {
                        let found = bench.output(&expected);
                        let (name, operation) = (kernel.name(), problem.operation());
                        assert!(
                            found == expected,
                            "{name} at {level}, {operation}, seed {seed}, run {run}: {problem:?}"
                        );
                        bench.run_in_parts(&*prepared);
                    }
                    *solved.entry((kernel.name(), level)).or_insert(0) += 1;
                }
            }
        });
    }
    for kernel in REGISTRY {
        for &level in kernel.levels() {
            match solved.get(&(kernel.name(), level)) {
                Some(cases) => println!("{} at {level}: {cases} cases", kernel.name()),
                None if level.is_available() && !cfg!(miri) => {
                    panic!("no case for {} at {level}", kernel.name());
                }
                None if level.is_available() => {
                    println!("{} at {level}: no case small enough", kernel.name());
                }
                None => println!(
                    "{} at {level}: skipped, not on this processor",
                    kernel.name()
                ),
            }
        }
    }
}

/// The kernels that are made from stored bytes have no weights to look at.
#[test]
fn kernels_from_stored_bytes_equal_the_naive_solution() {
    for seed in 0..number_of_cases(SEEDS / 4) {
        cases::visit_all(seed, &mut |problem, inputs| {
            if cfg!(miri) && !is_small(problem) {
                return;
            }
            let expected = oracle::solve(problem, inputs);
            stored::without_weights(problem, &mut |bare| {
                for kernel in REGISTRY {
                    let name = kernel.name();
                    assert_eq!(kernel.supports(bare), kernel.supports(problem), "{name}");
                    let level = kernel.level_within(Level::best());
                    let Some(level) = level.filter(|_| kernel.supports(problem)) else {
                        continue;
                    };
                    let mut store = Store::writing();
                    assert!(kernel.prepare_by(level, problem, &mut store).is_some());
                    let bytes = store.into_bytes();
                    let mut store = Store::reading(&bytes);
                    let prepared = kernel.prepare_by(level, bare, &mut store);
                    assert!(store.is_complete(), "{name}");
                    let prepared = prepared.expect("it is supported");
                    let mut bench = Bench::new(problem, &*prepared, inputs);
                    bench.run(&*prepared);
                    let equal = bench.output(&expected) == expected;
                    assert!(equal, "{name} at {level}, seed {seed}: {problem:?}");
                }
            });
        });
    }
}

#[test]
fn a_kernel_is_found_for_every_problem_that_has_no_choice() {
    for seed in 0..number_of_cases(20) {
        cases::visit_all(seed, &mut |problem, _| {
            for level in [Level::ALL[0], Level::best()] {
                let found = choose(problem, level);
                // A folded first layer is the one thing that may be left to other steps.
                let optional = problem.operation() == "pixel table + convolution";
                assert!(found.is_some() || optional, "{problem:?}");
                if let Some((kernel, at)) = found {
                    assert!(at <= level && kernel.prepare(at, problem).is_some());
                }
            }
        });
    }
}

/// Prints how many cases of every class each kernel meets.
#[test]
fn every_kernel_meets_every_class_of_shapes_and_formats() {
    let mut met: BTreeMap<&str, BTreeMap<String, u32>> = BTreeMap::new();
    for seed in 0..3 * SEEDS {
        cases::visit_all(seed, &mut |problem, inputs| {
            let classes = coverage::classes(problem, inputs);
            for kernel in REGISTRY.iter().filter(|k| k.supports(problem)) {
                let own = met.entry(kernel.name()).or_default();
                for class in &classes {
                    *own.entry(class.clone()).or_default() += 1;
                }
            }
        });
    }
    let mut missing = Vec::new();
    for kernel in REGISTRY {
        let own = met.remove(kernel.name()).unwrap_or_default();
        let all = own.iter().map(|(class, times)| format!("{class} {times}"));
        println!("{}: {}", kernel.name(), all.collect::<Vec<_>>().join(", "));
        let required = coverage::required(kernel).into_iter();
        let lacking = required.filter(|class| !own.contains_key(class));
        missing.extend(lacking.map(|class| format!("{}: {class}", kernel.name())));
    }
    assert!(missing.is_empty(), "never met: {missing:#?}");
}
