//! What each operator of the graph becomes.

use subbyte_model::{CodeType, Op as IntegerOp, Window as IntegerWindow};

use super::fusion::{Fusion, Tensor, Value};
use super::{Chain, Step};
use crate::{NodeId, Op, Window};

impl Fusion<'_> {
    /// Translates one node. `Ok(None)` follows from an earlier problem.
    pub(super) fn value(&mut self, id: NodeId) -> Result<Option<Value>, String> {
        let graph = self.graph;
        let node = &graph.nodes[id];
        let weighted = matches!(node.op, Op::Conv2d { .. } | Op::Linear);
        if weighted && !graph.is_coded(node.inputs[1]) {
            return Err("its weights are float; put a quantizer behind them".to_owned());
        }
        if let Op::Minifloat { format, .. } = node.op {
            return Err(format!(
                "its numbers are {format} floats, which have no integer form; run the network as it is, or quantize it to integers"
            ));
        }
        let known = node.inputs.iter().map(|&input| self.values[input].clone());
        let Some(inputs) = known.collect::<Option<Vec<_>>>() else {
            return Ok(None);
        };
        let problem = |what: &str| Err(what.to_owned());
        let value = match (&node.op, inputs.as_slice()) {
            (
                Op::Image {
                    colours,
                    height,
                    width,
                },
                _,
            ) => {
                if !self.fused.nodes.is_empty() {
                    return problem("a second image input");
                }
                self.fused.image = [*colours, *height, *width];
                self.emit(id, IntegerOp::Image, vec![]);
                Value::Image
            }
            (Op::Param { .. }, _) | (Op::Quantize(_), [Value::Parameter, ..]) => Value::Parameter,
            (Op::Normalize { .. }, _) => {
                return problem(
                    "a float first layer stays float; use a pixel table or 8-bit first layer",
                );
            }
            (Op::PixelTable, [Value::Image, Value::Parameter]) => self.pixel_table(id)?,
            (
                Op::Conv2d { .. } | Op::Linear,
                [Value::Codes(x, _) | Value::Sums(x), Value::Parameter, ..],
            ) => self.weighted(id, x, &inputs[0])?,
            (Op::BatchNorm { eps }, [x, ..]) => {
                let [gamma, beta, mean, variance] =
                    [1, 2, 3, 4].map(|i| self.parameter(node.inputs[i]));
                let mul: Vec<f64> = (0..gamma.len())
                    .map(|c| gamma[c] / (variance[c] + f64::from(*eps)).sqrt())
                    .collect();
                let add = (0..beta.len())
                    .map(|c| beta[c] - mean[c] * mul[c])
                    .collect();
                self.extend(x, Step::Affine { mul, add })?
            }
            (
                Op::GroupNorm { .. }
                | Op::AvgPoolInside(_)
                | Op::Attention { .. }
                | Op::Affine { .. }
                | Op::Clip { .. }
                | Op::Map { .. },
                _,
            ) => {
                return problem(
                    "this operator has no integer form; the network runs as it is (.sbg)",
                );
            }
            (Op::Add, [Value::Codes(a, _), Value::Codes(b, _)]) if a.shape != b.shape => {
                return problem("an addition that spreads one side has no integer form");
            }
            (Op::Mul, [Value::Codes(a, _), Value::Codes(b, _)])
                if a.shape[0] != b.shape[0]
                    || a.shape[1..] != b.shape[1..]
                        && a.shape[1..] != [1, 1]
                        && b.shape[1..] != [1, 1] =>
            {
                return problem("a product that spreads channels or one axis has no integer form");
            }
            (Op::Relu, [x]) => self.extend(x, Step::Relu)?,
            (Op::Relu6, [x]) => self.extend(x, Step::Relu6)?,
            (Op::Silu, [x]) => self.extend(x, Step::Silu)?,
            (Op::HardSwish, [x]) => self.extend(x, Step::HardSwish)?,
            (Op::HardSigmoid, [x]) => self.extend(x, Step::HardSigmoid)?,
            (Op::MaxPool(window), [Value::Codes(x, code)]) => {
                if x.chain.is_uniform() && x.chain.rises(0) != Some(true) || !x.chain.is_uniform() {
                    return problem(
                        "a max pool of codes needs values that rise with the codes; put the quantizer before it",
                    );
                }
                self.codes(id, IntegerOp::MaxPool(integer_window(*window)), x, *code)
            }
            (Op::AvgPool(Window { kernel, .. }), [Value::Codes(x, code)]) => {
                let Op::AvgPool(window) = node.op else {
                    unreachable!()
                };
                self.average(
                    id,
                    IntegerOp::AvgPool(integer_window(window)),
                    x,
                    *code,
                    kernel[0] * kernel[1],
                )?
            }
            (Op::GlobalAvgPool, [Value::Codes(x, code)]) => {
                let area = x.shape[1] * x.shape[2];
                self.average(id, IntegerOp::GlobalAvgPool, x, *code, area)?
            }
            (Op::Add, [Value::Codes(a, ca), Value::Codes(b, cb)]) => {
                let scales = (a.chain.pure_scale(), b.chain.pure_scale());
                match scales {
                    (Some(sa), Some(sb)) if sa == sb && ca.step == 1 && cb.step == 1 => {
                        Value::Addition(
                            Box::new([(a.clone(), *ca), (b.clone(), *cb)]),
                            Chain::scale(sa),
                        )
                    }
                    _ => {
                        return problem(
                            "both sides of an addition must be quantized with one shared scale",
                        );
                    }
                }
            }
            (Op::Mul, [Value::Codes(a, _), Value::Codes(b, _)]) => {
                let scale = self.pure(a)? * self.pure(b)?;
                let products = [
                    a.range.0 * b.range.0,
                    a.range.0 * b.range.1,
                    a.range.1 * b.range.0,
                    a.range.1 * b.range.1,
                ];
                let range = (
                    *products.iter().min().expect("four"),
                    *products.iter().max().expect("four"),
                );
                Value::Sums(self.tensor(
                    id,
                    IntegerOp::Mul,
                    vec![a.node, b.node],
                    range,
                    Chain::scale(scale),
                ))
            }
            (Op::Concat, [Value::Codes(first, code), rest @ ..]) => {
                let same = |v: &Value| matches!(v, Value::Codes(x, c) if c == code && x.chain == first.chain);
                if !first.chain.is_uniform() || !rest.iter().all(same) {
                    return problem(
                        "all inputs of a concatenation must be quantized with the same bits and one shared scale",
                    );
                }
                let nodes = inputs
                    .iter()
                    .map(|v| {
                        if let Value::Codes(x, _) = v {
                            x.node
                        } else {
                            unreachable!()
                        }
                    })
                    .collect();
                let tensor = self.tensor(
                    id,
                    IntegerOp::Concat,
                    nodes,
                    first.range,
                    first.chain.clone(),
                );
                Value::Codes(tensor, *code)
            }
            (Op::Flatten, [Value::Sums(x)]) if x.shape[1] * x.shape[2] == 1 => inputs[0].clone(),
            (Op::Flatten, [Value::Codes(x, _)]) if x.shape[1] * x.shape[2] == 1 => {
                inputs[0].clone()
            }
            (
                Op::Slice { .. } | Op::PadChannels { .. } | Op::Flatten | Op::Upsample { .. },
                [Value::Codes(x, code)],
            ) => {
                if !x.chain.is_uniform() {
                    return problem(
                        "channels of different scales cannot be moved; put a quantizer before it",
                    );
                }
                let op = match node.op {
                    Op::Slice { start, end, step } => IntegerOp::Slice { start, end, step },
                    Op::Flatten => IntegerOp::Flatten,
                    Op::Upsample {
                        vertical,
                        horizontal,
                    } => IntegerOp::Upsample {
                        vertical,
                        horizontal,
                    },
                    Op::PadChannels { before, after } => {
                        match (code.zero_code(), x.chain.pure_scale()) {
                            (Some(zero), Some(_)) => IntegerOp::PadChannels {
                                before,
                                after,
                                code: zero,
                            },
                            _ => {
                                return problem(
                                    "no code means zero, so channels of zeros cannot be added",
                                );
                            }
                        }
                    }
                    _ => unreachable!(),
                };
                self.codes(id, op, x, *code)
            }
            (Op::Quantize(quantizer), [x, ..]) => self.quantize(id, *quantizer, x)?,
            _ => return problem("this operator needs quantized inputs; put a quantizer before it"),
        };
        Ok(Some(value))
    }

    fn average(
        &mut self,
        id: NodeId,
        op: IntegerOp,
        x: &Tensor,
        code: CodeType,
        area: usize,
    ) -> Result<Value, String> {
        let scale = self.pure(x)? / area as f64;
        let sum = |level: i32| i64::from(level) * area as i64;
        let range = (sum(code.min_level()).min(0), sum(code.max_level()).max(0));
        Ok(Value::Sums(self.tensor(
            id,
            op,
            vec![x.node],
            range,
            Chain::scale(scale),
        )))
    }
}

fn integer_window(window: Window) -> IntegerWindow {
    IntegerWindow {
        kernel: window.kernel,
        stride: window.stride,
        padding: window.padding,
    }
}
