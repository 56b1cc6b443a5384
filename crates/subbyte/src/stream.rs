//! Images of any number through a plan, a few at a time.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};
use std::vec::Vec;

use subbyte_engine::{Plan, Pool, RunError};

use crate::Accuracy;

/// Images of a batch for each thread: enough that none waits long for the slowest.
const BATCH: usize = 8;

/// Threads that are used where no number is given: as many as there are processors.
pub fn threads() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Runs images, u8 `[height][width][colours]` each, and shows every one's tag with its logits, in the order of the images, until
/// `show` breaks. A few images are taken at a time, so that their number is not limited by memory. Returns the time that the
/// engine computed.
///
/// # Errors
/// If an image has another size than the model's input.
pub fn run_all<T, P: AsRef<[u8]>>(
    plan: &Plan,
    pool: &mut Pool,
    images: impl IntoIterator<Item = (T, P)>,
    mut show: impl FnMut(T, &[i32]) -> ControlFlow<()>,
) -> Result<Duration, RunError> {
    let most = BATCH * pool.threads();
    let mut images = images.into_iter().fuse();
    let (mut tags, mut pixels) = (Vec::with_capacity(most), Vec::new());
    let mut logits = vec![0; most * plan.classes()];
    let mut time = Duration::ZERO;
    loop {
        pixels.clear();
        for (tag, image) in images.by_ref().take(most) {
            let image = image.as_ref();
            if image.len() != plan.image_bytes() {
                return Err(RunError::ImageSize {
                    expected: plan.image_bytes(),
                    found: image.len(),
                });
            }
            tags.push(tag);
            pixels.extend_from_slice(image);
        }
        if tags.is_empty() {
            return Ok(time);
        }
        let logits = &mut logits[..tags.len() * plan.classes()];
        let begun = Instant::now();
        plan.run_batch(pool, &pixels, logits)?;
        time += begun.elapsed();
        for (tag, logits) in tags.drain(..).zip(logits.chunks_exact(plan.classes())) {
            if show(tag, logits).is_break() {
                return Ok(time);
            }
        }
    }
}

/// What an integer model achieves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IntegerScore {
    /// Its accuracy.
    pub accuracy: Accuracy,
    /// Time that the engine computed.
    pub time: Duration,
}

impl IntegerScore {
    /// Speed of the engine alone.
    pub fn images_per_second(&self) -> f64 {
        self.accuracy.images as f64 / self.time.as_secs_f64().max(1e-9)
    }
}

/// Classifies labelled images, as [`run_all`] does; `progress` is told the accuracy so far.
///
/// # Errors
/// If an image has another size than the model's input.
///
/// # Panics
/// If a label is not below the number of classes.
pub fn score<P: AsRef<[u8]>>(
    plan: &Plan,
    pool: &mut Pool,
    images: impl IntoIterator<Item = (usize, P)>,
    mut progress: impl FnMut(&Accuracy),
) -> Result<IntegerScore, RunError> {
    let mut accuracy = Accuracy::default();
    let time = run_all(plan, pool, images, |label, logits| {
        accuracy.add(logits, label);
        progress(&accuracy);
        ControlFlow::Continue(())
    })?;
    Ok(IntegerScore { accuracy, time })
}

#[cfg(test)]
mod tests {
    use super::*;
    use subbyte_engine::Options;
    use subbyte_model::{Model, reference, testing};

    fn setting(threads: usize) -> (Model, Plan, Pool) {
        let model = testing::random_model(11);
        let plan = Plan::new(&model, Options::default()).unwrap();
        (model, plan, Pool::new(NonZeroUsize::new(threads)).unwrap())
    }

    #[test]
    fn every_image_is_shown_with_its_own_logits_in_order() {
        for (threads, count) in [(1, 0), (1, 8), (1, 21), (3, 5), (3, 24), (3, 61)] {
            let (model, plan, mut pool) = setting(threads);
            let images = (0..count).map(|i| (i, testing::random_image(&model, i)));
            let mut seen = 0;
            run_all(&plan, &mut pool, images, |i, logits| {
                assert_eq!(i, seen);
                let image = testing::random_image(&model, i);
                assert_eq!(logits, reference::run(&model, &image).unwrap());
                seen += 1;
                ControlFlow::Continue(())
            })
            .unwrap();
            assert_eq!(seen, count);
        }
    }

    #[test]
    fn endless_images_can_be_stopped() {
        let (model, plan, mut pool) = setting(2);
        let images = (0..).map(|i| (i, testing::random_image(&model, 0)));
        let mut last = 0;
        run_all(&plan, &mut pool, images, |i, _| {
            last = i;
            match i {
                100 => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        })
        .unwrap();
        assert_eq!(last, 100);
    }

    #[test]
    fn a_score_counts_the_images_whose_label_has_the_largest_logit() {
        let (model, plan, mut pool) = setting(2);
        let image = testing::random_image(&model, 0);
        let class = crate::predicted_class(&reference::run(&model, &image).unwrap());
        let labels = [class, (class + 1) % plan.classes(), class];
        let mut told = Vec::new();
        let images = labels.map(|label| (label, &image));
        let score = score(&plan, &mut pool, images, |a| told.push(a.images)).unwrap();
        let right = labels.iter().filter(|&&label| label == class).count();
        assert_eq!(score.accuracy.top1(), right as f64 / 3.0);
        assert_eq!(told, [1, 2, 3]);
    }

    #[test]
    fn an_image_of_another_size_is_refused() {
        let (_, plan, mut pool) = setting(1);
        let image = vec![0; plan.image_bytes() + 1];
        let error = run_all(&plan, &mut pool, [((), image)], |(), _| unreachable!()).unwrap_err();
        assert!(matches!(error, RunError::ImageSize { .. }), "{error}");
    }
}
