//! Class names from a file's metadata.

use crate::schema::StringStringEntryProto;

/// Keys under which exporters write class names.
const KEYS: [&str; 4] = ["classes", "class_names", "names", "labels"];

/// The names of `count` classes; empty where the metadata has none, or another number.
pub fn names(metadata: &[StringStringEntryProto], count: usize) -> Vec<String> {
    let text = KEYS.iter().find_map(|key| {
        let mut entries = metadata.iter();
        let entry = entries.find(|entry| entry.key.as_deref() == Some(key))?;
        entry.value.as_deref()
    });
    let names = text.map(parse).unwrap_or_default();
    match names.len() == count && names.iter().all(|name| !name.is_empty()) {
        true => names,
        false => Vec::new(),
    }
}

/// A JSON list, a JSON or Python dictionary from class number to name, or names with commas or line ends between.
fn parse(text: &str) -> Vec<String> {
    let text = text.trim();
    if let Ok(names) = serde_json::from_str::<Vec<String>>(text) {
        return names;
    }
    if let Some(inner) = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) {
        return dictionary(inner);
    }
    let separator = if text.contains('\n') { '\n' } else { ',' };
    let names = text.split(separator);
    names.map(|name| name.trim().to_owned()).collect()
}

/// `0: 'cat', 1: "dog"`, in the order of the numbers, which must be 0, 1, ….
fn dictionary(mut text: &str) -> Vec<String> {
    let mut names = Vec::new();
    while let Some((number, rest)) = text.split_once(':') {
        let number = number.trim_matches(|c: char| c.is_whitespace() || ",\"'".contains(c));
        let rest = rest.trim_start();
        let Some(quote) = rest.chars().next().filter(|c| ['\'', '"'].contains(c)) else {
            return Vec::new();
        };
        let Some((name, rest)) = rest[1..].split_once(quote) else {
            return Vec::new();
        };
        if number.parse() != Ok(names.len()) {
            return Vec::new();
        }
        names.push(name.to_owned());
        text = rest;
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_gives_the_names() {
        for text in [
            r#"["cat", "sea, lion"]"#,
            "{0: 'cat', 1: 'sea, lion'}",
            r#"{"0": "cat", "1": "sea, lion"}"#,
            "cat\nsea, lion\n",
        ] {
            assert_eq!(parse(text), ["cat", "sea, lion"], "{text}");
        }
        assert_eq!(parse("cat, dog"), ["cat", "dog"]);
        assert!(parse("{0: 'cat', 7: 'dog'}").is_empty());
        assert!(parse("{0: cat}").is_empty());
    }
}
