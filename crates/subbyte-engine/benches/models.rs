//! Times models and their steps without building the command: `cargo bench -p subbyte-engine -- FILE.sbm ...`. `SUBBYTE_ISA` sets
//! the level.

use std::{
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use subbyte_engine::{Observed, Options, Plan, Pool};
use subbyte_model::NodeId;

const PATIENCE: Duration = Duration::from_millis(1500);

fn main() {
    for file in std::env::args().skip(1).filter(|a| !a.starts_with('-')) {
        let bytes = std::fs::read(&file).expect("the file can be read");
        let model = subbyte_model::read(&bytes).expect("a model");
        let plan = Plan::new(&model, Options::default()).expect("the model is valid");
        let mut arena = plan.arena();
        // Pixels without any order, the hardest case for the tables of a first layer.
        let mut state = 1u64;
        let image: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
            (state >> 56) as u8
        })
        .take(plan.image_bytes())
        .collect();
        let one = fastest(|| {
            plan.run(&mut arena, &image).expect("sizes fit");
        });
        println!(
            "{file} at {}: {:.3} ms, arena {} bytes",
            plan.level(),
            one.as_secs_f64() * 1e3,
            plan.arena_bytes()
        );
        let threads = NonZeroUsize::new(2).expect("not 0");
        let mut pool = Pool::new(Some(threads)).expect("threads start");
        let options = Options {
            threads,
            ..Options::default()
        };
        let shared = Plan::new(&model, options).expect("the model is valid");
        let mut memory = shared.arena();
        let two = fastest(|| {
            shared
                .run_with(&mut pool, &mut memory, &image)
                .expect("sizes fit");
        });
        println!("    2 threads: {:.3} ms", two.as_secs_f64() * 1e3);
        let mut times = vec![Duration::MAX; plan.steps().len()];
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            let mut last = Instant::now();
            let mut step = 0;
            let mut show = |node: NodeId, _: Observed<'_>| {
                let now = Instant::now();
                if node > 0 {
                    times[step] = times[step].min(now - last);
                    step += 1;
                }
                last = now;
            };
            plan.observe(&mut arena, &image, &mut show)
                .expect("sizes fit");
        }
        for (step, time) in plan.steps().iter().zip(&times) {
            if let Some(kernel) = step.kernel {
                println!(
                    "    {:8.1} us {:6.1} GMAC/s  {:<18} {}",
                    time.as_nanos() as f64 / 1e3,
                    step.macs as f64 / time.as_nanos() as f64,
                    kernel.name,
                    step.names.join(", ")
                );
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
