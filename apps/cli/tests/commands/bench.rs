use serde_json::Value;
use subbyte_graph::{networks::FirstLayer, sbg};
use subbyte_kernels::Level;

use crate::support::{Place, model, network};

fn bench(place: &Place, more: &[&str]) -> Value {
    let arguments = ["bench", "small.sbm", "--seconds", "0.05", "--json"];
    place.run(&[&arguments, more].concat()).json()
}

fn numbers(rows: &Value, key: &str) -> Vec<f64> {
    let rows = rows.as_array().unwrap().iter();
    rows.map(|row| row[key].as_f64().unwrap()).collect()
}

#[test]
fn one_thread_and_all_are_compared_and_every_layer_is_timed() {
    let place = Place::new();
    place.model("small.sbm", &model());
    let report = bench(&place, &[]);
    let all = std::thread::available_parallelism().unwrap().get();
    let threads = if all == 1 {
        vec![1.0]
    } else {
        vec![1.0, all as f64]
    };
    assert_eq!(numbers(&report["runs"], "threads"), threads);
    for row in report["runs"].as_array().unwrap() {
        let [least, middle] = ["minimum_ms", "median_ms"].map(|key| row[key].as_f64().unwrap());
        assert!(0.0 < least && least <= middle, "{row}");
        assert!(row["interquartile_range_ms"].as_f64().unwrap() >= 0.0);
        assert!(row["runs"].as_u64().unwrap() >= 3);
        assert!(row["arena_bytes"].as_u64().unwrap() > 28 * 28);
        let speed = row["images_per_second"].as_f64().unwrap();
        assert!((speed * middle / 1e3 - 1.0).abs() < 1e-6, "{row}");
    }
    let inspected = place.run(&["inspect", "small.sbm", "--json"]).json();
    assert_eq!(report["macs"], inspected["totals"]["macs"]);
    assert_eq!(
        numbers(&report["layers"], "macs").iter().sum::<f64>(),
        report["macs"].as_f64().unwrap()
    );
    let whole: f64 = numbers(&report["layers"], "share").iter().sum();
    assert!(whole > 0.9 && whole < 1.0 + 1e-9, "{whole}");
    let length = std::fs::metadata(place.path("small.sbm")).unwrap().len();
    assert_eq!(report["file_bytes"], length);
    for key in ["packed_bytes", "layer_runs"] {
        assert!(report[key].as_u64().unwrap() > 0, "{key}");
    }
}

#[test]
fn layers_with_weights_have_a_rate_and_low_bit_ones_a_ceiling() {
    let place = Place::new();
    place.model("small.sbm", &model());
    let report = bench(&place, &[]);
    let mut ceilings = 0;
    for layer in report["layers"].as_array().unwrap() {
        assert_eq!(layer["gmacs"].is_null(), layer["macs"] == 0, "{layer}");
        assert_eq!(
            layer["ceiling_gmacs"].is_null(),
            layer["ceiling_share"].is_null()
        );
        if let Some(ceiling) = layer["ceiling_gmacs"].as_f64() {
            let share = layer["gmacs"].as_f64().unwrap() / ceiling;
            assert!((share / layer["ceiling_share"].as_f64().unwrap() - 1.0).abs() < 1e-6);
            ceilings += 1;
        }
    }
    assert!(ceilings > 0 || report["level"] == "portable", "{report}");
    assert!(
        numbers(&report["ceilings"], "nanoseconds_a_step")
            .iter()
            .all(|&time| time > 0.0)
    );
}

#[test]
fn threads_batch_and_level_are_obeyed() {
    let place = Place::new();
    place.model("small.sbm", &model());
    let report = bench(
        &place,
        &["--threads", "3", "--batch", "4", "--level", "portable"],
    );
    assert_eq!(numbers(&report["runs"], "threads"), [3.0]);
    assert_eq!(
        (&report["batch"], &report["level"]),
        (&4.into(), &"portable".into())
    );
    for layer in report["layers"].as_array().unwrap() {
        assert_eq!(layer["level"], "portable");
        // What the compiler makes of portable loops has no ceiling.
        assert!(layer["ceiling_gmacs"].is_null(), "{layer}");
    }
}

#[test]
fn people_see_tables_that_fit_a_terminal() {
    let place = Place::new();
    place.model("small.sbm", &model());
    let outcome = place.run(&["bench", "small.sbm", "--seconds", "0.05"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    for part in [
        "packed weights",
        "median ms",
        "GMAC/s",
        "ceiling",
        "interquartile",
        "sum",
    ] {
        assert!(outcome.stdout.contains(part), "{part}: {}", outcome.stdout);
    }
    assert!(outcome.stderr.starts_with("measuring for about"));
    let widest = outcome
        .stdout
        .lines()
        .map(|line| line.chars().count())
        .max();
    assert!(widest <= Some(120), "{}", outcome.stdout);
}

#[test]
fn what_is_no_model_or_cannot_run_here_is_an_error() {
    let place = Place::new();
    place.model("small.sbm", &model());
    sbg::save(
        place.path("net.sbg"),
        &network(FirstLayer::default()),
        &Default::default(),
    )
    .unwrap();
    place
        .run(&["bench", "net.sbg"])
        .refused(&["net.sbg", "subbyte lower"]);
    place.write("notes.txt", "no model");
    for command in ["bench", "verify"] {
        let outcome = place.run(&[command, "notes.txt"]);
        outcome.refused(&["notes.txt", "no model (.sbm)"]);
        assert!(!outcome.stderr.contains(".sbg"), "{}", outcome.stderr);
    }
    place.run(&["bench", "none.sbm"]).refused(&["none.sbm"]);
    let wrong = |arguments: &[&str], part: &str| {
        let outcome = place.run(&[&["bench", "small.sbm"], arguments].concat());
        assert_eq!(outcome.code, 2, "{}", outcome.stdout);
        assert!(outcome.stderr.contains(part), "{}", outcome.stderr);
    };
    wrong(&["--level", "mmx"], "portable");
    wrong(&["--seconds", "0"], "more than 0");
    wrong(&["--seconds", "NaN"], "more than 0");
    wrong(&["--batch", "0"], "--batch");
    for huge in ["100000000000", "2000000", "18446744073709551615"] {
        wrong(&["--batch", huge], "give at most 1369568");
    }
    for threads in ["0", "1025", "30000", "many"] {
        wrong(&["--threads", threads], "from 1 to 1024");
    }
    for level in Level::ALL.iter().filter(|level| !level.is_available()) {
        place
            .run(&["bench", "small.sbm", "--level", level.name()])
            .refused(&["processor lacks"]);
    }
}
