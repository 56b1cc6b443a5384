//! The engine equals the reference, bit for bit: every node of many random models, at every level of this processor.

mod common;

use common::number_of_cases;
use subbyte_engine::{Level, Observed, Options, Plan};
use subbyte_model::{
    Model,
    reference::{self, Value},
    testing::{random_image, random_model},
};

const MODELS: u64 = 300;

/// The levels that this processor has.
fn levels() -> Vec<Level> {
    let all = Level::ALL.iter().copied();
    all.filter(|level| level.is_available()).collect()
}

/// Prints which levels ran and which this processor lacks.
fn report(what: &str) {
    for level in Level::ALL {
        match level.is_available() {
            true => println!("{what} at {level}: {} cases", number_of_cases(MODELS)),
            false => println!("{what} at {level}: skipped, not on this processor"),
        }
    }
}

fn plan(model: &Model, level: Level, fuse: bool) -> Plan {
    let level = Some(level);
    Plan::new(
        model,
        Options {
            level,
            fuse,
            ..Options::default()
        },
    )
    .expect("the model is valid")
}

#[test]
fn every_node_equals_the_reference() {
    let levels = levels();
    for seed in 0..number_of_cases(MODELS) {
        let model = random_model(seed);
        let image = random_image(&model, seed);
        let expected = reference::trace(&model, &image).expect("the model is valid");
        for &level in &levels {
            let plan = plan(&model, level, false);
            let mut seen = vec![0; model.nodes.len()];
            let mut arena = plan.arena();
            let check = &mut |node: usize, found: Observed<'_>| {
                let name = &model.nodes[node].name;
                let equal = match (&expected[node], found) {
                    (Value::Image, Observed::Image(found)) => found == image,
                    (Value::Codes(codes), Observed::Codes(found)) => codes == found,
                    (Value::Sums(sums), Observed::Sums(found)) => sums == found,
                    _ => false,
                };
                assert!(equal, "model {seed} at {level}, node {node} ({name})");
                seen[node] += 1;
            };
            plan.observe(&mut arena, &image, check).expect("sizes fit");
            assert!(
                seen.iter().all(|&times| times == 1),
                "model {seed}: {seen:?}"
            );
        }
    }
    report("models, every node");
}

#[test]
fn fused_plans_give_the_same_logits_and_what_they_show_is_right() {
    let mut fused_steps = 0;
    for seed in 0..number_of_cases(MODELS) {
        let model = random_model(seed);
        let traces: Vec<_> = (0..3)
            .map(|i| {
                let image = random_image(&model, seed + i);
                let trace = reference::trace(&model, &image).expect("the model is valid");
                (image, trace)
            })
            .collect();
        for level in levels() {
            let plan = plan(&model, level, true);
            fused_steps += plan.steps().iter().filter(|s| s.nodes.len() > 1).count();
            // One arena for different images: nothing of an earlier run may show.
            let mut arena = plan.arena();
            for (image, trace) in &traces {
                let check = &mut |node: usize, found: Observed<'_>| match (&trace[node], found) {
                    (Value::Codes(codes), Observed::Codes(found)) => assert_eq!(codes, found),
                    (Value::Sums(sums), Observed::Sums(found)) => assert_eq!(sums, found),
                    (Value::Image, Observed::Image(found)) => assert_eq!(image, found),
                    _ => panic!("model {seed}, node {node}: another kind of tensor"),
                };
                let logits = plan.observe(&mut arena, image, check).expect("sizes fit");
                let expected = reference::run(&model, image).expect("the model is valid");
                assert_eq!(logits, expected, "model {seed} at {level}");
            }
        }
    }
    assert!(fused_steps > 0);
    report("models, fused");
}

#[test]
fn steps_cover_every_node_once_and_count_the_multiply_adds() {
    for seed in 0..number_of_cases(MODELS) {
        let model = random_model(seed);
        let count = |fuse| {
            let plan = plan(&model, Level::best(), fuse);
            let mut covered: Vec<_> = plan.steps().iter().flat_map(|s| s.nodes.clone()).collect();
            covered.sort_unstable();
            assert!(covered.into_iter().eq(1..model.nodes.len()), "model {seed}");
            plan.steps().iter().map(|step| step.macs).sum::<u64>()
        };
        assert_eq!(count(true), count(false), "model {seed}");
    }
}
