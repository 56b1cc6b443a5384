//! What several passes do to the list of nodes.

use crate::{Graph, NodeId, Op, Param};

impl Graph {
    /// Adds a parameter at the end, under `name` or, where that is taken, a longer one.
    pub(super) fn fresh_param(&mut self, mut name: String, param: Param) -> NodeId {
        while self.params.contains_key(&name) || self.nodes.iter().any(|node| node.name == name) {
            name.push('\'');
        }
        self.param(name, param)
    }

    /// Moves parameters to the front: they read nothing, so what reads them comes after.
    pub(super) fn parameters_first(&mut self) {
        let is_param = |id: &NodeId| matches!(self.nodes[*id].op, Op::Param { .. });
        let (params, others): (Vec<NodeId>, Vec<NodeId>) =
            (0..self.nodes.len()).partition(is_param);
        self.reorder(&[params, others].concat());
    }

    /// Puts the nodes into another order, in which each is named once.
    pub(super) fn reorder(&mut self, order: &[NodeId]) {
        let mut place = vec![0; order.len()];
        for (new, &old) in order.iter().enumerate() {
            place[old] = new;
        }
        self.nodes = order.iter().map(|&old| self.nodes[old].clone()).collect();
        let inputs = self.nodes.iter_mut().flat_map(|node| &mut node.inputs);
        inputs
            .chain(&mut self.outputs)
            .for_each(|id| *id = place[*id]);
    }
}
