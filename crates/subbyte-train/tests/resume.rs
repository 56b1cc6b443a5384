//! An interrupted run reaches the weights of an uninterrupted one, bit for bit.

mod common;

use std::path::Path;

use common::{recipe, run, train};
use subbyte_train::{Checkpoint, Control, Event, Outcome, Recipe, Record, RunFolder, read_log};

/// Stops a run when `when` says so.
fn stop(recipe: Recipe, folder: &Path, resume: bool, when: impl Fn(&Event<'_>) -> bool) -> usize {
    let mut observer = |event: &Event<'_>| match when(event) {
        true => Control::Stop,
        false => Control::Continue,
    };
    match run(recipe, folder).train(&mut observer, resume).unwrap() {
        Outcome::Stopped { epochs } => epochs,
        Outcome::Finished(_) => panic!("never stopped"),
    }
}

/// Bytes of a file of tensors, and the history without times.
fn weights(path: &Path) -> (subbyte_graph::Graph, Vec<(usize, f64, f64)>) {
    let checkpoint = Checkpoint::load(path).unwrap();
    let history = checkpoint.history.iter();
    let history = history.map(|epoch| (epoch.epoch, epoch.loss, epoch.accuracy));
    (checkpoint.graph, history.collect())
}

#[test]
fn two_interruptions_change_no_bit() {
    let teacher = tempfile::tempdir().unwrap();
    let float = recipe(&["bits=float", "epochs=1"]);
    train(float, teacher.path(), false).unwrap();
    let teacher = RunFolder::new(teacher.path()).finished();
    let teacher = format!("teacher={}", teacher.display());
    for settings in [
        &["optimizer=sgd"][..],
        &[
            &teacher,
            "augment.cutout=7",
            "weight-quantizer=dorefa",
            "activation-quantizer=pact",
        ],
        &[
            "dampening=0.1",
            "step-gradient-scale=0.5",
            "table.equalise=true",
        ],
        &[
            "optimizer=adam",
            "learning-rate=0.002",
            "table.learning-rate-factor=3",
        ],
    ] {
        let temporary = tempfile::tempdir().unwrap();
        let (whole, parts) = (
            temporary.path().join("whole"),
            temporary.path().join("parts"),
        );
        let recipe = recipe(settings);
        train(recipe.clone(), &whole, false).unwrap();

        // Once between two epochs, once in the middle of one.
        let after_one = |event: &Event<'_>| matches!(event, Event::Checkpoint { .. });
        assert_eq!(stop(recipe.clone(), &parts, false, after_one), 1);
        let middle =
            |event: &Event<'_>| matches!(event, Event::Step(s) if s.epoch == 3 && s.step == 4);
        assert_eq!(stop(recipe.clone(), &parts, true, middle), 2);
        let resumed = train(recipe, &parts, true).unwrap();

        assert!(matches!(resumed, Outcome::Finished(_)));
        let (whole, parts) = (RunFolder::new(whole), RunFolder::new(parts));
        assert_eq!(weights(&whole.checkpoint()), weights(&parts.checkpoint()));
        assert_eq!(weights(&whole.finished()), weights(&parts.finished()));
        let epochs = |folder: &RunFolder| -> Vec<usize> {
            let records = read_log(&folder.log()).unwrap();
            let epochs = records.iter().filter_map(|record| match record {
                Record::Epoch(epoch) => Some(epoch.epoch),
                _ => None,
            });
            epochs.collect()
        };
        assert_eq!(epochs(&whole), [1, 2, 3, 4]);
        assert_eq!(epochs(&parts), [1, 2, 3, 4]);
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let temporary = tempfile::tempdir().unwrap();
    let graphs: Vec<_> = [1, 3]
        .into_iter()
        .map(|threads| {
            let folder = temporary.path().join(threads.to_string());
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| train(recipe(&["epochs=1"]), &folder, false))
                .unwrap();
            weights(&RunFolder::new(folder).finished())
        })
        .collect();
    assert_eq!(graphs[0], graphs[1]);
}

#[test]
fn a_finished_run_is_finished_again_without_training() {
    let temporary = tempfile::tempdir().unwrap();
    let recipe = recipe(&["epochs=1"]);
    train(recipe.clone(), temporary.path(), false).unwrap();
    let finished = RunFolder::new(temporary.path()).finished();
    let before = weights(&finished);
    let mut steps = 0;
    let mut observer = |event: &Event<'_>| {
        steps += usize::from(matches!(event, Event::Step(_)));
        Control::Continue
    };
    run(recipe, temporary.path())
        .train(&mut observer, true)
        .unwrap();
    assert_eq!(steps, 0);
    assert_eq!(weights(&finished), before);
}

#[test]
fn a_run_does_not_go_on_with_another_teacher() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("teacher.sbg");
    for seed in [1, 2] {
        let folder = temporary.path().join(seed.to_string());
        let settings = ["bits=float", "epochs=1", &format!("seed={seed}")];
        train(recipe(&settings), &folder, false).unwrap();
    }
    let change = |seed: usize| {
        let folder = temporary.path().join(seed.to_string());
        std::fs::copy(RunFolder::new(folder).finished(), &path).unwrap();
    };
    change(1);
    let taught = recipe(&[&format!("teacher={}", path.display()), "epochs=2"]);
    let folder = temporary.path().join("run");
    let after_one = |event: &Event<'_>| matches!(event, Event::Checkpoint { .. });
    assert_eq!(stop(taught.clone(), &folder, false, after_one), 1);
    change(2);
    let error = train(taught.clone(), &folder, true)
        .unwrap_err()
        .to_string();
    assert!(error.contains("teacher's file"), "{error}");
    change(1);
    train(taught, &folder, true).unwrap();
}
