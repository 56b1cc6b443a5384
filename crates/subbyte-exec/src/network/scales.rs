//! First values of quantizers' steps and clip values.

use std::collections::BTreeMap;

use burn::tensor::{Tensor, TensorData};
use subbyte_graph::{Op, Quantizer};

use super::plan::Step;
use super::run::Run;
use super::{Mode, Network};
use crate::{ExecError, Inputs};

impl Network {
    /// Sets every step that is still 0 from the values that reach its quantizers in one training pass over `inputs`:
    /// `2 * mean |v| / sqrt(Qp)` (methods.md 2.3), and every clip value that is 0 to the largest value that has with such steps. Values below an unsigned quantizer's range count as 0, like behind a ReLU. A
    /// step with several quantizers becomes the largest that one of them asks for; each quantizer works with what is known when
    /// the pass reaches it, so that later ones see quantized inputs.
    ///
    /// # Errors
    /// If the inputs do not fit the graph's.
    pub fn initialise_scales(&mut self, inputs: impl Into<Inputs>) -> Result<(), ExecError> {
        let inputs = self.checked(inputs)?;
        let mut found: BTreeMap<&str, Vec<f32>> = BTreeMap::new();
        let mut run = Run::new(self, inputs, Mode::Train, false);
        for step in &self.plain.steps {
            if let Op::Quantize(quantizer) = step.op
                && quantizer.parameter().is_some()
                && let Op::Param { name } = &self.graph.nodes[step.inputs[1]].op
            {
                let now = run.parameter(step.inputs[1]);
                let device = now.device();
                let now: Vec<f32> = now.into_data().iter::<f32>().collect();
                if now.contains(&0.0) || found.contains_key(name.as_str()) {
                    let wanted = wanted(&run, step, quantizer, now.len());
                    let known = found.entry(name).or_insert(now);
                    for (known, wanted) in known.iter_mut().zip(wanted) {
                        *known = known.max(wanted);
                    }
                    let data = TensorData::new(known.clone(), [known.len()]);
                    run.set_parameter(step.inputs[1], Tensor::from_data(data, &device));
                }
            }
            run.step(step);
            run.free(step);
        }
        let found: Vec<(String, Vec<f32>)> = found
            .into_iter()
            .map(|(name, values)| (name.to_owned(), values))
            .collect();
        for (name, values) in found {
            self.parameters.set(&name, values)?;
        }
        Ok(())
    }
}

/// Steps or clip values, one or one for each output channel, that suit the values which reach a quantizer.
fn wanted(run: &Run, step: &Step, quantizer: Quantizer, steps: usize) -> Vec<f32> {
    let code = quantizer.code_type();
    let unsigned = code.min_level() == 0;
    let largest = f64::from(code.max_level());
    let rows = run.rows_of(step.inputs[0], steps).into_data();
    let values: Vec<f32> = rows.iter::<f32>().collect();
    let len = (values.len() / steps).max(1);
    values
        .chunks(len)
        .map(|row| {
            let magnitude = |v: &f32| f64::from(if unsigned { v.max(0.0) } else { v.abs() });
            let mean = row.iter().map(magnitude).sum::<f64>() / row.len() as f64;
            let step = (2.0 * mean / largest.sqrt()) as f32;
            // Nothing but zeros: any step represents them.
            quantizer.parameter_for(if step > 0.0 { step } else { 1.0 })
        })
        .collect()
}
