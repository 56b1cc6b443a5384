//! Built-in networks: each is a function from a [`NetworkConfig`] to a [`Graph`].

mod builder;
mod config;
mod convnet;
mod input;
mod lenet5;
mod quantize;
mod residual;
mod resnet18;
mod resnet_cifar;
mod small;
mod unet;
mod vgg_small;

pub use config::{
    ActivationQuantizer, BinaryScale, Bits, FirstLayer, Input, LastLayer, NetworkConfig,
    TableConfig, WeightQuantizer,
};

use builder::Builder;
pub(crate) use input::{TABLE_MAX, encoder_columns, learned_columns};

use crate::{Graph, Problems};

/// A built-in network.
pub struct Network {
    /// Its name in recipes and on the command line.
    pub name: &'static str,
    /// What it is, in a line.
    pub summary: &'static str,
    layers: fn(&mut Builder<'_>),
}

/// Built-in networks that make pictures of noise; they are trained in floats.
#[rustfmt::skip]
pub const DIFFUSION_NETWORKS: &[Network] = &[
    Network { name: "unet", summary: "predictor of noise for images whose sides are multiples of four",           layers: unet::layers },
];

/// All built-in classifiers.
#[rustfmt::skip]
pub const NETWORKS: &[Network] = &[
    Network { name: "small",         summary: "five convolutions with one residual block, for 28x28 images",      layers: small::layers },
    Network { name: "lenet5",        summary: "LeNet-5 with batch norm and ReLU",                                 layers: lenet5::layers },
    Network { name: "convnet",       summary: "three 5x5 convolutions and two linear layers for images of about 32x32", layers: convnet::layers },
    Network { name: "resnet20",      summary: "CIFAR ResNet of 3 stages of 3 blocks, parameter-free shortcuts",   layers: resnet_cifar::layers::<3> },
    Network { name: "resnet32",      summary: "CIFAR ResNet of 3 stages of 5 blocks, parameter-free shortcuts",   layers: resnet_cifar::layers::<5> },
    Network { name: "resnet56",      summary: "CIFAR ResNet of 3 stages of 9 blocks, parameter-free shortcuts",   layers: resnet_cifar::layers::<9> },
    Network { name: "resnet18",      summary: "ResNet-18 with the 7x7 stem for images of about 224x224",          layers: resnet18::layers },
    Network { name: "resnet18-cifar", summary: "ResNet-18 with a 3x3 stem for images of about 32x32",             layers: resnet18::cifar_layers },
    Network { name: "vgg-small",     summary: "six convolutions of 128 to 512 channels for images of about 32x32", layers: vgg_small::layers },
];

/// Why a network could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// No network has this name.
    #[error("there is no network `{name}`; did you mean `{nearest}`? Built-in networks: {known}")]
    Unknown {
        /// The name that was asked for.
        name: String,
        /// The built-in name that is most like it.
        nearest: &'static str,
        /// All built-in names.
        known: String,
    },
    /// Values of the configuration are out of range, one line each.
    #[error("the network's configuration is wrong:\n{}", .0.join("\n"))]
    Config(Vec<String>),
    /// The network does not fit the image.
    #[error("network `{name}` cannot be built for {height}x{width} images:\n{problems}")]
    Graph {
        /// The network's name.
        name: &'static str,
        /// Height of the image.
        height: usize,
        /// Width of the image.
        width: usize,
        /// What does not fit.
        problems: Problems,
    },
}

/// Builds the network called `name`, ready to be trained.
///
/// # Errors
/// If the name is unknown, or the configuration is out of range or too small for the network.
pub fn build(name: &str, config: &NetworkConfig) -> Result<Graph, NetworkError> {
    let network = find(name)?;
    let mut problems = config.problems();
    let makes_pictures = DIFFUSION_NETWORKS.iter().any(|n| n.name == network.name);
    if let (true, Some(bits)) = (makes_pictures, config.bits) {
        problems.push(format!(
            "bits = {bits}; `{}` is trained in floats (bits = float) and quantized afterwards",
            network.name
        ));
    }
    if !problems.is_empty() {
        return Err(NetworkError::Config(problems));
    }
    let mut builder = Builder::new(network.name, config);
    (network.layers)(&mut builder);
    match builder.graph.validate() {
        Ok(()) => Ok(builder.graph),
        Err(problems) => Err(NetworkError::Graph {
            name: network.name,
            height: config.height,
            width: config.width,
            problems,
        }),
    }
}

/// The network called `name`, with `_` as good as `-`.
fn find(name: &str) -> Result<&'static Network, NetworkError> {
    let wanted = name.replace('_', "-");
    let all = || NETWORKS.iter().chain(DIFFUSION_NETWORKS);
    if let Some(network) = all().find(|network| network.name == wanted) {
        return Ok(network);
    }
    let distance = |network: &&Network| edit_distance(&wanted, network.name);
    Err(NetworkError::Unknown {
        name: name.to_owned(),
        nearest: all().min_by_key(distance).map_or("", |n| n.name),
        known: all().map(|n| n.name).collect::<Vec<_>>().join(", "),
    })
}

/// Fewest insertions, deletions and replacements that turn one text into the other (Levenshtein).
fn edit_distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.chars().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests;
