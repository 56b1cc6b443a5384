//! The table of operators in `docs/onnx.md` is the crate's.

use std::{fmt::Write, fs, path::PathBuf};

use subbyte_onnx::operators;

const START: &str = "<!-- operators -->\n";
const END: &str = "<!-- end of operators -->\n";

fn table() -> String {
    let mut table = String::from("| operator | becomes |\n|---|---|\n");
    for operator in operators() {
        let domain = match operator.domain {
            "" => String::new(),
            domain => format!(" ({domain})"),
        };
        let notes = match operator.notes {
            "" => "a constant",
            notes => notes,
        };
        writeln!(table, "| `{}`{domain} | {notes} |", operator.name).expect("memory");
    }
    table
}

#[test]
fn the_documentation_lists_the_operators() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/onnx.md");
    let text = fs::read_to_string(&path).expect("the documentation");
    let (before, rest) = text.split_once(START).expect("the start of the table");
    let (found, after) = rest.split_once(END).expect("the end of the table");
    if found != table() {
        if std::env::var_os("SUBBYTE_WRITE_DOCS").is_some() {
            let text = format!("{before}{START}{}{END}{after}", table());
            return fs::write(&path, text).expect("a folder that can be written to");
        }
        panic!("the table is out of date: run this test once with SUBBYTE_WRITE_DOCS=1");
    }
}
