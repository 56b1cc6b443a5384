//! Recipes: everything that, with the data, determines a training run.
//!
//! A recipe is a TOML file of flat keys with three small tables, `[data]`, `[augment]` and `[table]`. Every key has a default, can
//! be set from outside as `key=value` ([`Recipe::set`]), and is described in [`KEYS`] and in `docs/training.md`.

mod choices;
mod keys;
mod validate;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use subbyte_graph::networks;

pub use choices::{
    ActivationQuantizer, Bits, End, FromScales, Input, Normalize, OptimizerKind, Schedule,
};
pub use keys::{KEYS, Key};
pub use subbyte_graph::{
    TableInit,
    networks::{BinaryScale, WeightQuantizer},
};
pub use subbyte_onnx::Preprocess;

use crate::{TrainError, imported::IMPORTED};

/// Name of the data set that is compiled in.
pub(crate) const BUILT_IN: &str = "builtin";

/// Name of the table whose tables distinguish the recipes of a sweep.
pub(crate) const ROWS: &str = "rows";

/// How a network is built and trained. Fields are the keys of the file, with dashes for underscores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Recipe {
    /// A built-in network, such as `resnet20`, or `imported` for the one in [`Recipe::from`].
    pub network: String,
    /// Bits of weights and activations in every layer between the first and the last, or `float`.
    pub bits: Bits,
    /// Bits of residual streams.
    pub residual_bits: u8,
    /// The first convolution.
    pub first: End,
    /// The classifier.
    pub last: End,
    /// What turns pixels into codes in front of a first layer that is like the body; `None` stands for [`Input::Table`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<Input>,
    /// Quantizer of weights of 2 bits and more.
    pub weight_quantizer: WeightQuantizer,
    /// How 1-bit weights are scaled.
    pub binary_scale: BinaryScale,
    /// Quantizer of activations.
    pub activation_quantizer: ActivationQuantizer,
    /// A network whose parameters are the initial ones wherever name and shape agree: a `.sbg`, or a safetensors or PyTorch file under
    /// the names of known repositories. For the network `imported`, a float network in ONNX or `.sbg`, which is taken as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<PathBuf>,
    /// Whether the scales of quantizers are taken from it too.
    pub from_scales: FromScales,
    /// How pixels become the input of an ONNX network; guessed by the file unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preprocess: Option<Preprocess>,
    /// Mean and deviation of pixels for a float first layer.
    pub normalize: Normalize,
    /// A trained float network, `.sbg` or ONNX, for the same images and classes, whose logits the network learns from beside the labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teacher: Option<PathBuf>,
    /// Share of the teacher in the loss, the rest being that of the labels.
    pub teacher_weight: f64,
    /// Temperature at which teacher and network are compared.
    pub teacher_temperature: f64,

    /// Passes over the training images; 0 leaves a network as it comes from `from`.
    pub epochs: usize,
    /// Images of a step.
    pub batch_size: usize,
    /// Seed of initial weights, of the order of images and of augmentation.
    pub seed: u32,
    /// Update rule.
    pub optimizer: OptimizerKind,
    /// Momentum of SGD.
    pub momentum: f64,
    /// Nesterov's momentum in SGD.
    pub nesterov: bool,
    /// Learning rate after warm-up.
    pub learning_rate: f64,
    /// How the learning rate falls.
    pub schedule: Schedule,
    /// Epochs, counted from 1, after which [`Schedule::Steps`] multiplies the learning rate.
    pub steps_at: Vec<usize>,
    /// Factor of each such step.
    pub step_factor: f64,
    /// Epochs in which the learning rate rises linearly from near zero.
    pub warm_up_epochs: f64,
    /// L2 weight decay of the weights of convolutions and linear layers and of PACT's clip values; no other parameter decays.
    pub weight_decay: f64,
    /// Factor on the gradient of learned steps.
    pub step_gradient_scale: f64,
    /// Factor, reached at the end, of the penalty on the squared distances of weights with learned steps from their codes' values.
    pub dampening: f64,
    /// Share of the target that is spread evenly over all classes.
    pub label_smoothing: f64,
    /// Training images over which batch-norm statistics are measured anew at the end; 0 keeps the running ones.
    pub reestimation_images: usize,

    /// Where the images are and how they are split.
    pub data: DataRecipe,
    /// Random changes of training images.
    pub augment: AugmentRecipe,
    /// The pixel table or the fixed encoder in its place.
    pub table: TableRecipe,
}

