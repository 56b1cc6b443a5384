//! The README shows the example that the crate's documentation compiles and runs.

/// The lines of the first block of Rust in Markdown.
fn example<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let opens = |line: &&str| matches!(*line, "```" | "```rust");
    let inside = lines.skip_while(|line| !opens(line)).skip(1);
    let shown = inside.take_while(|line| *line != "```");
    shown.filter(|line| !line.starts_with("# ")).collect()
}

#[test]
fn the_readme_shows_what_the_documentation_runs() {
    let docs = include_str!("../src/lib.rs").lines();
    let docs = docs.map_while(|line| line.strip_prefix("//!"));
    let run = example(docs.map(|line| line.strip_prefix(' ').unwrap_or(line)));
    let readme = include_str!("../../../README.md");
    let rust = readme.find("```rust").expect("the README has an example");
    assert_eq!(example(readme[rust..].lines()), run);
    assert!(run.len() >= 9, "{run:?}");
}
