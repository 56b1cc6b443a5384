//! Quantizers for a float network: what turns an imported classifier into one that has an integer form.
//!
//! Wherever an operator reads codes, the tensor before it gets a quantizer: of the layer's own bits where convolutions and linear
//! layers alone read it, of the wide bits where it is added, multiplied, joined or averaged. What is added or joined shares one step.

use std::collections::BTreeMap;

use subbyte_num::CodeType;

use crate::{Graph, Node, NodeId, Op, Param, Problems, Quantizer, Role, Shape};

/// Bits of a convolution or linear layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerBits {
    /// Bits of its weights, 1 to 8; `None` leaves them as they are, for a method that stores codes in their place.
    pub weights: Option<u8>,
    /// Bits of the activations that it reads, 1 to 8.
    pub activations: u8,
}

/// Which quantizers [`Graph::place_quantizers`] places.
#[derive(Clone, Debug, PartialEq)]
pub struct Placement {
    /// Layers that have no bits of their own.
    pub body: LayerBits,
    /// Bits by layer, the name of its node.
    pub layers: BTreeMap<String, LayerBits>,
    /// Bits of what is added, multiplied, joined or averaged, and of the image.
    pub wide: u8,
}

impl Placement {
    /// Bits of the layer of that name.
    pub fn of(&self, layer: &str) -> LayerBits {
        self.layers.get(layer).copied().unwrap_or(self.body)
    }
}

impl Graph {
    /// A copy of a float network with quantizers in every layer: normalized pixels come from a table of codes unless the network has a
    /// quantized pixel table ([`Graph::read_table`]), weights have a step
    /// for each output channel (one for all in the layer that makes logits), activations one step for a tensor or for all that are
    /// added up. Steps of activations are 0, "not set"; those of weights reach their largest weight.
    ///
    /// # Errors
    /// With what keeps the graph from being quantized: quantizers that are there already, layers without weights of their own,
    /// names of layers that do not exist.
    pub fn place_quantizers(&self, placement: &Placement) -> Result<Self, Problems> {
        self.validate()?;
        let mut problems = Problems::default();
        for name in placement.layers.keys() {
            let layer = self.nodes.iter().find(|node| node.name == *name);
            if !layer.is_some_and(|node| is_layer(&node.op)) {
                problems.add(name, "no convolution or linear layer has this name");
            }
        }
        for node in &self.nodes {
            if let Op::Quantize(_) = node.op
                && self
                    .param_of(node.inputs[0])
                    .is_none_or(|(_, p)| p.shape.len() != 3)
            {
                problems.add(
                    &node.name,
                    "is quantized already; only float networks can be given quantizers",
                );
            }
        }
        problems.or(())?;
        Placing::new(self, placement)?.run()
    }
}

/// Whether the operator has weights that are quantized.
fn is_layer(op: &Op) -> bool {
    matches!(op, Op::Conv2d { .. } | Op::Linear)
}

/// Whether codes pass through unchanged.
fn moves_codes(op: &Op) -> bool {
    matches!(
        op,
        Op::MaxPool(_)
            | Op::Concat
            | Op::Slice { .. }
            | Op::PadChannels { .. }
            | Op::Flatten
            | Op::Upsample { .. }
    )
}

/// Whether the operator is a scalar function that a requantization of sums can take in.
fn joins_sums(op: &Op) -> bool {
    matches!(op, Op::BatchNorm { .. } | Op::Relu | Op::Relu6)
}

/// Whether the operator needs inputs of one step.
fn adds_or_joins(op: &Op) -> bool {
    matches!(op, Op::Add | Op::Concat)
}

/// What reads a tensor as codes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Demand {
    /// Nothing.
    None,
    /// Layers, of at most so many bits.
    Layers(u8),
    /// An operator that needs the wide bits.
    Wide,
}

