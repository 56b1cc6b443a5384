//! The environment variable that lowers the level. Each value needs a process of its own: this test, started again. WebAssembly
//! has no processes.
#![cfg(not(target_family = "wasm"))]

use std::process::Command;

use subbyte_kernels::{LEVEL_VARIABLE, Level, LevelError};

/// Starts a program where this processor is emulated: a command and its arguments.
const EMULATOR: &str = "SUBBYTE_TEST_EMULATOR";

/// This test, to be started again.
fn again() -> Command {
    let test = std::env::current_exe().expect("the test has a file");
    let emulator = std::env::var(EMULATOR).unwrap_or_default();
    let mut words = emulator.split_whitespace();
    match words.next() {
        None => Command::new(test),
        Some(program) => {
            let mut command = Command::new(program);
            command.args(words).arg(test);
            command
        }
    }
}

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
    let mut values = vec![(String::new(), Level::best().name().to_string())];
    // Also the name of a kernel: the variable knows levels only.
    let names = Level::ALL.iter().map(|level| level.name());
    for name in names.chain(["avx512", "dotprod", "mmx", "conv-table64", "AVX2", "avx2 "]) {
        let found = Level::from_name(name).and_then(|level| Level::resolve(Some(level)));
        let expected = match found {
            Ok(level) => level.name().into(),
            Err(error) => {
                let message = LevelError::Variable(error.into()).to_string();
                for part in [LEVEL_VARIABLE, name, "unset"] {
                    assert!(message.contains(part), "no '{part}' in: {message}");
                }
                message
            }
        };
        values.push((name.into(), expected));
    }
    for (value, expected) in values {
        let output = again()
            .env(LEVEL_VARIABLE, &value)
            .env(EXPECTED, expected)
            .output();
        assert!(
            output.is_ok_and(|o| o.status.success()),
            "{LEVEL_VARIABLE}={value}"
        );
    }
}
