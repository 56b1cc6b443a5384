//! What is wrong with a model, an image, an arena or an option is said, with the numbers and what to do.

mod common;

use common::number_of_cases;
use subbyte_engine::{Level, LevelError, Options, Plan, PlanError, RunError};
use subbyte_model::testing::{random_image, random_model};

/// Checks that a message names all of `parts`.
fn assert_says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "no '{part}' in: {message}");
    }
}

#[test]
fn images_and_arenas_of_wrong_sizes_are_errors() {
    let mut plans: Vec<_> = (0..4)
        .map(|seed| {
            let model = random_model(seed);
            let plan = Plan::new(&model, Options::default()).expect("the model is valid");
            (plan, random_image(&model, 0))
        })
        .collect();
    plans.sort_by_key(|(plan, _)| plan.arena_bytes());
    let (plan, image) = &plans[plans.len() - 1];
    let mut arena = plan.arena();
    assert_eq!(arena.bytes(), plan.arena_bytes());
    for wrong in [&image[1..], &[image.clone(), vec![0]].concat(), &[]] {
        let (expected, found) = (image.len(), wrong.len());
        let error = plan.run(&mut arena, wrong).unwrap_err();
        assert_eq!(error, RunError::ImageSize { expected, found });
        let numbers = [&*expected.to_string(), &*found.to_string()];
        assert_says(&error.to_string(), &numbers);
        assert_says(&error.to_string(), &["height * width * colours", "resize"]);
    }
    assert!(plan.run(&mut arena, image).is_ok());
    let mut small = plans[0].0.arena();
    let error = plan.run(&mut small, image).unwrap_err();
    let (expected, found) = (plan.arena_bytes(), small.bytes());
    assert_eq!(error, RunError::ArenaSize { expected, found });
    assert_says(&error.to_string(), &["Plan::arena", &expected.to_string()]);
}

#[test]
fn an_invalid_model_lists_its_problems() {
    let mut model = random_model(1);
    let last = model.nodes.len() - 1;
    model.nodes[last].inputs = vec![last];
    let error = Plan::new(&model, Options::default()).unwrap_err();
    assert!(matches!(&error, PlanError::Model(problems) if !problems.list().is_empty()));
    assert_says(&error.to_string(), &[&model.nodes[last].name]);
}

#[test]
fn a_model_that_needs_more_memory_than_given_is_refused() {
    for seed in 0..number_of_cases(20) {
        let model = random_model(seed);
        let with = |memory| {
            let options = Options {
                memory,
                ..Options::default()
            };
            Plan::new(&model, options)
        };
        let plan = with(None).expect("the model is valid");
        let needed = plan.packed_bytes() + plan.arena_bytes();
        assert!(needed >= plan.arena().bytes());
        let fitting = with(Some(needed)).expect("it is given what it needs");
        assert_eq!(fitting.arena_bytes(), plan.arena_bytes());
        for given in [0, needed - 1] {
            let error = with(Some(given)).unwrap_err();
            assert_eq!(error, PlanError::Memory { needed, given });
            let bytes = [needed, given].map(|bytes| format!("{bytes} "));
            assert_says(&error.to_string(), &[&bytes[0], &bytes[1], "raise"]);
        }
    }
}

#[test]
fn a_level_that_the_processor_lacks_is_refused() {
    let model = random_model(1);
    for &level in Level::ALL {
        let options = Options {
            level: Some(level),
            ..Options::default()
        };
        match Plan::new(&model, options) {
            Ok(plan) => assert!(level.is_available() && plan.level() == level),
            Err(error) => {
                assert!(!level.is_available());
                assert_eq!(error, PlanError::Level(LevelError::Unavailable(level)));
                let best = Level::best();
                assert_says(&error.to_string(), &[level.name(), "lacks", best.name()]);
            }
        }
    }
}
