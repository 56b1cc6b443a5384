//! The environment variable that lowers the level. Each value needs a process of its own: this test, started again.

use std::process::Command;

use subbyte_kernels::{LEVEL_VARIABLE, Level};

/// What the started process has to find.
const EXPECTED: &str = "EXPECTED_LEVEL";

#[test]
fn the_variable_sets_the_level_and_a_wrong_name_is_an_error() {
    let found = match Level::resolve(None) {
        Ok(level) => level.name().to_string(),
        Err(error) => error.to_string(),
    };
    if let Ok(expected) = std::env::var(EXPECTED) {
        assert_eq!(found, expected);
        // What is asked for in so many words goes before the variable.
        assert_eq!(Level::resolve(Some(Level::Portable)), Ok(Level::Portable));
        return;
    }
    let mut values = vec![
        (String::new(), Level::best().name().to_string()),
        (
            "mmx".into(),
            Level::from_name("mmx").unwrap_err().to_string(),
        ),
    ];
    for &level in Level::ALL {
        let result = Level::resolve(Some(level));
        let expected = result.map_or_else(|error| error.to_string(), |l| l.name().to_string());
        values.push((level.name().into(), expected));
    }
    for (value, expected) in values {
        let output = Command::new(std::env::current_exe().expect("the test has a file"))
            .env(LEVEL_VARIABLE, &value)
            .env(EXPECTED, expected)
            .output();
        assert!(
            output.is_ok_and(|o| o.status.success()),
            "{LEVEL_VARIABLE}={value}"
        );
    }
}
