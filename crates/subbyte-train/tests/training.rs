//! What a run does, tells, writes and refuses.

mod common;

use common::{images, recipe, run, train};
use subbyte_exec::Network;
use subbyte_graph::{Storage, sbg};
use subbyte_train::{
    Checkpoint, Control, Event, Outcome, Record, RunFolder, TrainError, evaluate_float, read_log,
};

#[test]
fn training_learns_the_classes_of_real_images() {
    let temporary = tempfile::tempdir().unwrap();
    let outcome = train(recipe(&["epochs=8"]), temporary.path(), false).unwrap();
    let Outcome::Finished(finished) = outcome else {
        panic!("stopped");
    };
    let (first, last) = (&finished.history[0], &finished.history[7]);
    assert!(
        last.loss < 0.75 * first.loss,
        "{} -> {}",
        first.loss,
        last.loss
    );
    assert!(last.accuracy > 0.5, "{}", last.accuracy);
    assert!(last.validation.unwrap().top1 > 0.4, "{:?}", last.validation);

    // What is on disk is what was returned, and it classifies.
    let read = Checkpoint::load(&RunFolder::new(temporary.path()).finished()).unwrap();
    assert_eq!(read.graph, finished.graph);
    let network = Network::new(&read.graph, &burn::tensor::Device::flex()).unwrap();
    let images = images();
    let metrics = evaluate_float(&network, images.geometry(), images.examples()).unwrap();
    assert!(
        metrics.top1 > 0.5 && metrics.top5 >= metrics.top1,
        "{metrics:?}"
    );
}

#[test]
fn a_diffusion_network_learns_to_tell_noise() {
    let settings = |teacher: &str| {
        let mut recipe = recipe(&[
            "network=unet",
            "bits=float",
            "epochs=3",
            "optimizer=adam",
            "learning-rate=0.002",
            "weight-decay=0",
            "augment.pad=0",
        ]);
        if !teacher.is_empty() {
            recipe.set(teacher).unwrap();
        }
        recipe
    };
    let temporary = tempfile::tempdir().unwrap();
    let outcome = train(settings(""), temporary.path(), false).unwrap();
    let Outcome::Finished(finished) = outcome else {
        panic!("stopped");
    };
    let losses: Vec<f64> = finished.history.iter().map(|epoch| epoch.loss).collect();
    // Before anything is learned the noise is told to be 0, which costs its variance.
    assert!(losses[0] < 1.1 && losses[2] < 0.8 * losses[0], "{losses:?}");
    let validation = finished.history[2].validation.unwrap();
    assert!(validation.loss < 0.8, "{validation:?}");
    let read = Checkpoint::load(&RunFolder::new(temporary.path()).finished()).unwrap();
    assert_eq!(read.graph, finished.graph);
    assert!(read.graph.diffusion.is_some() && read.graph.classes.is_empty());

    let other = tempfile::tempdir().unwrap();
    let refusal = train(settings("label-smoothing=0.1"), other.path(), false).unwrap_err();
    assert!(refusal.to_string().contains("for classifiers"), "{refusal}");
}

#[test]
fn every_kind_of_network_trains() {
    for settings in [
        &["bits=float"][..],
        &["first=float", "last=float"],
        &["first=eight-bit", "last=eight-bit"],
        &["bits=w1a2", "binary-scale=tensor"],
        &["activation-quantizer=mid-tread-half"],
        &["input=thermometer"],
        &[
            "table.smoothness=0.01",
            "label-smoothing=0.1",
            "data.validation=0",
        ],
    ] {
        let temporary = tempfile::tempdir().unwrap();
        let mut settings = settings.to_vec();
        settings.extend(["epochs=2", "warm-up-epochs=0"]);
        let Outcome::Finished(finished) =
            train(recipe(&settings), temporary.path(), false).unwrap()
        else {
            panic!("stopped");
        };
        let [first, second] = &finished.history[..] else {
            panic!("{} epochs", finished.history.len());
        };
        assert!(
            second.loss < first.loss,
            "{settings:?}: {} -> {}",
            first.loss,
            second.loss
        );
    }
}

