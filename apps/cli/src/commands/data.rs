use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;

use crate::args::{Data, DataCommand, DataFetch, DataList};
use crate::fetch::{self, SETS, Set};
use crate::output::{Bar, Table, print, print_json, thousands};
use crate::{interrupt, note};

/// Lists or fetches public data sets.
pub fn run(args: &Data) -> Result<ExitCode> {
    match &args.command {
        DataCommand::Fetch(args) => fetch(args),
        DataCommand::List(args) => list(args).map(|()| ExitCode::SUCCESS),
    }
}

fn fetch(args: &DataFetch) -> Result<ExitCode> {
    let sets = SETS
        .iter()
        .filter(|set| args.names.contains(&set.name.to_owned()));
    interrupt::watch()?;
    for set in sets {
        let folder = args.output.join(set.folder);
        if fetch::is_there(set, &args.output)? {
            note!("{}: is there already", folder.display());
        } else if bring(set, args)?.is_break() {
            note!("interrupted; the same command goes on from what is there");
            return Ok(interrupt::exit_code());
        } else {
            note!("{}: is there now", folder.display());
        }
        print(&folder.display().to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Fetches a set, with a progress bar.
fn bring(set: &Set, args: &DataFetch) -> Result<ControlFlow<()>> {
    let mut bar = Bar::bytes(set.name, set.bytes());
    fetch::fetch(set, &args.output, args.mirror.as_deref(), &mut |bytes| {
        bar.at(bytes as usize);
        match interrupt::asked() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    })
}

/// A set as the list shows it.
#[derive(Serialize)]
struct Listed {
    name: &'static str,
    summary: &'static str,
    bytes: u64,
    folder: PathBuf,
    there: bool,
}

fn list(args: &DataList) -> Result<()> {
    let listed = |set: &Set| -> Result<Listed> {
        Ok(Listed {
            name: set.name,
            summary: set.summary,
            bytes: set.bytes(),
            folder: args.output.join(set.folder),
            there: fetch::is_there(set, &args.output)?,
        })
    };
    let sets = SETS.iter().map(listed).collect::<Result<Vec<_>>>()?;
    if args.json {
        return print_json(&sets);
    }
    let mut table = Table::new(["name", "holds", "folder", "there", "bytes to fetch"]).text(4);
    for set in sets {
        table.row([
            set.name.to_owned(),
            set.summary.to_owned(),
            set.folder.display().to_string(),
            if set.there { "yes" } else { "no" }.to_owned(),
            thousands(set.bytes),
        ]);
    }
    print(&table.to_string())
}
