use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;
use subbyte::diffusion::Sampler;

use crate::args::Sample;
use crate::commands::lower::same_file;
use crate::output::{Table, print, print_json};
use crate::sampling::{self, Sampled};
use crate::{files, interrupt, note};

/// Makes pictures and writes them as one.
pub fn run(args: &Sample) -> Result<ExitCode> {
    let graph = sampling::load(&args.network)?;
    let output = output(args)?;
    let settings = sampling::settings(&args.sampling, args.sampling.seed);
    let sampler = Sampler::new(&graph, &settings)?;
    sampling::note_unset(&sampler);
    interrupt::watch()?;
    let (rows, columns) = args.grid;
    let count = rows.get() * columns.get();
    let Some(sampled) = sampling::sample("sampling", &graph, &sampler, count)? else {
        note!("interrupted; nothing was written");
        return Ok(interrupt::exit_code());
    };
    let pictures: Vec<&[f32]> = sampled.pictures.iter().collect();
    let grid = sampling::grid(&pictures, sampled.pictures.shape, columns.get());
    files::write(&output, &grid.to_png())?;
    let report = Report::new(&output, args, &sampler, &sampled);
    if args.json {
        print_json(&report)?;
    } else {
        note!("wrote {}", output.display());
        print(&report.table().to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Where the picture goes.
fn output(args: &Sample) -> Result<PathBuf> {
    let output = args.output.clone();
    let output = output.unwrap_or_else(|| args.network.with_extension("png"));
    if same_file(&args.network, &output) {
        anyhow::bail!(
            "the picture would overwrite the network {}; give another file with -o",
            output.display()
        );
    }
    Ok(output)
}

/// What was made, and what it took.
#[derive(Serialize)]
struct Report<'a> {
    file: &'a Path,
    network: &'a Path,
    pictures: usize,
    /// Height, width, channels.
    shape: [usize; 3],
    steps: usize,
    seed: u64,
    /// Smallest and largest number.
    range: [f32; 2],
    seconds: f64,
    seconds_per_picture: f64,
    /// Most memory of the process, in bytes.
    peak_memory: Option<u64>,
}

impl<'a> Report<'a> {
    fn new(file: &'a Path, args: &'a Sample, sampler: &Sampler, sampled: &Sampled) -> Self {
        let pictures = sampled.pictures.len();
        Self {
            file,
            network: &args.network,
            pictures,
            shape: sampled.pictures.shape,
            steps: sampler.schedule().len(),
            seed: args.sampling.seed,
            range: sampled.pictures.range(),
            seconds: sampled.seconds,
            seconds_per_picture: sampled.seconds / pictures as f64,
            peak_memory: sampling::peak_memory(),
        }
    }

    fn table(&self) -> Table {
        let [height, width, channels] = self.shape;
        let mut table = Table::new(["sampled", "value"]);
        table.row([
            "pictures".to_owned(),
            format!("{} of {width}x{height}x{channels}", self.pictures),
        ]);
        table.row(["steps".to_owned(), self.steps.to_string()]);
        table.row([
            "seconds a picture".to_owned(),
            format!("{:.3}", self.seconds_per_picture),
        ]);
        if let Some(bytes) = self.peak_memory {
            table.row([
                "most memory".to_owned(),
                format!("{:.0} MB", bytes as f64 / 1e6),
            ]);
        }
        table
    }
}