#[test]
fn a_smoothness_penalty_smooths_the_table() {
    let roughness = |settings: &[&str]| {
        let temporary = tempfile::tempdir().unwrap();
        let mut settings = settings.to_vec();
        settings.extend(["epochs=1", "table.init=uniform"]);
        let Outcome::Finished(finished) =
            train(recipe(&settings), temporary.path(), false).unwrap()
        else {
            panic!("stopped");
        };
        let table = finished.graph.params["input.table"].to_vec();
        let pairs = table.iter().zip(&table[4..]);
        pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>()
    };
    let (free, smooth) = (roughness(&[]), roughness(&["table.smoothness=0.5"]));
    assert!(smooth < 0.5 * free, "{free} -> {smooth}");
}

#[test]
fn a_float_network_is_a_better_start_than_none() {
    let temporary = tempfile::tempdir().unwrap();
    let (float, low) = (temporary.path().join("float"), temporary.path().join("low"));
    train(recipe(&["bits=float"]), &float, false).unwrap();
    let from = format!("from={}", RunFolder::new(&float).finished().display());
    let recipe = recipe(&[&from, "first=float", "epochs=1"]);
    let mut taken = None;
    let mut loss = None;
    let mut observer = |event: &Event<'_>| {
        match event {
            Event::Started(start) => taken = start.taken.clone(),
            Event::Step(step) if step.step == 1 => loss = Some(step.loss),
            _ => {}
        }
        Control::Continue
    };
    run(recipe, &low).train(&mut observer, false).unwrap();
    let taken = taken.unwrap();
    assert!(taken.parameters > 0);
    assert!(
        taken.missing.iter().all(|name| name.ends_with(".scale")),
        "{taken:?}"
    );
    // A network that knows nothing of ten classes has a loss of ln 10 = 2.3.
    assert!(loss.unwrap() < 2.0, "{loss:?}");
}

#[test]
fn a_loss_that_is_no_number_names_epoch_and_step_and_says_what_to_try() {
    let temporary = tempfile::tempdir().unwrap();
    let wild = recipe(&[
        "learning-rate=1e30",
        "schedule=constant",
        "warm-up-epochs=0",
    ]);
    let error = train(wild, temporary.path(), false).unwrap_err();
    let TrainError::Diverged {
        step,
        checkpoint: None,
        ..
    } = &error
    else {
        panic!("{error}");
    };
    let (step, message) = (format!("step {step}"), error.to_string());
    for part in ["epoch 1", &step, "1.000e30", "smaller learning-rate"] {
        assert!(message.contains(part), "{part} is not in: {message}");
    }
}

#[test]
fn a_run_that_diverges_later_keeps_its_last_checkpoint() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = RunFolder::new(temporary.path());
    let mut observer = |event: &Event<'_>| match event {
        Event::Checkpoint { .. } => Control::Stop,
        _ => Control::Continue,
    };
    run(recipe(&[]), folder.path())
        .train(&mut observer, false)
        .unwrap();
    // Weights that overflow stand for whatever makes a run diverge.
    let (mut graph, extras) = sbg::load(folder.checkpoint()).unwrap();
    let bias = graph.params.get_mut("classifier.bias").unwrap();
    bias.storage = Storage::F32((0..10).map(|i| 3e38 * f32::powi(-1.0, i)).collect());
    sbg::save(folder.checkpoint(), &graph, &extras).unwrap();
    let before = std::fs::read(folder.checkpoint()).unwrap();
    let error = train(recipe(&[]), folder.path(), true).unwrap_err();
    let TrainError::Diverged {
        epoch: 2,
        checkpoint: Some(kept),
        ..
    } = &error
    else {
        panic!("{error}");
    };
    assert_eq!(*kept, folder.checkpoint());
    assert!(error.to_string().contains("checkpoint.sbg"), "{error}");
    assert_eq!(std::fs::read(folder.checkpoint()).unwrap(), before);
}

