//! What must hold for a graph to be run, trained, lowered or stored.

mod ops;
mod params;

use std::collections::BTreeSet;

use crate::{Graph, Op, Problems, Shape};

impl Graph {
    /// Checks everything that the types alone do not promise.
    ///
    /// # Errors
    /// Every problem of the graph: its structure, the operators' attributes and shapes, the parameters' numbers and roles.
    pub fn validate(&self) -> Result<(), Problems> {
        let mut problems = Problems::default();
        self.check_names(&mut problems);
        let shapes = self.partial_shapes(&mut problems);
        for node in &self.nodes {
            ops::check(self, node, &mut problems);
        }
        params::check(self, &mut problems);
        self.check_inputs(&mut problems);
        self.check_outputs(&shapes, &mut problems);
        self.check_diffusion(&shapes, &mut problems);
        self.check_everything_is_read(&mut problems);
        problems.or(())
    }

    fn check_names(&self, problems: &mut Problems) {
        let mut seen = BTreeSet::new();
        for node in &self.nodes {
            if node.name.is_empty() {
                problems.add(&self.name, "a node has no name");
            } else if !seen.insert(&node.name) {
                problems.add(&node.name, "two nodes have this name: rename one");
            }
        }
    }

    fn check_inputs(&self, problems: &mut Problems) {
        let count = |is: fn(&Op) -> bool| self.nodes.iter().filter(|node| is(&node.op)).count();
        let images = count(|op| matches!(op, Op::Image { .. }));
        let others = count(|op| matches!(op, Op::Input { .. }));
        if images > 1 || images + others == 0 {
            problems.add(
                &self.name,
                format!("has {images} image inputs; exactly one is needed, or float inputs"),
            );
        }
    }

    fn check_outputs(&self, shapes: &[Option<Shape>], problems: &mut Problems) {
        if self.outputs.is_empty() {
            problems.add(&self.name, "has no outputs: name the node of the logits");
        }
        for &output in &self.outputs {
            match shapes.get(output) {
                None => problems.add(
                    &self.name,
                    format!(
                        "node {output} is an output, but there are {}",
                        self.nodes.len()
                    ),
                ),
                Some(Some(Shape::Image(_) | Shape::Param(_))) => problems.add(
                    &self.nodes[output].name,
                    "is an output but no feature tensor",
                ),
                Some(_) => {}
            }
        }
        let logits = self.outputs.first().and_then(|&id| shapes.get(id)?.clone());
        if let Some(Shape::Feature(dims)) = logits
            && !self.classes.is_empty()
            && dims != [self.classes.len(), 1, 1]
        {
            problems.add(
                &self.nodes[self.outputs[0]].name,
                format!(
                    "makes logits {dims:?} for {} class names; give one name a logit, or none",
                    self.classes.len()
                ),
            );
        }
    }

    fn check_everything_is_read(&self, problems: &mut Problems) {
        let mut read = vec![false; self.nodes.len()];
        let inputs = self.nodes.iter().flat_map(|node| &node.inputs);
        for &id in inputs.chain(&self.outputs) {
            if let Some(read) = read.get_mut(id) {
                *read = true;
            }
        }
        let mut params: BTreeSet<&String> = self.params.keys().collect();
        for (node, read) in self.nodes.iter().zip(read) {
            if !read {
                problems.add(
                    &node.name,
                    "nothing reads it: remove it or make it an output",
                );
            }
            if let Op::Param { name } = &node.op {
                params.remove(name);
            }
        }
        for name in params {
            problems.add(name, "no node reads this parameter: remove it");
        }
    }
}

#[cfg(test)]
mod tests;
