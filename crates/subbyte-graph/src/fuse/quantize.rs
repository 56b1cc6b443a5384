//! Quantizers of activations: where a chain of functions ends in codes.

use subbyte_model::{Conv2d, Op as IntegerOp, Pad, Weights};

use super::fusion::{Fusion, Tensor, Value};
use super::weights::activation_grid;
use super::{Chain, FusedOp, RequantFn, RequantProblem};
use crate::{NodeId, Quantizer};

impl Fusion<'_> {
    pub(super) fn quantize(
        &mut self,
        id: NodeId,
        quantizer: Quantizer,
        x: &Value,
    ) -> Result<Value, String> {
        let name = &self.graph.nodes[id].name;
        let grid = activation_grid(self.graph, id, quantizer)?;
        let code = grid.code_type();
        let range = (i64::from(code.min_level()), i64::from(code.max_level()));
        let shape = self.shapes[id];
        let result = |node| {
            Value::Codes(
                Tensor {
                    node,
                    shape,
                    range,
                    chain: Chain::scale(grid.scale()),
                },
                code,
            )
        };
        match x {
            Value::Image | Value::Parameter => Err("nothing to quantize".to_owned()),
            Value::Codes(x, old) if *old == code && x.chain == Chain::scale(grid.scale()) => {
                Ok(result(x.node))
            }
            Value::Codes(x, old) if x.chain.is_uniform() => {
                let of = |c| grid.code(x.chain.apply(0, f64::from(old.level(c))));
                let table = (0..=old.max_code()).map(of).collect();
                Ok(result(self.emit(
                    id,
                    IntegerOp::CodeTable { code, table },
                    vec![x.node],
                )))
            }
            // Channels of their own scale: a depthwise 1x1 convolution by one makes sums of the codes.
            Value::Codes(x, old) => {
                let channels = x.shape[0];
                let conv = Conv2d {
                    weights: Weights::affine(channels, 1, 1, 1, 0, &vec![1; channels]),
                    bias: vec![],
                    kernel: [1, 1],
                    stride: [1, 1],
                    padding: [0; 4],
                    pad: old.zero_code().map_or(Pad::Skip, Pad::Code),
                    groups: channels,
                };
                let op = FusedOp::Integer(IntegerOp::Conv2d(conv));
                let node = self.emit_op(format!("{name}.sums"), op, vec![x.node], x.shape);
                let sums = Value::Sums(Tensor { node, ..x.clone() });
                self.quantize(id, quantizer, &sums)
            }
            Value::Sums(x) => {
                let limits = (i32::try_from(x.range.0), i32::try_from(x.range.1));
                let (Ok(lo), Ok(hi)) = limits else {
                    return Err("sums may overflow 32 bits".to_owned());
                };
                let function = RequantFn::new(x.chain.clone(), grid, (lo, hi), shape[0]).map_err(|p| match p {
                    RequantProblem::NotMonotone | RequantProblem::NotAffine => "the activation before it has no integer form on sums; put another quantizer before that activation"
                        .to_owned(),
                })?;
                let clamp = function.clamp();
                let wide = function.integers.is_some();
                let name = self.graph.nodes[id].name.clone();
                let node = self.emit_op(
                    name.clone(),
                    FusedOp::Requant(function),
                    vec![x.node],
                    shape,
                );
                if !wide || clamp == (0, code.max_code()) {
                    return Ok(result(node));
                }
                let table = (0..=code.max_code())
                    .map(|c| c.clamp(clamp.0, clamp.1))
                    .collect();
                let op = FusedOp::Integer(IntegerOp::CodeTable { code, table });
                Ok(result(self.emit_op(
                    format!("{name}.clamp"),
                    op,
                    vec![node],
                    shape,
                )))
            }
            Value::Addition(sides, chain) => {
                let [(a, ca), (b, cb)] = &**sides;
                let levels = ca.min_level() + cb.min_level()..=ca.max_level() + cb.max_level();
                // Tried on every sum that can occur: the addition saturates exactly as the quantizer does.
                if !levels
                    .clone()
                    .all(|l| grid.code(chain.apply(0, f64::from(l))) == code.saturate(l))
                {
                    return Err(
                        "the sum of an addition must be quantized with the scale of its two sides"
                            .to_owned(),
                    );
                }
                Ok(result(self.emit(
                    id,
                    IntegerOp::Add { code },
                    vec![a.node, b.node],
                )))
            }
        }
    }
}
