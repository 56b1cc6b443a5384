use burn::tensor::ops::PadMode;
use burn::tensor::{Device, Tensor, TensorData, activation, s};
use subbyte_graph::{Function, NodeId, Op, Quantizer};

use super::packed::Packed;
use super::plan::{Plan, Step};
use super::{Forward, Mode, Network, Statistics};
use crate::ops::{self, ConvOptions, Levels};
use crate::{Images, Inputs};

/// Unit of binary weights that are all zero.
const SMALLEST_UNIT: f32 = 1e-20;

/// One pass over a network: the tensors that are alive.
#[derive(Clone)]
pub(super) struct Run<'a> {
    network: &'a Network,
    inputs: Inputs,
    mode: Mode,
    tape: bool,
    values: Vec<Option<Value>>,
    statistics: Statistics,
}

/// A node's tensor.
#[derive(Clone)]
enum Value {
    Feature(Tensor<4>),
    /// An activation that waits.
    Packed(Packed),
    /// A parameter, quantized or not, flat.
    Parameter(Tensor<1>),
}

impl<'a> Run<'a> {
    /// A pass that has not started; without `tape` gradients are not recorded.
    pub fn new(network: &'a Network, inputs: Inputs, mode: Mode, tape: bool) -> Self {
        Self {
            network,
            inputs,
            mode,
            tape,
            values: vec![None; network.graph.nodes.len()],
            statistics: Vec::new(),
        }
    }

    /// Runs all steps.
    pub fn all(mut self, plan: &Plan) -> Forward {
        for step in &plan.steps {
            self.step(step);
            self.free(step);
        }
        self.finish()
    }

    /// Collects the outputs.
    pub fn finish(self) -> Forward {
        let outputs = &self.network.graph.outputs;
        Forward {
            outputs: outputs.iter().map(|&id| self.feature(id)).collect(),
            statistics: self.statistics,
        }
    }

    /// Forgets what no later step reads.
    pub fn free(&mut self, step: &Step) {
        for &id in &step.frees {
            if let Some(Value::Feature(tensor)) = self.values[id].take() {
                ops::recycle(tensor);
            }
        }
    }

    /// The activation that node `id` made.
    pub fn feature_of(&self, id: NodeId) -> Option<&Tensor<4>> {
        match &self.values[id] {
            Some(Value::Feature(tensor)) => Some(tensor),
            _ => None,
        }
    }

    /// Puts activation `id` away in half of its memory.
    pub fn pack(&mut self, id: NodeId) {
        if let Some(Value::Feature(tensor)) = &self.values[id] {
            self.values[id] = Some(Value::Packed(Packed::new(tensor)));
        }
    }

    /// Activation `id`, whether it waits or not.
    pub fn unpacked(&self, id: NodeId) -> Option<Tensor<4>> {
        match &self.values[id] {
            Some(Value::Feature(tensor)) => Some(tensor.clone()),
            Some(Value::Packed(packed)) => Some(packed.tensor(&self.network.device)),
            _ => None,
        }
    }

    /// Runs a step whose inputs may wait, and puts away what it makes.
    pub fn packed_step(&mut self, step: &Step) {
        let waiting: Vec<(NodeId, Option<Value>)> = step
            .inputs
            .iter()
            .filter(|&&id| matches!(self.values[id], Some(Value::Packed(_))))
            .map(|&id| (id, self.values[id].clone()))
            .collect();
        for (id, _) in &waiting {
            self.values[*id] = self.unpacked(*id).map(Value::Feature);
        }
        self.step(step);
        for (id, value) in waiting {
            self.values[id] = value;
        }
        self.pack(step.node);
        self.free(step);
    }

    /// All numbers that node `id` made, with its first axis of `rows`.
    pub fn rows_of(&self, id: NodeId, rows: usize) -> Tensor<2> {
        match &self.values[id] {
            Some(Value::Feature(tensor)) => rows_of(tensor.clone(), rows),
            Some(Value::Parameter(tensor)) => rows_of(tensor.clone(), rows),
            _ => panic!("node {id} has no tensor"),
        }
    }

    /// Replaces the parameter that node `id` has read.
    pub fn set_parameter(&mut self, id: NodeId, tensor: Tensor<1>) {
        self.values[id] = Some(Value::Parameter(tensor));
    }

    // Validation promises that every input is of the kind that its operator reads, and comes before it.
    fn feature(&self, id: NodeId) -> Tensor<4> {
        match self.feature_of(id) {
            Some(tensor) => tensor.clone(),
            None => panic!("node {id} has no activation"),
        }
    }

