use super::builder::Builder;
use crate::{Diffusion, DiffusionKind, Function, NodeId, Op, Param, Role, Window};

/// Channels at full, half and quarter resolution.
const CHANNELS: [usize; 3] = [32, 64, 64];

/// Features of the time embedding.
const EMBEDDING: usize = 128;

/// Frequencies of sines and cosines of the time.
const FREQUENCIES: usize = 16;

/// Longest wave over two pi, in time steps.
const LONGEST: f32 = 10_000.0;

/// Channels of a group of a norm.
const GROUP: usize = 8;

/// Channels of a head.
const HEAD: usize = 32;

/// Time steps and betas of Ho and others (2006.11239).
const STEPS: usize = 1000;
const BETA: [f32; 2] = [1e-4, 0.02];

/// A predictor of noise after Ho and others (2006.11239): residual blocks that are told the time, at three resolutions down and up, with
/// attention at the lowest; going up, each block also reads what its resolution made on the way down. Convolutions that end a residual
/// branch, and the last one, begin at zero.
pub(super) fn layers(builder: &mut Builder<'_>) {
    let shape = [
        builder.config.colours,
        builder.config.height,
        builder.config.width,
    ];
    let mut net = Unet { builder };
    let noisy = net.input("noisy", shape);
    let time = net.input("timestep", [1, 1, 1]);
    let time = net.embedding(time);
    let [colours, ..] = shape;

    let mut x = net.conv("stem", noisy, [colours, CHANNELS[0]], 3, 1.0);
    let mut skips = vec![(x, CHANNELS[0])];
    let mut channels = CHANNELS[0];
    for (level, wanted) in CHANNELS.into_iter().enumerate() {
        if level > 0 {
            let window = Window {
                kernel: [2; 2],
                stride: [2; 2],
                padding: [0; 4],
            };
            x = net.push(&format!("down{level}.pool"), Op::AvgPool(window), &[x]);
        }
        x = net.block(&format!("down{level}"), x, time, [channels, wanted]);
        channels = wanted;
        if level + 1 == CHANNELS.len() {
            x = net.attention(&format!("down{level}.attention"), x, channels);
        }
        skips.push((x, channels));
    }
    x = net.block("middle0", x, time, [channels; 2]);
    x = net.attention("middle.attention", x, channels);
    x = net.block("middle1", x, time, [channels; 2]);
    for (level, wanted) in CHANNELS.into_iter().enumerate().rev() {
        // The stem belongs to full resolution too.
        let reads = if level == 0 { 2 } else { 1 };
        for read in 0..reads {
            let (skip, more) = skips.pop().expect("one for each block and the stem");
            let name = match read {
                0 => format!("up{level}"),
                read => format!("up{level}.{read}"),
            };
            x = net.push(&format!("{name}.concat"), Op::Concat, &[x, skip]);
            x = net.block(&name, x, time, [channels + more, wanted]);
            channels = wanted;
            if level + 1 == CHANNELS.len() {
                x = net.attention(&format!("{name}.attention"), x, channels);
            }
        }
        if level > 0 {
            let op = Op::Upsample {
                vertical: 2,
                horizontal: 2,
            };
            x = net.push(&format!("up{level}.upsample"), op, &[x]);
        }
    }
    let x = net.norm("end.norm", x, channels);
    let x = net.push("end.silu", Op::Silu, &[x]);
    let x = net.conv("end", x, [channels, colours], 3, 0.0);
    let graph = &mut net.builder.graph;
    graph.outputs = vec![x];
    graph.diffusion = Some(Diffusion {
        picture: "noisy".into(),
        level: "timestep".into(),
        kind: DiffusionKind::Noise {
            steps: STEPS,
            beta_first: BETA[0],
            beta_last: BETA[1],
        },
    });
}

struct Unet<'a, 'b> {
    builder: &'a mut Builder<'b>,
}

impl Unet<'_, '_> {
    fn push(&mut self, name: &str, op: Op, inputs: &[NodeId]) -> NodeId {
        self.builder.graph.push(name, op, inputs)
    }

    fn input(&mut self, name: &str, [channels, height, width]: [usize; 3]) -> NodeId {
        let op = Op::Input {
            channels,
            height,
            width,
        };
        self.push(name, op, &[])
    }

    fn bias(&mut self, layer: &str, out: usize) -> NodeId {
        let param = Param::new([out], Role::Bias, vec![0.0; out]);
        self.builder.graph.param(format!("{layer}.bias"), param)
    }