struct Placing<'a> {
    graph: &'a Graph,
    placement: &'a Placement,
    shapes: Vec<Shape>,
    consumers: Vec<Vec<NodeId>>,
    /// By node: what it asks of its own tensor.
    demands: Vec<Demand>,
    /// By node: whether the tensor is never negative.
    unsigned: Vec<bool>,
    /// By node: a node of its class, tensors whose codes have one step.
    class: Vec<NodeId>,
    /// By class: whether it has several quantizers that have to agree.
    shared: Vec<bool>,
    /// By class: node of the step in the new graph.
    steps: BTreeMap<NodeId, NodeId>,
    made: Graph,
    /// By node: the float tensor, and the tensor of codes, in the new graph.
    float: Vec<NodeId>,
    codes: Vec<Option<NodeId>>,
    /// Low-bit codes of wide tensors, by node and bits.
    narrow: BTreeMap<(NodeId, u8), NodeId>,
}

impl<'a> Placing<'a> {
    fn new(graph: &'a Graph, placement: &'a Placement) -> Result<Self, Problems> {
        let nodes = graph.nodes.len();
        let mut placing = Self {
            graph,
            placement,
            shapes: graph.shapes()?,
            consumers: graph.consumers(),
            demands: vec![Demand::None; nodes],
            unsigned: vec![false; nodes],
            class: (0..nodes).collect(),
            shared: vec![false; nodes],
            steps: BTreeMap::new(),
            made: Graph {
                name: graph.name.clone(),
                classes: graph.classes.clone(),
                diffusion: graph.diffusion.clone(),
                ..Graph::default()
            },
            float: Vec::with_capacity(nodes),
            codes: Vec::with_capacity(nodes),
            narrow: BTreeMap::new(),
        };
        placing.find_signs();
        placing.find_classes();
        placing.find_demands();
        Ok(placing)
    }

    fn find_signs(&mut self) {
        for (id, node) in self.graph.nodes.iter().enumerate() {
            let all = node.inputs.iter().all(|&input| self.unsigned[input]);
            self.unsigned[id] = match node.op {
                Op::PixelTable => self
                    .table_code(id)
                    .is_some_and(|code| code.min_level() == 0),
                Op::Relu | Op::Relu6 | Op::HardSigmoid => true,
                Op::Add | Op::Mul | Op::AvgPool(_) | Op::GlobalAvgPool => all,
                ref op => moves_codes(op) && all,
            };
        }
        // All inputs of a concatenation have codes of one kind.
        for (id, node) in self.graph.nodes.iter().enumerate().rev() {
            if node.op == Op::Concat && !self.unsigned[id] {
                node.inputs.iter().for_each(|&i| self.unsigned[i] = false);
            }
        }
    }

    /// Tensors that are added or joined have codes of one step, and so has what an addition makes. A stream ends where it is cut
    /// or padded: on the other side it is quantized anew.
    fn find_classes(&mut self) {
        let ends = |op: &Op| {
            matches!(
                op,
                Op::Slice { .. } | Op::PadChannels { .. } | Op::Normalize { .. }
            )
        };
        for (id, node) in self.graph.nodes.iter().enumerate() {
            if (node.op == Op::Add || moves_codes(&node.op)) && !ends(&node.op) {
                for &input in &node.inputs {
                    if !ends(&self.graph.nodes[input].op) {
                        self.join(id, input);
                    }
                }
                if adds_or_joins(&node.op) {
                    let class = self.class_of(id);
                    self.shared[class] = true;
                }
            }
            // The ReLU behind an addition is part of its saturation.
            if let (Op::Relu | Op::Relu6, &[sum]) = (&node.op, &node.inputs[..])
                && self.graph.nodes[sum].op == Op::Add
                && self.consumers[sum].len() == 1
            {
                self.join(id, sum);
            }
        }
    }

    /// The codes of pixel table `id`, where they are quantized.
    fn table_code(&self, id: NodeId) -> Option<CodeType> {
        match self.graph.nodes[self.graph.nodes[id].inputs[1]].op {
            Op::Quantize(quantizer) => Some(quantizer.code_type()),
            _ => None,
        }
    }

