//! Plans from stored packed weights equal the reference; bytes that do not belong to the plan are refused, whatever they are.

mod common;

use common::number_of_cases;
use subbyte_engine::{Level, Options, PackedError, Plan, PlanError};
use subbyte_model::{
    Model, reference,
    testing::{random_image, random_model},
};

/// Bytes before those that the checksum covers, and where it lies.
const HEADER: usize = 24;
const CHECKSUM: std::ops::Range<usize> = 12..16;

fn levels() -> impl Iterator<Item = Level> {
    let all = Level::ALL.iter().copied();
    all.filter(|level| level.is_available())
}

fn options(level: Level, fuse: bool) -> Options {
    Options {
        level: Some(level),
        fuse,
        ..Options::default()
    }
}

fn run(plan: &Plan, image: &[u8]) -> Vec<i32> {
    let logits = plan.run(&mut plan.arena(), image).map(<[i32]>::to_vec);
    logits.expect("sizes fit")
}

fn refusal(model: &Model, options: Options, bytes: &[u8]) -> PackedError {
    match Plan::with_packed(model, options, bytes) {
        Err(PlanError::Packed(error)) => {
            assert!(error.to_string().contains("Plan::packed"), "{error}");
            error
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn stored_weights_give_the_logits_of_the_reference() {
    for seed in 0..number_of_cases(300) {
        let model = random_model(seed);
        let image = random_image(&model, seed);
        let expected = reference::run(&model, &image).expect("the model is valid");
        for options in levels().flat_map(|level| [options(level, true), options(level, false)]) {
            let bytes = Plan::packed(&model, options).expect("the model is valid");
            let plan = Plan::with_packed(&model, options, &bytes).expect("the plan's own bytes");
            assert_eq!(run(&plan, &image), expected, "model {seed}, {options:?}");
            let new = Plan::new(&model, options).expect("the model is valid");
            assert_eq!(plan.steps(), new.steps());
            assert_eq!(plan.arena_bytes(), new.arena_bytes());
        }
    }
}

#[test]
fn cut_off_and_damaged_bytes_are_refused() {
    let model = random_model(3);
    let options = Options::default();
    let bytes = Plan::packed(&model, options).expect("the model is valid");
    for len in 0..bytes.len() {
        let error = refusal(&model, options, &bytes[..len]);
        let expected = match len {
            0 => PackedError::NotPacked,
            _ => PackedError::Damaged,
        };
        assert_eq!(error, expected, "{len} bytes");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(refusal(&model, options, &longer), PackedError::Damaged);
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        refusal(&model, options, &damaged);
    }
    assert_eq!(refusal(&model, options, b"PNG"), PackedError::NotPacked);
}

/// Behind a checksum that fits, kernels meet whatever was put in place of their weights.
#[test]
fn tampered_bytes_make_wrong_logits_at_most() {
    let (mut taken, mut refused) = (0, 0);
    for seed in 0..number_of_cases(120) {
        let model = random_model(seed);
        let image = random_image(&model, seed);
        for level in levels() {
            let options = options(level, true);
            let bytes = Plan::packed(&model, options).expect("the model is valid");
            let body = bytes.len() - HEADER;
            for i in 0..12 {
                let mut tampered = bytes.clone();
                let at = HEADER + (seed as usize * 7919 + i * 104_729) % body;
                match i {
                    0 => tampered.truncate(at),
                    1 => tampered[at..].fill(0xff),
                    2 => tampered[at..].fill(0x80),
                    3 => tampered[at..].rotate_left(1),
                    _ => tampered[at] = [0xff, 0x7f, 0x80, 1, 0, 64][i % 6],
                }
                let length = (tampered.len() - HEADER) as u64;
                tampered[16..HEADER].copy_from_slice(&length.to_le_bytes());
                let sum = crc32fast::hash(&tampered[HEADER..]);
                tampered[CHECKSUM].copy_from_slice(&sum.to_le_bytes());
                match Plan::with_packed(&model, options, &tampered) {
                    Ok(plan) => {
                        assert_eq!(run(&plan, &image).len(), plan.classes());
                        taken += 1;
                    }
                    Err(PlanError::Packed(_)) => refused += 1,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }
    assert!(taken > 0 && refused > 0, "{taken} taken, {refused} refused");
}

#[test]
fn bytes_of_another_plan_are_refused_with_the_reason() {
    let (model, other) = (random_model(1), random_model(2));
    for level in levels() {
        let own = options(level, true);
        let bytes = Plan::packed(&model, own).expect("the model is valid");
        assert_eq!(refusal(&other, own, &bytes), PackedError::Model);
        let unfused = options(level, false);
        assert_eq!(refusal(&model, unfused, &bytes), PackedError::Fuse);
        for another in levels().filter(|&another| another != level) {
            let error = refusal(&model, options(another, true), &bytes);
            assert!(matches!(error, PackedError::Processor { .. }));
            let message = error.to_string();
            assert!(
                message.contains(&format!("'{level}'"))
                    && message.contains(&format!("'{another}'"))
            );
        }
        let mut version = bytes.clone();
        version[8] += 1;
        let error = refusal(&model, own, &version);
        assert!(matches!(error, PackedError::Version { expected, found } if found == expected + 1));
    }
}
