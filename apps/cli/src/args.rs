//! The command line, as plain data.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use subbyte::graph::networks::Bits;
use subbyte::{Level, Options, onnx};

use crate::fetch::SETS;

/// Convolutional networks below eight bits in every layer, on integers only.
#[derive(Debug, Parser)]
#[command(name = "subbyte", version, propagate_version = true)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Ends the process as it ends for other wrong command lines, for what only shows when files were read.
pub fn refuse(problem: &str) -> ! {
    Args::command()
        .error(ErrorKind::ValueValidation, problem)
        .exit()
}

/// One command each.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train, lower and run a small network on real images, within three minutes.
    Quickstart(Quickstart),
    /// Train a network by a recipe.
    Train(Train),
    /// Train a table of networks: rows or a grid of settings, each with several seeds.
    Sweep(Sweep),
    /// Keep trained models with their cards, and measure them again.
    #[command(subcommand)]
    Zoo(Zoo),
    /// Measure the accuracy of a network or model.
    Eval(Eval),
    /// Show where a quantized network departs from its float network, tensor by tensor.
    Diff(Diff),
    /// Classify images.
    Predict(Predict),
    /// Time a model and each of its layers on this machine.
    Bench(Bench),
    /// Quantize a trained float network without training it, and turn it into an integer model.
    Quantize(Quantize),
    /// Make pictures with a diffusion network.
    Sample(Sample),
    /// Compare the pictures of a diffusion network with those of its quantized form.
    Score(Score),
    /// Turn a trained network into an integer model.
    Lower(Lower),
    /// Write a network as an ONNX file.
    Export(Export),
    /// Show layers, sizes and where every byte of a file goes.
    Inspect(Inspect),
    /// Replay a model's test vectors on every instruction set of this machine.
    Verify(Verify),
    /// Draw training curves, pixel tables and code histograms.
    Plot(Plot),
    /// List and fetch public data sets.
    Data(Data),
    /// Show this machine's instruction sets and kernels.
    Cpu(Cpu),
}