    /// The parameter that node `id` made.
    pub fn parameter(&self, id: NodeId) -> Tensor<1> {
        match &self.values[id] {
            Some(Value::Parameter(tensor)) => tensor.clone(),
            _ => panic!("node {id} has no parameter"),
        }
    }

    /// Runs one step and keeps what it makes.
    pub fn step(&mut self, step: &Step) {
        let value = match &step.op {
            Op::Image { .. } => return,
            Op::Param { name } => Value::Parameter(match self.network.parameters.get(name) {
                Some(param) if self.tape => param.val(),
                Some(param) => param.val().inner(),
                None => self.decoded(name),
            }),
            Op::Quantize(_) | Op::Minifloat { .. } => self.quantize(step),
            _ => Value::Feature(self.operator(step)),
        };
        self.values[step.node] = Some(value);
    }

    /// A parameter that is kept as codes, as floats.
    fn decoded(&self, name: &str) -> Tensor<1> {
        let param = &self.network.graph.params[name];
        let data = TensorData::new(param.to_vec(), [param.len()]);
        let device = match self.tape {
            true => self.network.device.clone(),
            false => self.network.device.clone().inner(),
        };
        Tensor::from_data(data, &device)
    }

    fn quantize(&self, step: &Step) -> Value {
        let input = self.values[step.inputs[0]].clone();
        let parameter = step.inputs.get(1).map(|&id| self.parameter(id));
        match input.expect("validated input") {
            Value::Feature(x) => Value::Feature(quantized(x, parameter, &step.op, step.relu)),
            Value::Packed(_) => unreachable!("inputs were unpacked"),
            Value::Parameter(x) => {
                let [len] = x.dims();
                let rows = self.first_axis(step.inputs[0]);
                let x = quantized(rows_of(x, rows), parameter, &step.op, false);
                Value::Parameter(x.reshape([len]))
            }
        }
    }

    /// Length of the first axis of the parameter behind node `id`.
    fn first_axis(&self, id: NodeId) -> usize {
        let param = self.network.graph.source_param(id);
        param
            .and_then(|(_, param)| param.shape.first().copied())
            .unwrap_or(1)
    }

