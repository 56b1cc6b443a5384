//! The end of a classifier.

use subbyte_model::Op as IntegerOp;
use subbyte_num::round_half_even;

use super::FusedOp;
use super::fusion::{Fusion, Value};

impl Fusion<'_> {
    /// Makes the graph's single output integer logits of one scale, its real biases becoming integers of that scale.
    pub(super) fn output(&mut self) -> Result<(), String> {
        let &[id] = &self.graph.outputs[..] else {
            return Err(format!(
                "{} outputs; a model has one, its logits",
                self.graph.outputs.len()
            ));
        };
        let Some(Value::Sums(x)) = self.values[id].clone() else {
            return Err(
                "the logits must come from a linear layer with quantized weights".to_owned(),
            );
        };
        let needs = || {
            "logits need one weight scale for all classes and no activation behind them".to_owned()
        };
        let [classes, 1, 1] = x.shape else {
            return Err("logits have a height and a width".to_owned());
        };
        let affine: Vec<_> = (0..classes)
            .map(|c| x.chain.affine(c))
            .collect::<Option<_>>()
            .ok_or_else(needs)?;
        let scale = affine[0].0;
        if scale <= 0.0 || affine.iter().any(|a| a.0 != scale) {
            return Err(needs());
        }
        let bias: Vec<f64> = affine
            .iter()
            .map(|a| round_half_even(a.1 / scale))
            .collect();
        if bias
            .iter()
            .any(|b| b.abs() + x.range.1 as f64 > f64::from(i32::MAX / 2))
        {
            return Err("a bias is too large for 32-bit logits".to_owned());
        }
        let FusedOp::Integer(IntegerOp::Linear(linear)) = &mut self.fused.nodes[x.node].op else {
            return Err("the logits must come from a linear layer".to_owned());
        };
        if bias.iter().any(|&b| b != 0.0) {
            linear.bias = bias.iter().map(|&b| b as i32).collect();
        }
        let op = FusedOp::Integer(IntegerOp::Output {
            scale_bits: (scale as f32).to_bits(),
        });
        self.emit_op(
            format!("{}.output", self.graph.nodes[id].name),
            op,
            vec![x.node],
            x.shape,
        );
        Ok(())
    }
}
