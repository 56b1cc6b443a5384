use subbyte_model::{
    CodeType, Conv2d, Linear, Op as IntegerOp, Packed, Pad, PixelTable, Weights,
    Window as IntegerWindow,
};
use subbyte_num::round_half_even;

use super::weights::{Coded, activation_grid};
use super::{Chain, FuseError, Fused, FusedNode, FusedOp, RequantFn, RequantProblem, Step};
use crate::{Graph, NodeId, Op, Problems, Quantizer, Shape, Window};

/// What the graph's tensors are in integers.
#[derive(Clone, Debug)]
enum Value {
    /// The u8 image.
    Image,
    /// A parameter or a quantized parameter; its reader looks it up in the graph.
    Parameter,
    /// Levels of codes.
    Codes(Tensor, CodeType),
    /// Sums.
    Sums(Tensor),
    /// Two code tensors to be added once the codes of the result are known.
    Addition(Box<[(Tensor, CodeType); 2]>, Chain),
}

/// An integer tensor and what it stands for.
#[derive(Clone, Debug)]
struct Tensor {
    node: usize,
    shape: [usize; 3],
    /// Smallest and largest level or sum.
    range: (i64, i64),
    /// Real value of a level or sum.
    chain: Chain,
}

/// Node by node translation of a graph.
pub(super) struct Fusion<'a> {
    graph: &'a Graph,
    shapes: Vec<[usize; 3]>,
    fused: Fused,
    /// By graph node; `None` where an earlier problem leaves nothing to go on with.
    values: Vec<Option<Value>>,
    problems: Problems,
}

impl<'a> Fusion<'a> {
    pub(super) fn new(graph: &'a Graph) -> Result<Self, FuseError> {
        graph.validate().map_err(FuseError)?;
        let dims = |shape: Shape| shape.dims().try_into().unwrap_or_default();
        let shapes = graph
            .shapes()
            .map_err(FuseError)?
            .into_iter()
            .map(dims)
            .collect();
        let fused = Fused {
            image: [0; 3],
            nodes: Vec::new(),
        };
        Ok(Self {
            graph,
            shapes,
            fused,
            values: Vec::new(),
            problems: Problems::default(),
        })
    }

    pub(super) fn run(mut self) -> Result<Fused, FuseError> {
        for id in 0..self.graph.nodes.len() {
            let value = match self.value(id) {
                Ok(value) => value,
                Err(what) => {
                    self.problems.add(&self.graph.nodes[id].name, what);
                    None
                }
            };
            self.values.push(value);
        }
        if self.problems.0.is_empty()
            && let Err(what) = self.output()
        {
            self.problems.add(&self.graph.name, what);
        }
        self.problems.or(self.fused).map_err(FuseError)
    }

