//! Which run needs which, and the order that follows.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::SweepRun;
use crate::{RunFolder, TrainError};

/// Finds what each run needs and puts that before it; otherwise the order stays.
pub(super) fn sort(mut runs: Vec<SweepRun>, folder: &Path) -> Result<Vec<SweepRun>, TrainError> {
    let results: BTreeMap<PathBuf, usize> = runs
        .iter()
        .enumerate()
        .map(|(i, run)| (RunFolder::new(folder.join(&run.name)).finished(), i))
        .collect();
    let mut problems = Vec::new();
    for run in &mut runs {
        for (key, path) in networks(run) {
            match results.get(&path) {
                Some(&other) => run.needs.push(other),
                None if path.starts_with(folder) => problems.push(format!(
                    "{}: `{key}` is {}, which no run of this sweep writes",
                    run.name,
                    path.display()
                )),
                None => run.networks.push(path),
            }
        }
    }
    let mut order = Vec::new();
    let mut state = vec![State::New; runs.len()];
    for i in 0..runs.len() {
        visit(i, &runs, &mut state, &mut order, &mut problems);
    }
    if !problems.is_empty() {
        return Err(TrainError::recipe(problems));
    }
    let mut place = vec![0; runs.len()];
    for (new, &old) in order.iter().enumerate() {
        place[old] = new;
    }
    for run in &mut runs {
        run.needs.iter_mut().for_each(|need| *need = place[*need]);
    }
    let mut placed: Vec<(usize, SweepRun)> = place.into_iter().zip(runs).collect();
    placed.sort_by_key(|&(place, _)| place);
    Ok(placed.into_iter().map(|(_, run)| run).collect())
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    New,
    Open,
    Done,
}

/// Appends what run `i` needs, then the run.
fn visit(
    i: usize,
    runs: &[SweepRun],
    state: &mut [State],
    order: &mut Vec<usize>,
    problems: &mut Vec<String>,
) {
    match state[i] {
        State::Done => {}
        State::Open => problems.push(format!("{} needs itself to start from", runs[i].name)),
        State::New => {
            state[i] = State::Open;
            for &need in &runs[i].needs {
                visit(need, runs, state, order, problems);
            }
            state[i] = State::Done;
            order.push(i);
        }
    }
}

/// The networks that a recipe names, with their keys.
fn networks(run: &SweepRun) -> Vec<(&'static str, PathBuf)> {
    let recipe = &run.recipe;
    let named = [("from", &recipe.from), ("teacher", &recipe.teacher)];
    let path = |(key, path): (&'static str, &Option<PathBuf>)| Some((key, path.clone()?));
    named.into_iter().filter_map(path).collect()
}