/// `quickstart`.
#[derive(Debug, clap::Args)]
pub struct Quickstart {
    /// Folder for models, pictures and the report.
    #[arg(short, long, value_name = "DIR", default_value = "subbyte-quickstart")]
    pub output: PathBuf,
    /// Passes of each network over the training images.
    #[arg(long, value_name = "N")]
    pub epochs: Option<usize>,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// `train`.
#[derive(Debug, clap::Args)]
pub struct Train {
    /// Recipe (TOML); may be left out with --from.
    #[arg(required_unless_present = "from")]
    pub recipe: Option<PathBuf>,
    /// Trained float network (`.onnx` or `.sbg`) to quantize and fine-tune in place of the recipe's network; it also is the teacher
    /// unless the recipe has one.
    #[arg(long, value_name = "NETWORK")]
    pub from: Option<PathBuf>,
    /// Change a key of the recipe, such as `bits=w1a2` or `table.depth=21`; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// Data set in place of the recipe's: a folder, an archive, or `builtin`.
    #[arg(long, value_name = "PATH")]
    pub data: Option<String>,
    /// How pixels become the input of an ONNX network; guessed unless given.
    #[arg(long, value_enum)]
    pub preprocess: Option<Preprocess>,
    /// Folder of the run; `runs/` and the name of the recipe or the network unless given.
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Go on from the folder's checkpoint.
    #[arg(long)]
    pub resume: bool,
    /// Replace another run in the folder.
    #[arg(long, conflicts_with = "resume")]
    pub force: bool,
    /// Take a few steps, say what the run would take of time and memory, and write nothing.
    #[arg(long, conflicts_with_all = ["resume", "force"])]
    pub dry_run: bool,
    /// Write an event file for TensorBoard into the folder too.
    #[arg(long)]
    pub tensorboard: bool,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// `sweep`.
#[derive(Debug, clap::Args)]
pub struct Sweep {
    /// Recipes (TOML); one may have a table `[rows]`, whose tables each make a recipe by changing some keys.
    #[arg(required = true)]
    pub recipes: Vec<PathBuf>,
    /// Values of a key, such as `bits=w1a2,w2a2`; repeated, all combinations are taken.
    #[arg(long, value_name = "KEY=A,B,C")]
    pub grid: Vec<String>,
    /// Seeds of every cell, from 1 to this.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub seeds: u32,
    /// Change a key of all recipes; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// Data set in place of the recipes'.
    #[arg(long, value_name = "PATH")]
    pub data: Option<String>,
    /// Folder of the sweep; `runs/` and the first recipe's name unless given.
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Train only this cell, or this run of it (`CELL-seedN`); may be repeated.
    #[arg(long, value_name = "CELL")]
    pub only: Vec<String>,
    /// Show the runs, and what each starts from, without training any.
    #[arg(long)]
    pub list: bool,
    /// Replace runs of other recipes in the folder.
    #[arg(long)]
    pub force: bool,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// `zoo`.
#[derive(Debug, Subcommand)]
pub enum Zoo {
    /// Put the network of a finished run into the zoo, with a card.
    Add(ZooAdd),
    /// Measure all models of the zoo again and compare them with their cards.
    Check(ZooCheck),
}

/// `zoo add`.
#[derive(Debug, clap::Args)]
pub struct ZooAdd {
    /// Folder of the run.
    pub run: PathBuf,
    /// Name in the zoo; that of the run's folder unless given.
    #[arg(long)]
    pub name: Option<String>,
    /// Folder of the zoo.
    #[arg(long, value_name = "DIR", default_value = "zoo")]
    pub zoo: PathBuf,
    /// Replace the model of that name.
    #[arg(long)]
    pub force: bool,
}

/// `zoo check`.
#[derive(Debug, clap::Args)]
pub struct ZooCheck {
    /// Folder of the zoo.
    #[arg(long, value_name = "DIR", default_value = "zoo")]
    pub zoo: PathBuf,
    /// Folder that holds the data sets, such as `cifar-100-binary`; models of others are not measured.
    #[arg(long, value_name = "DIR", default_value = "data")]
    pub data: PathBuf,
    /// What the integers run on.
    #[command(flatten)]
    pub engine: Engine,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// `eval`.
#[derive(Debug, clap::Args)]
pub struct Eval {
    /// Model (`.sbm`) or network (`.sbg` or `.onnx`).
    pub file: PathBuf,
    /// How pixels become the input of an ONNX network; guessed unless given.
    #[arg(long, value_enum)]
    pub preprocess: Option<Preprocess>,
    /// Data set: a folder, an archive, or `builtin`; of a trained network or its model, unless given, its recipe's.
    ///
    /// Folders of images mean the classes of their names or numbers; where they have neither, the note on stderr says that their
    /// order counts.
    #[arg(value_name = "DATA")]
    pub positional: Option<String>,
    /// The same as an option.
    #[arg(long, value_name = "PATH", conflicts_with = "positional")]
    pub data: Option<String>,
    /// Measure a model as multipliers compute it that keep so many partial products of each multiplication by a weight, the most
    /// significant canonic signed digits.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub digits: Option<u32>,
    /// Network or model to compare with, such as the float network: measured on the same images, the gaps are shown.
    #[arg(long, value_name = "FILE")]
    pub against: Option<PathBuf>,
    /// What the integers run on.
    #[command(flatten)]
    pub engine: Engine,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// `diff`.
#[derive(Debug, clap::Args)]
pub struct Diff {
    /// Float network (`.onnx` or `.sbg`).
    pub float: PathBuf,
    /// What was made of it: a model (`.sbm`) or a network that is quantized in every layer (`.sbg`).
    pub quantized: PathBuf,
    /// How pixels become the input of an ONNX network; guessed unless given.
    #[arg(long, value_enum)]
    pub preprocess: Option<Preprocess>,
    /// Images: a folder, an archive, or `builtin`; those of the quantized network's training unless given.
    #[arg(long, value_name = "PATH")]
    pub data: Option<String>,
    /// How many of them are used, spread evenly.
    #[arg(long, value_name = "N", default_value = "256")]
    pub images: NonZeroUsize,
    /// Folder for pictures: noise by tensor, and how often each code occurs.
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// `predict`.
#[derive(Debug, clap::Args)]
pub struct Predict {
    /// Model (`.sbm`).
    pub model: PathBuf,
    /// Images (JPEG, PNG, WebP) and folders of them.
    #[arg(required = true)]
    pub images: Vec<PathBuf>,
    /// Classes to show for each image.
    #[arg(long, value_name = "N", default_value = "3")]
    pub top: NonZeroUsize,
    /// What the integers run on.
    #[command(flatten)]
    pub engine: Engine,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// `bench`.
#[derive(Debug, clap::Args)]
pub struct Bench {
    /// Model (`.sbm`).
    pub model: PathBuf,
    /// Threads; unless given, one and all of the machine's are compared.
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<NonZeroUsize>,
    /// Images of a run. With one, threads share its rows; with more, they share the images.
    #[arg(long, value_name = "N", default_value = "1")]
    pub batch: NonZeroUsize,
    /// Time to measure each number of threads, and the layers.
    #[arg(long, value_name = "S", default_value = "2", value_parser = seconds)]
    pub seconds: Duration,
    /// Highest instruction set to use, such as `avx2`; unless given, what SUBBYTE_ISA names, else the best of the processor.
    #[arg(long, value_name = "NAME", value_parser = Level::from_name)]
    pub level: Option<Level>,
    /// Print one JSON object instead of tables.
    #[arg(long)]
    pub json: bool,
}

/// More than any machine of today computes at once, and few enough for every system to start them.
const MOST_THREADS: usize = 1024;

fn threads(text: &str) -> Result<NonZeroUsize, String> {
    let threads = text.parse().ok().and_then(NonZeroUsize::new);
    threads
        .filter(|threads| threads.get() <= MOST_THREADS)
        .ok_or_else(|| format!("give a number from 1 to {MOST_THREADS}"))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|_| "not a number".to_owned())?;
    // A day is more than anybody waits, and no sum of such times overflows.
    match Duration::try_from_secs_f64(seconds) {
        Ok(time) if !time.is_zero() && time <= Duration::from_secs(86_400) => Ok(time),
        _ => Err("give more than 0 and at most 86400 seconds".to_owned()),
    }
}

/// What the integer engine runs on.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct Engine {
    /// Threads that compute, and as many that decode image files; all of the machine's unless given.
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<NonZeroUsize>,
    /// Highest instruction set to use, such as `avx2`; unless given, what SUBBYTE_ISA names, else the best of the processor.
    #[arg(long, value_name = "NAME", value_parser = Level::from_name)]
    pub level: Option<Level>,
}

impl Engine {
    /// Number of threads.
    pub fn threads(self) -> NonZeroUsize {
        self.threads.unwrap_or_else(subbyte::threads)
    }