#[test]
fn the_log_tells_the_run_and_every_epoch() {
    let temporary = tempfile::tempdir().unwrap();
    let recipe = recipe(&["epochs=2"]);
    train(recipe.clone(), temporary.path(), false).unwrap();
    let records = read_log(&RunFolder::new(temporary.path()).log()).unwrap();
    let [
        Record::Run(header),
        Record::Epoch(first),
        Record::Epoch(second),
        Record::Finished { seconds, table },
    ] = &records[..]
    else {
        panic!("{records:?}");
    };
    assert_eq!(header.recipe, recipe);
    assert_eq!(header.data, images().fingerprint());
    assert_eq!(
        (header.training_images, header.validation_images),
        (240, 60)
    );
    assert_eq!((first.epoch, second.epoch), (1, 2));
    // Numbers that were written as text may have lost their last bit.
    assert!((*seconds - first.seconds - second.seconds).abs() < 1e-9);
    let table = table.expect("a learned table");
    assert_eq!(table.rows, 256);
    assert!((2..=256).contains(&table.distinct), "{table:?}");
    let finished = RunFolder::new(temporary.path()).finished();
    assert_eq!(Checkpoint::load(&finished).unwrap().table, Some(table));
    let last_step = 2 * 8 - 1;
    assert_eq!(second.learning_rate, recipe.learning_rate_at(last_step, 8));
}

#[test]
fn events_come_in_order_and_count_right() {
    let temporary = tempfile::tempdir().unwrap();
    let mut order = String::new();
    let mut observer = |event: &Event<'_>| {
        order.push(match event {
            Event::Started(start) => {
                assert_eq!((start.training_images, start.validation_images), (240, 60));
                's'
            }
            Event::Step(step) => {
                assert_eq!(step.steps, 8);
                assert!(step.images_per_second > 0.0 && (0.0..=1.0).contains(&step.accuracy));
                '.'
            }
            Event::EpochEnd(_) => 'e',
            Event::Checkpoint { path } => {
                assert!(path.exists());
                'c'
            }
            Event::Reestimation { images } => {
                assert_eq!(*images, 90);
                'r'
            }
            Event::Finished { path } => {
                assert!(path.exists());
                'f'
            }
            _ => '?',
        });
        Control::Continue
    };
    run(recipe(&["epochs=2"]), temporary.path())
        .train(&mut observer, false)
        .unwrap();
    assert_eq!(order, "s........ec........ecrf");
}

#[test]
fn what_cannot_be_written_is_named_and_the_last_checkpoint_stays() {
    let temporary = tempfile::tempdir().unwrap();
    let file = temporary.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = train(recipe(&[]), &file, false).unwrap_err();
    assert!(
        error.to_string().contains(&file.display().to_string()),
        "{error}"
    );

    // A folder stands where the second epoch's checkpoint has to be written first.
    let folder = temporary.path().join("run");
    let beside = folder.join("checkpoint.sbg.tmp");
    let mut observer = |event: &Event<'_>| {
        if let Event::Checkpoint { .. } = event {
            std::fs::create_dir(&beside).unwrap();
        }
        Control::Continue
    };
    let error = run(recipe(&[]), &folder)
        .train(&mut observer, false)
        .unwrap_err();
    assert!(error.to_string().contains("checkpoint.sbg"), "{error}");
    let kept = Checkpoint::load(&RunFolder::new(&folder).checkpoint()).unwrap();
    assert_eq!(kept.history.len(), 1);
}

#[test]
fn a_start_of_another_kind_is_refused() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("start.sbg");
    let from = format!("from={}", path.display());
    let folder = temporary.path().join("run");
    let error = train(recipe(&[&from]), &folder, false).unwrap_err();
    assert!(error.to_string().contains("start.sbg"), "{error}");
    std::fs::write(&path, "rubbish").unwrap();
    let error = run(recipe(&[&from]), &folder)
        .force(true)
        .train(&mut |_: &Event<'_>| Control::Continue, false)
        .unwrap_err();
    assert!(error.to_string().contains("start.sbg"), "{error}");
}

/// Trains a float network as a teacher; returns its file as a setting.
fn teacher(folder: &std::path::Path) -> String {
    let float = folder.join("teacher");
    train(recipe(&["bits=float"]), &float, false).unwrap();
    format!("teacher={}", RunFolder::new(&float).finished().display())
}

