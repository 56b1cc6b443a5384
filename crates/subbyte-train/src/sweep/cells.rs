//! From files, rows and a grid to cells.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, de::IgnoredAny};
use toml::{Spanned, Table, Value};

use super::{SweepSpec, placeholders::Placeholders};
use crate::{Recipe, TrainError, recipe::ROWS};

/// Settings of which every seed makes a run.
pub(super) struct Cell {
    /// File or row, and values of the grid.
    pub(super) name: String,
    /// Recipe file.
    pub(super) file: PathBuf,
    /// Tables of the file whose keys are set one after the other.
    tables: Vec<Table>,
    /// Settings of the grid.
    grid: Vec<String>,
}

impl Cell {
    /// The recipe of one seed, in the sweep kept at `folder`.
    pub(super) fn recipe(
        &self,
        sets: &[String],
        seed: u32,
        folder: &Path,
    ) -> Result<Recipe, TrainError> {
        let placeholders = Placeholders {
            sweep: folder,
            seed,
        };
        let mut recipe = Recipe::default();
        let mut problems = Vec::new();
        for table in &self.tables {
            problems.extend(recipe.set_all(&placeholders.fill_table(table)));
        }
        if !problems.is_empty() {
            return Err(TrainError::recipe(problems));
        }
        // Paths of the file are relative to it, those of the command line to the current folder.
        recipe.resolve(self.file.parent().unwrap_or(Path::new("")))?;
        for assignment in sets.iter().chain(&self.grid) {
            recipe.set(&placeholders.fill(assignment))?;
        }
        recipe.seed = seed;
        recipe.resolve(Path::new(""))?;
        recipe.validate()?;
        Ok(recipe)
    }
}

/// All cells: those of the first file first, and the last axis of the grid fastest.
pub(super) fn expand(spec: &SweepSpec) -> Result<Vec<Cell>, TrainError> {
    let mut problems = Vec::new();
    let mut check = |assignment: &String| {
        let key = assignment.split('=').next().unwrap_or_default().trim();
        let tried = Recipe::default().set(assignment);
        if key == "seed" {
            problems.push("`seed` is not set in a sweep; give the number of seeds".to_owned());
        } else if let Err(error) = tried {
            problems.push(error.to_string());
        }
    };
    spec.sets.iter().for_each(&mut check);
    let axes: Vec<Vec<String>> = spec.grid.iter().map(|axis| settings(axis)).collect();
    axes.iter().flatten().for_each(&mut check);
    let keys: Vec<&str> = spec
        .grid
        .iter()
        .map(|axis| axis.split('=').next().unwrap_or_default().trim())
        .collect();
    if let Some(key) = repeated(&keys) {
        problems.push(format!("`{key}` is twice in the grid"));
    }
    if spec.recipes.is_empty() {
        problems.push("give a recipe".to_owned());
    }
    // Every value of an unknown key has the same problem.
    problems.dedup();
    if !problems.is_empty() {
        return Err(TrainError::recipe(problems));
    }
    let combinations = axes.iter().fold(vec![Vec::new()], |combinations, axis| {
        let longer = |combination: &Vec<String>| {
            let appended = |setting: &String| [combination, std::slice::from_ref(setting)].concat();
            axis.iter().map(appended).collect::<Vec<_>>()
        };
        combinations.iter().flat_map(longer).collect()
    });
    let mut cells = Vec::new();
    for file in &spec.recipes {
        let rows = read(file).map_err(|e| e.in_recipe(file))?;
        for row in rows {
            for grid in &combinations {
                cells.push(Cell {
                    name: name(spec, file, row.name.as_deref(), grid),
                    file: file.clone(),
                    tables: row.tables.clone(),
                    grid: grid.clone(),
                });
            }
        }
    }
    let names: Vec<&str> = cells.iter().map(|cell| cell.name.as_str()).collect();
    match repeated(&names) {
        Some(name) => Err(TrainError::recipe([format!(
            "two cells are called `{name}`; name files, rows and values of the grid apart"
        )])),
        None => Ok(cells),
    }
}

