use crate::{Graph, Op};

impl Graph {
    /// Drops every node and parameter that no output depends on.
    pub fn prune(&mut self) {
        let mut needed = vec![false; self.nodes.len()];
        for &id in &self.outputs {
            needed[id] = true;
        }
        for (id, node) in self.nodes.iter().enumerate().rev() {
            if needed[id] {
                node.inputs.iter().for_each(|&input| needed[input] = true);
            }
        }
        let mut place = Vec::with_capacity(self.nodes.len());
        let mut next = 0;
        for &needed in &needed {
            place.push(next);
            next += usize::from(needed);
        }
        let mut keep = needed.into_iter();
        self.nodes.retain(|_| keep.next().expect("one for each"));
        let inputs = self.nodes.iter_mut().flat_map(|node| &mut node.inputs);
        inputs
            .chain(&mut self.outputs)
            .for_each(|id| *id = place[*id]);
        let read = |name: &String| {
            let reads = |op: &Op| matches!(op, Op::Param { name: read } if read == name);
            self.nodes.iter().any(|node| reads(&node.op))
        };
        self.params.retain(|name, _| read(name));
    }
}

#[cfg(test)]
mod tests {
    use crate::{Graph, Op, Param, Role};

    #[test]
    fn only_what_outputs_depend_on_stays() {
        let mut graph = Graph::new("pruned");
        let image = Op::Image {
            colours: 1,
            height: 4,
            width: 4,
        };
        let image = graph.push("image", image, &[]);
        graph.param("unread", Param::new([1], Role::Constant, vec![0.0]));
        let table = Param::new([1, 256, 1], Role::Constant, vec![0.0; 256]);
        let table = graph.param("table", table);
        let x = graph.push("x", Op::PixelTable, &[image, table]);
        graph.push("side", Op::Relu, &[x]);
        let y = graph.push("y", Op::Relu, &[x]);
        graph.outputs = vec![y];
        graph.prune();
        let names: Vec<_> = graph.nodes.iter().map(|node| &node.name[..]).collect();
        assert_eq!(names, ["image", "table", "x", "y"]);
        graph.validate().expect("nothing dangles");
    }
}
