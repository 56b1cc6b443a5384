//! A folder with the files of one test, and what the binary says about them.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};
use subbyte_graph::{
    Graph, Role, Storage,
    networks::{self, FirstLayer, NetworkConfig},
    sbg,
};
use subbyte_model::{Model, TestVector, reference, testing};
use tempfile::TempDir;

/// A temporary folder in which the binary runs.
pub struct Place(TempDir);

/// What a command did.
pub struct Outcome {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    /// Of a command that has ended.
    pub fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Self {
            code: output.status.code().expect("no signal"),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// The object that a command prints.
    pub fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{}", self.stderr);
        serde_json::from_str(&self.stdout).expect("one JSON object")
    }

    /// Fails unless the command failed with an error that has all of `parts`.
    #[track_caller]
    pub fn refused(&self, parts: &[&str]) {
        assert_eq!(self.code, 1, "{}\n{}", self.stdout, self.stderr);
        assert!(self.stderr.contains("error: "), "{}", self.stderr);
        for part in parts {
            assert!(
                self.stderr.contains(part),
                "{part} is not in: {}",
                self.stderr
            );
        }
    }
}

impl Place {
    pub fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs `subbyte` in the folder, without the settings of whoever runs the tests.
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        self.run_with(arguments, None)
    }

    /// Runs `subbyte` with an instruction set in the environment.
    pub fn run_with(&self, arguments: &[&str], level: Option<&str>) -> Outcome {
        let mut command = self.command(arguments);
        command.envs(level.map(|level| ("SUBBYTE_ISA", level)));
        Outcome::of(command.output().unwrap())
    }

    /// Starts `subbyte` in the folder.
    pub fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_subbyte"));
        command.current_dir(self.0.path()).args(arguments);
        command.env_remove("SUBBYTE_ISA");
        command
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        std::fs::write(self.path(name), bytes).unwrap();
    }

    pub fn model(&self, name: &str, model: &Model) {
        self.write(name, subbyte_model::write(model).unwrap());
    }

    /// A grey image of some pixels.
    pub fn image(&self, name: &str, pixels: &[u8], width: u32) {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, width, pixels.len() as u32 / width);
        encoder.set_color(png::ColorType::Grayscale);
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(pixels).unwrap();
        writer.finish().unwrap();
        self.write(name, file);
    }

    /// A network as training leaves it after two epochs of `recipe`.
    pub fn checkpoint(&self, name: &str, graph: &Graph, recipe: &str) {
        let history = json!([epoch(1), epoch(2)]).to_string();
        let text = [
            ("recipe", recipe.to_owned()),
            ("data", "0123456789abcdef".to_owned()),
            ("history", history),
        ];
        let extras = sbg::Extras {
            text: text.map(|(name, text)| (name.to_owned(), text)).into(),
            ..Default::default()
        };
        sbg::save(self.path(name), graph, &extras).unwrap();
    }
}

/// An epoch as logs and checkpoints have it.
pub fn epoch(number: usize) -> Value {
    json!({
        "event": "epoch", "epoch": number, "learning_rate": 0.1, "loss": 2.0 / number as f64,
        "accuracy": 0.25 * number as f64, "seconds": 1.0, "images_per_second": 100.0,
    })
}

/// The quickstart's network for 28x28 grey images, with scales but untrained.
pub fn network(first: FirstLayer) -> Graph {
    let config = NetworkConfig {
        colours: 1,
        height: 28,
        width: 28,
        first,
        ..NetworkConfig::default()
    };
    let mut graph = networks::build("small", &config).unwrap();
    for param in graph.params.values_mut() {
        if let (Role::Scale, Storage::F32(scales)) = (param.role, &mut param.storage) {
            // Training measures those of activations.
            for scale in scales.iter_mut().filter(|scale| **scale <= 0.0) {
                *scale = 0.25;
            }
        }
    }
    graph
}

/// A predictor of noise in 28x28 grey pictures that nothing was learned in, but that says something.
pub fn diffusion_network() -> Graph {
    let config = NetworkConfig {
        colours: 1,
        height: 28,
        width: 28,
        bits: None,
        ..NetworkConfig::default()
    };
    let mut graph = networks::build("unet", &config).unwrap();
    for (name, param) in &mut graph.params {
        if let (Role::Weight, Storage::F32(weights)) = (param.role, &mut param.storage)
            && weights.iter().all(|w| *w == 0.0)
        {
            let seed = name.len();
            let weight = |i: usize| ((i * 7919 + seed) % 101) as f32 / 1e4 - 0.005;
            *weights = (0..weights.len()).map(weight).collect();
        }
    }
    graph
}

/// The integer model of [`network`] with class names, provenance and two test vectors.
pub fn model() -> Model {
    let mut model = subbyte_lower::lower(&network(FirstLayer::default())).unwrap();
    model.classes = (0..10).map(|class| format!("class {class}")).collect();
    model
        .provenance
        .push(("recipe".into(), "network = \"small\"\nepochs = 2\n".into()));
    model.vectors = (0..2).map(|seed| vector(&model, seed)).collect();
    model
}

fn vector(model: &Model, seed: u64) -> TestVector {
    let image = testing::random_image(model, seed);
    let logits = reference::run(model, &image).unwrap();
    TestVector { image, logits }
}

/// Width and height of a PNG file that decodes.
pub fn decode(path: &Path) -> (u32, u32) {
    let file = std::fs::File::open(path).unwrap();
    let mut reader = png::Decoder::new(std::io::BufReader::new(file))
        .read_info()
        .unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    (info.width, info.height)
}
