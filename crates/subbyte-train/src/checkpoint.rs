//! Checkpoints: everything a run needs to go on, in one `.sbg`.

use std::{collections::BTreeMap, path::Path};

use subbyte_graph::{
    Graph,
    sbg::{self, Extras},
};

use crate::{Epoch, TableUse, TrainError, optimizer::OptimizerState, recipe::Recipe};

/// Names of the texts in the file.
const RECIPE: &str = "recipe";
const DATA: &str = "data";
const TEACHER: &str = "teacher";
const TABLE: &str = "table";
const HISTORY: &str = "history";
const COUNTERS: &str = "optimizer";
/// In front of the names of optimizer tensors.
const OPTIMIZER: &str = "optimizer/";

/// State of a run after a number of whole epochs.
///
/// The random numbers of an epoch depend on seed and epoch only, and the learning rate on the step, so neither is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// The network with its latent weights.
    pub graph: Graph,
    /// The recipe.
    pub recipe: Recipe,
    /// Fingerprint of the training images.
    pub data: String,
    /// Fingerprint of the teacher's file, where there was one.
    pub teacher: Option<String>,
    /// The epochs so far.
    pub history: Vec<Epoch>,
    /// Of a finished network with a learned pixel table: what became of its rows.
    pub table: Option<TableUse>,
    /// What the optimizer remembers; empty in a finished network.
    pub(crate) optimizer: OptimizerState,
}

impl Checkpoint {
    /// Writes the file beside `path` and renames it, so that an earlier checkpoint is there until this one is complete.
    pub(crate) fn save(&self, path: &Path) -> Result<(), TrainError> {
        let mut text = BTreeMap::from([
            (RECIPE.to_owned(), self.recipe.to_toml()),
            (DATA.to_owned(), self.data.clone()),
            (HISTORY.to_owned(), json(&self.history)),
        ]);
        if !self.optimizer.counters.is_empty() {
            text.insert(COUNTERS.to_owned(), json(&self.optimizer.counters));
        }
        if let Some(table) = &self.table {
            text.insert(TABLE.to_owned(), json(table));
        }
        if let Some(teacher) = &self.teacher {
            text.insert(TEACHER.to_owned(), teacher.clone());
        }
        let tensors = self.optimizer.tensors.iter();
        let tensors = tensors.map(|(name, values)| {
            let name = format!("{OPTIMIZER}{name}");
            (name, (vec![values.len()], values.clone()))
        });
        let extras = Extras {
            tensors: tensors.collect(),
            text,
        };
        Ok(sbg::save(path, &self.graph, &extras)?)
    }

    /// What is kept of a run that is over: all but the optimizer's memory, and what became of the pixel table.
    pub(crate) fn finished(self, table: Option<TableUse>) -> Self {
        Self {
            table,
            optimizer: OptimizerState::default(),
            ..self
        }
    }

    /// Reads a checkpoint or a finished network.
    ///
    /// # Errors
    /// If it cannot be read, is damaged, or is a `.sbg` that no training run has written.
    pub fn load(path: &Path) -> Result<Self, TrainError> {
        let (graph, mut extras) = sbg::load(path)?;
        let damaged = |problem: String| TrainError::Damaged {
            path: path.into(),
            problem,
        };
        let mut text = |name: &str| {
            extras.text.remove(name).ok_or_else(|| {
                damaged(format!(
                    "it holds no `{name}`, so no training run has written it"
                ))
            })
        };
        let (recipe, data, history) = (text(RECIPE)?, text(DATA)?, text(HISTORY)?);
        let parse = |name: &str, e: serde_json::Error| damaged(format!("its {name}: {e}"));
        let teacher = text(TEACHER).ok();
        let table = text(TABLE).ok();
        let table = table.map(|table| serde_json::from_str(&table)).transpose();
        let counters = match text(COUNTERS) {
            Ok(counters) => serde_json::from_str(&counters).map_err(|e| parse(COUNTERS, e))?,
            Err(_) => BTreeMap::new(),
        };
        let tensors = extras
            .tensors
            .into_iter()
            .filter_map(|(name, (_, values))| {
                let name = name.strip_prefix(OPTIMIZER)?.to_owned();
                Some((name, values))
            });
        Ok(Self {
            graph,
            recipe: Recipe::parse(&recipe).map_err(|e| damaged(format!("its recipe: {e}")))?,
            data,
            teacher,
            history: serde_json::from_str(&history).map_err(|e| parse(HISTORY, e))?,
            table: table.map_err(|e| parse(TABLE, e))?,
            optimizer: OptimizerState {
                tensors: tensors.collect(),
                counters,
            },
        })
    }

    /// Refuses a checkpoint of another recipe or of other data.
    pub(crate) fn check(&self, path: &Path, recipe: &Recipe, data: &str) -> Result<(), TrainError> {
        let mut differences = recipe.differences(&self.recipe);
        if data != self.data {
            differences.push(format!("training images: {data} here, {} there", self.data));
        }
        if differences.is_empty() {
            Ok(())
        } else {
            Err(TrainError::OtherRun {
                path: path.into(),
                differences,
            })
        }
    }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("what is kept has text keys")
}