    fn class_of(&self, mut id: NodeId) -> NodeId {
        while self.class[id] != id {
            id = self.class[id];
        }
        id
    }

    fn join(&mut self, a: NodeId, b: NodeId) {
        let (a, b) = (self.class_of(a), self.class_of(b));
        let (first, second) = (a.min(b), a.max(b));
        self.class[second] = first;
        self.shared[first] |= self.shared[second];
    }

    fn find_demands(&mut self) {
        for id in (0..self.graph.nodes.len()).rev() {
            let ask = |&reader: &NodeId| {
                let node = &self.graph.nodes[reader];
                match &node.op {
                    op if is_layer(op) => Demand::Layers(self.placement.of(&node.name).activations),
                    op if joins_sums(op) => match self.is_codes(id) {
                        true => Demand::Wide,
                        false => Demand::None,
                    },
                    Op::Concat => Demand::Wide,
                    op if moves_codes(op) => self.demands[reader].max(Demand::Layers(1)),
                    _ => Demand::Wide,
                }
            };
            let asked = self.consumers[id].iter().map(ask).max();
            let shared = self.shared[self.class_of(id)];
            self.demands[id] = match asked.unwrap_or(Demand::None) {
                // The end of a stream, or of a branch of it, has the stream's codes.
                Demand::Layers(_) if shared => Demand::Wide,
                demand => demand,
            };
        }
    }

    /// Whether what node `id` makes is quantized before any function of it: an addition whose result is more than one ReLU reads.
    fn is_codes(&self, id: NodeId) -> bool {
        let node = &self.graph.nodes[id];
        let only_relu = || match self.consumers[id][..] {
            [reader] => matches!(self.graph.nodes[reader].op, Op::Relu | Op::Relu6),
            _ => false,
        };
        node.op == Op::Add && !only_relu() || moves_codes(&node.op)
    }

    fn run(mut self) -> Result<Graph, Problems> {
        let mut problems = Problems::default();
        for (id, node) in self.graph.nodes.iter().enumerate() {
            if let Err(what) = self.node(id, node) {
                problems.add(&node.name, what);
                // Something to go on with, so that all problems are found.
                self.float.push(0);
                self.codes.push(None);
            }
        }
        problems.or(())?;
        self.made.outputs = self
            .graph
            .outputs
            .iter()
            .map(|&id| self.float[id])
            .collect();
        self.made.prune();
        self.made.validate()?;
        Ok(self.made)
    }

    fn node(&mut self, id: NodeId, node: &Node) -> Result<(), String> {
        let (mut float, mut codes) = (None, None);
        match &node.op {
            Op::Param { name } => {
                float = Some(self.made.param(name, self.graph.params[name].clone()))
            }
            Op::Normalize { mean, std } => {
                let image = self.float[node.inputs[0]];
                codes = Some(self.table(&node.name, image, mean, std));
            }
            Op::Quantize(_) | Op::PixelTable => {
                let inputs: Vec<NodeId> = node.inputs.iter().map(|&i| self.float[i]).collect();
                codes = Some(self.made.push(&node.name, node.op.clone(), &inputs));
            }
            op if is_layer(op) => {
                let bits = self.placement.of(&node.name);
                let x = self.codes_of(node.inputs[0], bits.activations);
                let weight = match bits.weights {
                    Some(bits) => self.weights(id, node, bits)?,
                    None => self.float[node.inputs[1]],
                };
                let bias = node.inputs.get(2).map(|&bias| self.float[bias]);
                let inputs: Vec<NodeId> = [x, weight].into_iter().chain(bias).collect();
                float = Some(self.made.push(&node.name, op.clone(), &inputs));
            }
            op if joins_sums(op) && !self.is_codes(node.inputs[0]) => {
                let inputs: Vec<NodeId> = node.inputs.iter().map(|&i| self.float[i]).collect();
                float = Some(self.made.push(&node.name, op.clone(), &inputs));
            }
            op => {
                let inputs: Vec<NodeId> = node
                    .inputs
                    .iter()
                    .map(|&input| match self.shapes[input] {
                        Shape::Feature(_) if adds_or_joins(op) => self.codes_of_class(input, id),
                        Shape::Feature(_) => self.wide_codes_of(input),
                        _ => self.float[input],
                    })
                    .collect();
                let made = self.made.push(&node.name, op.clone(), &inputs);
                match moves_codes(op) {
                    true => codes = Some(made),
                    false => float = Some(made),
                }
            }
        }
        self.float.push(float.or(codes).expect("one of the two"));
        self.codes.push(codes);
        Ok(())
    }

