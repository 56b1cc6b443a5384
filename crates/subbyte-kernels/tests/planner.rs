//! The kernel that the table of prices picks is nearly the fastest, on processors of the class on which the prices were measured.

#[allow(dead_code, reason = "shared with the other tests and the benchmark")]
mod common;
#[allow(dead_code, reason = "shared with the benchmark")]
#[path = "../benches/kernels/problems.rs"]
mod problems;

use std::time::{Duration, Instant};

use common::{Bench, Tensor, random::Random};
use subbyte_kernels::{Kernel, Level, Prepared, Problem, REGISTRY, choose};

/// How much slower than the best candidate the pick may be.
const TOLERANCE: f64 = 1.1;

/// One table of prices stands for all processors of a class, and where the compiler laid a loop moves its kernel by several per cent. So
/// one pick in this many may be slower than [`TOLERANCE`], where rivals are nearly equal,
const ONE_SLOW_IN: usize = 10;

/// but none slower than this.
const SLOWEST: f64 = 1.25;

/// Time that a busy machine is given to show a case's fastest runs.
const PATIENCE: Duration = Duration::from_millis(1000);

/// Times that a slow pick is measured.
const ROUNDS: usize = 4;

/// Multiply-adds of the longest case, a millisecond's.
const MAX_MACS: u64 = 1 << 27;

/// A kernel that could compute a case, with the fastest of its runs.
struct Candidate<'a> {
    kernel: &'static Kernel,
    prepared: Box<dyn Prepared>,
    bench: Bench,
    best: Duration,
    problem: &'a Problem<'a>,
}

impl Candidate<'_> {
    fn run(&mut self) {
        let start = Instant::now();
        self.bench.run(&*self.prepared);
        self.best = self.best.min(start.elapsed());
    }
}

/// How many times as long as the best candidate the picked one takes, with the names of both.
fn slowness(mut candidates: Vec<Candidate<'_>>, picked: &Kernel) -> (f64, String) {
    let start = Instant::now();
    loop {
        // In turns, so that what else the machine does hits all alike.
        candidates.iter_mut().for_each(Candidate::run);
        let best = candidates.iter().min_by_key(|c| c.best).expect("some");
        let pick = candidates.iter().find(|c| c.kernel.name() == picked.name());
        let pick = pick.expect("the pick is a candidate");
        let ratio = pick.best.as_secs_f64() / best.best.as_secs_f64();
        let waited = start.elapsed();
        if waited > PATIENCE || (waited > PATIENCE / 10 && ratio < TOLERANCE) {
            let macs = best.problem.macs() as f64 / best.best.as_nanos() as f64;
            let names = format!("{} ({macs:.0} GMAC/s)", best.kernel.name());
            return (ratio, names);
        }
        // Those that are far behind would only take the others' time.
        let limit = 3 * best.best;
        let pick = pick.kernel.name();
        candidates.retain(|c| c.best < limit || c.kernel.name() == pick);
    }
}

#[test]
fn the_pick_is_nearly_the_fastest() {
    let level = Level::best();
    // Code that is not optimised, or that a sanitizer or an emulator watches, says nothing of speed; the scripts that do so set the
    // number of cases.
    let watched = cfg!(debug_assertions) || std::env::var_os("SUBBYTE_TEST_CASES").is_some();
    if watched || level != Level::Avx512 {
        println!(
            "skipped: prices are not measured for {level} alone, or this is no plain release build"
        );
        return;
    }
    let cases = problems::all(&mut Random(1));
    let mut left: Vec<_> = cases.iter().map(|case| (case, 0.0)).collect();
    let mut compared = 0;
    // What another program did in the meantime is no fault of the table: a pick that is slow is slow every time.
    for round in 0..ROUNDS {
        left.retain_mut(|((title, problem, inputs), slowness_of_pick)| {
            // On a busy machine every run of a long case is interrupted.
            if problem.macs() > MAX_MACS {
                return false;
            }
            let candidates = candidates(problem, inputs, level);
            if candidates.len() < 2 {
                return false;
            }
            let (picked, _) = choose(problem, level).expect("there are candidates");
            compared += usize::from(round == 0);
            let (ratio, best) = slowness(candidates, picked);
            *slowness_of_pick = ratio;
            let picked = picked.name();
            println!("round {round}: {title}: {picked} takes {ratio:.2} times as long as {best}");
            ratio > TOLERANCE
        });
    }
    let slow: Vec<(&String, f64)> = left.iter().map(|((t, ..), r)| (t, *r)).collect();
    assert!(
        slow.len() * ONE_SLOW_IN <= compared && slow.iter().all(|&(_, ratio)| ratio < SLOWEST),
        "slow picks of {compared}: {slow:#?}"
    );
}

/// The kernels that could compute a problem.
fn candidates<'a>(problem: &'a Problem<'a>, inputs: &[Tensor], level: Level) -> Vec<Candidate<'a>> {
    let kernels = REGISTRY.iter().filter(|k| k.supports(problem));
    let candidates = kernels.filter_map(|kernel| {
        let prepared = kernel.prepare(kernel.level_within(level)?, problem)?;
        Some(Candidate {
            kernel,
            bench: Bench::new(problem, &*prepared, inputs),
            prepared,
            best: Duration::MAX,
            problem,
        })
    });
    candidates.collect()
}
