use anyhow::Result;

use crate::args::Eval;
use crate::files::{self, Network};
use crate::measurement::{self, Measurement};
use crate::output::{print, print_json};

/// Measures a model, or a network and the integer model that it becomes.
pub fn run(args: &Eval) -> Result<()> {
    let given = args.data.as_ref().or(args.positional.as_ref());
    let measurement = match files::load(&args.file)? {
        Network::Model(model, bytes) => {
            let path = files::data_path(given.or(files::noted_data(&model)), None, &args.file)?;
            let geometry = files::model_geometry(&model);
            let data = files::test_data(&path, geometry, files::resize(&model))?;
            let (score, threads) = measurement::score(&model, &data, args.threads)?;
            Measurement {
                bytes: Some(bytes.len()),
                layers: Some(super::inspect::layers(&model)?),
                ..Measurement::of_model(&score, threads)
            }
        }
        Network::Graph(graph, checkpoint) => {
            let recipe = checkpoint.as_ref().map(|c| &c.recipe);
            let path = files::data_path(given, recipe, &args.file)?;
            let data = files::test_data(&path, files::geometry(&graph), None)?;
            measurement::network(&graph, checkpoint.as_deref(), &data)?.0
        }
    };
    if args.json {
        return print_json(&measurement);
    }
    print(&measurement.table().to_string())
}
