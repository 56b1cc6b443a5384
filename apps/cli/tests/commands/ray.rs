//! `examples/ray_sweep.py`, where Python has Ray: the variable `SUBBYTE_PYTHON` may name a Python that does.

use std::path::Path;
use std::process::Command;

use crate::support::Outcome;
use crate::sweep::with_rows;

#[test]
fn the_runs_of_a_sweep_are_tasks_on_ray() {
    let python = std::env::var("SUBBYTE_PYTHON").unwrap_or("python3".to_owned());
    let found = Command::new(&python).args(["-c", "import ray"]).output();
    if !found.is_ok_and(|found| found.status.success()) {
        eprintln!("skipped: {python} cannot import ray; name another Python in SUBBYTE_PYTHON");
        return;
    }
    let place = with_rows();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/ray_sweep.py");
    let folder = place.path("");
    let recipe = place.path("rows.toml").display().to_string();
    let out = place.path("out").display().to_string();
    let ray = |sets: &str| {
        let mut command = Command::new(&python);
        command.current_dir(&folder).arg(&script);
        command.args(["--subbyte", env!("CARGO_BIN_EXE_subbyte"), "--cpus", "1"]);
        command.args([&recipe, "--seeds", "2", "-o", &out, "--set", sets]);
        Outcome::of(command.output().unwrap())
    };
    let outcome = ray("epochs=1");
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert_eq!(
        outcome.stderr.matches("finished ").count(),
        4,
        "{}",
        outcome.stderr
    );
    assert!(outcome.stdout.contains("table"), "{}", outcome.stdout);
    let csv = std::fs::read_to_string(place.path("out/runs.csv")).unwrap();
    assert_eq!(csv.lines().count(), 5, "{csv}");
    // Finished runs are not tasks any more; what fails is told.
    let again = ray("epochs=1");
    assert_eq!(
        (again.code, again.stderr.matches("finished ").count()),
        (0, 0),
        "{}",
        again.stderr
    );
    let other = ray("epochs=2");
    assert_eq!(other.code, 1);
    assert!(
        other.stderr.contains("--force") && other.stderr.contains("failed"),
        "{}",
        other.stderr
    );
}
