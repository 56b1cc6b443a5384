//! Tables of networks: `sweep`.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use subbyte::train::Checkpoint;

use crate::support::{Outcome, Place};
use crate::train::place;

/// Rows that start from the float network of their seed, on a few images.
const ROWS: &str = r#"
batch-size = 32
reestimation-images = 64
data = { path = "data", validation = 0.0 }
table.depth = 4
[rows.table]
from = "{sweep}/float-seed{seed}/final.sbg"
[rows.float]
bits = "float"
"#;

/// The folder of [`place`] with such rows.
pub fn with_rows() -> Place {
    let place = place();
    fs::write(place.path("rows.toml"), ROWS).unwrap();
    place
}

/// The arguments of a sweep of few epochs.
fn sweep<'a>(epochs: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let command = [
        "sweep",
        "rows.toml",
        "-o",
        "out",
        "--seeds",
        "2",
        "--set",
        epochs,
    ];
    [&command[..], more].concat()
}

fn read(place: &Place, name: &str) -> String {
    fs::read_to_string(place.path(name)).unwrap()
}

#[test]
fn a_sweep_trains_what_others_start_from_first_and_writes_one_row_a_cell() {
    let place = with_rows();
    let outcome = place.run(&sweep("epochs=1", &["--json"]));
    let json = outcome.json();
    let order: Vec<&str> = outcome
        .stderr
        .lines()
        .filter_map(|line| line.strip_prefix("run ")?.split_once(": "))
        .map(|(_, name)| name)
        .collect();
    assert_eq!(
        order,
        ["float-seed1", "table-seed1", "float-seed2", "table-seed2"]
    );
    assert_eq!(json["missing"].as_array().unwrap().len(), 0);
    let cells = json["cells"].as_array().unwrap();
    assert_eq!(
        (&cells[0]["name"], &cells[1]["name"]),
        (&"table".into(), &"float".into())
    );
    for cell in cells {
        let key = if cell["integer"] == true {
            "top1"
        } else {
            "top1_evaluated"
        };
        let runs: Vec<f64> = cell["runs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|run| run[key].as_f64().unwrap())
            .collect();
        let [a, b] = runs[..] else { panic!("{cell}") };
        let (mean, deviation) = (
            cell["top1"].as_f64().unwrap(),
            cell["top1_deviation"].as_f64().unwrap(),
        );
        assert!((mean - (a + b) / 2.0).abs() < 1e-12, "{cell}");
        // Of two values the sample deviation is their distance by the root of two.
        assert!(
            (deviation - (a - b).abs() / 2_f64.sqrt()).abs() < 1e-12,
            "{cell}"
        );
    }
    assert_eq!(
        cells[0]["bits"],
        serde_json::json!(["w2a2", "w2a2", "w2a2"])
    );
    assert_eq!(
        (&cells[0]["input"], &cells[0]["channels"]),
        (&"table".into(), &4.into())
    );
    assert_eq!(
        cells[1]["bits"],
        serde_json::json!(["float", "float", "float"])
    );

    let csv = read(&place, "out/results.csv");
    assert_eq!(csv.lines().count(), 3, "{csv}");
    assert!(
        csv.contains("\ntable,table,4,w2a2,w2a2,w2a2,integers,2,"),
        "{csv}"
    );
    assert_eq!(read(&place, "out/runs.csv").lines().count(), 5);
    let markdown = read(&place, "out/results.md");
    assert!(
        markdown.contains("| table | table | 4 | w2a2 |") && markdown.contains(" ± "),
        "{markdown}"
    );
    assert!(crate::support::decode(&place.path("out/accuracy-bytes.png")).0 > 0);
    // What the sweep says of a run is what the run's model says.
    let model = place
        .run(&["eval", "out/table-seed2/final.sbm", "--json"])
        .json();
    assert_eq!(model["top1"], cells[0]["runs"][1]["top1"]);

    // Finished runs are kept.
    let before = fs::metadata(place.path("out/table-seed2/final.sbm")).unwrap();
    let again = place.run(&sweep("epochs=1", &["--json"]));
    assert!(!again.stderr.contains("run "), "{}", again.stderr);
    assert_eq!(again.json()["cells"], json["cells"]);
    let after = fs::metadata(place.path("out/table-seed2/final.sbm")).unwrap();
    assert_eq!(before.modified().unwrap(), after.modified().unwrap());
}

#[test]
fn a_killed_sweep_reaches_the_same_weights_when_it_goes_on() {
    let place = with_rows();
    let arguments = [
        "sweep",
        "rows.toml",
        "-o",
        "out",
        "--set",
        "epochs=30",
        "--only",
        "float",
    ];
    let mut killed = place.start(&arguments);
    let checkpoint = place.path("out/float-seed1/checkpoint.sbg");
    let begun = Instant::now();
    while !checkpoint.exists() {
        assert!(begun.elapsed() < Duration::from_secs(120), "no checkpoint");
        std::thread::sleep(Duration::from_millis(5));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(
        !place.path("out/float-seed1/result.json").exists(),
        "it was too quick to be killed"
    );
    let resumed = place.run(&arguments);
    assert!(
        resumed.stderr.contains("resumed after epoch"),
        "{}",
        resumed.stderr
    );
    assert_eq!(resumed.code, 0, "{}", resumed.stderr);

    let whole = [
        "train",
        "rows2.toml",
        "-o",
        "whole",
        "--set",
        "epochs=30",
        "--set",
        "bits=float",
    ];
    fs::write(
        place.path("rows2.toml"),
        ROWS.split("[rows").next().unwrap(),
    )
    .unwrap();
    assert_eq!(place.run(&whole).code, 0);
    let graph = |run: &str| {
        Checkpoint::load(&place.path(run).join("final.sbg"))
            .unwrap()
            .graph
    };
    assert!(graph("out/float-seed1") == graph("whole"));
}

#[test]
fn ctrl_c_leaves_a_sweep_that_goes_on() {
    let place = with_rows();
    let command = sweep("epochs=30", &["--only", "float-seed1"]);
    let process = place.start(&command);
    let checkpoint = place.path("out/float-seed1/checkpoint.sbg");
    let begun = Instant::now();
    while !checkpoint.exists() {
        assert!(begun.elapsed() < Duration::from_secs(120), "no checkpoint");
        std::thread::sleep(Duration::from_millis(5));
    }
    let interrupt = Command::new("kill")
        .args(["-INT", &process.id().to_string()])
        .status();
    assert!(interrupt.unwrap().success());
    let stopped = Outcome::of(process.wait_with_output().unwrap());
    assert_eq!(stopped.code, 130, "{}", stopped.stderr);
    assert!(
        stopped.stderr.contains("the same command goes on"),
        "{}",
        stopped.stderr
    );
    let resumed = place.run(&command);
    assert_eq!(resumed.code, 0, "{}", resumed.stderr);
    assert!(
        resumed.stderr.contains("resumed after epoch"),
        "{}",
        resumed.stderr
    );
}

#[test]
fn a_list_says_what_starts_from_what_and_trains_nothing() {
    let place = with_rows();
    let json = place.run(&sweep("epochs=1", &["--list", "--json"])).json();
    let runs = json["runs"].as_array().unwrap();
    let names: Vec<&str> = runs
        .iter()
        .map(|run| run["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        ["float-seed1", "table-seed1", "float-seed2", "table-seed2"]
    );
    assert_eq!(runs[3]["needs"], serde_json::json!(["float-seed2"]));
    assert_eq!(
        (&runs[3]["cell"], &runs[3]["seed"]),
        (&"table".into(), &2.into())
    );
    assert_eq!(runs[0]["finished"], false);
    assert!(!place.path("out").exists());
}

#[test]
fn two_processes_share_the_runs_of_a_sweep() {
    let place = with_rows();
    let command = sweep("epochs=2", &["--json"]);
    let both = [place.start(&command), place.start(&command)];
    let both = both.map(|process| Outcome::of(process.wait_with_output().unwrap()));
    let begun = |outcome: &Outcome| {
        let lines = outcome.stderr.lines();
        lines.filter(|line| line.starts_with("run ")).count()
    };
    assert_eq!(
        begun(&both[0]) + begun(&both[1]),
        4,
        "{}\n{}",
        both[0].stderr,
        both[1].stderr
    );
    assert_eq!(both[0].json()["cells"], both[1].json()["cells"]);
}

#[test]
fn single_cells_run_elsewhere_and_are_gathered_later() {
    let place = with_rows();
    let only = |name| place.run(&sweep("epochs=1", &["--only", name]));
    only("table-seed1").refused(&["table-seed1", "float-seed1", "not finished", "--only"]);
    only("tabel").refused(&["tabel", "`table`"]);
    assert_eq!(only("float-seed1").code, 0);
    assert_eq!(only("table-seed1").code, 0);
    let markdown = read(&place, "out/results.md");
    assert!(
        markdown.contains("2 runs not finished: float-seed2, table-seed2"),
        "{markdown}"
    );
    let json = place.run(&sweep("epochs=1", &["--json"])).json();
    assert_eq!(json["cells"][0]["runs"].as_array().unwrap().len(), 2);
}

#[test]
fn runs_of_another_recipe_are_replaced_only_by_force() {
    let place = with_rows();
    let command = |sets| {
        [
            "sweep",
            "recipe.toml",
            "-o",
            "out",
            "--grid",
            "bits=w2a2,w1a2",
            "--set",
            sets,
        ]
    };
    assert_eq!(place.run(&command("epochs=1")).code, 0);
    let result = read(&place, "out/bits=w1a2-seed1/result.json");
    place.run(&command("table.depth=3")).refused(&[
        "bits=w1a2-seed1: table.depth: 3 here, 4 there",
        "bits=w2a2-seed1",
        "--force",
    ]);
    assert_eq!(read(&place, "out/bits=w1a2-seed1/result.json"), result);
    let forced = place.run(&[&command("table.depth=3")[..], &["--force"]].concat());
    assert_eq!(forced.code, 0, "{}", forced.stderr);
    assert!(read(&place, "out/results.csv").contains("table,3,w1a2"));
}

#[test]
fn a_cell_that_diverges_does_not_stop_the_others() {
    let place = place();
    let command = [
        "sweep",
        "recipe.toml",
        "-o",
        "out",
        "--grid",
        "learning-rate=1e30,0.05",
    ];
    let outcome = place.run(&command);
    outcome.refused(&[
        "1 run failed",
        "learning-rate=1e30-seed1",
        "smaller learning-rate",
    ]);
    assert!(
        place
            .path("out/learning-rate=0.05-seed1/result.json")
            .exists()
    );
    assert!(
        outcome.stdout.contains("learning-rate=0.05"),
        "{}",
        outcome.stdout
    );
}

#[test]
fn wrong_sweeps_are_refused_before_anything_is_written() {
    let place = with_rows();
    let refused = |more: &[&str], parts: &[&str]| {
        let command = ["sweep", "rows.toml", "-o", "out"];
        place.run(&[&command[..], more].concat()).refused(parts);
        assert!(!place.path("out").exists(), "{more:?}");
    };
    refused(&["--grid", "bit=w1a1,w2a2"], &["`bit`", "`bits`"]);
    refused(&["--grid", "bits=w2a2,w2a"], &["bits", "w2a"]);
    refused(
        &["--grid", "table.depth=1,300"],
        &["table,table.depth=300", "1 to 256"],
    );
    refused(&["--set", "epoch=3"], &["`epochs`"]);
    refused(
        &["--set", "from=none.sbg"],
        &["table-seed1", "none.sbg", "does not exist"],
    );
    let none = place.run(&["sweep", "rows.toml", "--seeds", "0"]);
    assert_eq!(none.code, 2);
    assert!(none.stderr.contains("--seeds"), "{}", none.stderr);
    place
        .run(&["train", "rows.toml"])
        .refused(&["rows.toml", "subbyte sweep"]);
}