/// `[data]`: where the images are and how they are split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct DataRecipe {
    /// `builtin` for the compiled-in subset of Fashion-MNIST, or a file or folder that `subbyte-data` opens.
    pub path: String,
    /// Height and width that image files are brought to whenever they are needed, in place of reading all of them into memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<usize>,
    /// Shorter side of an image before its centre is cut out for evaluation; `None` stands for 8/7 of the size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shorter_side: Option<usize>,
    /// Fraction of the training images that is held back and measured after each epoch.
    pub validation: f64,
}

/// `[augment]`: random changes of training images, on u8 pixels.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct AugmentRecipe {
    /// Zero pixels around the image before a random crop of the original size.
    pub pad: usize,
    /// Random horizontal mirror images.
    pub flip: bool,
    /// Smallest share of the image's area that a random crop covers before it is resized; `None` for no such crop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crop: Option<f64>,
    /// Side in pixels of a square at random that is painted over with the value 128; 0 for none.
    pub cutout: usize,
}

/// `[table]`: the pixel table, or the fixed encoder in its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct TableRecipe {
    /// Codes a colour value becomes (D). Bit planes always have 8, the naive encoder 1.
    pub depth: usize,
    /// Rows of a learned table, 256 or a smaller power of two: neighbouring pixel values share a row where there are fewer.
    pub rows: usize,
    /// Bits of a code; `None` stands for the body's activation bits. Bit planes and thermometer always have 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bits: Option<u8>,
    /// One table for all colours instead of one per colour.
    pub shared: bool,
    /// Initial values of a learned table.
    pub init: TableInit,
    /// Factor of the penalty on the squared differences of neighbouring rows, added to the loss (methods.md 1.9).
    pub smoothness: f64,
    /// Factor on the learning rate of a learned table.
    pub learning_rate_factor: f64,
    /// Whether the gradient of a row is divided by the square root of how many pixels of the batch read it (methods.md 1.8).
    pub equalise: bool,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            network: "small".into(),
            bits: Bits::Low(networks::Bits {
                weights: 2,
                activations: 2,
            }),
            residual_bits: 8,
            first: End::Body,
            last: End::Body,
            input: None,
            weight_quantizer: WeightQuantizer::Lsq,
            binary_scale: BinaryScale::Channel,
            activation_quantizer: ActivationQuantizer::Lsq,
            from: None,
            from_scales: FromScales::Keep,
            preprocess: None,
            normalize: Normalize::Data,
            teacher: None,
            teacher_weight: 0.5,
            teacher_temperature: 4.0,
            epochs: 10,
            batch_size: 128,
            seed: 1,
            optimizer: OptimizerKind::Sgd,
            momentum: 0.9,
            nesterov: true,
            learning_rate: 0.05,
            schedule: Schedule::Cosine,
            steps_at: Vec::new(),
            step_factor: 0.1,
            warm_up_epochs: 0.0,
            weight_decay: 1e-4,
            step_gradient_scale: 1.0,
            dampening: 0.0,
            label_smoothing: 0.0,
            reestimation_images: 2048,
            data: DataRecipe::default(),
            augment: AugmentRecipe::default(),
            table: TableRecipe::default(),
        }
    }
}

impl Default for DataRecipe {
    fn default() -> Self {
        Self {
            path: BUILT_IN.into(),
            size: None,
            shorter_side: None,
            validation: 0.1,
        }
    }
}

impl Default for TableRecipe {
    fn default() -> Self {
        Self {
            depth: 10,
            rows: 256,
            bits: None,
            shared: true,
            init: TableInit::GeneralisedThermometer,
            smoothness: 0.0,
            learning_rate_factor: 1.0,
            equalise: false,
        }
    }
}

impl Recipe {
    /// What suits a trained network that is to be quantized and trained on, [`Recipe::from`] and the data apart.
    pub fn fine_tuning() -> Self {
        Self {
            network: IMPORTED.into(),
            epochs: 20,
            learning_rate: 0.02,
            warm_up_epochs: 0.5,
            augment: AugmentRecipe {
                pad: 0,
                flip: true,
                ..AugmentRecipe::default()
            },
            data: DataRecipe {
                validation: 0.0,
                ..DataRecipe::default()
            },
            ..Self::default()
        }
    }

    /// Lets the recipe train the float network in the file at `path`, which teaches too unless there is another teacher.
    pub fn import(&mut self, path: PathBuf) {
        self.network = IMPORTED.into();
        self.teacher.get_or_insert_with(|| path.clone());
        self.from = Some(path);
    }

