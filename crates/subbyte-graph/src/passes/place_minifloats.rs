//! Low-bit floats for what a network multiplies.

use subbyte_num::MinifloatGrid;

use crate::{Graph, NodeId, Op, Param, Problems, Role};

impl Graph {
    /// The tensors that node `id` multiplies by its weights or by each other; none for operators that do not multiply like that.
    pub fn factors(&self, id: NodeId) -> &[NodeId] {
        let node = &self.nodes[id];
        match node.op {
            Op::Conv2d { .. } | Op::Linear => &node.inputs[..1],
            // Queries, keys and values; the shares that a softmax makes of the first two stay as they are.
            Op::Attention { .. } => &node.inputs[..],
            _ => &[],
        }
    }

    /// The tensors that are joined to tensor `id`, or itself where it is no concatenation.
    pub fn joined(&self, id: NodeId) -> Vec<NodeId> {
        let node = &self.nodes[id];
        match node.op {
            Op::Concat => node
                .inputs
                .iter()
                .flat_map(|&part| self.joined(part))
                .collect(),
            _ => vec![id],
        }
    }

    /// A copy in which every tensor that is multiplied ([`Graph::factors`]) is quantized to floats of few bits; the parts of a
    /// concatenation each for itself. `grid` says how the tensor of a node is quantized for the layer of another one, or that it stays
    /// as it is; where it says the same for several layers, they share the quantizer.
    ///
    /// # Errors
    /// If the graph is not valid, or quantized already.
    pub fn place_minifloats(
        &self,
        grid: impl FnMut(NodeId, NodeId) -> Option<MinifloatGrid>,
    ) -> Result<Self, Problems> {
        self.validate()?;
        let mut problems = Problems::default();
        for node in &self.nodes {
            if let Op::Quantize(_) | Op::Minifloat { .. } | Op::PixelTable = node.op {
                problems.add(&node.name, "is quantized already; give the float network");
            }
        }
        problems.or(())?;
        let mut placing = Placing {
            graph: self,
            grid,
            made: Self {
                name: self.name.clone(),
                classes: self.classes.clone(),
                diffusion: self.diffusion.clone(),
                ..Self::default()
            },
            place: Vec::with_capacity(self.nodes.len()),
            known: Vec::new(),
        };
        for id in 0..self.nodes.len() {
            placing.node(id);
        }
        let Placing {
            mut made, place, ..
        } = placing;
        made.params.extend(self.params.clone());
        made.outputs = self.outputs.iter().map(|&id| place[id]).collect();
        made.prune();
        made.validate()?;
        Ok(made)
    }
}

struct Placing<'a, F> {
    graph: &'a Graph,
    grid: F,
    made: Graph,
    /// By node: its place in the new graph.
    place: Vec<NodeId>,
    /// Quantized tensors: which, how its parts are, and where.
    known: Vec<(NodeId, Vec<Option<MinifloatGrid>>, NodeId)>,
}

