//! `sample` and `score`: pictures of diffusion networks.

use std::num::NonZeroUsize;
use std::path::PathBuf;

/// How pictures are made of noise.
#[derive(Clone, Debug, clap::Args)]
pub struct Sampling {
    /// Steps of the sampler; unless given, as many as suit the network.
    #[arg(long, value_name = "N")]
    pub steps: Option<usize>,
    /// Seed of the noise.
    #[arg(long, value_name = "N", default_value = "1")]
    pub seed: u64,
    /// Number of another input for all pictures, such as `difficulty=0.5`; may be repeated. Inputs that are not set get a random number from 0
    /// to 1 for each picture.
    #[arg(long = "set", value_name = "INPUT=NUMBER", value_parser = setting)]
    pub sets: Vec<(String, f32)>,
}

/// `sample`.
#[derive(Debug, clap::Args)]
pub struct Sample {
    /// Diffusion network (`.sbg` or `.onnx`).
    pub network: PathBuf,
    /// How pictures are made.
    #[command(flatten)]
    pub sampling: Sampling,
    /// Rows and columns of pictures.
    #[arg(long, value_name = "ROWSxCOLUMNS", default_value = "4x4", value_parser = grid)]
    pub grid: (NonZeroUsize, NonZeroUsize),
    /// Picture to write, numbers from -1 to 1 being black to white; the network's name with `.png` unless given.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// `score`.
#[derive(Debug, clap::Args)]
pub struct Score {
    /// Float network (`.sbg` or `.onnx`).
    pub float: PathBuf,
    /// Its quantized form (`.sbg`), or any network of the same pictures.
    pub quantized: PathBuf,
    /// How pictures are made; both networks start from the same noise.
    #[command(flatten)]
    pub sampling: Sampling,
    /// Pictures that are compared.
    #[arg(long, value_name = "N", default_value = "16")]
    pub samples: NonZeroUsize,
    /// Network whose features tell sets of pictures apart, for FID, sFID, precision and recall: the FID network (`fid-inception.onnx`), or a
    /// classifier of pictures of this size. Needs 50 samples or more.
    #[arg(long, value_name = "FILE")]
    pub features: Option<PathBuf>,
    /// Picture to write: pictures of the float network, and below each that of the other one.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// A name and a number from text such as `difficulty=0.5`.
fn setting(text: &str) -> Result<(String, f32), String> {
    let (name, number) = text.split_once('=').ok_or("give INPUT=NUMBER")?;
    let number: f32 = number.parse().map_err(|_| "its number is none")?;
    match number.is_finite() && !name.is_empty() {
        true => Ok((name.to_owned(), number)),
        false => Err("give INPUT=NUMBER with a finite number".to_owned()),
    }
}

/// Most pictures along one side of a grid.
const MOST_PICTURES: usize = 256;

/// Rows and columns from text such as `8x8`.
fn grid(text: &str) -> Result<(NonZeroUsize, NonZeroUsize), String> {
    let side = |text: &str| {
        let side: Option<NonZeroUsize> = text.parse().ok();
        side.filter(|side| side.get() <= MOST_PICTURES)
    };
    let sides = text.split_once(['x', 'X']);
    sides
        .and_then(|(rows, columns)| side(rows).zip(side(columns)))
        .ok_or_else(|| format!("give rows and columns up to {MOST_PICTURES}, such as 8x8"))
}