    /// Reads and validates a recipe file. Relative paths in it are taken from the file's folder.
    ///
    /// # Errors
    /// If the file cannot be read or is not TOML; else all keys that are unknown, of the wrong type or in conflict.
    pub fn load(path: &Path) -> Result<Self, TrainError> {
        let text = std::fs::read_to_string(path).map_err(|e| TrainError::io("read", path, e))?;
        let mut recipe = Self::parse(&text).map_err(|e| e.in_recipe(path))?;
        recipe.resolve(path.parent().unwrap_or(Path::new("")))?;
        recipe.validate().map_err(|e| e.in_recipe(path))?;
        Ok(recipe)
    }

    /// Makes relative paths absolute, taking them from `folder`; an empty one stands for the current folder.
    ///
    /// # Errors
    /// If there is no current folder.
    pub fn resolve(&mut self, folder: &Path) -> Result<(), TrainError> {
        let absolute = |path: &Path| {
            let path = folder.join(path);
            std::path::absolute(&path).map_err(|e| TrainError::io("find", &path, e))
        };
        for path in [&mut self.from, &mut self.teacher].into_iter().flatten() {
            *path = absolute(path)?;
        }
        if self.data.path != BUILT_IN {
            self.data.path = absolute(self.data.path.as_ref())?.display().to_string();
        }
        Ok(())
    }

    /// Parses the text of a recipe without validating combinations.
    ///
    /// # Errors
    /// If it is not TOML; else all keys that are unknown or of the wrong type.
    pub fn parse(text: &str) -> Result<Self, TrainError> {
        let table: toml::Table =
            toml::from_str(text).map_err(|e| TrainError::recipe([e.to_string()]))?;
        if table.contains_key(ROWS) {
            return Err(TrainError::recipe([format!(
                "`{ROWS}` makes it several recipes; train them with `subbyte sweep`"
            )]));
        }
        let mut recipe = Self::default();
        let problems = recipe.set_all(&table);
        if problems.is_empty() {
            Ok(recipe)
        } else {
            Err(TrainError::recipe(problems))
        }
    }

    /// Sets all keys of a file's table, without validating combinations. Returns what is wrong with keys that are unknown or of the
    /// wrong type.
    pub(crate) fn set_all(&mut self, table: &toml::Table) -> Vec<String> {
        let leaves = keys::leaves(table).into_iter();
        leaves
            .filter_map(|(key, value)| self.set_value(&key, value).err())
            .collect()
    }

    /// Sets one key from text such as `epochs=30` or `table.depth = 8`, without validating combinations.
    ///
    /// # Errors
    /// If the key is unknown (the nearest known one is named) or the value of the wrong type.
    pub fn set(&mut self, assignment: &str) -> Result<(), TrainError> {
        let (key, value) = assignment.split_once('=').ok_or_else(|| {
            TrainError::recipe([format!("`{assignment}`: write it as key=value")])
        })?;
        // Words need no quotation marks on a command line.
        let value = value.trim();
        let parsed = toml::from_str::<toml::Table>(&format!("value = {value}"))
            .ok()
            .and_then(|mut table| table.remove("value"))
            .unwrap_or_else(|| toml::Value::String(value.into()));
        self.set_value(key.trim(), parsed)
            .map_err(|problem| TrainError::recipe([problem]))
    }

    fn set_value(&mut self, key: &str, value: toml::Value) -> Result<(), String> {
        let known = keys::find(key)?;
        let mut table = toml::Table::try_from(&*self).map_err(|e| e.to_string())?;
        keys::insert(&mut table, key, value);
        *self = table.try_into().map_err(|e: toml::de::Error| {
            format!("`{key}`: {}; it must be {}", e.message(), known.expected)
        })?;
        Ok(())
    }

    /// The file of the network that is imported, where it is no built-in one.
    pub(crate) fn imported_from(&self) -> Option<&Path> {
        self.from.as_deref().filter(|_| self.network == IMPORTED)
    }

    /// The recipe as a file, every key written out.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a recipe holds only what TOML can express")
    }

    /// Keys in which two recipes differ. Where the data lie is left out: their hash tells whether they are the same.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        KEYS.iter()
            .filter(|key| key.name != "data.path")
            .filter_map(|key| {
                let (mine, theirs) = (self.value(key.name), other.value(key.name));
                (mine != theirs).then(|| format!("{}: {mine} here, {theirs} there", key.name))
            })
            .collect()
    }

    /// The value of a key as TOML text; `unset` where there is none.
    fn value(&self, key: &str) -> String {
        toml::Table::try_from(self)
            .ok()
            .and_then(|table| keys::get(&table, key).map(ToString::to_string))
            .unwrap_or_else(|| "unset".into())
    }
}

#[cfg(test)]
mod tests;