    /// Convolution of a square kernel of odd size with bias; `gain` as for [`Builder::weight`].
    fn conv(
        &mut self,
        name: &str,
        x: NodeId,
        [inputs, out]: [usize; 2],
        kernel: usize,
        gain: f32,
    ) -> NodeId {
        let shape = [out, inputs, kernel, kernel];
        let weight = self.builder.weight(name, &shape, gain, None, false);
        let bias = self.bias(name, out);
        let op = Op::Conv2d {
            stride: [1; 2],
            padding: [kernel / 2; 4],
            groups: 1,
        };
        self.push(name, op, &[x, weight, bias])
    }

    fn linear(&mut self, name: &str, x: NodeId, [inputs, out]: [usize; 2]) -> NodeId {
        let weight = self.builder.weight(name, &[out, inputs], 1.0, None, false);
        let bias = self.bias(name, out);
        self.push(name, Op::Linear, &[x, weight, bias])
    }

    fn norm(&mut self, name: &str, x: NodeId, channels: usize) -> NodeId {
        let mut line = |part: &str, value: f32| {
            let param = Param::new([channels], Role::Norm, vec![value; channels]);
            self.builder.graph.param(format!("{name}.{part}"), param)
        };
        let inputs = [x, line("gamma", 1.0), line("beta", 0.0)];
        let op = Op::GroupNorm {
            groups: channels / GROUP,
            eps: 1e-5,
        };
        self.push(name, op, &inputs)
    }

    /// Cosines and sines of the time at frequencies that fall from 1 to nearly 1 / 10,000, and two layers.
    fn embedding(&mut self, time: NodeId) -> NodeId {
        let frequency = |i: usize| LONGEST.powf(-(i as f32) / FREQUENCIES as f32);
        let frequencies = (0..FREQUENCIES).map(frequency).collect();
        let param = Param::new([FREQUENCIES, 1], Role::Constant, frequencies);
        let frequencies = self.builder.graph.param("time.frequencies", param);
        let angles = self.push("time.angles", Op::Linear, &[time, frequencies]);
        let wave = |function| Op::Map { function };
        let cosines = self.push("time.cos", wave(Function::Cos), &[angles]);
        let sines = self.push("time.sin", wave(Function::Sin), &[angles]);
        let x = self.push("time.waves", Op::Concat, &[cosines, sines]);
        let x = self.linear("time.first", x, [2 * FREQUENCIES, EMBEDDING]);
        let x = self.push("time.silu", Op::Silu, &[x]);
        let x = self.linear("time.second", x, [EMBEDDING; 2]);
        // Every block reads it behind the same function.
        self.push("time.embedding", Op::Silu, &[x])
    }

    /// Two convolutions behind norms, the second one told the time, and a shortcut.
    fn block(
        &mut self,
        name: &str,
        x: NodeId,
        time: NodeId,
        [channels, out]: [usize; 2],
    ) -> NodeId {
        let y = self.norm(&format!("{name}.norm0"), x, channels);
        let y = self.push(&format!("{name}.silu0"), Op::Silu, &[y]);
        let y = self.conv(&format!("{name}.conv0"), y, [channels, out], 3, 1.0);
        let told = self.linear(&format!("{name}.time"), time, [EMBEDDING, out]);
        let y = self.push(&format!("{name}.told"), Op::Add, &[y, told]);
        let y = self.norm(&format!("{name}.norm1"), y, out);
        let y = self.push(&format!("{name}.silu1"), Op::Silu, &[y]);
        let y = self.conv(&format!("{name}.conv1"), y, [out, out], 3, 0.0);
        let x = match channels == out {
            true => x,
            false => self.conv(&format!("{name}.shortcut"), x, [channels, out], 1, 1.0),
        };
        self.push(&format!("{name}.sum"), Op::Add, &[x, y])
    }

    /// Attention of all pixels over all pixels, added to them.
    fn attention(&mut self, name: &str, x: NodeId, channels: usize) -> NodeId {
        let y = self.norm(&format!("{name}.norm"), x, channels);
        let [query, key, value] = ["query", "key", "value"]
            .map(|part| self.conv(&format!("{name}.{part}"), y, [channels; 2], 1, 1.0));
        let op = Op::Attention {
            heads: channels / HEAD,
            scale: 1.0 / (HEAD as f32).sqrt(),
        };
        let y = self.push(name, op, &[query, key, value]);
        let y = self.conv(&format!("{name}.out"), y, [channels; 2], 1, 0.0);
        self.push(&format!("{name}.sum"), Op::Add, &[x, y])
    }
}
