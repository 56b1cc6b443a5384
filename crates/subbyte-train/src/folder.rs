use std::{
    fs,
    path::{Path, PathBuf},
};

use subbyte_graph::replace_file;

use crate::{Checkpoint, TrainError, recipe::Recipe};

/// The folder of a run: `recipe.toml`, `log.jsonl`, `checkpoint.sbg` after the first epoch, `final.sbg` at the end, and, if the
/// command line measured it, `final.sbm` where it has an integer model and `result.json`; and an
/// event file for TensorBoard where one was asked for.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// The folder at `path`, whether it exists or not.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The recipe, every key of it.
    pub fn recipe(&self) -> PathBuf {
        self.path.join("recipe.toml")
    }

    /// The log.
    pub fn log(&self) -> PathBuf {
        self.path.join("log.jsonl")
    }

    /// The event file for TensorBoard, which knows such files by the word `tfevents`.
    pub fn tensorboard(&self) -> PathBuf {
        self.path.join("events.out.tfevents.subbyte")
    }

    /// State after the last whole epoch.
    pub fn checkpoint(&self) -> PathBuf {
        self.path.join("checkpoint.sbg")
    }

    /// The trained network.
    pub fn finished(&self) -> PathBuf {
        self.path.join("final.sbg")
    }

    /// The integer model of the trained network, where something has lowered it.
    pub fn model(&self) -> PathBuf {
        self.path.join("final.sbm")
    }

    /// What was measured of the trained network, where something has; the last file of a run that is written.
    pub fn result(&self) -> PathBuf {
        self.path.join("result.json")
    }

    /// Looks at the folder without changing it and returns the checkpoint to go on from, if there is one.
    ///
    /// With `resume`, what is there must be of the same run. Otherwise nothing of a run may be there, unless `force` says to
    /// remove it.
    pub(crate) fn examine(
        &self,
        recipe: &Recipe,
        data: &str,
        resume: bool,
        force: bool,
    ) -> Result<Option<Checkpoint>, TrainError> {
        if resume {
            return self.resume(recipe, data);
        }
        if !force && self.files().iter().any(|file| file.exists()) {
            return Err(TrainError::Occupied {
                folder: self.path.clone(),
            });
        }
        Ok(None)
    }

    /// Makes the folder ready for a run that can start: what an earlier one left is removed unless the run goes on from it.
    pub(crate) fn prepare(&self, recipe: &Recipe, resume: bool) -> Result<(), TrainError> {
        fs::create_dir_all(&self.path)
            .map_err(|e| TrainError::io("create the folder", &self.path, e))?;
        if !resume {
            for file in self.files().iter().filter(|file| file.exists()) {
                fs::remove_file(file).map_err(|e| TrainError::io("remove", file, e))?;
            }
        }
        let path = self.recipe();
        replace_file(&path, recipe.to_toml().as_bytes())
            .map_err(|e| TrainError::io("write", &path, e))
    }

    /// All files of a run. The recipe goes last: as long as it is there, the folder counts as that of a run.
    fn files(&self) -> [PathBuf; 7] {
        [
            self.result(),
            self.model(),
            self.finished(),
            self.checkpoint(),
            self.log(),
            self.tensorboard(),
            self.recipe(),
        ]
    }

    fn resume(&self, recipe: &Recipe, data: &str) -> Result<Option<Checkpoint>, TrainError> {
        let path = self.checkpoint();
        if path.exists() {
            let checkpoint = Checkpoint::load(&path)?;
            checkpoint.check(&path, recipe, data)?;
            return Ok(Some(checkpoint));
        }
        // The run was interrupted in its first epoch, or never began.
        let path = self.recipe();
        if path.exists() {
            let differences = recipe.differences(&Recipe::load(&path)?);
            if !differences.is_empty() {
                return Err(TrainError::OtherRun { path, differences });
            }
        }
        Ok(None)
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use subbyte_graph::Graph;

    fn message(result: Result<impl std::fmt::Debug, TrainError>) -> String {
        result.expect_err("accepted").to_string()
    }

    #[test]
    fn another_run_is_overwritten_only_by_force() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = RunFolder::new(temporary.path().join("new/run"));
        let recipe = Recipe::default();
        folder.examine(&recipe, "data", false, false).unwrap();
        folder.prepare(&recipe, false).unwrap();
        fs::write(folder.log(), "old").unwrap();
        let refusal = message(folder.examine(&recipe, "data", false, false));
        assert!(
            refusal.contains("run") && refusal.contains("--force"),
            "{refusal}"
        );
        assert_eq!(fs::read_to_string(folder.log()).unwrap(), "old");
        folder.examine(&recipe, "data", false, true).unwrap();
        assert_eq!(fs::read_to_string(folder.log()).unwrap(), "old");
        folder.prepare(&recipe, false).unwrap();
        assert!(!folder.log().exists());
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let temporary = tempfile::tempdir().unwrap();
        let file = temporary.path().join("file");
        fs::write(&file, "").unwrap();
        for path in [file.clone(), file.join("inside")] {
            let folder = RunFolder::new(&path);
            let refusal = message(folder.prepare(&Recipe::default(), false));
            assert!(refusal.contains(&path.display().to_string()), "{refusal}");
        }
    }

    #[test]
    fn only_the_same_recipe_on_the_same_data_is_resumed() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = RunFolder::new(temporary.path());
        let recipe = Recipe::default();
        let mut other = recipe.clone();
        other.set("learning-rate=0.5").unwrap();
        // Before the first checkpoint the recipe alone tells.
        assert_eq!(folder.examine(&recipe, "data", true, false).unwrap(), None);
        folder.prepare(&recipe, true).unwrap();
        let refusal = message(folder.examine(&other, "data", true, false));
        assert!(refusal.contains("learning-rate"), "{refusal}");

        let checkpoint = Checkpoint {
            graph: crate::test::network(),
            recipe: recipe.clone(),
            data: "data".into(),
            teacher: None,
            history: Vec::new(),
            table: None,
            optimizer: Default::default(),
        };
        checkpoint.save(&folder.checkpoint()).unwrap();
        let resumed = folder.examine(&recipe, "data", true, false).unwrap();
        assert_eq!(resumed, Some(checkpoint));
        let refusal = message(folder.examine(&other, "other data", true, false));
        assert!(
            refusal.contains("learning-rate: 0.5 here, 0.05 there") && refusal.contains("images"),
            "{refusal}"
        );
    }

    #[test]
    fn a_damaged_checkpoint_and_one_of_another_program_are_refused() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = RunFolder::new(temporary.path());
        fs::write(folder.checkpoint(), "rubbish").unwrap();
        let refusal = message(folder.examine(&Recipe::default(), "data", true, false));
        assert!(refusal.contains("checkpoint.sbg"), "{refusal}");
        let graph: Graph = crate::test::network();
        subbyte_graph::sbg::save(folder.checkpoint(), &graph, &Default::default()).unwrap();
        let refusal = message(folder.examine(&Recipe::default(), "data", true, false));
        assert!(refusal.contains("no training run"), "{refusal}");
    }
}
