//! `quantize`: methods, formats and budgets.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;

use subbyte::graph::networks::Bits;

use super::{Engine, Preprocess};

/// `quantize`.
#[derive(Debug, clap::Args)]
pub struct Quantize {
    /// Trained float network (`.sbg` or `.onnx`).
    pub network: PathBuf,
    /// How pixels become the input of an ONNX network; guessed unless given.
    #[arg(long, value_enum)]
    pub preprocess: Option<Preprocess>,
    /// How weights get their codes.
    #[arg(long, value_enum, default_value_t = Method::Uniform)]
    pub method: Method,
    /// Bits of weights and activations; 8 in the first and the last layer.
    #[arg(long, value_name = "wNaM", default_value = "w8a8")]
    pub bits: Bits,
    /// Input channels whose weights share a scale, for `qsq`.
    #[arg(long, value_name = "N", default_value = "16")]
    pub vector: NonZeroUsize,
    /// Largest power of two of a code, for `qsq`: 1, 2 or 4.
    #[arg(long, value_name = "N", default_value = "4", value_parser = ["1", "2", "4"])]
    pub quality: String,
    /// Bytes that the model may take, such as `9.5MB` (10^6 bytes), for `ptilmpq` and `auto`.
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub budget: Option<usize>,
    /// Points of top-1 accuracy that the model may lose, such as `1.0`, in place of a budget, for `ptilmpq`: the smallest budget is
    /// searched that keeps them on labelled images of the calibration set, or of --data where it has no labels.
    #[arg(long, value_name = "POINTS", value_parser = points, conflicts_with = "budget")]
    pub drop: Option<f64>,
    /// Several models at once, for `ptilmpq`: budgets such as `80kB`, `published:80kB` for the published criterion, and `w4` for flat
    /// bits, separated by commas. Models, a table and a picture of accuracy against bytes go into the folder that -o names.
    #[arg(long, value_name = "LIST", value_delimiter = ',', conflicts_with_all = ["budget", "drop"])]
    pub front: Vec<Place>,
    /// Formats of weights, for `minifloat`: fp4 for any float of 4 bits, int4, a format such as e2m1 or ocp-e4m3, or float.
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    pub weights: Option<Format>,
    /// Formats of activations, for `minifloat`, given like those of weights.
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    pub activations: Option<Format>,
    /// How weights get their codes, for `minifloat`.
    #[arg(long, value_enum, default_value_t = WeightRounding::Learned)]
    pub rounding: WeightRounding,
    /// How far formats reach, for `minifloat`.
    #[arg(long, value_enum, default_value_t = Reach::Search)]
    pub reach: Reach,
    /// A range for every output channel of weights in place of one for the layer, for `minifloat`.
    #[arg(long)]
    pub per_channel: bool,
    /// Bits of the first and the last layer, for `minifloat`: 2 to 8, or `same` for those of the others.
    #[arg(long, value_name = "BITS", default_value = "8", value_parser = ends)]
    pub ends: Ends,
    /// Steps of learned rounding in each layer, for `minifloat`.
    #[arg(long, value_name = "N", default_value = "500")]
    pub steps: NonZeroUsize,
    /// File in which `minifloat` keeps the layers that it has rounded, and from which it goes on where it is there.
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// What makes a channel important, for `ptilmpq`; its error at the output unless there are no images to calibrate with.
    #[arg(long, value_enum)]
    pub criterion: Option<Criterion>,
    /// Images to calibrate with: a folder, an archive, or `builtin`; of a trained network, unless given, its recipe's. Not needed for
    /// `ptilmpq` by the published criterion.
    #[arg(long, value_name = "PATH")]
    pub calibration: Option<String>,
    /// How many of them are used, spread evenly.
    #[arg(long, value_name = "N", default_value = "256")]
    pub images: NonZeroUsize,
    /// Ranges of activations.
    #[arg(long, value_enum, default_value_t = Clip::Auto)]
    pub clip: Clip,
    /// Labelled images on which the model is measured and compared; those of the calibration unless given.
    #[arg(long, value_name = "PATH")]
    pub data: Option<String>,
    /// Test vectors to put into the model; as many as are small beside it unless given.
    #[arg(long, value_name = "N")]
    pub vectors: Option<usize>,
    /// Model to write, or the network of `minifloat`; the network's name with `.sbm` or `.sbg` unless given. With --front a folder.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Write the quantized network too, for more than running it.
    #[arg(long, value_name = "FILE")]
    pub graph: Option<PathBuf>,
    /// What the integers run on.
    #[command(flatten)]
    pub engine: Engine,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// How weights get their codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Method {
    /// Uniform codes by closed-form rounding.
    Uniform,
    /// Uniform codes, each the nearest one: the baseline.
    Nearest,
    /// Bits for every channel within a budget (PTILMPQ).
    Ptilmpq,
    /// Powers of two with a scale for every vector of weights (quality scalable quantization).
    Qsq,
    /// Of `uniform`, `ptilmpq` and `qsq` the one that moves the network's output least, within a budget.
    Auto,
    /// Floats of few bits, or integers searched alike, in the layers' inputs and weights; the result is a network, not an integer model.
    Minifloat,
}

