//! The command line, as plain data.

mod quantize;
mod sampling;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use subbyte::{Level, Options, onnx};

pub use quantize::{Clip, Criterion, Method, Place, Quantize, Reach, WeightRounding};
pub use sampling::{Sample, Sampling, Score};

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
