//! The graph under construction: shapes known at once, names unique, parameters shared where the file shares them.

use std::collections::{BTreeMap, HashMap, HashSet};

use subbyte_graph::{Graph, Node, NodeId, Op, Param, Quantizer, Role, Shape};

use crate::{error::Refusal, tensor::Budget};

pub struct Builder {
    pub graph: Graph,
    /// What constants may still take.
    pub budget: Budget,
    shapes: Vec<Shape>,
    names: HashSet<String>,
    /// Next number to try behind a name that is taken.
    next: HashMap<String, usize>,
    /// Parameters by the constant they come from and what was made of it.
    params: BTreeMap<(String, String), NodeId>,
    /// Quantizer nodes by input, scale and quantizer: a file may have one for each reader.
    quantizers: BTreeMap<(NodeId, NodeId, String), NodeId>,
}

impl Builder {
    pub fn new(name: &str, budget: Budget) -> Self {
        let name = if name.is_empty() { "network" } else { name };
        Self {
            graph: Graph::new(name),
            budget,
            shapes: Vec::new(),
            names: HashSet::new(),
            next: HashMap::new(),
            params: BTreeMap::new(),
            quantizers: BTreeMap::new(),
        }
    }

    /// `name`, or the first of `name.2`, `name.3`, … that no node has.
    fn unique(&mut self, name: &str) -> String {
        let name = if name.is_empty() { "node" } else { name };
        if self.names.insert(name.to_owned()) {
            return name.to_owned();
        }
        let next = self.next.entry(name.to_owned()).or_insert(2);
        loop {
            let candidate = format!("{name}.{next}");
            *next += 1;
            if self.names.insert(candidate.clone()) {
                return candidate;
            }
        }
    }

    /// Appends a node.
    pub fn push(&mut self, name: &str, op: Op, inputs: &[NodeId]) -> Result<NodeId, Refusal> {
        let shapes: Vec<&Shape> = inputs.iter().map(|&id| &self.shapes[id]).collect();
        let shape = Shape::of(&op, &shapes).map_err(Refusal::broken)?;
        Ok(self.append(name, op, inputs, shape))
    }

    fn append(&mut self, name: &str, op: Op, inputs: &[NodeId], shape: Shape) -> NodeId {
        let name = self.unique(name);
        self.shapes.push(shape);
        self.graph.push(name, op, inputs)
    }

    /// Appends a node that takes the name of `old`, whose place it takes.
    pub fn replace(&mut self, old: NodeId, op: Op, inputs: &[NodeId]) -> Result<NodeId, Refusal> {
        let name = self.graph.nodes[old].name.clone();
        let id = self.push(&name, op, inputs)?;
        let fresh = std::mem::replace(&mut self.graph.nodes[id].name, name);
        self.graph.nodes[old].name = fresh;
        Ok(id)
    }

    /// The parameter `name` made of constant `key` in the way `variant`; `make` is asked for shape and numbers where it is new.
    pub fn param(
        &mut self,
        [name, key]: [&str; 2],
        variant: &str,
        role: Role,
        make: impl FnOnce() -> Result<(Vec<usize>, Vec<f32>), Refusal>,
    ) -> Result<NodeId, Refusal> {
        let key = (key.to_owned(), format!("{role:?} {variant}"));
        if let Some(&id) = self.params.get(&key) {
            return Ok(id);
        }
        let (shape, numbers) = make()?;
        self.budget.take(numbers.len())?;
        if let Some(x) = numbers.iter().find(|x| !x.is_finite()) {
            return Err(Refusal::broken(format!("its constant `{name}` holds {x}")));
        }
        if shape.contains(&0) {
            return Err(Refusal::broken(format!("its constant `{name}` is empty")));
        }
        let name = self.unique(name);
        self.shapes.push(Shape::Param(shape.clone()));
        let param = Param::new(shape, role, numbers);
        let id = self.graph.param(name, param);
        self.params.insert(key, id);
        Ok(id)
    }

    /// The node that quantizes `x` with the scale of node `scale`.
    pub fn quantize(
        &mut self,
        name: &str,
        x: NodeId,
        quantizer: Quantizer,
        scale: Option<NodeId>,
    ) -> Result<NodeId, Refusal> {
        let key = (x, scale.unwrap_or(x), format!("{quantizer:?}"));
        if let Some(&id) = self.quantizers.get(&key) {
            return Ok(id);
        }
        let inputs: Vec<NodeId> = std::iter::once(x).chain(scale).collect();
        let id = self.push(name, Op::Quantize(quantizer), &inputs)?;
        self.quantizers.insert(key, id);
        Ok(id)
    }

    pub fn node(&self, id: NodeId) -> &Node {
        &self.graph.nodes[id]
    }

    /// Channels, height and width of what node `id` makes.
    pub fn shape(&self, id: NodeId) -> [usize; 3] {
        match &self.shapes[id] {
            Shape::Image(dims) | Shape::Feature(dims) => *dims,
            // Activations never stand for parameters.
            Shape::Param(_) => [1, 1, 1],
        }
    }

    /// The graph without nodes that nothing reads, such as those that were replaced.
    pub fn finish(self) -> Graph {
        let mut graph = self.graph;
        let mut read = vec![false; graph.nodes.len()];
        for &output in &graph.outputs {
            read[output] = true;
        }
        for (id, node) in graph.nodes.iter().enumerate().rev() {
            if read[id] {
                node.inputs.iter().for_each(|&input| read[input] = true);
            }
        }
        let mut ids = Vec::with_capacity(read.len());
        let mut kept = 0;
        for &read in &read {
            ids.push(kept);
            kept += usize::from(read);
        }
        let mut read = read.into_iter();
        graph.nodes.retain(|_| read.next().unwrap_or(false));
        let mut params = BTreeMap::new();
        for node in &mut graph.nodes {
            node.inputs
                .iter_mut()
                .for_each(|input| *input = ids[*input]);
            if let Op::Param { name } = &node.op
                && let Some(param) = graph.params.remove(name)
            {
                params.insert(name.clone(), param);
            }
        }
        graph.params = params;
        graph
            .outputs
            .iter_mut()
            .for_each(|output| *output = ids[*output]);
        graph
    }
}
