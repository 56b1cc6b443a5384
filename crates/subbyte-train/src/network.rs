//! From a recipe to its images and to the network that is trained on them.

use std::path::Path;

use subbyte_data::{Dataset, Filter, Geometry, ImageSet, Options, Resize, Split};
use subbyte_graph::{
    Encoder, Graph,
    networks::{self, FirstLayer, LastLayer, NetworkConfig, TableConfig},
};

use crate::{
    TrainError,
    recipe::{ActivationQuantizer, BUILT_IN, Bits, End, Input, Normalize, Recipe},
};

/// Value of the largest code of a mid-tread-half activation (methods.md 2.1).
const MID_TREAD_MAX: f32 = 2.0;

/// Mean and standard deviation of red, green and blue that torchvision normalizes by, with pixels from 0 to 1.
const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];

impl Recipe {
    /// The training and the test images: in memory, or with `data.size` left in the files of a folder.
    ///
    /// # Errors
    /// If there is no data set at `data.path`, or it is damaged.
    pub fn open_data(&self) -> Result<Split<ImageSet>, TrainError> {
        if self.data.path == BUILT_IN {
            let Split { train, test } = subbyte_data::fashion_mnist_subset();
            return Ok(Split {
                train: train.into(),
                test: test.into(),
            });
        }
        let options = Options {
            geometry: self.data.size.map(|size| Geometry {
                height: size,
                width: size,
                colours: 3,
            }),
            resize: self.resize(),
        };
        let source = subbyte_data::open(Path::new(&self.data.path), &options)?;
        Ok(source.sets()?)
    }

    /// How images in files are brought to `data.size`, where they are.
    pub fn resize(&self) -> Option<Resize> {
        let size = self.data.size?;
        Some(Resize {
            // The customary 256 for 224.
            shorter_side: self.data.shorter_side.unwrap_or(size * 8 / 7),
            filter: Filter::Bilinear,
        })
    }

    /// The network before training, for images and classes like those of `data`. A float first layer is given the mean and the
    /// deviation of its pixels.
    ///
    /// # Errors
    /// If there is no such network, or it cannot be built for such images.
    pub fn network(&self, data: &Dataset) -> Result<Graph, TrainError> {
        let geometry = data.geometry();
        let (mean, std) = match self.normalize {
            Normalize::Imagenet if geometry.colours == 3 => {
                (IMAGENET_MEAN.to_vec(), IMAGENET_STD.to_vec())
            }
            Normalize::Imagenet => {
                let problem = "`normalize` is imagenet, but the images are grey";
                return Err(TrainError::recipe([problem.into()]));
            }
            Normalize::Data => pixel_statistics(data),
        };
        if let Some(path) = self.imported_from() {
            return self.imported(path, data);
        }
        let config = NetworkConfig {
            colours: geometry.colours,
            height: geometry.height,
            width: geometry.width,
            classes: data.classes().len(),
            bits: match self.bits {
                Bits::Float => None,
                Bits::Low(bits) => Some(bits),
            },
            residual_bits: self.residual_bits,
            first: self.first_layer(),
            last: match self.last {
                End::Float => LastLayer::Float,
                End::EightBit => LastLayer::EightBit,
                End::Body => LastLayer::Body,
            },
            mean,
            std,
            weight_quantizer: self.weight_quantizer,
            binary_scale: self.binary_scale,
            activation_quantizer: match self.activation_quantizer {
                ActivationQuantizer::Lsq => networks::ActivationQuantizer::Lsq,
                ActivationQuantizer::MidTreadHalf => {
                    networks::ActivationQuantizer::MidTreadHalf { max: MID_TREAD_MAX }
                }
                ActivationQuantizer::Dorefa => networks::ActivationQuantizer::Dorefa,
                ActivationQuantizer::Pact => networks::ActivationQuantizer::Pact,
            },
            seed: self.seed.into(),
        };
        let mut graph = networks::build(&self.network, &config)
            .map_err(|error| TrainError::recipe([error.to_string()]))?;
        // What makes pictures tells no classes.
        if graph.diffusion.is_none() {
            graph.classes = data.classes().to_vec();
        }
        Ok(graph)
    }

    pub(crate) fn first_layer(&self) -> FirstLayer {
        let Bits::Low(body) = self.bits else {
            return FirstLayer::Float;
        };
        let depth = self.table.depth;
        let bits = self.table.bits.unwrap_or(body.activations);
        let input = match self.input() {
            Input::Table => networks::Input::Table(TableConfig {
                depth,
                bits,
                rows: self.table.rows,
                shared: self.table.shared,
                init: self.table.init,
            }),
            Input::Naive => networks::Input::Encoder(Encoder::Naive { bits }),
            Input::Planes => networks::Input::Encoder(Encoder::BitPlanes),
            Input::Thermometer => networks::Input::Encoder(Encoder::Thermometer { depth }),
            Input::GeneralisedThermometer => {
                networks::Input::Encoder(Encoder::GeneralisedThermometer { depth, bits })
            }
        };
        match self.first {
            End::Float => FirstLayer::Float,
            End::EightBit => FirstLayer::EightBit,
            End::Body => FirstLayer::Body(input),
        }
    }
}