    /// How plans are made.
    pub fn options(self) -> Options {
        Options {
            level: self.level,
            ..Options::default()
        }
    }
}

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

/// How pixels become the input of an ONNX network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Preprocess {
    /// From 0 to 1, less ImageNet's mean, over its deviation.
    Torch,
    /// Blue, green, red from 0 to 255, less their means.
    Caffe,
    /// From -1 to 1.
    Tf,
    /// From 0 to 1.
    Unit,
    /// From 0 to 255.
    Raw,
}

impl From<Preprocess> for subbyte::train::recipe::Preprocess {
    fn from(preprocess: Preprocess) -> Self {
        match preprocess {
            Preprocess::Torch => Self::Torch,
            Preprocess::Caffe => Self::Caffe,
            Preprocess::Tf => Self::Tf,
            Preprocess::Unit => Self::Unit,
            Preprocess::Raw => Self::Raw,
        }
    }
}

impl From<Preprocess> for onnx::Preprocess {
    fn from(preprocess: Preprocess) -> Self {
        match preprocess {
            Preprocess::Torch => Self::Torch,
            Preprocess::Caffe => Self::Caffe,
            Preprocess::Tf => Self::Tf,
            Preprocess::Unit => Self::Unit,
            Preprocess::Raw => Self::Raw,
        }
    }
}

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

/// `lower`.
#[derive(Debug, clap::Args)]
pub struct Lower {
    /// Trained network (`.sbg`).
    pub network: PathBuf,
    /// Model to write; the network's name with `.sbm` unless given.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Data on which evaluation and integers are compared; the recipe's unless given.
    #[arg(long, value_name = "PATH")]
    pub data: Option<String>,
    /// Test vectors to put into the model.
    #[arg(long, value_name = "N", default_value_t = subbyte::TEST_VECTORS)]
    pub vectors: usize,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// `export`.
#[derive(Debug, clap::Args)]
pub struct Export {
    /// Network (`.sbg` or `.onnx`).
    pub network: PathBuf,
    /// How quantizers are written.
    #[arg(long, value_enum, default_value_t = Form::Qonnx)]
    pub form: Form,
    /// File to write; the network's name with `.onnx` unless given.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// How quantizers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// As operators of QONNX, of any bits.
    Qonnx,
    /// As pairs of QuantizeLinear and DequantizeLinear.
    Qdq,
}

/// `inspect`.
#[derive(Debug, clap::Args)]
pub struct Inspect {
    /// Model (`.sbm`) or network (`.sbg`).
    pub file: PathBuf,
    /// Print one JSON object instead of tables.
    #[arg(long)]
    pub json: bool,
}

/// `verify`.
#[derive(Debug, clap::Args)]
pub struct Verify {
    /// Model (`.sbm`).
    pub model: PathBuf,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// `plot`.
#[derive(Debug, clap::Args)]
pub struct Plot {
    /// Run folders for training curves; a model (`.sbm`) or network (`.sbg`) for its pixel table and code histograms.
    #[arg(required = true)]
    pub inputs: Vec<PathBuf>,
    /// Folder for the pictures.
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub output: PathBuf,
    /// Data for code histograms; the recipe's unless given.
    #[arg(long, value_name = "PATH")]
    pub data: Option<String>,
    /// Format of the pictures.
    #[arg(long, value_enum, default_value_t = Picture::Png)]
    pub format: Picture,
}

/// Format of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Picture {
    /// Pixels.
    Png,
    /// Vectors.
    Svg,
}

/// `data`.
#[derive(Debug, clap::Args)]
pub struct Data {
    /// What to do.
    #[command(subcommand)]
    pub command: DataCommand,
}

/// What can be done about data sets.
#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Fetch public data sets; what is there already is not fetched again.
    Fetch(DataFetch),
    /// List the public data sets that can be fetched.
    List(DataList),
}

/// `data fetch`.
#[derive(Debug, clap::Args)]
pub struct DataFetch {
    /// Sets to fetch.
    #[arg(required = true, value_name = "NAME", value_parser = set_names())]
    pub names: Vec<String>,
    /// Folder in which each set gets a folder of its own.
    #[arg(short, long, value_name = "DIR", default_value = "data")]
    pub output: PathBuf,
    /// Server to fetch from in place of the known ones: the URL that a file's name follows.
    #[arg(long, value_name = "URL")]
    pub mirror: Option<String>,
}

/// `data list`.
#[derive(Debug, clap::Args)]
pub struct DataList {
    /// Folder in which the sets are looked for.
    #[arg(short, long, value_name = "DIR", default_value = "data")]
    pub output: PathBuf,
    /// Print one JSON list instead of a table.
    #[arg(long)]
    pub json: bool,
}

fn set_names() -> PossibleValuesParser {
    SETS.iter().map(|set| set.name).collect::<Vec<_>>().into()
}

/// `cpu`.
#[derive(Debug, clap::Args)]
pub struct Cpu {
    /// Print one JSON object instead of tables.
    #[arg(long)]
    pub json: bool,
}
