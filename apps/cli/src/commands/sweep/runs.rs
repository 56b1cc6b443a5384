//! Which run comes next.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use subbyte::results::RunResult;
use subbyte::train::sweep::{Lock, Sweep, SweepRun};

/// The runs of a sweep that this process is to do.
pub struct Runs<'a> {
    sweep: &'a Sweep,
    /// Indices, in the order of the sweep.
    chosen: Vec<usize>,
    /// Indices of runs whose folder holds a run of another recipe, which is to be replaced.
    replaced: BTreeSet<usize>,
    /// What went wrong, by index.
    failures: BTreeMap<usize, String>,
}

/// What to do next.
pub enum Next {
    /// Do this run, whose folder this process has as long as the lock lives.
    Run(usize, Lock),
    /// Wait for the run of this name, which another process does.
    Wait(String),
    /// Nothing is left that can be done.
    Nothing,
}

impl<'a> Runs<'a> {
    /// Those with one of the names, or all. Runs of other recipes in their folders are errors, or replaced with `force`.
    pub fn new(sweep: &'a Sweep, names: &[String], force: bool) -> Result<Self> {
        let chosen = sweep.select(names)?;
        let mut replaced = BTreeSet::new();
        let mut problems = Vec::new();
        for &index in &chosen {
            let run = &sweep.runs()[index];
            // Not found out after hours of other runs.
            if let Some(path) = run.networks.iter().find(|path| !path.exists()) {
                bail!(
                    "{} starts from {}, which does not exist",
                    run.name,
                    path.display()
                );
            }
            let differences = sweep.differences(run)?.unwrap_or_default();
            if !differences.is_empty() {
                let differences = differences.join("; ");
                problems.push(format!("{}: {differences}", run.name));
                replaced.insert(index);
            }
        }
        if !problems.is_empty() && !force {
            bail!(
                "{} holds runs of other recipes; choose another folder, or replace them by --force:\n{}",
                sweep.folder().display(),
                problems.join("\n")
            );
        }
        Ok(Self {
            sweep,
            chosen,
            replaced,
            failures: BTreeMap::new(),
        })
    }

    pub fn sweep(&self) -> &'a Sweep {
        self.sweep
    }

    /// How many runs this process is to do.
    pub fn chosen(&self) -> usize {
        self.chosen.len()
    }

    /// How many of them are finished, by whatever process.
    pub fn finished(&self) -> Result<usize> {
        let mut count = 0;
        for &index in &self.chosen {
            count += usize::from(self.is_finished(index)?);
        }
        Ok(count)
    }

    /// Whether the run in the folder of this one is to be replaced.
    pub fn replaces(&self, index: usize) -> bool {
        self.replaced.contains(&index)
    }

    /// Notes that a run failed; it is not tried again.
    pub fn fail(&mut self, index: usize, problem: String) {
        self.failures.insert(index, problem);
    }

    /// Runs that failed or could not start, with the reason.
    pub fn failed(&self) -> Vec<String> {
        let name = |index: usize| &self.sweep.runs()[index].name;
        let problem = |(&index, problem): (&usize, &String)| format!("{}: {problem}", name(index));
        self.failures.iter().map(problem).collect()
    }

    /// The first run that can be done now. Notes as failed what can never start.
    pub fn next(&mut self) -> Result<Next> {
        let mut awaited = None;
        for index in self.chosen.clone() {
            if self.failures.contains_key(&index) || self.is_finished(index)? {
                continue;
            }
            let run = &self.sweep.runs()[index];
            match self.need(run)? {
                Need::Finished => {}
                Need::Awaited(name) => {
                    awaited.get_or_insert(name);
                    continue;
                }
                Need::Missing(problem) => {
                    self.fail(index, problem);
                    continue;
                }
            }
            match Lock::take(self.sweep.run_folder(run).path())? {
                // Another process may have finished it since we looked.
                Some(_) if self.is_finished(index)? => {}
                Some(lock) => return Ok(Next::Run(index, lock)),
                None => {
                    awaited.get_or_insert(run.name.clone());
                }
            }
        }
        Ok(awaited.map_or(Next::Nothing, Next::Wait))
    }

    /// How it stands with the runs that one starts from.
    fn need(&self, run: &SweepRun) -> Result<Need> {
        for &need in &run.needs {
            if self.is_finished(need)? {
                continue;
            }
            let needed = &self.sweep.runs()[need];
            let folder = self.sweep.run_folder(needed);
            let failed = self.failures.contains_key(&need);
            let ours = self.chosen.contains(&need) && !failed;
            return Ok(if ours || Lock::is_taken(folder.path())? {
                Need::Awaited(needed.name.clone())
            } else {
                let remedy = if failed {
                    "which failed".to_owned()
                } else {
                    format!(
                        "which is not finished; train it first, with --only {}",
                        needed.name
                    )
                };
                Need::Missing(format!("it starts from {}, {remedy}", needed.name))
            });
        }
        Ok(Need::Finished)
    }

    fn is_finished(&self, index: usize) -> Result<bool> {
        Ok(result(self.sweep, &self.sweep.runs()[index])?.is_some())
    }
}

/// How it stands with what a run starts from.
enum Need {
    Finished,
    Awaited(String),
    Missing(String),
}

/// The result of a run, if it is finished. The recipe in its folder has to be that of the run.
pub fn result(sweep: &Sweep, run: &SweepRun) -> Result<Option<RunResult>> {
    let path = sweep.run_folder(run).result();
    let result = RunResult::load(&path)
        .with_context(|| format!("cannot use {}; remove it to measure again", path.display()))?;
    match result {
        Some(result) if sweep.differences(run)?.is_some_and(|d| d.is_empty()) => Ok(Some(result)),
        _ => Ok(None),
    }
}