/// Mean and standard deviation of each colour, with pixels from 0 to 1. A colour that never varies has deviation 1.
fn pixel_statistics(data: &Dataset) -> (Vec<f32>, Vec<f32>) {
    let colours = data.geometry().colours;
    // Whole numbers, so that nothing depends on the order of the sums.
    let mut sums = vec![(0_u64, 0_u64); colours];
    for pixel in data.images().chunks_exact(colours) {
        for (&value, (sum, squares)) in pixel.iter().zip(&mut sums) {
            *sum += u64::from(value);
            *squares += u64::from(value).pow(2);
        }
    }
    let count = (data.images().len() / colours) as f64;
    sums.iter()
        .map(|&(sum, squares)| {
            let mean = sum as f64 / count;
            let deviation = (squares as f64 / count - mean * mean).max(0.0).sqrt();
            let deviation = if deviation > 0.0 { deviation } else { 255.0 };
            ((mean / 255.0) as f32, (deviation / 255.0) as f32)
        })
        .unzip()
}

#[cfg(test)]
mod tests {
    use super::*;
    use subbyte_graph::{Op, Quantizer};

    fn data(colours: usize) -> Dataset {
        let geometry = Geometry {
            height: 32,
            width: 32,
            colours,
        };
        let classes = (0..10).map(|c| c.to_string()).collect();
        let images = (0..2 * geometry.bytes()).map(|i| (i % 251) as u8).collect();
        Dataset::new(geometry, classes, images, vec![3, 7]).unwrap()
    }

    fn bits_of(graph: &Graph, node: &str) -> Option<u8> {
        graph.nodes.iter().find_map(|n| match n.op {
            Op::Quantize(q) if n.name == node => Some(q.code_type().bits),
            _ => None,
        })
    }

    fn recipe(settings: &[&str]) -> Recipe {
        let mut recipe = Recipe {
            network: "resnet20".into(),
            ..Recipe::default()
        };
        for setting in settings {
            recipe.set(setting).unwrap();
        }
        recipe.validate().unwrap();
        recipe
    }

    #[test]
    fn the_statistics_are_those_of_the_pixels() {
        let geometry = Geometry {
            height: 1,
            width: 2,
            colours: 3,
        };
        let images = vec![0, 51, 255, 0, 153, 0];
        let data = Dataset::new(geometry, vec!["a".into()], images, vec![0]).unwrap();
        let (mean, std) = pixel_statistics(&data);
        for (found, expected) in mean.iter().zip([0.0, 0.4, 0.5]) {
            assert!((found - expected).abs() < 1e-6);
        }
        for (found, expected) in std.iter().zip([1.0, 0.2, 0.5]) {
            assert!((found - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn every_input_makes_as_many_channels_as_it_says() {
        for (settings, channels) in [
            (vec![], 30),
            (vec!["table.depth=4"], 12),
            (vec!["input=naive"], 3),
            (vec!["input=planes"], 24),
            (vec!["input=thermometer", "table.depth=32"], 96),
            (vec!["input=generalised-thermometer"], 30),
            (vec!["first=float"], 3),
            (vec!["first=eight-bit"], 3),
            (vec!["bits=float"], 3),
        ] {
            let graph = recipe(&settings).network(&data(3)).unwrap();
            let shapes = graph.shapes().unwrap();
            let input = graph
                .nodes
                .iter()
                .position(|node| matches!(node.op, Op::PixelTable | Op::Normalize { .. }))
                .unwrap();
            assert_eq!(shapes[input].dims()[0], channels, "{settings:?}");
        }
    }

    #[test]
    fn bits_of_the_layers_are_those_of_the_recipe() {
        let weight = |graph: &Graph| {
            graph.nodes.iter().find_map(|node| match node.op {
                Op::Quantize(Quantizer::Lsq { bits, signed: true }) => Some(bits),
                _ => None,
            })
        };
        assert_eq!(
            weight(&recipe(&["bits=float"]).network(&data(1)).unwrap()),
            None
        );
        assert_eq!(
            weight(&recipe(&["bits=w3a2"]).network(&data(1)).unwrap()),
            Some(3)
        );
        let graph = recipe(&["bits=w2a3", "table.bits=1"])
            .network(&data(1))
            .unwrap();
        assert_eq!(bits_of(&graph, "input.table.quantize"), Some(1));
        let graph = recipe(&["bits=w2a3"]).network(&data(1)).unwrap();
        assert_eq!(bits_of(&graph, "input.table.quantize"), Some(3));
    }

    #[test]
    fn an_unknown_network_is_answered_with_the_known_ones() {
        let mut recipe = Recipe::default();
        recipe.set("network=resnet21").unwrap();
        let message = recipe.network(&data(1)).unwrap_err().to_string();
        assert!(message.contains("resnet20"), "{message}");
    }
}
