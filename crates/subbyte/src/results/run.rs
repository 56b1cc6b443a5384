use std::{io, path::Path};

use serde::{Deserialize, Serialize};
use subbyte_graph::replace_file;

use super::LayerBits;

/// What one run came to, on test images that training never saw, after its last epoch. Accuracies are fractions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// Seed of the run.
    pub seed: u32,
    /// As [`super::input_kind`] says.
    pub input: String,
    /// Bits of every layer that multiplies.
    pub layers: Vec<LayerBits>,
    /// Top-1 accuracy of the integer model; `None` for networks with float layers.
    pub top1: Option<f64>,
    /// Top-5 accuracy of the integer model; `None` for networks with float layers.
    pub top5: Option<f64>,
    /// Top-1 accuracy of evaluation: of codes where all layers are quantized, else in floats.
    pub top1_evaluated: f64,
    /// Top-5 accuracy of evaluation.
    pub top5_evaluated: f64,
    /// Test images.
    pub images: usize,
    /// Epochs of training.
    pub epochs: usize,
    /// Length of the file that would be deployed: the integer model where there is one, else the network.
    pub bytes: usize,
    /// Time of training.
    pub seconds: f64,
    /// Machine that finished it.
    pub machine: String,
    /// Recipe file, as the command named it.
    pub recipe: String,
    /// Command that finished it.
    pub command: String,
}

impl RunResult {
    /// Top-1 accuracy that counts: of the integer model, for networks with float layers of evaluation.
    pub fn best_top1(&self) -> f64 {
        self.top1.unwrap_or(self.top1_evaluated)
    }

    /// Top-5 accuracy that counts.
    pub fn best_top5(&self) -> f64 {
        self.top5.unwrap_or(self.top5_evaluated)
    }

    /// Bits of the first layer, of those in between, and of the last; where the middle ones differ, all that occur.
    pub fn bits(&self) -> [String; 3] {
        let texts: Vec<String> = self.layers.iter().map(ToString::to_string).collect();
        let mut body = texts[1.min(texts.len())..texts.len().saturating_sub(1)].to_vec();
        body.sort();
        body.dedup();
        let end = |text: Option<&String>| text.cloned().unwrap_or_default();
        [end(texts.first()), body.join(" "), end(texts.last())]
    }

    /// Channels that the first layer reads.
    pub fn input_channels(&self) -> usize {
        self.layers.first().map_or(0, |layer| layer.input_channels)
    }

    /// Reads a result; `None` where there is no file.
    ///
    /// # Errors
    /// If it cannot be read or is no result.
    pub fn load(path: &Path) -> io::Result<Option<Self>> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes the result beside `path` and renames it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        replace_file(path, &serde_json::to_vec_pretty(self)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_shows_every_width_that_occurs() {
        let layer = |weight_bits, input_bits| LayerBits {
            name: String::new(),
            weight_bits,
            input_bits,
            input_channels: 3,
        };
        let two = layer(Some(2), Some(2));
        let result = RunResult {
            seed: 1,
            input: "body".into(),
            layers: vec![
                layer(None, None),
                two.clone(),
                layer(Some(2), Some(8)),
                two,
                layer(Some(2), None),
            ],
            top1: None,
            top5: None,
            top1_evaluated: 0.5,
            top5_evaluated: 0.75,
            images: 4,
            epochs: 1,
            bytes: 10,
            seconds: 1.0,
            machine: String::new(),
            recipe: String::new(),
            command: String::new(),
        };
        assert_eq!(result.bits(), ["float", "w2a2 w2a8", "w2a32"]);
        assert_eq!((result.best_top1(), result.best_top5()), (0.5, 0.75));
    }
}
