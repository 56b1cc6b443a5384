//! Times training steps. `step [network] [bits] [batch] [size] [steps]`, by default `resnet20 w2a2 128 32 10`, prints them;
//! `step worker NETWORK BITS BATCH` answers every line of its input, a number of steps, by their milliseconds, which is how
//! `benches/training` asks.

use std::collections::HashMap;
use std::env;
use std::error::Error;
use std::io::{self, BufRead};
use std::time::Instant;

use burn::tensor::{Device, Tensor};
use subbyte_exec::{Images, Mode, Network, ops::cross_entropy};
use subbyte_graph::networks::{FirstLayer, LastLayer, NetworkConfig, build};

/// A network with a batch to learn, by SGD with Nesterov's momentum.
struct Training {
    network: Network,
    images: Images,
    labels: Vec<u32>,
    velocities: HashMap<String, Tensor<1>>,
}

impl Training {
    /// `bits` as in `w2a2`, for all layers behind a pixel table, or `float`.
    fn new(name: &str, bits: &str, batch: usize, size: usize) -> Result<Self, Box<dyn Error>> {
        let colours = if size == 28 { 1 } else { 3 };
        let float = bits == "float";
        let config = NetworkConfig {
            colours,
            height: size,
            width: size,
            classes: 100,
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
        let mut network = Network::new(&build(name, &config)?, &Device::flex().autodiff())?;
        let len = batch * size * size * colours;
        let data: Vec<u8> = (0..len).map(|i| (i * i / 7 % 256) as u8).collect();
        let images = Images::new(data, [batch, size, size, colours]);
        network.initialise_scales(&images)?;
        Ok(Self {
            network,
            images,
            labels: (0..batch as u32).map(|i| i % 100).collect(),
            velocities: HashMap::new(),
        })
    }

    /// Milliseconds of the forward pass and of the whole step.
    fn step(&mut self) -> Result<[f64; 2], Box<dyn Error>> {
        let start = Instant::now();
        let passed = || start.elapsed().as_secs_f64() * 1e3;
        let mut forward = self.network.forward(&self.images, Mode::Train)?;
        let loss = cross_entropy(forward.outputs.swap_remove(0), &self.labels, 0.1);
        let middle = passed();
        let mut gradients = loss.backward();
        self.network.update_statistics(&forward.statistics, 0.1);
        let velocities = &mut self.velocities;
        let parameters = self.network.parameters_mut();
        parameters.update(&mut gradients, |info, value, gradient| {
            let velocity = match velocities.remove(&info.name) {
                Some(velocity) => velocity * 0.9 + gradient.clone(),
                None => gradient.clone(),
            };
            let step = gradient + velocity.clone() * 0.9;
            velocities.insert(info.name.clone(), velocity);
            value - step * 1e-3
        });
        Ok([middle, passed()])
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let arg = |i: usize, default: &str| args.get(i).map_or(default, String::as_str).to_owned();
    if arg(0, "") == "worker" {
        let mut training = Training::new(&arg(1, ""), &arg(2, ""), arg(3, "").parse()?, 32)?;
        println!("{{}}");
        for line in io::stdin().lock().lines() {
            let steps: usize = line?.trim().parse()?;
            let times: Result<Vec<f64>, _> = (0..steps)
                .map(|_| training.step().map(|[_, whole]| whole))
                .collect();
            println!("{:?}", times?);
        }
        return Ok(());
    }
    let (name, bits) = (arg(0, "resnet20"), arg(1, "w2a2"));
    let (batch, size): (usize, usize) = (arg(2, "128").parse()?, arg(3, "32").parse()?);
    let steps: usize = arg(4, "10").parse()?;
    let mut training = Training::new(&name, &bits, batch, size)?;
    let mut fastest = f64::INFINITY;
    for _ in 0..steps {
        let [forward, whole] = training.step()?;
        fastest = fastest.min(whole);
        println!("forward {forward:6.1} ms, step {whole:6.1} ms");
    }
    let rate = batch as f64 / fastest * 1e3;
    println!("{name} {bits} batch {batch}: {rate:.0} images/s");
    Ok(())
}