    /// Normalized pixels as a table of signed codes.
    fn table(&mut self, name: &str, image: NodeId, mean: &[f32], std: &[f32]) -> NodeId {
        let values: Vec<f32> = mean
            .iter()
            .zip(std)
            .flat_map(|(&m, &s)| (0..256).map(move |v| (v as f32 / 255.0 - m) / s))
            .collect();
        let code = CodeType::signed(self.placement.wide);
        let largest = values.iter().fold(0f32, |max, v| max.max(v.abs()));
        let step = vec![largest / code.max_level() as f32];
        let table = Param::new([mean.len(), 256, 1], Role::Constant, values);
        let table = self.made.param(format!("{name}.table"), table);
        let step = Param::new([1], Role::Constant, step);
        let step = self.made.param(format!("{name}.table.scale"), step);
        let table = self.made.lsq(
            &format!("{name}.table.quantize"),
            table,
            step,
            code.bits,
            true,
        );
        self.made.push(name, Op::PixelTable, &[image, table])
    }

    /// The quantized weights of a layer.
    fn weights(&mut self, id: NodeId, node: &Node, bits: u8) -> Result<NodeId, String> {
        let (name, param) = self
            .graph
            .param_of(node.inputs[1])
            .ok_or("its weights are made by other nodes; only parameters can be quantized")?;
        let one = self.graph.outputs.contains(&id);
        if bits == 1 {
            let op = Op::Quantize(Quantizer::BinaryMean { per_channel: !one });
            let quantizer = format!("{}.weight.quantize", node.name);
            let weight = self.float[node.inputs[1]];
            return Ok(self.made.push(quantizer, op, &[weight]));
        }
        let rows = if one { 1 } else { param.shape[0] };
        let largest = f32::from(CodeType::signed(bits).max_code() / 2);
        let weights = param.to_vec();
        let steps = weights.chunks((weights.len() / rows).max(1)).map(|row| {
            let max = row.iter().fold(0f32, |max, w| max.max(w.abs()));
            if max > 0.0 { max / largest } else { 1.0 }
        });
        let steps = Param::new([rows], Role::Scale, steps.collect());
        let layer = &node.name;
        debug_assert!(self.made.params.contains_key(name));
        let steps = self.made.param(format!("{layer}.weight.scale"), steps);
        let weight = self.float[node.inputs[1]];
        Ok(self.made.lsq(
            &format!("{layer}.weight.quantize"),
            weight,
            steps,
            bits,
            true,
        ))
    }

    /// Codes of tensor `id` in at most `bits` bits, for a layer.
    fn codes_of(&mut self, id: NodeId, bits: u8) -> NodeId {
        let wide = self.wide_codes_of(id);
        if bits >= self.bits_of(id) {
            return wide;
        }
        if let Some(&narrow) = self.narrow.get(&(id, bits)) {
            return narrow;
        }
        let name = format!("{}.quantize{bits}", self.graph.nodes[id].name);
        let step = self.step(&name);
        let narrow = self.made.lsq(&name, wide, step, bits, !self.unsigned[id]);
        self.narrow.insert((id, bits), narrow);
        narrow
    }

