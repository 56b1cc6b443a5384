use std::time::{Duration, Instant};

use serde::Serialize;
use subbyte::Level;
use subbyte::engine::{Innermost, Mix, Step};

/// Time of one measurement, long enough for the clock and short enough to fall between interruptions.
const SLICE: Duration = Duration::from_micros(500);

/// Measurements of a mix, of which the shortest counts.
const SLICES: usize = 60;

/// What one step of each mix costs this machine at the least, on one thread.
pub struct Ceilings(Vec<(Mix, Level, f64)>);

#[derive(Serialize)]
pub struct CeilingReport {
    mix: &'static str,
    level: &'static str,
    nanoseconds_a_step: f64,
}

impl Ceilings {
    /// Measures all that the steps of a plan need. Portable kernels have no ceiling: the compiler makes vectors of their loops in
    /// its own way, so that no loop over registers alone tells what they could reach.
    pub fn measure(steps: &[Step]) -> Self {
        let mut ceilings = Vec::<(Mix, Level, f64)>::new();
        for step in steps {
            let (Some(kernel), Some(Innermost { mix, .. })) = (step.kernel, step.innermost) else {
                continue;
            };
            if kernel.level == Level::Portable {
                continue;
            }
            let known = |c: &(Mix, Level, f64)| (c.0, c.1) == (mix, kernel.level);
            if !ceilings.iter().any(known)
                && let Some(time) = nanoseconds(mix, kernel.level)
            {
                ceilings.push((mix, kernel.level, time));
            }
        }
        Self(ceilings)
    }

    /// The least time that the machine needs for the innermost steps of a step of the plan.
    pub fn least_nanoseconds(&self, step: &Step) -> Option<f64> {
        let (kernel, innermost) = (step.kernel?, step.innermost?);
        let mut known = self.0.iter();
        let (.., time) = known.find(|c| (c.0, c.1) == (innermost.mix, kernel.level))?;
        Some(time * innermost.steps as f64)
    }

    pub fn report(&self) -> Vec<CeilingReport> {
        let report = |&(mix, level, nanoseconds_a_step): &(Mix, Level, f64)| CeilingReport {
            mix: mix.name(),
            level: level.name(),
            nanoseconds_a_step,
        };
        self.0.iter().map(report).collect()
    }
}

/// The least time of one step of a mix; `None` where the processor lacks the level.
fn nanoseconds(mix: Mix, level: Level) -> Option<f64> {
    let run = |steps| {
        let begun = Instant::now();
        let done = mix.run(level, steps)?;
        Some((begun.elapsed(), done))
    };
    // More and more steps until they take a slice.
    let mut steps = 1000;
    while run(steps)?.0 < SLICE {
        steps *= 2;
    }
    let slices = (0..SLICES).filter_map(|_| run(steps));
    let times = slices.map(|(time, done)| time.as_nanos() as f64 / done as f64);
    Some(times.fold(f64::INFINITY, f64::min))
}
