//! Running statistics of batch norms.

use std::collections::BTreeMap;

use subbyte_graph::{NodeId, Op};

use super::run::Run;
use super::{Mode, Network, Statistics};
use crate::{ExecError, Images};

impl Network {
    /// Moves the running statistics towards those of a batch: `new = (1 - momentum) * old + momentum * batch`, with the unbiased
    /// variance.
    pub fn update_statistics(&mut self, statistics: &Statistics, momentum: f32) {
        for (node, batch) in statistics {
            for (input, values) in [(3, batch.mean.clone()), (4, batch.unbiased_variance())] {
                self.change_statistic(*node, input, |old| {
                    old.iter()
                        .zip(&values)
                        .map(|(old, new)| (1.0 - momentum) * old + momentum * new)
                        .collect()
                });
            }
        }
    }

    /// Replaces the running statistics by the plain average of the statistics of `batches`, measured by training's forward pass.
    /// For images like those of training, at its end.
    ///
    /// # Errors
    /// If there is no batch, or images do not fit the graph's input.
    pub fn reestimate(
        &mut self,
        batches: impl IntoIterator<Item = Images>,
    ) -> Result<(), ExecError> {
        let mut sums: BTreeMap<(NodeId, usize), Vec<f64>> = BTreeMap::new();
        let mut count = 0;
        for images in batches {
            let inputs = self.checked(&images)?;
            let forward = Run::new(self, inputs, Mode::Train, false).all(&self.fused);
            for (node, batch) in forward.statistics {
                let values = [(3, &batch.mean), (4, &batch.unbiased_variance())];
                for (input, values) in values {
                    let sum = sums
                        .entry((node, input))
                        .or_insert_with(|| vec![0.0; values.len()]);
                    for (sum, value) in sum.iter_mut().zip(values) {
                        *sum += f64::from(*value);
                    }
                }
            }
            count += 1;
        }
        if count == 0 {
            return Err(ExecError::NoImages);
        }
        for ((node, input), sum) in sums {
            self.change_statistic(node, input, |_| {
                sum.iter().map(|s| (s / f64::from(count)) as f32).collect()
            });
        }
        Ok(())
    }

    /// Changes the statistic that batch norm `node` reads as its input `input`.
    fn change_statistic(
        &mut self,
        node: NodeId,
        input: usize,
        change: impl FnOnce(&[f32]) -> Vec<f32>,
    ) {
        let param = self.graph.nodes[node].inputs[input];
        if let Op::Param { name } = &self.graph.nodes[param].op {
            let changed = self.parameters.values(name).map(|old| change(&old));
            let set = changed.and_then(|new| self.parameters.set(name, new));
            debug_assert!(set.is_ok(), "statistics of a validated graph");
        }
    }
}
