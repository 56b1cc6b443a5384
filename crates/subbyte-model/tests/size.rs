//! The size of a file: little more than the bits of the weights.

use subbyte_model::testing::Rng;
use subbyte_model::{
    CodeType, Conv2d, Input, Linear, Model, MulShift, Node, NodeId, Op, Packed, Pad, PixelTable,
    Requant, Weights, itemise, write,
};

const U2: CodeType = CodeType::unsigned(2);
const U8: CodeType = CodeType::unsigned(8);

/// ResNet-20 for 32x32 pixels and 100 classes with random parameters of the usual sizes: 2-bit weights and activations, 8-bit
/// residual streams, a pixel table of ten 2-bit codes a colour and a table of its own for each.
struct ResNet {
    nodes: Vec<Node>,
    rng: Rng,
}

impl ResNet {
    fn push(&mut self, inputs: &[NodeId], op: Op) -> NodeId {
        let name = format!("node.{}", self.nodes.len());
        let inputs = inputs.to_vec();
        self.nodes.push(Node { name, inputs, op });
        self.nodes.len() - 1
    }

    fn codes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.rng.below(4) as u8).collect()
    }

    fn conv(&mut self, x: NodeId, ins: usize, outs: usize, stride: usize) -> NodeId {
        let codes = self.codes(outs * 9 * ins);
        let conv = Conv2d {
            weights: Weights::affine(outs, 9 * ins, 2, 2, -3, &codes),
            bias: Vec::new(),
            kernel: [3, 3],
            stride: [stride; 2],
            padding: [1; 4],
            pad: Pad::Code(0),
            groups: 1,
        };
        self.push(&[x], Op::Conv2d(conv))
    }

    fn thresholds(&mut self, sums: NodeId, channels: usize) -> NodeId {
        let mut thresholds = Vec::new();
        for _ in 0..channels {
            let first = self.rng.within(-4000, 3000) as i32;
            let gaps = [(); 2].map(|()| self.rng.within(20, 900) as i32);
            thresholds.extend([first, first + gaps[0], first + gaps[0] + gaps[1]]);
        }
        let requant = Requant::Thresholds {
            code: U2,
            thresholds,
            descending: (0..channels).map(|_| self.rng.once_in(2)).collect(),
        };
        self.push(&[sums], Op::Requant(requant))
    }

    fn mul_shift(&mut self, sums: NodeId, channels: usize, code: CodeType) -> NodeId {
        let pre = self.rng.size(0, 2) as u8;
        let channel = |rng: &mut Rng| MulShift {
            bias: rng.within(-4000, 4000) as i32,
            pre,
            mult: rng.within(-32_768, 32_767) as i16,
            add: rng.within(-1 << 24, 1 << 24) as i32,
            shift: 17,
        };
        let channels = (0..channels).map(|_| channel(&mut self.rng)).collect();
        self.push(&[sums], Op::Requant(Requant::MulShift { code, channels }))
    }

    fn block(&mut self, stream: NodeId, ins: usize, outs: usize) -> NodeId {
        let stride = outs / ins;
        let table = (0..=255).map(|c| c / 64).collect();
        let low = self.push(&[stream], Op::CodeTable { code: U2, table });
        let first = self.conv(low, ins, outs, stride);
        let codes = self.thresholds(first, outs);
        let second = self.conv(codes, outs, outs, 1);
        let branch = self.mul_shift(second, outs, CodeType::signed(8));
        let shortcut = if stride == 1 {
            stream
        } else {
            self.shortcut(stream, ins)
        };
        self.push(&[shortcut, branch], Op::Add { code: U8 })
    }

    /// Every other pixel, half as many channels before and after, in the codes of the next stream.
    fn shortcut(&mut self, stream: NodeId, ins: usize) -> NodeId {
        let side = 512 / ins;
        let slice = Op::Slice {
            start: [0; 3],
            end: [ins, side, side],
            step: [1, 2, 2],
        };
        let small = self.push(&[stream], slice);
        let pad = Op::PadChannels {
            before: ins / 2,
            after: ins / 2,
            code: 0,
        };
        let wide = self.push(&[small], pad);
        let table = (0..=255).map(|c| c / 2 + 3).collect();
        self.push(&[wide], Op::CodeTable { code: U8, table })
    }

    fn build() -> Model {
        let mut net = Self {
            nodes: Vec::new(),
            rng: Rng::new(20),
        };
        net.push(&[], Op::Image);
        let codes = net.codes(3 * 256 * 10);
        let table = PixelTable {
            depth: 10,
            tables: 3,
            code: U2,
            codes: Packed::new(2, &codes),
        };
        let pixels = net.push(&[0], Op::PixelTable(table));
        let stem = net.conv(pixels, 30, 16, 1);
        let mut stream = net.mul_shift(stem, 16, U8);
        for (ins, outs) in [
            (16, 16),
            (16, 16),
            (16, 16),
            (16, 32),
            (32, 32),
            (32, 32),
            (32, 64),
            (64, 64),
            (64, 64),
        ] {
            stream = net.block(stream, ins, outs);
        }
        let table = (0..=255).map(|c| c / 64).collect();
        let low = net.push(&[stream], Op::CodeTable { code: U2, table });
        let pooled = net.push(&[low], Op::GlobalAvgPool);
        let codes = net.codes(6400);
        let classifier = Linear {
            weights: Weights::affine(100, 64, 2, 2, -3, &codes),
            bias: (0..100)
                .map(|_| net.rng.within(-9000, 9000) as i32)
                .collect(),
        };
        let logits = net.push(&[pooled], Op::Linear(classifier));
        net.push(&[logits], Op::Output { scale_bits: 1 });
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
}

#[test]
fn resnet_20_of_two_bits_takes_little_more_than_its_weights() {
    let model = ResNet::build();
    let file = write(&model).unwrap_or_else(|e| panic!("{e}"));
    let weight_bits: usize = model
        .nodes
        .iter()
        .map(|node| match &node.op {
            Op::Conv2d(conv) => conv.weights.bits(),
            Op::Linear(layer) => layer.weights.bits(),
            _ => 0,
        })
        .sum();
    let mut counted = 0;
    for item in itemise(&file).unwrap() {
        if !["NAMES", "PROVENANCE", "VECTORS"].contains(&item.section) {
            counted += item.bytes;
        }
    }
    let (weights, overhead) = (weight_bits / 8, counted - weight_bits / 8);
    assert!(
        overhead < 10_000,
        "{overhead} bytes beside {weights} of weights"
    );
    assert!(
        counted * 100 <= weights * 115,
        "{counted} bytes for {weights} of weights"
    );
}