    /// Codes of tensor `id` with the step of what addition or concatenation `reader` makes.
    fn codes_of_class(&mut self, id: NodeId, reader: NodeId) -> NodeId {
        let codes = self.wide_codes_of(id);
        let class = self.class_of(reader);
        if self.class_of(id) == class {
            return codes;
        }
        let name = format!(
            "{}.{}.quantize",
            self.graph.nodes[reader].name, self.graph.nodes[id].name
        );
        let step = self.step_of(class, &name);
        let signed = !self.unsigned[id];
        self.made
            .lsq(&name, codes, step, self.placement.wide, signed)
    }

    /// Bits of a tensor's codes.
    fn bits_of(&self, id: NodeId) -> u8 {
        let node = &self.graph.nodes[id];
        match (self.demands[id], &node.op) {
            (_, Op::Normalize { .. }) => self.placement.wide,
            (_, Op::PixelTable) => self.table_code(id).map_or(8, |code| code.bits),
            (_, op) if moves_codes(op) => self.bits_of(node.inputs[0]),
            (Demand::Layers(bits), _) => bits,
            _ => self.placement.wide,
        }
    }

    fn wide_codes_of(&mut self, id: NodeId) -> NodeId {
        if let Some(codes) = self.codes[id] {
            return codes;
        }
        let name = format!("{}.quantize", self.graph.nodes[id].name);
        let step = self.step_of(self.class_of(id), &name);
        let quantizer = Quantizer::Lsq {
            bits: self.bits_of(id),
            signed: !self.unsigned[id],
        };
        let codes = self
            .made
            .push(name, Op::Quantize(quantizer), &[self.float[id], step]);
        self.codes[id] = Some(codes);
        codes
    }

    /// The step of a class, which its first quantizer names.
    fn step_of(&mut self, class: NodeId, quantizer: &str) -> NodeId {
        if let Some(&step) = self.steps.get(&class) {
            return step;
        }
        let step = self.step(quantizer);
        self.steps.insert(class, step);
        step
    }

