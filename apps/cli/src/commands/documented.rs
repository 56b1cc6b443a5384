//! Every command that the documentation shows has to be one that the command line understands.

use std::fs;
use std::path::Path;

use clap::Parser;

use crate::args::Args;

/// Commands within code blocks of a Markdown file, without what starts them.
fn commands(text: &str) -> Vec<String> {
    let starts = ["cargo run --release -- ", "subbyte ", "$ subbyte "];
    let mut inside = false;
    let mut commands = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            inside = !inside;
        } else if inside {
            let line = line.split(" #").next().unwrap_or_default().trim();
            commands.extend(
                starts
                    .iter()
                    .find_map(|start| line.strip_prefix(start))
                    .map(str::to_owned),
            );
        }
    }
    commands
}

#[test]
fn documented_commands_are_understood() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let docs = fs::read_dir(root.join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let pages = docs.filter(|path| path.extension().is_some_and(|e| e == "md"));
    let mut seen = 0;
    for page in pages.chain([root.join("README.md")]) {
        for command in commands(&fs::read_to_string(&page).unwrap()) {
            let words = ["subbyte"].into_iter().chain(command.split_whitespace());
            let parsed = Args::try_parse_from(words);
            assert!(
                parsed.is_ok(),
                "{}: subbyte {command}\n{}",
                page.display(),
                parsed.unwrap_err()
            );
            seen += 1;
        }
    }
    assert!(
        seen >= 10,
        "only {seen} commands were found in the documentation"
    );
}