#[test]
fn a_teacher_without_labels_teaches_what_it_knows() {
    let temporary = tempfile::tempdir().unwrap();
    let teacher = teacher(temporary.path());
    let loss = |settings: &[&str], folder: &str| {
        let folder = temporary.path().join(folder);
        let settings = [&[&teacher, "epochs=3"][..], settings].concat();
        let Outcome::Finished(done) = train(recipe(&settings), &folder, false).unwrap() else {
            panic!("stopped");
        };
        done.history.clone()
    };
    // Labels have no part in this loss, yet the predictions come to agree with them.
    let taught = loss(&["teacher-weight=1"], "taught");
    assert!(taught[2].loss < taught[0].loss, "{taught:?}");
    assert!(taught[2].accuracy > 0.2, "{taught:?}");
    // A teacher without weight changes nothing but the recipe.
    let alone = loss(&["teacher-weight=0"], "alone");
    let folder = temporary.path().join("none");
    let Outcome::Finished(none) = train(recipe(&["epochs=3"]), &folder, false).unwrap() else {
        panic!("stopped");
    };
    assert_eq!(alone[2].accuracy, none.history[2].accuracy);
}

#[test]
fn a_teacher_for_other_images_or_classes_is_refused() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("teacher.sbg");
    let setting = format!("teacher={}", path.display());
    let refusal = |height: usize, classes: usize| {
        let config = subbyte_graph::networks::NetworkConfig {
            colours: 1,
            height,
            width: 28,
            classes,
            bits: None,
            ..Default::default()
        };
        let graph = subbyte_graph::networks::build("small", &config).unwrap();
        sbg::save(&path, &graph, &Default::default()).unwrap();
        let folder = temporary.path().join("run");
        let error = train(recipe(&[&setting]), &folder, false).unwrap_err();
        assert!(!folder.exists());
        error.to_string()
    };
    let message = refusal(32, 10);
    assert!(
        message.contains("28x32") && message.contains("28x28"),
        "{message}"
    );
    let message = refusal(28, 7);
    assert!(
        message.contains("7 classes") && message.contains("10"),
        "{message}"
    );
    std::fs::remove_file(&path).unwrap();
    let error = train(recipe(&[&setting]), temporary.path(), false).unwrap_err();
    assert!(error.to_string().contains("teacher.sbg"), "{error}");
}

#[test]
fn dampening_brings_weights_nearer_to_their_codes() {
    let temporary = tempfile::tempdir().unwrap();
    let distance = |dampening: &str| {
        let folder = temporary.path().join(dampening);
        let setting = format!("dampening={dampening}");
        let Outcome::Finished(done) = train(recipe(&[&setting]), &folder, false).unwrap() else {
            panic!("stopped");
        };
        let value = |name: &str| done.graph.params[name].to_vec();
        let step = value("conv2.weight.scale")[0];
        let ratios = value("conv2.weight").into_iter().map(|w| w / step);
        let inside = ratios.filter(|r| (-2.0..=1.0).contains(r));
        let distances: Vec<f32> = inside.map(|r| (r - r.round()).abs()).collect();
        distances.iter().sum::<f32>() / distances.len() as f32
    };
    let (free, dampened) = (distance("0"), distance("1"));
    assert!(dampened < 0.7 * free, "{free} and {dampened}");
}

#[test]
fn an_event_file_is_written_when_asked_and_goes_on_with_its_run() {
    let temporary = tempfile::tempdir().unwrap();
    let watch = |folder: &str, ask: bool, resume: bool, until: usize| {
        let folder = temporary.path().join(folder);
        let run = run(recipe(&["epochs=2"]), &folder).tensorboard(ask);
        let mut observer = |event: &Event<'_>| match event {
            Event::Checkpoint { .. } if until == 1 => Control::Stop,
            _ => Control::Continue,
        };
        run.train(&mut observer, resume).unwrap();
        let file = RunFolder::new(folder).tensorboard();
        std::fs::metadata(file).ok().map(|file| file.len())
    };
    assert_eq!(watch("none", false, false, 2), None);
    let whole = watch("whole", true, false, 2);
    let half = watch("parts", true, false, 1);
    assert!(half.is_some() && half < whole);
    assert_eq!(watch("parts", false, true, 2), whole);
}
