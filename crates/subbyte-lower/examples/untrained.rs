//! Writes the integer model of a built-in network with its initial weights, for measuring speed:
//! `cargo run --release -p subbyte-lower --example untrained -- resnet18 w2a2 224 1000 64 resnet18-w2a2.sbm`.
//!
//! Kernels take the same time whatever the weights. Only a folded first layer gains by a pixel table that has equal rows, so the
//! table starts at random here, where nearly all of its rows differ: 64 of them, say, for as many groups of pixel values. With `none`
//! in their place there is no table: the pixels are the codes, as 8-bit networks have it.

use std::error::Error;

use subbyte_graph::{
    Role, Storage, TableInit,
    networks::{self, ActivationQuantizer, FirstLayer, Input, NetworkConfig, TableConfig},
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [network, bits, size, classes, rows, file] = &arguments[..] else {
        return Err(
            "give NETWORK BITS SIZE CLASSES ROWS FILE, such as resnet20 w2a2 32 100 64 resnet20.sbm"
                .into(),
        );
    };
    let size = size.parse()?;
    let first = match rows.as_str() {
        "none" => FirstLayer::EightBit,
        rows => FirstLayer::Body(Input::Table(TableConfig {
            rows: rows.parse()?,
            init: TableInit::Uniform,
            ..TableConfig::default()
        })),
    };
    let config = NetworkConfig {
        height: size,
        width: size,
        classes: classes.parse()?,
        bits: Some(bits.parse()?),
        first,
        activation_quantizer: ActivationQuantizer::MidTreadHalf { max: 2.0 },
        ..NetworkConfig::default()
    };
    let mut graph = networks::build(network, &config)?;
    // Steps of residual streams, which training measures: after a norm most values lie below 4.
    for param in graph.params.values_mut().filter(|p| p.role == Role::Scale) {
        if param.to_vec().contains(&0.0) {
            param.storage = Storage::F32(vec![4.0 / 255.0; param.len()]);
        }
    }
    let model = subbyte_lower::lower(&graph)?;
    std::fs::write(file, subbyte_model::write(&model)?)?;
    Ok(())
}
