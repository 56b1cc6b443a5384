//! What people and scripts see.

mod progress;
mod table;

use std::io::{self, Write};

use anyhow::{Context, Result};
use serde::Serialize;

pub use progress::{Bar, TaskBar, TrainingBar};
pub use table::{Rows, Table};

/// Writes `text` and a line end to stdout.
///
/// # Errors
/// If stdout cannot be written, which [`is_broken_pipe`] tells from other errors.
pub fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", text.trim_end())
        .and_then(|()| out.flush())
        .context("cannot write to stdout")
}

/// Writes `value` to stdout as one JSON object.
///
/// # Errors
/// As [`print`].
pub fn print_json(value: &impl Serialize) -> Result<()> {
    print(&serde_json::to_string_pretty(value)?)
}

/// Writes a remark to stderr, above the bars, as `eprintln` does, which however stops a process whose remarks nobody can read.
#[macro_export]
macro_rules! note {
    ($($text:tt)*) => {
        $crate::output::remark(&format!($($text)*))
    };
}

/// What `note!` calls.
pub fn remark(text: &str) {
    let _ = progress::beside_bars(|| writeln!(io::stderr().lock(), "{text}"));
}

/// An error with its causes; those that a message before them has told already are left out.
pub fn chain(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text += ": ";
            text += &cause;
        }
    }
    text
}

/// Whether the reader of stdout has gone, as `head` does: no reason to complain.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

/// `0.9137` as `91.37 %`.
pub fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

/// `1234567` as `1,234,567`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&[u8]> = digits.as_bytes().rchunks(3).rev().collect();
    String::from_utf8(groups.join(&b',')).expect("digits are ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let io = io::Error::other("no such thing");
        let told = anyhow::Error::new(io).context("cannot read it: no such thing");
        assert_eq!(chain(&told), "cannot read it: no such thing");
        let untold = anyhow::Error::msg("no such thing").context("cannot read it");
        assert_eq!(chain(&untold), "cannot read it: no such thing");
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            [0, 7, 999, 1000, 69_496, 1_234_567].map(thousands),
            ["0", "7", "999", "1,000", "69,496", "1,234,567"]
        );
        assert_eq!(percent(0.9137), "91.37 %");
    }
}