    fn operator(&mut self, step: &Step) -> Tensor<4> {
        let x = || self.feature(step.inputs[0]);
        match &step.op {
            Op::Image { .. } | Op::Param { .. } | Op::Quantize(_) | Op::Minifloat { .. } => {
                unreachable!("made no activation")
            }
            Op::Input { .. } => self.input(step.node),
            Op::Normalize { mean, std } => self.normalize(mean, std),
            Op::PixelTable => {
                let table = self.parameter(step.inputs[1]).reshape(axes(&step.weight));
                ops::pixel_table(self.images(), table, self.network.equalise_tables)
            }
            Op::Conv2d {
                stride,
                padding,
                groups,
            } => {
                let weight = self.parameter(step.inputs[1]).reshape(axes(&step.weight));
                let options = ConvOptions {
                    stride: *stride,
                    padding: *padding,
                    groups: *groups,
                };
                let out = match step.levels {
                    Some([input, own]) => {
                        let levels = [self.levels(input, None), self.levels(own, Some(&weight))];
                        ops::code_conv2d(x(), weight, options, levels)
                    }
                    None => ops::conv2d(x(), weight, options),
                };
                self.add_bias(step, out)
            }
            Op::Linear => {
                let weight = self.parameter(step.inputs[1]).reshape(axes(&step.weight));
                self.add_bias(step, ops::linear(x(), weight))
            }
            Op::BatchNorm { eps } => self.batch_norm(step, *eps),
            Op::GroupNorm { groups, eps } => {
                let [gamma, beta] = [1, 2].map(|i| self.parameter(step.inputs[i]));
                ops::group_norm(x(), gamma, beta, *groups, *eps)
            }
            Op::Attention { heads, scale } => {
                let [key, value] = [1, 2].map(|i| self.feature(step.inputs[i]));
                ops::attention(x(), key, value, *heads, *scale)
            }
            Op::Affine { mul, add } => x() * *mul + *add,
            Op::Clip { low, high } => x().clamp(*low, *high),
            Op::Map { function } => match function {
                Function::Log => x().log(),
                Function::Sqrt => x().sqrt(),
                Function::Reciprocal => x().recip(),
                Function::Sin => x().sin(),
                Function::Cos => x().cos(),
            },
            Op::Relu => activation::relu(x()),
            Op::Relu6 => x().clamp(0.0, 6.0),
            Op::Silu => ops::silu(x()),
            Op::HardSwish => x() * hard_sigmoid(x()),
            Op::HardSigmoid => hard_sigmoid(x()),
            Op::MaxPool(window) => ops::max_pool(x(), *window),
            Op::AvgPool(window) => ops::avg_pool(x(), *window),
            Op::AvgPoolInside(window) => ops::avg_pool_inside(x(), *window),
            Op::GlobalAvgPool => ops::global_avg_pool(x()),
            Op::Add => {
                let (a, b) = larger_first(x(), self.feature(step.inputs[1]));
                if a.dims() == b.dims() {
                    ops::add(a, b)
                } else {
                    ops::add_spread(a, b)
                }
            }
            Op::Mul => {
                let (a, b) = larger_first(x(), self.feature(step.inputs[1]));
                if a.dims() == b.dims() {
                    a * b
                } else {
                    ops::mul_spread(a, b)
                }
            }
            Op::Concat => {
                let all = step.inputs.iter().map(|&id| self.feature(id));
                Tensor::cat(all.collect(), 3)
            }
            Op::Slice { start, end, step } => {
                let axis = |i: usize| s![start[i] as isize..end[i] as isize; step[i] as isize];
                x().slice([s![..], axis(1), axis(2), axis(0)])
            }
            Op::PadChannels { before, after } => {
                x().pad([(*before, *after)], PadMode::Constant(0.0))
            }
            Op::Flatten => {
                let [n, height, width, channels] = x().dims();
                let channels_first = x().permute([0, 3, 1, 2]);
                channels_first.reshape([n, 1, 1, height * width * channels])
            }
            Op::Upsample {
                vertical,
                horizontal,
            } => {
                let [n, height, width, channels] = x().dims();
                let spread = [n, height, *vertical, width, *horizontal, channels];
                x().reshape([n, height, 1, width, 1, channels])
                    .expand(spread)
                    .reshape([n, height * vertical, width * horizontal, channels])
            }
        }
    }

    /// What the values are that quantizer `id` makes; of `weight` where it makes that.
    fn levels(&self, id: NodeId, weight: Option<&Tensor<4>>) -> Levels {
        let node = &self.network.graph.nodes[id];
        let Op::Quantize(quantizer) = node.op else {
            unreachable!("planned as a quantizer")
        };
        let numbers = |tensor: Tensor<1>| tensor.into_data().iter::<f32>().collect::<Vec<f32>>();
        let units = match (quantizer, node.inputs.get(1), weight) {
            (_, Some(&parameter), _) => {
                let parameters = numbers(self.parameter(parameter)).into_iter();
                let unit = |p| quantizer.grid(p).scale() as f32;
                parameters.map(unit).collect()
            }
            // Every weight is the mean of the magnitudes or its negative.
            (Quantizer::BinaryMean { .. }, _, Some(weight)) => {
                let [outputs, ..] = weight.dims();
                let first = weight.clone().reshape([outputs as i32, -1]).narrow(1, 0, 1);
                let units = numbers(first.abs().reshape([outputs]));
                units.into_iter().map(|u| u.max(SMALLEST_UNIT)).collect()
            }
            _ => vec![quantizer.grid(1.0).scale() as f32],
        };
        Levels {
            code: quantizer.code_type(),
            units,
        }
    }

    /// The images, which a network with an image input has been checked to be given.
    fn images(&self) -> &Images {
        self.inputs.images().expect("checked images")
    }

    /// The numbers of float input `id`.
    fn input(&self, id: NodeId) -> Tensor<4> {
        let name = &self.network.graph.nodes[id].name;
        let floats = self.inputs.get(name).expect("checked input");
        let data = TensorData::new(floats.data().to_vec(), floats.shape());
        Tensor::from_data(data, &self.device())
    }

    /// The network's device, with a tape only where gradients are recorded.
    fn device(&self) -> Device {
        match self.tape {
            true => self.network.device.clone(),
            false => self.network.device.clone().inner(),
        }
    }

