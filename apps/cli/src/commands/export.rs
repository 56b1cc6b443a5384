use anyhow::{Result, bail};
use subbyte::onnx::{write_qdq, write_qonnx};

use crate::args::{Export, Form};
use crate::commands::lower::same_file;
use crate::files::{self, Network};
use crate::note;

/// Writes a network as an ONNX file.
pub fn run(args: &Export) -> Result<()> {
    let Network::Graph(graph, _) = files::load(&args.network)? else {
        bail!(
            "{} is a model, which ONNX has no operators for; export the network that it was lowered from",
            args.network.display()
        );
    };
    let output = args
        .output
        .clone()
        .unwrap_or_else(|| args.network.with_extension("onnx"));
    if same_file(&args.network, &output) {
        bail!(
            "the file would overwrite the network {}; give another one with -o",
            output.display()
        );
    }
    let bytes = match args.form {
        Form::Qonnx => write_qonnx(&graph)?,
        Form::Qdq => write_qdq(&graph)?,
    };
    files::write(&output, &bytes)?;
    note!("wrote {}", output.display());
    Ok(())
}
