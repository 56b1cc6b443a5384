//! `{sweep}` and `{seed}` in the settings of a sweep: how a run names another run of the same seed.

use std::path::Path;

use toml::{Table, Value};

/// What placeholders stand for in one run.
pub(super) struct Placeholders<'a> {
    /// Folder of the sweep, absolute.
    pub(super) sweep: &'a Path,
    /// Seed of the run.
    pub(super) seed: u32,
}

impl Placeholders<'_> {
    /// Text with its placeholders replaced.
    pub(super) fn fill(&self, text: &str) -> String {
        text.replace("{sweep}", &self.sweep.display().to_string())
            .replace("{seed}", &self.seed.to_string())
    }

    /// A table with the placeholders in its texts replaced.
    pub(super) fn fill_table(&self, table: &Table) -> Table {
        let fill = |(key, value): (&String, &Value)| {
            let value = match value {
                Value::String(text) => Value::String(self.fill(text)),
                Value::Table(inner) => Value::Table(self.fill_table(inner)),
                value => value.clone(),
            };
            (key.clone(), value)
        };
        table.iter().map(fill).collect()
    }
}