    /// A table of 256 normalized values for each colour, so that pixels stay bytes here too.
    fn normalize(&self, mean: &[f32], std: &[f32]) -> Tensor<4> {
        let entry = |mean: f32, std: f32| (0..256).map(move |v| (v as f32 / 255.0 - mean) / std);
        let colours = mean.iter().zip(std);
        let table: Vec<f32> = colours.flat_map(|(&m, &s)| entry(m, s)).collect();
        let device = match self.tape {
            true => self.network.device.clone(),
            false => self.network.device.clone().inner(),
        };
        let table = Tensor::from_data(TensorData::new(table, [mean.len(), 256, 1]), &device);
        ops::pixel_table(self.images(), table, false)
    }

    fn add_bias(&self, step: &Step, x: Tensor<4>) -> Tensor<4> {
        match step.inputs.get(2) {
            Some(&bias) => {
                let bias = self.parameter(bias);
                let [channels] = bias.dims();
                x + bias.reshape([1, 1, 1, channels])
            }
            None => x,
        }
    }

    fn batch_norm(&mut self, step: &Step, eps: f32) -> Tensor<4> {
        let x = self.feature(step.inputs[0]);
        let [gamma, beta, mean, variance] = [1, 2, 3, 4].map(|i| self.parameter(step.inputs[i]));
        let quantizer = step.quantizer.zip(step.inputs.get(5));
        let quantizer = quantizer.map(|(quantizer, &scale)| (quantizer, self.parameter(scale)));
        match self.mode {
            Mode::Train => {
                let (out, statistics) = match quantizer {
                    Some((quantizer, scale)) => {
                        let parameters = [gamma, beta, scale];
                        ops::batch_norm_lsq(x, parameters, eps, step.relu, quantizer.code_type())
                    }
                    None => ops::batch_norm(x, gamma, beta, eps, step.relu),
                };
                self.statistics.push((step.op_node, statistics));
                out
            }
            Mode::Evaluate => {
                let scale = gamma / (variance + eps).sqrt();
                let shift = beta - mean * scale.clone();
                match quantizer {
                    Some((quantizer, step_size)) => {
                        let x = ops::affine(x, scale, shift, false);
                        quantized(x, Some(step_size), &Op::Quantize(quantizer), step.relu)
                    }
                    None => ops::affine(x, scale, shift, step.relu),
                }
            }
        }
    }
}

/// Both in the order that lets the second be spread over the first.
fn larger_first(a: Tensor<4>, b: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
    match a.shape().num_elements() < b.shape().num_elements() {
        true => (b, a),
        false => (a, b),
    }
}

/// The lengths of `D` axes.
fn axes<const D: usize>(shape: &[usize]) -> [usize; D] {
    shape.try_into().expect("validated shape")
}

fn rows_of<const D: usize>(x: Tensor<D>, rows: usize) -> Tensor<2> {
    let len = x.shape().num_elements();
    x.reshape([rows, len / rows])
}

fn hard_sigmoid(x: Tensor<4>) -> Tensor<4> {
    (x + 3.0).clamp(0.0, 6.0) / 6.0
}

/// The values of `x`, or of `max(x, 0)` with `relu`, that the quantizer `op` makes.
fn quantized<const D: usize>(
    x: Tensor<D>,
    parameter: Option<Tensor<1>>,
    op: &Op,
    relu: bool,
) -> Tensor<D> {
    let quantizer = match (op, &parameter) {
        (Op::Quantize(quantizer), _) => *quantizer,
        (Op::Minifloat { format, offset }, Some(clip)) => {
            return ops::minifloat(x, clip.clone(), *format, *offset);
        }
        _ => unreachable!("validated quantizer"),
    };
    match (quantizer, parameter) {
        (Quantizer::Lsq { .. }, Some(scale)) if relu => {
            ops::relu_lsq(x, scale, quantizer.code_type())
        }
        (Quantizer::Lsq { .. } | Quantizer::Affine { .. }, Some(scale)) => {
            ops::lsq(x, scale, quantizer.code_type())
        }
        (Quantizer::Pact { .. }, Some(clip)) => ops::pact(x, clip, quantizer.code_type()),
        (Quantizer::Lsq { .. } | Quantizer::Affine { .. } | Quantizer::Pact { .. }, None) => {
            unreachable!("validated parameter")
        }
        (Quantizer::MidTreadHalf { bits, max }, _) => ops::mid_tread_half(x, bits, max),
        (Quantizer::BinaryMean { per_channel }, _) => ops::binary_mean(x, per_channel),
        (Quantizer::DorefaWeight { bits }, _) => ops::dorefa_weight(x, bits),
    }
}
