use crate::support::Place;

#[test]
fn one_of_the_available_levels_is_chosen_and_every_kernel_has_one() {
    let report = Place::new().run(&["cpu", "--json"]).json();
    let levels = report["levels"].as_array().unwrap();
    let chosen: Vec<_> = levels.iter().filter(|l| l["chosen"] == true).collect();
    assert_eq!(chosen.len(), 1);
    assert_eq!(chosen[0]["available"], true);
    assert_eq!(chosen[0]["name"], report["chosen"]);
    let kernels = report["kernels"].as_array().unwrap();
    assert!(!kernels.is_empty());
    for kernel in kernels {
        let levels = kernel["levels"].as_array().unwrap();
        assert!(levels.contains(&"portable".into()), "{kernel}");
    }
}

#[test]
fn the_table_names_the_variable_that_lowers_the_level() {
    let outcome = Place::new().run(&["cpu"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    for part in ["SUBBYTE_ISA", "portable", "avx512", "requant"] {
        assert!(outcome.stdout.contains(part), "{part}: {}", outcome.stdout);
    }
    let lines = outcome.stdout.lines().map(|line| line.chars().count());
    assert!(lines.max() <= Some(120), "{}", outcome.stdout);
    let version = Place::new().run(&["--version"]).stdout;
    assert!(version.starts_with("subbyte "), "{version}");
}
