use anyhow::{Result, bail};

use crate::args::Lower;
use crate::files::{self, Network};
use crate::measurement;
use crate::output::{print, print_json};

/// Lowers a network and compares the result with its evaluation.
pub fn run(args: &Lower) -> Result<()> {
    let Network::Graph(graph, checkpoint) = files::load(&args.network)? else {
        bail!("{} is a model already", args.network.display());
    };
    // Everything that keeps the network from being lowered is reported before data are read.
    subbyte::lower::lower(&graph)?;
    let recipe = checkpoint.as_ref().map(|c| &c.recipe);
    let path = files::data_path(args.data.as_ref(), recipe, &args.network)?;
    let data = files::test_data(&path, files::geometry(&graph), None)?;
    let lowered = measurement::lower(&graph, checkpoint.as_deref(), &data, args.vectors)?;
    let output = args
        .output
        .clone()
        .unwrap_or_else(|| args.network.with_extension("sbm"));
    files::write(&output, &lowered.bytes)?;
    if args.json {
        return print_json(&lowered.measurement);
    }
    eprintln!("wrote {}", output.display());
    print(&lowered.measurement.table().to_string())
}
