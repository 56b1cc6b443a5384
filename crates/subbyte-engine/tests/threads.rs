//! Batches over threads.
#![cfg(feature = "threads")]

use std::num::NonZeroUsize;

use subbyte_engine::{Options, Plan, Pool, RunError};
use subbyte_model::{
    reference,
    testing::{random_image, random_model},
};

fn pool(threads: usize) -> Pool {
    Pool::new(NonZeroUsize::new(threads)).expect("a few threads can be started")
}

#[test]
fn logits_do_not_depend_on_the_number_of_threads() {
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