/// How the weights of low-bit floats get their codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum WeightRounding {
    /// The nearest one.
    Nearest,
    /// One input after another, each error spread over those that are left.
    ClosedForm,
    /// Learned, layer by layer.
    Learned,
}

/// How far low-bit formats reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Reach {
    /// To where the squared error is least.
    Search,
    /// To the largest magnitude.
    Max,
}

/// Formats to choose from; `None` leaves floats as they are.
pub type Format = Option<subbyte::quantize::FormatChoice>;

fn format(text: &str) -> Result<Format, String> {
    match text {
        "float" => Ok(None),
        name => name.parse().map(Some).map_err(|e: subbyte::quantize::FormatError| {
            format!("{e}; fp2 to fp8 leave the choice open, int2 to int8 are integers, float changes nothing")
        }),
    }
}

/// Bits of the first and the last layer; `None` for those of the others.
pub type Ends = Option<u8>;

fn ends(text: &str) -> Result<Ends, String> {
    match (text, text.parse()) {
        ("same", _) => Ok(None),
        (_, Ok(bits @ 2..=8)) => Ok(Some(bits)),
        _ => Err("give 2 to 8 bits, or same".to_owned()),
    }
}

/// What makes a channel important.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Criterion {
    /// The error that its codes cause at the network's output.
    OutputError,
    /// Magnitudes of layers and norms of channels, as published.
    Published,
}

/// A model on the front of accuracy against bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Bits for every channel within a budget of bytes, by the criterion that is given elsewhere or by this one.
    Budget(usize, Option<Criterion>),
    /// Flat bits of weights.
    Flat(u8),
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(bits) = text.strip_prefix('w') {
            return match bits.parse() {
                Ok(bits @ 2..=8) => Ok(Self::Flat(bits)),
                _ => Err("flat bits are w2 to w8".to_owned()),
            };
        }
        match text.strip_prefix("published:") {
            Some(budget) => Ok(Self::Budget(bytes(budget)?, Some(Criterion::Published))),
            None => Ok(Self::Budget(bytes(text)?, None)),
        }
    }
}

/// Points of accuracy, such as `1.0`.
fn points(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(points) if (0.0..100.0).contains(&points) => Ok(points),
        _ => Err("give points of accuracy from 0 to 100, such as 1.0".to_owned()),
    }
}

/// Bytes from text such as `9.5MB`, `800kB` or `120000`.
fn bytes(text: &str) -> Result<usize, String> {
    let split = text.find(|c: char| c.is_ascii_alphabetic());
    let (number, unit) = text.split_at(split.unwrap_or(text.len()));
    let factor = match unit {
        "" | "B" => 1.0,
        "kB" | "KB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        _ => return Err("give bytes, kB or MB, such as 9.5MB".to_owned()),
    };
    match number.trim().parse::<f64>() {
        Ok(number) if number > 0.0 && number * factor < 1e15 => Ok((number * factor) as usize),
        _ => Err("give a positive number of bytes, such as 9.5MB".to_owned()),
    }
}

/// Ranges of activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Clip {
    /// To the largest value seen.
    MinMax,
    /// To the value that one of ten thousand exceeds.
    Percentile,
    /// To where the mean squared error is least.
    Mse,
    /// By whichever of `min-max` and `mse` moves the network's output less.
    Auto,
}
