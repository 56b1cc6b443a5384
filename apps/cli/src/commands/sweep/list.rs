//! What a sweep would do, for people and for engines that run its runs as jobs.

use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;
use subbyte::train::sweep::Sweep;

use super::runs::result;
use crate::output::{Table, print, print_json};

#[derive(Serialize)]
struct Report<'a> {
    runs: Vec<Listed<'a>>,
}

#[derive(Serialize)]
struct Listed<'a> {
    name: &'a str,
    cell: &'a str,
    seed: u32,
    /// Names of the runs that have to be finished before.
    needs: Vec<&'a str>,
    finished: bool,
}

/// Shows the runs with one of the names, or all, in the order in which they can be made.
pub fn show(sweep: &Sweep, names: &[String], json: bool) -> Result<ExitCode> {
    let mut runs = Vec::new();
    for index in sweep.select(names)? {
        let run = &sweep.runs()[index];
        let needs = run.needs.iter().map(|&need| &sweep.runs()[need].name[..]);
        runs.push(Listed {
            name: &run.name,
            cell: &sweep.cells()[run.cell],
            seed: run.recipe.seed,
            needs: needs.collect(),
            finished: result(sweep, run)?.is_some(),
        });
    }
    if json {
        print_json(&Report { runs })?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(["run", "starts from", "finished"]).text(3);
    for run in runs {
        let finished = if run.finished { "yes" } else { "no" };
        let needs = run.needs.join(", ");
        table.row([run.name.to_owned(), needs, finished.to_owned()]);
    }
    print(&table.to_string())?;
    Ok(ExitCode::SUCCESS)
}
