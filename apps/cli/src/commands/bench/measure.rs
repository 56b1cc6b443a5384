use std::hint::black_box;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use anyhow::Result;
use subbyte::engine::RunError;
use subbyte::{Plan, Pool};

/// Parts of the time that each way to run gets, in turn with the others, so that whatever else the machine does meets all of them.
const TURNS: u32 = 10;

/// Runs that are measured at the least, however long they take.
const LEAST: usize = 3;

/// How long one thing took, again and again.
pub struct Times(Vec<Duration>);

impl Times {
    /// How often.
    pub fn runs(&self) -> usize {
        self.0.len()
    }

    pub fn minimum(&self) -> Duration {
        self.0[0]
    }

    pub fn median(&self) -> Duration {
        self.quantile(2)
    }

    /// The range of the middle half.
    pub fn interquartile_range(&self) -> Duration {
        self.quantile(3) - self.quantile(1)
    }

    /// So many quarters from the shortest to the longest, rounded down to one that was measured.
    fn quantile(&self, quarters: usize) -> Duration {
        self.0[(self.0.len() - 1) * quarters / 4]
    }
}

/// Times of whole runs of `batch` images by each of the plans, which is for so many threads; `patience` for each.
pub fn runs(
    plans: &[(NonZeroUsize, Plan)],
    batch: usize,
    patience: Duration,
) -> Result<Vec<Times>> {
    let mut ways = Vec::new();
    for (threads, plan) in plans {
        let (threads, images) = (*threads, images(plan, batch));
        let mut pool = Pool::new(Some(threads))?;
        let mut arena = plan.arena();
        let mut logits = vec![0; batch * plan.classes()];
        ways.push(move || -> Result<(), RunError> {
            match (batch, threads.get()) {
                (1, 1) => plan.run(&mut arena, &images).map(|logits| {
                    black_box(logits);
                }),
                (1, _) => plan.run_with(&mut pool, &mut arena, &images).map(|logits| {
                    black_box(logits);
                }),
                _ => plan.run_batch(&mut pool, &images, black_box(&mut logits)),
            }
        });
    }
    // To get memory, caches and threads ready.
    for way in &mut ways {
        repeat(patience / TURNS, 1, way)?;
    }
    let mut times = vec![Vec::new(); ways.len()];
    for turn in 1..=TURNS {
        for (way, times) in ways.iter_mut().zip(&mut times) {
            let least = if turn == TURNS { LEAST } else { 0 };
            let left = least.saturating_sub(times.len());
            times.extend(repeat(patience / TURNS, left.max(1), way)?);
        }
    }
    let sorted = |mut times: Vec<Duration>| {
        times.sort_unstable();
        Times(times)
    };
    Ok(times.into_iter().map(sorted).collect())
}

/// Runs for some time, and at least so many times.
fn repeat(
    patience: Duration,
    least: usize,
    mut run: impl FnMut() -> Result<(), RunError>,
) -> Result<Vec<Duration>, RunError> {
    let (start, mut times) = (Instant::now(), Vec::new());
    while times.len() < least || start.elapsed() < patience {
        let begun = Instant::now();
        run()?;
        times.push(begun.elapsed());
    }
    Ok(times)
}

/// The shortest time of each step of a plan, on one thread.
pub struct StepTimes {
    pub runs: usize,
    /// One a step.
    pub times: Vec<Duration>,
}

/// Times the steps of a plan for about as long as `patience`.
pub fn steps(plan: &Plan, patience: Duration) -> Result<StepTimes> {
    let (image, mut arena) = (images(plan, 1), plan.arena());
    let mut shortest = vec![Duration::MAX; plan.steps().len()];
    let runs = repeat(patience, LEAST, || {
        // What is shown first is the image, before any step.
        let mut last = None;
        let mut left = shortest.iter_mut();
        let logits = plan.observe(&mut arena, &image, &mut |_, _| {
            let now = Instant::now();
            if let Some(last) = last.replace(now)
                && let Some(shortest) = left.next()
            {
                *shortest = (*shortest).min(now - last);
            }
        })?;
        black_box(logits);
        Ok(())
    })?;
    Ok(StepTimes {
        runs: runs.len(),
        times: shortest,
    })
}

/// Images of random pixels.
fn images(plan: &Plan, count: usize) -> Vec<u8> {
    let mut state = 1u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..count * plan.image_bytes()).map(|_| random()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_of_the_sorted_times() {
        let times = |list: &[u64]| Times(list.iter().copied().map(Duration::from_nanos).collect());
        let nine = times(&[1, 2, 3, 4, 5, 6, 7, 8, 100]);
        assert_eq!(nine.minimum(), Duration::from_nanos(1));
        assert_eq!(nine.median(), Duration::from_nanos(5));
        assert_eq!(nine.interquartile_range(), Duration::from_nanos(4));
        let one = times(&[7]);
        assert_eq!(one.median(), Duration::from_nanos(7));
        assert_eq!(one.interquartile_range(), Duration::ZERO);
    }
}