impl<F: FnMut(NodeId, NodeId) -> Option<MinifloatGrid>> Placing<'_, F> {
    fn node(&mut self, id: NodeId) {
        let node = &self.graph.nodes[id];
        let factors = self.graph.factors(id);
        let input = |&input: &NodeId| match factors.contains(&input) {
            true => self.quantized(input, id),
            false => self.place[input],
        };
        let inputs: Vec<NodeId> = node.inputs.iter().map(input).collect();
        let placed = self.made.push(&node.name, node.op.clone(), &inputs);
        self.place.push(placed);
    }

    /// Tensor `id` as the layer `reader` reads it.
    fn quantized(&mut self, id: NodeId, reader: NodeId) -> NodeId {
        let parts = self.graph.joined(id);
        let grids = parts
            .iter()
            .map(|&part| (self.grid)(reader, part))
            .collect();
        self.with_grids(id, grids)
    }

    fn with_grids(&mut self, id: NodeId, grids: Vec<Option<MinifloatGrid>>) -> NodeId {
        let same = |(tensor, known, _): &&(_, _, _)| *tensor == id && *known == grids;
        if let Some((_, _, place)) = self.known.iter().find(same) {
            return *place;
        }
        let node = &self.graph.nodes[id];
        let place = match (&node.op, &grids[..]) {
            (_, grids) if grids.iter().all(Option::is_none) => self.place[id],
            (Op::Concat, grids) => {
                let mut grids = grids.iter().copied();
                let part = |&part: &NodeId| {
                    let count = self.graph.joined(part).len();
                    self.with_grids(part, grids.by_ref().take(count).collect())
                };
                let parts: Vec<NodeId> = node.inputs.iter().map(part).collect();
                let name = self.fresh_name(format!("{}.quantized", node.name));
                self.made.push(name, Op::Concat, &parts)
            }
            (_, grids) => {
                let [Some(grid)] = grids else {
                    unreachable!("one grid, which is some")
                };
                let name = self.fresh_name(format!("{}.quantize", node.name));
                let clip = Param::new([1], Role::Clip, vec![grid.clip]);
                let clip = self.made.param(format!("{name}.clip"), clip);
                let op = Op::Minifloat {
                    format: grid.format,
                    offset: grid.offset,
                };
                self.made.push(name, op, &[self.place[id], clip])
            }
        };
        self.known.push((id, grids, place));
        place
    }

    fn fresh_name(&self, mut name: String) -> String {
        let taken = |name: &String| {
            let in_both = self.graph.nodes.iter().chain(&self.made.nodes);
            in_both.map(|node| &node.name).any(|other| other == name)
        };
        while taken(&name) {
            name.push('\'');
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use subbyte_num::Minifloat;

    use super::*;
    use crate::fuse::fuse;

    /// `image -> conv -> (silu, relu) -> concat -> two convs of it, one behind a ReLU`.
    fn skip() -> Graph {
        let mut g = Graph::new("skip");
        let image = Op::Image {
            colours: 3,
            height: 4,
            width: 4,
        };
        let image = g.push("image", image, &[]);
        let normalize = Op::Normalize {
            mean: vec![0.5; 3],
            std: vec![0.2; 3],
        };
        let x = g.push("pixels", normalize, &[image]);
        let conv = |g: &mut Graph, name: &str, x, input: usize| {
            let weight = Param::new([2, input, 1, 1], Role::Weight, vec![0.5; 2 * input]);
            let weight = g.param(format!("{name}.weight"), weight);
            g.conv2d(name, x, weight, 1, 0, 1)
        };
        let stem = conv(&mut g, "stem", x, 3);
        let silu = g.push("silu", Op::Silu, &[stem]);
        let relu = g.push("relu", Op::Relu, &[stem]);
        let joined = g.push("joined", Op::Concat, &[silu, relu]);
        let direct = conv(&mut g, "direct", joined, 4);
        let again = conv(&mut g, "again", joined, 4);
        let clipped = g.push("clipped", Op::Relu, &[joined]);
        let behind = conv(&mut g, "behind", clipped, 4);
        let sum = g.push("sum", Op::Add, &[direct, again]);
        let sum = g.push("all", Op::Add, &[sum, behind]);
        g.outputs = vec![sum];
        g
    }

    fn grid(clip: f32) -> MinifloatGrid {
        MinifloatGrid {
            format: Minifloat::OCP_E4M3,
            clip,
            offset: 0.0,
        }
    }

    fn node<'a>(graph: &'a Graph, name: &str) -> (NodeId, &'a crate::Node) {
        let mut nodes = graph.nodes.iter().enumerate();
        nodes.find(|(_, node)| node.name == name).expect(name)
    }

    #[test]
    fn parts_of_a_concatenation_have_quantizers_of_their_own_which_layers_share() {
        let graph = skip();
        let placed = graph.place_minifloats(|_, tensor| Some(grid(tensor as f32 + 1.0)));
        let placed = placed.expect("placed");
        let (quantized, joined) = node(&placed, "joined.quantized");
        assert_eq!(joined.op, Op::Concat);
        let clips: Vec<f32> = joined
            .inputs
            .iter()
            .map(|&part| {
                placed
                    .param_of(placed.nodes[part].inputs[1])
                    .expect("clip")
                    .1
                    .to_vec()[0]
            })
            .collect();
        assert_eq!(
            clips,
            ["silu", "relu"].map(|name| node(&graph, name).0 as f32 + 1.0)
        );
        assert_eq!(node(&placed, "direct").1.inputs[0], quantized);
        assert_eq!(node(&placed, "again").1.inputs[0], quantized);
        // What does not multiply reads the tensor as it was.
        assert_eq!(
            node(&placed, "clipped").1.inputs[0],
            node(&placed, "joined").0
        );
        assert_eq!(
            node(&placed, "behind").1.inputs[0],
            node(&placed, "clipped.quantize").0
        );
        let problems = placed
            .place_minifloats(|_, _| None)
            .expect_err("twice")
            .to_string();
        assert!(problems.contains("quantized already"), "{problems}");
    }

    #[test]
    fn layers_that_read_a_tensor_differently_have_quantizers_of_their_own() {
        let graph = skip();
        let (again, _) = node(&graph, "again");
        let by_layer = |layer, _| (layer != again).then(|| grid(1.0));
        let placed = graph.place_minifloats(by_layer).expect("placed");
        assert_eq!(
            node(&placed, "again").1.inputs[0],
            node(&placed, "joined").0
        );
        assert_eq!(graph.place_minifloats(|_, _| None).expect("placed"), graph);
    }

    #[test]
    fn what_attention_multiplies_is_quantized_once() {
        let mut graph = skip();
        let (x, _) = node(&graph, "direct");
        let (y, _) = node(&graph, "again");
        let op = Op::Attention {
            heads: 1,
            scale: 1.0,
        };
        let attention = graph.push("attention", op, &[x, y, y]);
        graph.outputs.push(attention);
        let placed = graph
            .place_minifloats(|_, _| Some(grid(1.0)))
            .expect("placed");
        let quantized = ["direct.quantize", "again.quantize", "again.quantize"];
        let quantized = quantized.map(|name| node(&placed, name).0);
        assert_eq!(node(&placed, "attention").1.inputs, quantized);
    }

    #[test]
    fn low_bit_floats_have_no_integer_form() {
        let placed = skip()
            .place_minifloats(|_, _| Some(grid(1.0)))
            .expect("placed");
        assert!(!placed.is_fully_quantized());
        let error = fuse(&placed).expect_err("floats").to_string();
        assert!(
            error.contains("pixels.quantize") && error.contains("no integer form"),
            "{error}"
        );
    }
}
