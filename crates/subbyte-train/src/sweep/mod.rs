//! Sweeps: many runs that differ in a few keys, for one table of results.
//!
//! A cell is a combination of settings, a run is a cell with a seed. Cells come from recipe files, from the `[rows]` of a file, and
//! from a grid of values; a run may start from another run of its sweep. Nothing here trains or writes anything.

mod cells;
mod lock;
mod order;
mod placeholders;

use std::path::{Path, PathBuf};

use crate::{Recipe, RunFolder, TrainError};
pub use lock::Lock;

/// What a sweep is made of.
#[derive(Clone, Debug, Default)]
pub struct SweepSpec {
    /// Recipe files. One may have a table `[rows]`, whose tables each make a recipe by changing some keys.
    pub recipes: Vec<PathBuf>,
    /// Changes of all recipes, such as `epochs=30`.
    pub sets: Vec<String>,
    /// Axes of the grid, such as `bits=w1a2,w2a2`: each recipe is taken with every combination of their values.
    pub grid: Vec<String>,
    /// Every cell is trained with the seeds from 1 to this.
    pub seeds: u32,
}

/// The runs of a sweep in the order in which they can be made, the first seed of every cell first.
#[derive(Clone, Debug)]
pub struct Sweep {
    folder: PathBuf,
    cells: Vec<String>,
    runs: Vec<SweepRun>,
}

/// One run of a sweep.
#[derive(Clone, Debug)]
pub struct SweepRun {
    /// Cell and seed; the name of the run's folder within that of the sweep.
    pub name: String,
    /// Index of the cell.
    pub cell: usize,
    /// Recipe file of the cell.
    pub file: PathBuf,
    /// The recipe, with paths absolute.
    pub recipe: Recipe,
    /// Indices of the runs that have to be finished before this one can start.
    pub needs: Vec<usize>,
    /// Networks from elsewhere that it starts from.
    pub networks: Vec<PathBuf>,
}

impl SweepSpec {
    /// The runs of the sweep that is kept in `folder`.
    ///
    /// # Errors
    /// If there are no recipes or seeds; else everything that is wrong with recipes, rows, grid and settings.
    pub fn plan(&self, folder: &Path) -> Result<Sweep, TrainError> {
        if self.seeds == 0 {
            return Err(TrainError::recipe(["seeds: give at least 1".to_owned()]));
        }
        let folder = std::path::absolute(folder)
            .map_err(|e| TrainError::io("find the folder", folder, e))?;
        let cells = cells::expand(self)?;
        let seeds = 1..=self.seeds;
        let wanted: Vec<(u32, usize)> = seeds
            .flat_map(|seed| (0..cells.len()).map(move |cell| (seed, cell)))
            .collect();
        let mut runs = Vec::new();
        let mut problems = Vec::new();
        for &(seed, cell) in &wanted {
            match cells[cell].recipe(&self.sets, seed, &folder) {
                Ok(recipe) => runs.push(SweepRun {
                    name: run_name(&cells[cell].name, seed),
                    cell,
                    file: cells[cell].file.clone(),
                    recipe,
                    needs: Vec::new(),
                    networks: Vec::new(),
                }),
                // What is wrong with a cell is wrong with it for every seed.
                Err(error) if seed == 1 => {
                    problems.push(format!("{}: {error}", cells[cell].name));
                }
                Err(_) => {}
            }
        }
        if !problems.is_empty() {
            return Err(TrainError::recipe(problems));
        }
        Ok(Sweep {
            runs: order::sort(runs, &folder)?,
            cells: cells.into_iter().map(|cell| cell.name).collect(),
            folder,
        })
    }
}

impl Sweep {
    /// The folder of the sweep.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Names of the cells, in the order of files, rows and grid.
    pub fn cells(&self) -> &[String] {
        &self.cells
    }

    /// All runs; those that a run needs stand before it.
    pub fn runs(&self) -> &[SweepRun] {
        &self.runs
    }

    /// Where a run is kept.
    pub fn run_folder(&self, run: &SweepRun) -> RunFolder {
        RunFolder::new(self.folder.join(&run.name))
    }

    /// Keys in which the run that lies in a run's folder has another recipe; `None` where no run lies there. Networks that runs of
    /// the sweep start from are the same wherever the sweep's folder lies.
    ///
    /// # Errors
    /// If the recipe there cannot be read.
    pub fn differences(&self, run: &SweepRun) -> Result<Option<Vec<String>>, TrainError> {
        let path = self.run_folder(run).recipe();
        if !path.exists() {
            return Ok(None);
        }
        let mut there = Recipe::load(&path)?;
        let network = |path: &Path| {
            let run = path.parent()?.file_name()?.to_owned();
            Some((run, path.file_name()?.to_owned()))
        };
        for (mine, theirs) in [
            (&run.recipe.from, &mut there.from),
            (&run.recipe.teacher, &mut there.teacher),
        ] {
            if let (Some(mine), Some(theirs)) = (mine, theirs)
                && mine.starts_with(&self.folder)
                && network(mine) == network(theirs)
            {
                theirs.clone_from(mine);
            }
        }
        Ok(Some(run.recipe.differences(&there)))
    }

    /// Indices of the runs with one of these names, or of a cell with one of them; of all runs without names.
    ///
    /// # Errors
    /// If a name is neither that of a run nor that of a cell.
    pub fn select(&self, names: &[String]) -> Result<Vec<usize>, TrainError> {
        let is = |run: &SweepRun, name: &str| run.name == name || self.cells[run.cell] == name;
        let unknown = names
            .iter()
            .filter(|name| !self.runs.iter().any(|run| is(run, name)));
        let problems: Vec<String> = unknown
            .map(|name| {
                let cells = self.cells.join("`, `");
                format!("the sweep has neither cell nor run `{name}`; its cells are `{cells}`")
            })
            .collect();
        if !problems.is_empty() {
            return Err(TrainError::recipe(problems));
        }
        let wanted = |run: &SweepRun| names.is_empty() || names.iter().any(|name| is(run, name));
        Ok((0..self.runs.len())
            .filter(|&i| wanted(&self.runs[i]))
            .collect())
    }
}

fn run_name(cell: &str, seed: u32) -> String {
    format!("{cell}-seed{seed}")
}

#[cfg(test)]
mod tests;