    /// Translates one node. `Ok(None)` follows from an earlier problem.
    fn value(&mut self, id: NodeId) -> Result<Option<Value>, String> {
        let graph = self.graph;
        let node = &graph.nodes[id];
        let weighted = matches!(node.op, Op::Conv2d { .. } | Op::Linear);
        if weighted && !matches!(graph.nodes[node.inputs[1]].op, Op::Quantize(_)) {
            return Err("its weights are float; put a quantizer behind them".to_owned());
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

    /// Appends a fused node for graph node `id`.
    fn emit(&mut self, id: NodeId, op: IntegerOp, inputs: Vec<usize>) -> usize {
        self.emit_op(
            self.graph.nodes[id].name.clone(),
            FusedOp::Integer(op),
            inputs,
            self.shapes[id],
        )
    }

    fn emit_op(
        &mut self,
        name: String,
        op: FusedOp,
        inputs: Vec<usize>,
        shape: [usize; 3],
    ) -> usize {
        self.fused.nodes.push(FusedNode {
            name,
            op,
            inputs,
            shape,
        });
        self.fused.nodes.len() - 1
    }

    fn tensor(
        &mut self,
        id: NodeId,
        op: IntegerOp,
        inputs: Vec<usize>,
        range: (i64, i64),
        chain: Chain,
    ) -> Tensor {
        Tensor {
            node: self.emit(id, op, inputs),
            shape: self.shapes[id],
            range,
            chain,
        }
    }

    /// An operator that moves codes and leaves their meaning.
    fn codes(&mut self, id: NodeId, op: IntegerOp, x: &Tensor, code: CodeType) -> Value {
        Value::Codes(
            self.tensor(id, op, vec![x.node], x.range, x.chain.clone()),
            code,
        )
    }

    fn parameter(&self, id: NodeId) -> Vec<f64> {
        self.graph.param_of(id).map_or_else(Vec::new, |(_, p)| {
            p.to_vec().into_iter().map(f64::from).collect()
        })
    }

    /// The single scale of an operand that enters sums.
    fn pure(&self, x: &Tensor) -> Result<f64, String> {
        x.chain.pure_scale().ok_or_else(|| {
            "its input is not quantized; put a quantizer directly before it".to_owned()
        })
    }

    fn extend(&self, x: &Value, step: Step) -> Result<Value, String> {
        Ok(match x.clone() {
            Value::Codes(t, code) => Value::Codes(
                Tensor {
                    chain: t.chain.then(step),
                    ..t
                },
                code,
            ),
            Value::Sums(t) => Value::Sums(Tensor {
                chain: t.chain.then(step),
                ..t
            }),
            Value::Addition(sides, chain) => Value::Addition(sides, chain.then(step)),
            Value::Image | Value::Parameter => {
                return Err("needs a quantized tensor as its input".to_owned());
            }
        })
    }

    fn pixel_table(&mut self, id: NodeId) -> Result<Value, String> {
        let table = Coded::of(self.graph, self.graph.nodes[id].inputs[1])?;
        let [tables, _, depth] = table.shape[..] else {
            return Err("a pixel table has the shape [1 or colours][256][D]".to_owned());
        };
        let &[scale] = &table.scales[..] else {
            return Err("a pixel table has one scale".to_owned());
        };
        let code = table.code;
        let op = PixelTable {
            depth,
            tables,
            code,
            codes: Packed::new(code.bits, &table.codes),
        };
        let range = (i64::from(code.min_level()), i64::from(code.max_level()));
        let tensor = self.tensor(
            id,
            IntegerOp::PixelTable(op),
            vec![0],
            range,
            Chain::scale(scale),
        );
        Ok(Value::Codes(tensor, code))
    }

    /// Convolution or linear layer.
    fn weighted(&mut self, id: NodeId, x: &Tensor, value: &Value) -> Result<Value, String> {
        let node = &self.graph.nodes[id];
        let scale = self.pure(x)?;
        let coded = Coded::of(self.graph, node.inputs[1])?;
        let weights = coded.to_weights();
        let range = bound(&weights, x.range)?;
        let op = match (&node.op, value) {
            (
                Op::Conv2d {
                    stride,
                    padding,
                    groups,
                },
                Value::Codes(_, code),
            ) => IntegerOp::Conv2d(Conv2d {
                bias: vec![],
                kernel: [coded.shape[2], coded.shape[3]],
                stride: *stride,
                padding: *padding,
                pad: code.zero_code().map_or(Pad::Skip, Pad::Code),
                groups: *groups,
                weights,
            }),
            (Op::Linear, _) => IntegerOp::Linear(Linear {
                weights,
                bias: vec![],
            }),
            _ => return Err("a convolution reads codes; put a quantizer before it".to_owned()),
        };
        let mut chain = Chain::scales(coded.scales.iter().map(|s| s * scale).collect());
        if let Some(&bias) = node.inputs.get(2) {
            let add = self.parameter(bias);
            chain = chain.then(Step::Affine {
                mul: vec![1.0; add.len()],
                add,
            });
        }
        Ok(Value::Sums(self.tensor(id, op, vec![x.node], range, chain)))
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

    fn quantize(&mut self, id: NodeId, quantizer: Quantizer, x: &Value) -> Result<Value, String> {
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

    /// Makes the graph's single output integer logits of one scale, its real biases becoming integers of that scale.
    fn output(&mut self) -> Result<(), String> {
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

fn integer_window(window: Window) -> IntegerWindow {
    IntegerWindow {
        kernel: window.kernel,
        stride: window.stride,
        padding: window.padding,
    }
}

/// Range of a weighted sum in any order of its terms.
fn bound(weights: &Weights, range: (i64, i64)) -> Result<(i64, i64), String> {
    let magnitude = range.0.abs().max(range.1.abs());
    let levels = weights.levels();
    let channels = levels.chunks(weights.per_channel.max(1));
    let largest = channels
        .map(|w| w.iter().map(|w| i64::from(w.abs())).sum::<i64>())
        .max();
    let bound = largest.unwrap_or(0).saturating_mul(magnitude);
    // Half of the 32 bits leaves room for biases and for the roundings of requantization.
    if bound > i64::from(i32::MAX / 2) {
        return Err(format!(
            "sums of up to {bound} may overflow 32 bits; use fewer bits"
        ));
    }
    Ok((-bound, bound))
}