/// The first name that occurs twice.
fn repeated<'a>(names: &[&'a str]) -> Option<&'a str> {
    let mut seen = BTreeSet::new();
    names.iter().copied().find(|name| !seen.insert(*name))
}

/// What makes one recipe of a file.
struct Row {
    /// `None` for a file without rows.
    name: Option<String>,
    tables: Vec<Table>,
}

/// The rows of a file; one that has none is a row itself.
fn read(file: &Path) -> Result<Vec<Row>, TrainError> {
    let text = fs::read_to_string(file).map_err(|e| TrainError::io("read", file, e))?;
    let mut base: Table = toml::from_str(&text).map_err(|e| TrainError::recipe([e.to_string()]))?;
    let rows = base.remove(ROWS);
    // What is wrong with what all rows share is told once.
    let mut problems = Recipe::default().set_all(&base);
    let rows = match rows {
        None => vec![Row {
            name: None,
            tables: vec![base],
        }],
        Some(Value::Table(rows)) if !rows.is_empty() => {
            let mut made = Vec::new();
            let mut rows: Vec<(String, Value)> = rows.into_iter().collect();
            let places = places(&text);
            rows.sort_by_key(|(name, _)| places.get(name));
            for (name, row) in rows {
                match row {
                    _ if !is_name(&name) => problems.push(format!(
                        "row `{name}`: use letters, digits, `.`, `_`, `+` and `-` only, a letter or digit first"
                    )),
                    Value::Table(row) if row.contains_key("seed") => problems.push(format!(
                        "row `{name}`: `seed` is not set in a sweep; give the number of seeds"
                    )),
                    Value::Table(row) => made.push(Row {
                        name: Some(name),
                        tables: vec![base.clone(), row],
                    }),
                    _ => problems.push(format!("row `{name}` must be a table of keys")),
                }
            }
            made
        }
        Some(_) => {
            problems.push(format!("`{ROWS}` must hold tables, one a row"));
            Vec::new()
        }
    };
    if problems.is_empty() {
        Ok(rows)
    } else {
        Err(TrainError::recipe(problems))
    }
}

/// Where each row stands in the text of a file, whose tables are sorted by name once it is read.
fn places(text: &str) -> BTreeMap<String, usize> {
    #[derive(Deserialize)]
    struct Names {
        rows: BTreeMap<Spanned<String>, IgnoredAny>,
    }
    let rows = toml::from_str(text).map_or_else(|_| BTreeMap::new(), |names: Names| names.rows);
    rows.into_keys()
        .map(|name| (name.get_ref().clone(), name.span().start))
        .collect()
}

/// Whether a text can be part of a folder's name everywhere, and of a command line without quotation marks.
fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._+-".contains(c))
}

/// The name of a cell: of its file unless that is the only one and something else tells cells apart, of its row, and of its values
/// in the grid.
fn name(spec: &SweepSpec, file: &Path, row: Option<&str>, grid: &[String]) -> String {
    let mut parts = Vec::new();
    if spec.recipes.len() > 1 || (row.is_none() && grid.is_empty()) {
        parts.push(
            file.file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
        );
    }
    parts.extend(row.map(str::to_owned));
    parts.extend(grid.iter().cloned());
    let plain = |c: char| match c {
        c if c.is_ascii_alphanumeric() || "._+-=,".contains(c) => c,
        _ => '_',
    };
    parts
        .join(",")
        .replace('"', "")
        .chars()
        .map(plain)
        .collect()
}

/// The settings along an axis such as `bits=w1a2,w2a2`: commas within brackets or quotation marks separate nothing.
fn settings(axis: &str) -> Vec<String> {
    let (key, values) = axis.split_once('=').unwrap_or((axis, ""));
    let mut settings = vec![String::new()];
    let (mut depth, mut quoted) = (0, false);
    for c in values.chars() {
        match c {
            '"' => quoted = !quoted,
            '[' if !quoted => depth += 1,
            ']' if !quoted => depth -= 1,
            ',' if depth == 0 && !quoted => {
                settings.push(String::new());
                continue;
            }
            _ => {}
        }
        settings.last_mut().expect("one at least").push(c);
    }
    let setting = |value: String| format!("{}={}", key.trim(), value.trim());
    settings.into_iter().map(setting).collect()
}
