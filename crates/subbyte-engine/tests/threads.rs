//! Batches over threads.
#![cfg(feature = "threads")]

use std::num::NonZeroUsize;

use subbyte_engine::{Level, Options, Plan, Pool, RunError};
use subbyte_model::{
    reference,
    testing::{random_image, random_model},
};

fn pool(threads: usize) -> Pool {
    Pool::new(NonZeroUsize::new(threads)).expect("a few threads can be started")
}

#[test]
fn an_image_that_threads_share_has_the_same_logits() {
    let mut pools = [pool(1), pool(2), pool(3), pool(5)];
    let mut shared = 0;
    for seed in 0..150 {
        let model = random_model(seed);
        let image = random_image(&model, seed);
        let expected = reference::run(&model, &image).expect("the model is valid");
        for level in Level::ALL.iter().copied().filter(|l| l.is_available()) {
            let options = Options {
                level: Some(level),
                threads: NonZeroUsize::new(3).expect("not 0"),
                ..Options::default()
            };
            let plan = Plan::new(&model, options).expect("the model is valid");
            shared += plan.steps().iter().filter(|step| step.parts > 1).count();
            let mut arena = plan.arena();
            for pool in &mut pools {
                let logits = plan.run_with(pool, &mut arena, &image);
                assert_eq!(logits, Ok(&expected[..]), "model {seed} at {level}");
            }
        }
    }
    assert!(shared > 20, "only {shared} steps were shared");
}

#[test]
fn logits_of_a_batch_do_not_depend_on_the_number_of_threads() {
    let mut pools = [pool(1), pool(2), pool(3)];
    for seed in 0..40 {
        let model = random_model(seed);
        let plan = Plan::new(&model, Options::default()).expect("the model is valid");
        let count = 7;
        let (mut images, mut expected) = (Vec::new(), Vec::new());
        for i in 0..count {
            let image = random_image(&model, i);
            expected.extend(reference::run(&model, &image).expect("the model is valid"));
            images.extend(image);
        }
        // The pools go from plan to plan and keep their arenas.
        for pool in &mut pools {
            let mut logits = vec![-1; expected.len()];
            let threads = pool.threads();
            let result = plan.run_batch(pool, &images, &mut logits);
            assert_eq!(result, Ok(()));
            assert_eq!(logits, expected, "model {seed}, {threads} threads");
        }
    }
}

#[test]
fn a_plan_is_shared_by_threads() {
    let model = random_model(5);
    let plan = Plan::new(&model, Options::default()).expect("the model is valid");
    std::thread::scope(|scope| {
        for i in 0..3 {
            let (model, plan) = (&model, &plan);
            scope.spawn(move || {
                let image = random_image(model, i);
                let mut arena = plan.arena();
                let expected = reference::run(model, &image).expect("the model is valid");
                for _ in 0..20 {
                    assert_eq!(plan.run(&mut arena, &image), Ok(&expected[..]));
                }
            });
        }
    });
}

#[test]
fn wrong_sizes_are_errors() {
    let model = random_model(1);
    let plan = Plan::new(&model, Options::default()).expect("the model is valid");
    let images = [random_image(&model, 0), random_image(&model, 1)].concat();
    let mut logits = vec![0; 2 * plan.classes()];
    let pool = &mut pool(2);
    assert_eq!(
        plan.run_batch(pool, &images[1..], &mut logits),
        Err(RunError::BatchSize {
            image: plan.image_bytes(),
            found: images.len() - 1
        })
    );
    assert_eq!(
        plan.run_batch(pool, &images, &mut logits[1..]),
        Err(RunError::LogitsSize {
            expected: 2 * plan.classes(),
            found: 2 * plan.classes() - 1
        })
    );
    assert_eq!(plan.run_batch(pool, &images, &mut logits), Ok(()));
    assert_eq!(plan.run_batch(pool, &[], &mut []), Ok(()));
}
