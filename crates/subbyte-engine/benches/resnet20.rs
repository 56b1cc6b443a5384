//! Times ResNet-20 for 32x32 images with random 2-bit weights and activations, 8-bit residuals, at every level:
//! `cargo bench -p subbyte-engine`.

use std::{
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use subbyte_engine::{Level, Options, Plan, Pool};
use subbyte_model::{
    CodeType, Conv2d, Input, Linear, Model, MulShift, Node, NodeId, Op, Packed, Pad, PixelTable,
    Requant, Weights, testing::Rng,
};

const PATIENCE: Duration = Duration::from_millis(500);
const BATCH: usize = 64;
const DEPTH: usize = 10;
const LOW: CodeType = CodeType::unsigned(2);
const STREAM: CodeType = CodeType::unsigned(8);

fn main() {
    let model = Network::resnet20();
    let mut rng = Rng::new(2);
    let images: Vec<u8> = (0..BATCH * 32 * 32 * 3).map(|_| rng.bits() as u8).collect();
    let image = &images[..32 * 32 * 3];
    for &level in Level::ALL {
        if !level.is_available() {
            println!("{level}: skipped, not on this processor");
            continue;
        }
        let options = Options {
            level: Some(level),
            ..Options::default()
        };
        let plan = Plan::new(&model, options).expect("the model is valid");
        let mut arena = plan.arena();
        let one = fastest(|| {
            plan.run(&mut arena, image).expect("sizes fit");
        });
        println!(
            "{level}: {:.3} ms an image, arena {} bytes",
            one.as_secs_f64() * 1e3,
            plan.arena_bytes()
        );
        let mut times = vec![Duration::MAX; plan.steps().len()];
        for _ in 0..300 {
            let mut last = Instant::now();
            let mut step = 0;
            let mut show = |node: NodeId, _: subbyte_engine::Observed<'_>| {
                let now = Instant::now();
                if node > 0 {
                    times[step] = times[step].min(now - last);
                    step += 1;
                }
                last = now;
            };
            plan.observe(&mut arena, image, &mut show)
                .expect("sizes fit");
        }
        for (step, time) in plan.steps().iter().zip(&times) {
            if let Some(kernel) = step.kernel {
                println!(
                    "    {:8.1} us {:6.1} GMAC/s  {} {}",
                    time.as_nanos() as f64 / 1e3,
                    step.macs as f64 / time.as_nanos() as f64,
                    kernel.name,
                    step.operation
                );
            }
        }
        for threads in [1, 2] {
            let pool = &mut Pool::new(NonZeroUsize::new(threads)).expect("threads start");
            let mut logits = vec![0; BATCH * plan.classes()];
            let batch = fastest(|| {
                plan.run_batch(pool, &images, &mut logits)
                    .expect("sizes fit");
            });
            let rate = BATCH as f64 / batch.as_secs_f64();
            println!("{level}: {rate:.0} images a second, {threads} threads");
        }
    }
}

fn fastest(mut run: impl FnMut()) -> Duration {
    let (start, mut best) = (Instant::now(), Duration::MAX);
    while start.elapsed() < PATIENCE {
        let run_start = Instant::now();
        run();
        best = best.min(run_start.elapsed());
    }
    best
}

/// A model under construction.
struct Network {
    nodes: Vec<Node>,
    rng: Rng,
}

impl Network {
    fn resnet20() -> Model {
        let mut net = Network {
            nodes: Vec::new(),
            rng: Rng::new(1),
        };
        let image = net.push(&[], Op::Image);
        let codes = (0..256 * DEPTH)
            .map(|i| (i / 7 % 4) as u8)
            .collect::<Vec<_>>();
        let table = Op::PixelTable(PixelTable {
            depth: DEPTH,
            tables: 1,
            code: LOW,
            codes: Packed::new(2, &codes),
        });
        let table = net.push(&[image], table);
        let stem = net.conv(table, 3 * DEPTH, 16, 3, 1);
        let mut stream = net.wide(stem, 16, STREAM);
        let mut inputs = 16;
        for channels in [16, 32, 64] {
            for _ in 0..3 {
                stream = net.block(stream, inputs, channels);
                inputs = channels;
            }
        }
        let low = net.low_bit(stream);
        let pool = net.push(&[low], Op::GlobalAvgPool);
        let weights = net.weights(100, 64);
        let bias = Vec::new();
        let logits = net.push(&[pool], Op::Linear(Linear { weights, bias }));
        let scale_bits = 1.0f32.to_bits();
        net.push(&[logits], Op::Output { scale_bits });
        Model {
            input: Input {
                colours: 3,
                height: 32,
                width: 32,
                resize: None,
            },
            nodes: net.nodes,
            classes: Vec::new(),
            provenance: Vec::new(),
            vectors: Vec::new(),
        }
    }

    fn push(&mut self, inputs: &[NodeId], op: Op) -> NodeId {
        self.nodes.push(Node {
            name: format!("node{}", self.nodes.len()),
            inputs: inputs.to_vec(),
            op,
        });
        self.nodes.len() - 1
    }

    fn weights(&mut self, channels: usize, per_channel: usize) -> Weights {
        let count = channels * per_channel;
        let codes: Vec<u8> = (0..count).map(|_| self.rng.below(4) as u8).collect();
        Weights::affine(channels, per_channel, 2, 2, -3, &codes)
    }

    fn conv(
        &mut self,
        x: NodeId,
        inputs: usize,
        channels: usize,
        kernel: usize,
        stride: usize,
    ) -> NodeId {
        let conv = Conv2d {
            weights: self.weights(channels, kernel * kernel * inputs),
            bias: Vec::new(),
            kernel: [kernel; 2],
            stride: [stride; 2],
            padding: [kernel / 2; 4],
            pad: Pad::Code(0),
            groups: 1,
        };
        self.push(&[x], Op::Conv2d(conv))
    }

    /// Codes of the stream, or of a branch that is added to it.
    fn wide(&mut self, sums: NodeId, channels: usize, code: CodeType) -> NodeId {
        let scale = MulShift {
            mult: 1 << 12,
            add: 1 << 18,
            shift: 12,
            ..MulShift::default()
        };
        let channels = vec![scale; channels];
        self.push(&[sums], Op::Requant(Requant::MulShift { code, channels }))
    }

    fn low_bit(&mut self, stream: NodeId) -> NodeId {
        let table = (0..=255u8).map(|code| code / 64).collect();
        self.push(&[stream], Op::CodeTable { code: LOW, table })
    }

    fn block(&mut self, stream: NodeId, inputs: usize, channels: usize) -> NodeId {
        let stride = channels / inputs;
        let low = self.low_bit(stream);
        let sums = self.conv(low, inputs, channels, 3, stride);
        let thresholds = Requant::Thresholds {
            code: LOW,
            thresholds: [-20, 10, 40].repeat(channels),
            descending: vec![false; channels],
        };
        let middle = self.push(&[sums], Op::Requant(thresholds));
        let sums = self.conv(middle, channels, channels, 3, 1);
        let branch = self.wide(sums, channels, CodeType::signed(8));
        let mut shortcut = stream;
        if stride > 1 {
            let size = 32 * 16 / inputs;
            let slice = Op::Slice {
                start: [0; 3],
                end: [inputs, size, size],
                step: [1, 2, 2],
            };
            shortcut = self.push(&[shortcut], slice);
            let before = (channels - inputs) / 2;
            let pad = Op::PadChannels {
                before,
                after: before,
                code: 0,
            };
            shortcut = self.push(&[shortcut], pad);
        }
        self.push(&[branch, shortcut], Op::Add { code: STREAM })
    }
}
