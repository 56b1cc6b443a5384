use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subbyte_graph::replace_file;
use subbyte_train::{Checkpoint, recipe::Bits};
use toml::{Table, Value};

use super::{ZooError, data_name};
use crate::results::RunResult;

/// What is known of a model in the zoo.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Card {
    /// The model's file, beside the card.
    pub file: String,
    /// SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
    /// Name of the network.
    pub network: String,
    /// Name of the data set.
    pub data: String,
    /// Fingerprint of the training images.
    pub data_fingerprint: String,
    /// Bits of weights in the body; absent in floats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_bits: Option<u8>,
    /// Bits of activations in the body; absent in floats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation_bits: Option<u8>,
    /// What was measured, and the bits of every layer.
    pub result: RunResult,
    /// The recipe, every key of it; of paths only the ends.
    pub recipe: Table,
}

impl Card {
    /// The card of a trained network that is kept as `bytes` in the file called `file`.
    pub fn new(file: &str, bytes: &[u8], checkpoint: &Checkpoint, result: RunResult) -> Self {
        let recipe = &checkpoint.recipe;
        let (weight_bits, activation_bits) = match recipe.bits {
            Bits::Float => (None, None),
            Bits::Low(bits) => (Some(bits.weights), Some(bits.activations)),
        };
        let keys = toml::from_str(&recipe.to_toml()).expect("a recipe writes what it reads");
        Self {
            file: file.to_owned(),
            sha256: sha256(bytes),
            network: checkpoint.graph.name.clone(),
            data: data_name(&recipe.data.path),
            data_fingerprint: checkpoint.data.clone(),
            weight_bits,
            activation_bits,
            result,
            recipe: without_places(keys),
        }
    }

    /// Whether these are the bytes of the model.
    pub fn is_of(&self, bytes: &[u8]) -> bool {
        self.sha256 == sha256(bytes)
    }

    /// Puts a model and its card into a zoo. The card is written last, so that there is none without its model.
    ///
    /// # Errors
    /// If the name cannot be one, the zoo has it and `force` does not say to replace it, or something cannot be written.
    pub fn add(
        &self,
        zoo: &Path,
        name: &str,
        bytes: &[u8],
        force: bool,
    ) -> Result<PathBuf, ZooError> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._+=,-".contains(c);
        if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(is_plain) {
            return Err(ZooError::Name {
                name: name.to_owned(),
            });
        }
        let path = zoo.join(format!("{name}.toml"));
        if path.exists() && !force {
            return Err(ZooError::Taken {
                name: name.to_owned(),
            });
        }
        fs::create_dir_all(zoo).map_err(|e| ZooError::io("create the folder", zoo, e))?;
        let text = toml::to_string(self).expect("a card holds only what TOML can express");
        for (path, bytes) in [(&zoo.join(&self.file), bytes), (&path, text.as_bytes())] {
            replace_file(path, bytes).map_err(|e| ZooError::io("write", path, e))?;
        }
        Ok(path)
    }
}

/// The cards of a zoo with the models' names, in their order.
///
/// # Errors
/// If the zoo cannot be read or a card is none.
pub fn cards(zoo: &Path) -> Result<Vec<(String, Card)>, ZooError> {
    let read = |e| ZooError::io("read the zoo", zoo, e);
    let mut cards = Vec::new();
    for entry in fs::read_dir(zoo).map_err(read)? {
        let path = entry.map_err(read)?.path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let text = fs::read_to_string(&path).map_err(|e| ZooError::io("read", &path, e))?;
        let card: Card = toml::from_str(&text).map_err(|e| ZooError::Card {
            path: path.clone(),
            problem: e.to_string(),
        })?;
        // A card speaks of a file beside it only.
        if Path::new(&card.file).file_name() != Some(card.file.as_ref()) {
            return Err(ZooError::Card {
                path,
                problem: format!("`{}` is no file's name", card.file),
            });
        }
        let name = path.file_stem().unwrap_or_default();
        cards.push((name.to_string_lossy().into_owned(), card));
    }
    cards.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(cards)
}

/// The ends of absolute paths: where things lay on one machine tells others nothing.
fn without_places(table: Table) -> Table {
    let end = |(key, value): (String, Value)| {
        let value = match value {
            Value::Table(table) => Value::Table(without_places(table)),
            Value::String(text) if Path::new(&text).is_absolute() => {
                let parts: Vec<_> = Path::new(&text).iter().collect();
                let end: PathBuf = parts[parts.len().saturating_sub(2)..].iter().collect();
                Value::String(end.display().to_string())
            }
            value => value,
        };
        (key, value)
    };
    table.into_iter().map(end).collect()
}

fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_sha256sum() {
        assert_eq!(
            sha256(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn paths_lose_their_places() {
        let table: Table = toml::from_str("from = \"/home/me/runs/float-seed1/final.sbg\"\nnetwork = \"small\"\n[data]\npath = \"builtin\"").unwrap();
        let table = without_places(table);
        assert_eq!(table["from"].as_str(), Some("float-seed1/final.sbg"));
        assert_eq!(table["network"].as_str(), Some("small"));
        assert_eq!(table["data"]["path"].as_str(), Some("builtin"));
    }
}
