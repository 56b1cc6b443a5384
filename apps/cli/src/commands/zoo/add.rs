use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use subbyte::graph::sbg;
use subbyte::results::RunResult;
use subbyte::train::{Checkpoint, RunFolder};
use subbyte::zoo::Card;

use crate::args::ZooAdd;
use crate::note;

/// Copies a run's integer model, or its network where layers stay in floats, and writes its card.
pub fn run(args: &ZooAdd) -> Result<ExitCode> {
    let folder = RunFolder::new(&args.run);
    let path = folder.result();
    let result =
        RunResult::load(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let Some(result) = result else {
        bail!(
            "{} holds no finished run; finish it with `subbyte train` or `subbyte sweep`",
            args.run.display()
        );
    };
    let checkpoint = Checkpoint::load(&folder.finished())?;
    let name = match &args.name {
        Some(name) => name.clone(),
        None => std::path::absolute(&args.run)?
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
    };
    let (extension, bytes) = match result.top1 {
        Some(_) => {
            let path = folder.model();
            let bytes = std::fs::read(&path);
            (
                "sbm",
                bytes.with_context(|| format!("cannot read {}", path.display()))?,
            )
        }
        // What the run's file says beside the network stands in the card.
        None => (
            "sbg",
            sbg::to_bytes(&checkpoint.graph, &sbg::Extras::default())?,
        ),
    };
    let card = Card::new(&format!("{name}.{extension}"), &bytes, &checkpoint, result);
    let path = card.add(&args.zoo, &name, &bytes, args.force)?;
    note!(
        "wrote {} and {}",
        args.zoo.join(&card.file).display(),
        path.display()
    );
    Ok(ExitCode::SUCCESS)
}
