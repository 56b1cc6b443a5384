//! Times training steps: `step [network] [bits] [batch] [size] [steps]`, by default `resnet20 w2a2 128 32 10`.

use std::env;
use std::error::Error;
use std::time::Instant;

use burn::tensor::Device;
use subbyte_exec::{Images, Mode, Network, ops::cross_entropy};
use subbyte_graph::networks::{FirstLayer, LastLayer, NetworkConfig, build};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let arg = |i: usize, default: &str| args.get(i).map_or(default, String::as_str).to_owned();
    let (name, bits) = (arg(0, "resnet20"), arg(1, "w2a2"));
    let (batch, size): (usize, usize) = (arg(2, "128").parse()?, arg(3, "32").parse()?);
    let steps: usize = arg(4, "10").parse()?;
    let colours = if size == 28 { 1 } else { 3 };
    let float = bits == "float";
    let config = NetworkConfig {
        colours,
        height: size,
        width: size,
        bits: if float { None } else { Some(bits.parse()?) },
        first: if float {
            FirstLayer::Float
        } else {
            FirstLayer::default()
        },
        last: if float {
            LastLayer::Float
        } else {
            LastLayer::Body
        },
        ..NetworkConfig::default()
    };
    let mut network = Network::new(&build(&name, &config)?, &Device::flex().autodiff())?;
    let len = batch * size * size * colours;
    let data: Vec<u8> = (0..len).map(|i| (i * i / 7 % 256) as u8).collect();
    let images = Images::new(data, [batch, size, size, colours]);
    let labels: Vec<u32> = (0..batch as u32).map(|i| i % 10).collect();
    network.initialise_scales(&images)?;

    let mut fastest = f64::INFINITY;
    for _ in 0..steps {
        let start = Instant::now();
        let mut forward = network.forward(&images, Mode::Train)?;
        let loss = cross_entropy(forward.outputs.swap_remove(0), &labels, 0.1);
        let middle = start.elapsed().as_secs_f64();
        let mut gradients = loss.backward();
        network.update_statistics(&forward.statistics, 0.1);
        let parameters = network.parameters_mut();
        parameters.update(&mut gradients, |_, value, gradient| value - gradient * 1e-3);
        let whole = start.elapsed().as_secs_f64();
        fastest = fastest.min(whole);
        println!(
            "forward {:6.1} ms, step {:6.1} ms",
            middle * 1e3,
            whole * 1e3
        );
    }
    println!(
        "{name} {bits} batch {batch}: {:.0} images/s",
        batch as f64 / fastest
    );
    Ok(())
}
