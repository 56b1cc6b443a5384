use std::path::Path;

use anyhow::{Result, bail};
use subbyte::train::Recipe;

use crate::args::{Engine, Lower};
use crate::files::{self, Network};
use crate::images::TestImages;
use crate::measurement::{self, Extent};
use crate::note;
use crate::output::{print, print_json};

/// Lowers a network and compares the result with its evaluation.
pub fn run(args: &Lower) -> Result<()> {
    let Network::Graph(graph, checkpoint) = files::load(&args.network)? else {
        bail!("{} is a model already", args.network.display());
    };
    let output = args
        .output
        .clone()
        .unwrap_or_else(|| args.network.with_extension("sbm"));
    if same_file(&args.network, &output) {
        bail!(
            "the model would overwrite the network {}; give another file with -o",
            output.display()
        );
    }
    // Everything that keeps the network from being lowered is reported before data are read.
    subbyte::lower::lower(&graph)?;
    let recipe = checkpoint.as_ref().map(|c| &c.recipe);
    let path = files::data_path(args.data.as_ref(), recipe, &args.network)?;
    let resize = recipe.and_then(Recipe::resize);
    let images = TestImages::open(
        &path,
        files::geometry(&graph)?,
        resize,
        &graph.classes,
        None,
    )?;
    let lowered = measurement::lower(
        &graph,
        checkpoint.as_deref(),
        &images,
        Extent {
            vectors: args.vectors,
            ..Extent::default()
        },
        Engine::default(),
    )?;
    // A model is not written with figures of only some of the images.
    images.end(images.len() - images.broken().len())?;
    files::write(&output, &lowered.bytes)?;
    if args.json {
        return print_json(&lowered.measurement);
    }
    note!("wrote {}", output.display());
    print(&lowered.measurement.table().to_string())
}

/// Whether both paths lead to one file that exists.
pub fn same_file(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}