    /// A step that is not set.
    fn step(&mut self, quantizer: &str) -> NodeId {
        let step = Param::new([1], Role::Scale, vec![0.0]);
        self.made.param(format!("{quantizer}.scale"), step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuse::fuse;
    use crate::networks::{self, FirstLayer, LastLayer, NetworkConfig};

    fn placement(weights: u8, activations: u8) -> Placement {
        Placement {
            body: LayerBits {
                weights: Some(weights),
                activations,
            },
            layers: BTreeMap::new(),
            wide: 8,
        }
    }

    #[test]
    fn a_pixel_table_takes_the_place_of_the_colours() {
        let config = NetworkConfig {
            bits: None,
            first: FirstLayer::Float,
            last: LastLayer::Float,
            ..NetworkConfig::default()
        };
        let float = networks::build("resnet20", &config).expect("network");
        for (input, columns) in [
            (networks::Input::Table(networks::TableConfig::default()), 30),
            (
                networks::Input::Encoder(crate::Encoder::Naive { bits: 2 }),
                3,
            ),
            (networks::Input::Encoder(crate::Encoder::BitPlanes), 24),
        ] {
            let mut graph = float.clone();
            graph.fold_norms();
            graph.own_parameters();
            graph
                .read_table(input)
                .expect("a convolution reads the pixels");
            graph.validate().expect("valid");
            for weights in [1, 2] {
                let placed = graph
                    .place_quantizers(&placement(weights, 2))
                    .expect("placed");
                assert_eq!(
                    placed.params["stem.folded.weight"].shape,
                    [16, columns, 3, 3]
                );
                assert!(placed.is_fully_quantized());
                fuse(&calibrated(placed)).expect("integer form");
            }
        }
    }

    /// Sets all steps that are not set.
    fn calibrated(mut graph: Graph) -> Graph {
        for param in graph.params.values_mut() {
            if param.role == Role::Scale && param.to_vec() == [0.0] {
                *param = Param::new([1], Role::Scale, vec![0.05]);
            }
        }
        graph
    }

    #[test]
    fn built_in_networks_get_an_integer_form() {
        for name in ["small", "lenet5", "resnet20", "resnet18-cifar", "vgg-small"] {
            let config = NetworkConfig {
                bits: None,
                first: FirstLayer::Float,
                last: LastLayer::Float,
                ..NetworkConfig::default()
            };
            let graph = networks::build(name, &config).expect("network");
            for fold in [false, true] {
                for (weights, activations) in [(8, 8), (4, 4), (3, 8)] {
                    let mut graph = graph.clone();
                    if fold {
                        graph.fold_norms();
                    }
                    let placed = graph
                        .place_quantizers(&placement(weights, activations))
                        .unwrap_or_else(|problems| panic!("{name}: {problems}"));
                    assert!(placed.is_fully_quantized());
                    let fused = fuse(&calibrated(placed));
                    fused.unwrap_or_else(|problems| panic!("{name}: {problems}"));
                }
            }
        }
    }

    /// `image -> conv -> hard swish -> gate -> add -> join -> pool -> linear`, with everything that needs care.
    fn gated() -> Graph {
        let mut g = Graph::new("gated");
        let image = Op::Image {
            colours: 3,
            height: 8,
            width: 8,
        };
        let image = g.push("image", image, &[]);
        let normalize = Op::Normalize {
            mean: vec![0.5; 3],
            std: vec![0.2; 3],
        };
        let x = g.push("pixels", normalize, &[image]);
        let conv = |g: &mut Graph, name: &str, x, out: usize, input: usize| {
            let weights = (0..out * input).map(|i| (i % 7) as f32 - 3.0).collect();
            let weight = Param::new([out, input, 1, 1], Role::Weight, weights);
            let weight = g.param(format!("{name}.weight"), weight);
            g.conv2d(name, x, weight, 1, 0, 1)
        };
        let stem = conv(&mut g, "stem", x, 4, 3);
        let stem = g.push("swish", Op::HardSwish, &[stem]);
        let pooled = g.push("pool", Op::GlobalAvgPool, &[stem]);
        let gate = conv(&mut g, "gate", pooled, 4, 4);
        let gate = g.push("gate.sigmoid", Op::HardSigmoid, &[gate]);
        let gated = g.push("gated", Op::Mul, &[stem, gate]);
        let branch = conv(&mut g, "branch", gated, 4, 4);
        let sum = g.push("sum", Op::Add, &[branch, stem]);
        let relu = g.push("relu", Op::Relu, &[sum]);
        let joined = g.push("joined", Op::Concat, &[relu, sum]);
        let end = g.push("end", Op::GlobalAvgPool, &[joined]);
        let weight = Param::new([2, 8], Role::Weight, vec![0.5; 16]);
        let weight = g.param("classifier.weight", weight);
        let logits = g.push("classifier", Op::Linear, &[end, weight]);
        g.outputs = vec![logits];
        g
    }

    #[test]
    fn gates_joins_and_sums_get_an_integer_form() {
        for bits in [8, 4] {
            let placed = gated()
                .place_quantizers(&placement(bits, bits))
                .expect("placed");
            fuse(&calibrated(placed)).expect("integer form");
        }
    }

    #[test]
    fn what_is_added_shares_a_step_and_layers_keep_theirs() {
        let placed = gated().place_quantizers(&placement(4, 4)).expect("placed");
        let step = |name: &str| {
            let node = placed.nodes.iter().find(|node| node.name == name);
            node.unwrap_or_else(|| panic!("no {name}")).inputs[1]
        };
        assert_eq!(step("branch.quantize"), step("swish.quantize"));
        assert_eq!(step("branch.quantize"), step("sum.quantize"));
        assert_ne!(step("gated.quantize"), step("branch.quantize"));
    }

    #[test]
    fn impossible_wishes_are_all_told() {
        let mut placement = placement(4, 4);
        let bits = placement.body;
        placement.layers.insert("stern".into(), bits);
        placement.layers.insert("relu".into(), bits);
        let problems = gated().place_quantizers(&placement).expect_err("no layers");
        assert_eq!(problems.0.len(), 2, "{problems}");
    }
}
