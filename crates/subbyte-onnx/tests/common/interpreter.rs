//! A float graph on one image, channels first, one loop for each operator.

use std::collections::BTreeMap;

use subbyte_graph::{Function, Graph, Node, Op, Param, Window};

/// Channels, height, width.
#[derive(Clone, Debug)]
pub struct Tensor {
    pub shape: [usize; 3],
    pub data: Vec<f32>,
}

impl Tensor {
    /// The element, 0 outside.
    fn at(&self, c: usize, y: isize, x: isize) -> f32 {
        let [_, height, width] = self.shape;
        match (usize::try_from(y), usize::try_from(x)) {
            (Ok(y), Ok(x)) if y < height && x < width => self.data[(c * height + y) * width + x],
            _ => 0.0,
        }
    }

    /// The element, where axes of length 1 reach everywhere.
    fn spread(&self, c: usize, y: usize, x: usize) -> f32 {
        let [c, y, x] = [(0, c), (1, y), (2, x)].map(|(axis, i)| i.min(self.shape[axis] - 1));
        self.at(c, y as isize, x as isize)
    }

    fn map(&self, f: impl Fn(f32) -> f32) -> Self {
        let data = self.data.iter().map(|&x| f(x)).collect();
        Self { data, ..*self }
    }

    /// Every element by its channel, row and column.
    fn fill(shape: [usize; 3], f: impl Fn(usize, usize, usize) -> f32) -> Self {
        let [channels, height, width] = shape;
        let mut data = Vec::with_capacity(channels * height * width);
        for c in 0..channels {
            for y in 0..height {
                data.extend((0..width).map(|x| f(c, y, x)));
            }
        }
        Self { shape, data }
    }
}

/// What the first output is for an image of pixels from 0 to 255.
pub fn run(graph: &Graph, pixels: &Tensor) -> Tensor {
    run_to(graph, graph.outputs[0], pixels)
}

/// What node `last` makes.
pub fn run_to(graph: &Graph, last: usize, pixels: &Tensor) -> Tensor {
    evaluate(graph, last, pixels, &BTreeMap::new())
}

/// What the first output is for float inputs by their names.
#[allow(dead_code, reason = "exports have none")]
pub fn run_on(graph: &Graph, inputs: &BTreeMap<&str, Tensor>) -> Tensor {
    let none = Tensor {
        shape: [0; 3],
        data: vec![],
    };
    evaluate(graph, graph.outputs[0], &none, inputs)
}

fn evaluate(
    graph: &Graph,
    last: usize,
    pixels: &Tensor,
    inputs: &BTreeMap<&str, Tensor>,
) -> Tensor {
    let shapes = graph.shapes().expect("a valid graph");
    let mut values: Vec<Value> = Vec::with_capacity(graph.nodes.len());
    for (node, shape) in graph.nodes[..=last].iter().zip(&shapes) {
        let value = match &node.op {
            Op::Image { .. } => Value::Tensor(pixels.clone()),
            Op::Input { .. } => Value::Tensor(inputs[node.name.as_str()].clone()),
            Op::Param { name } => Value::Param(graph.params[name].clone()),
            Op::Quantize(_) if matches!(values[node.inputs[0]], Value::Param(_)) => {
                Value::Param(quantized_param(node, &values))
            }
            _ => {
                let dims = shape.feature().expect("a feature tensor");
                Value::Tensor(operator(node, &values, dims))
            }
        };
        values.push(value);
    }
    match &values[last] {
        Value::Tensor(tensor) => tensor.clone(),
        Value::Param(_) => panic!("the output is a parameter"),
    }
}

enum Value {
    Tensor(Tensor),
    Param(Param),
}

fn operator(node: &Node, values: &[Value], shape: [usize; 3]) -> Tensor {
    let tensor = |i: usize| match &values[node.inputs[i]] {
        Value::Tensor(tensor) => tensor,
        Value::Param(_) => panic!("{} reads a parameter", node.name),
    };
    let param = |i: usize| match node.inputs.get(i).map(|&id| &values[id]) {
        Some(Value::Param(param)) => param.to_vec(),
        Some(Value::Tensor(_)) => panic!("{} reads a tensor as parameter", node.name),
        None => vec![],
    };
    let x = tensor(0);
    let [height, width] = [x.shape[1], x.shape[2]];
    let hard_sigmoid = |x: f32| (x + 3.0).clamp(0.0, 6.0) / 6.0;
    match &node.op {
        Op::Image { .. } | Op::Input { .. } | Op::Param { .. } | Op::Minifloat { .. } => {
            unreachable!("{}", node.name)
        }
        Op::PixelTable => {
            let Value::Param(table) = &values[node.inputs[1]] else {
                panic!("{} has no table", node.name)
            };
            let &[tables, rows, depth] = table.shape.as_slice() else {
                panic!("{} has a table {:?}", node.name, table.shape)
            };
            let table = table.to_vec();
            Tensor::fill(shape, |c, y, w| {
                let (colour, column) = (c / depth, c % depth);
                let row = x.at(colour, y as isize, w as isize) as usize * rows / 256;
                table[(colour.min(tables - 1) * rows + row) * depth + column]
            })
        }
        Op::Normalize { mean, std } => Tensor::fill(shape, |c, y, w| {
            (x.at(c, y as isize, w as isize) / 255.0 - mean[c]) / std[c]
        }),
        Op::Conv2d {
            stride,
            padding,
            groups,
        } => {
            let Value::Param(weight) = &values[node.inputs[1]] else {
                panic!("{} has no weight", node.name)
            };
            let &[out, inner, kernel_h, kernel_w] = weight.shape.as_slice() else {
                panic!("{} has a weight {:?}", node.name, weight.shape)
            };
            let (weight, bias) = (weight.to_vec(), param(2));
            Tensor::fill(shape, |o, y, w| {
                let mut sum = bias.get(o).map_or(0.0, |&b| f64::from(b));
                for i in 0..inner {
                    let channel = o / (out / groups) * inner + i;
                    for ky in 0..kernel_h {
                        for kx in 0..kernel_w {
                            let y = (y * stride[0] + ky) as isize - padding[0] as isize;
                            let w = (w * stride[1] + kx) as isize - padding[1] as isize;
                            let tap = weight[((o * inner + i) * kernel_h + ky) * kernel_w + kx];
                            sum += f64::from(tap) * f64::from(x.at(channel, y, w));
                        }
                    }
                }
                sum as f32
            })
        }
        Op::Linear => {
            let (weight, bias) = (param(1), param(2));
            Tensor::fill(shape, |o, _, _| {
                let row = &weight[o * x.data.len()..][..x.data.len()];
                let products = row.iter().zip(&x.data).map(|(w, x)| f64::from(w * x));
                products.sum::<f64>() as f32 + bias.get(o).copied().unwrap_or(0.0)
            })
        }
        Op::BatchNorm { eps } => {
            let [gamma, beta, mean, variance] = [1, 2, 3, 4].map(param);
            Tensor::fill(shape, |c, y, w| {
                let x = x.at(c, y as isize, w as isize);
                (x - mean[c]) / (variance[c] + eps).sqrt() * gamma[c] + beta[c]
            })
        }
        Op::Relu => x.map(|x| x.max(0.0)),
        Op::Relu6 => x.map(|x| x.clamp(0.0, 6.0)),
        Op::Silu => x.map(|x| x / (1.0 + (-x).exp())),
        Op::HardSwish => x.map(|x| x * hard_sigmoid(x)),
        Op::HardSigmoid => x.map(hard_sigmoid),
        Op::MaxPool(window) => pool(x, window, shape, |values, _| {
            values.fold(f32::NEG_INFINITY, f32::max)
        }),
        Op::AvgPool(window) => pool(x, window, shape, |values, area| {
            values.sum::<f32>() / area as f32
        }),
        Op::AvgPoolInside(window) => {
            let sums = pool(x, window, shape, |values, _| values.sum::<f32>());
            let ones = x.map(|_| 1.0);
            let counts = pool(&ones, window, shape, |values, _| values.sum::<f32>());
            Tensor::fill(shape, |c, y, w| {
                let at = |x: &Tensor| x.at(c, y as isize, w as isize);
                at(&sums) / at(&counts)
            })
        }
        Op::GlobalAvgPool => Tensor::fill(shape, |c, _, _| {
            let area = height * width;
            x.data[c * area..][..area].iter().sum::<f32>() / area as f32
        }),
        Op::Add => Tensor::fill(shape, |c, y, w| {
            x.spread(c, y, w) + tensor(1).spread(c, y, w)
        }),
        Op::Mul => Tensor::fill(shape, |c, y, w| {
            x.spread(c, y, w) * tensor(1).spread(c, y, w)
        }),
        Op::GroupNorm { groups, eps } => {
            let (gamma, beta) = (param(1), param(2));
            let each = shape[0] / groups * height * width;
            let moments: Vec<(f64, f64)> = x
                .data
                .chunks(each)
                .map(|group| {
                    let mean = |f: &dyn Fn(f64) -> f64| {
                        group.iter().map(|&x| f(f64::from(x))).sum::<f64>() / each as f64
                    };
                    let middle = mean(&|x| x);
                    (middle, mean(&|x| (x - middle) * (x - middle)))
                })
                .collect();
            Tensor::fill(shape, |c, y, w| {
                let (mean, variance) = moments[c * groups / shape[0]];
                let x = f64::from(x.at(c, y as isize, w as isize));
                let normal = (x - mean) / (variance + f64::from(*eps)).sqrt();
                normal as f32 * gamma[c] + beta[c]
            })
        }
        Op::Attention { heads, scale } => {
            let (key, value) = (tensor(1), tensor(2));
            let [per_query, per_value] = [x, value].map(|x| x.shape[0] / heads);
            let pixels = |x: &Tensor| x.shape[1] * x.shape[2];
            let weight = |head: usize, from: usize, to: usize| {
                let channels = head * per_query..(head + 1) * per_query;
                let products =
                    channels.map(|c| x.data[c * pixels(x) + from] * key.data[c * pixels(key) + to]);
                (products.sum::<f32>() * scale).exp()
            };
            Tensor::fill(shape, |c, y, w| {
                let (head, from) = (c / per_value, y * shape[2] + w);
                let weights: Vec<f32> = (0..pixels(key)).map(|to| weight(head, from, to)).collect();
                let values = &value.data[c * pixels(key)..];
                let sum: f32 = weights.iter().zip(values).map(|(w, v)| w * v).sum();
                sum / weights.iter().sum::<f32>()
            })
        }
        Op::Affine { mul, add } => x.map(|x| mul * x + add),
        Op::Clip { low, high } => x.map(|x| x.clamp(*low, *high)),
        Op::Map { function } => x.map(match function {
            Function::Log => f32::ln,
            Function::Sqrt => f32::sqrt,
            Function::Reciprocal => f32::recip,
            Function::Sin => f32::sin,
            Function::Cos => f32::cos,
        }),
        Op::Concat => Tensor {
            shape,
            data: (0..node.inputs.len())
                .flat_map(|i| tensor(i).data.clone())
                .collect(),
        },
        Op::Slice { start, step, .. } => Tensor::fill(shape, |c, y, w| {
            let place = |axis: usize, i: usize| start[axis] + i * step[axis];
            x.at(place(0, c), place(1, y) as isize, place(2, w) as isize)
        }),
        Op::PadChannels { before, .. } => Tensor::fill(shape, |c, y, w| {
            match c.checked_sub(*before).filter(|&c| c < x.shape[0]) {
                Some(c) => x.at(c, y as isize, w as isize),
                None => 0.0,
            }
        }),
        Op::Flatten => Tensor { shape, ..x.clone() },
        Op::Upsample {
            vertical,
            horizontal,
        } => Tensor::fill(shape, |c, y, w| {
            x.at(c, (y / vertical) as isize, (w / horizontal) as isize)
        }),
        Op::Quantize(quantizer) => {
            let grid = quantizer.grid(param(1).first().copied().unwrap_or(1.0));
            x.map(|x| grid.value(grid.code_f32(x)))
        }
    }
}

fn pool(
    x: &Tensor,
    window: &Window,
    shape: [usize; 3],
    f: impl Fn(&mut dyn Iterator<Item = f32>, usize) -> f32,
) -> Tensor {
    let Window {
        kernel,
        stride,
        padding,
    } = window;
    Tensor::fill(shape, |c, y, w| {
        let inside = |start: usize, i: usize, pad: usize, length: usize| {
            (start + i).checked_sub(pad).filter(|&i| i < length)
        };
        let rows = (0..kernel[0]).filter_map(|i| inside(y * stride[0], i, padding[0], x.shape[1]));
        let mut values = rows.flat_map(|row| {
            (0..kernel[1])
                .filter_map(|i| inside(w * stride[1], i, padding[1], x.shape[2]))
                .map(move |column| x.at(c, row as isize, column as isize))
        });
        f(&mut values, kernel[0] * kernel[1])
    })
}

/// The values that a quantizer makes of a parameter.
fn quantized_param(node: &Node, values: &[Value]) -> Param {
    let params: Vec<&Param> = node
        .inputs
        .iter()
        .map(|&id| match &values[id] {
            Value::Param(param) => param,
            Value::Tensor(_) => panic!("{} reads a tensor", node.name),
        })
        .collect();
    let Op::Quantize(quantizer) = node.op else {
        unreachable!()
    };
    let x = params[0];
    let data = x.to_vec();
    let data = quantizer.prepare(&data);
    let row = data.len() / x.shape[0];
    let mean = |part: &[f32]| part.iter().map(|x| x.abs()).sum::<f32>() / part.len() as f32;
    let scales = match (params.get(1), quantizer) {
        (Some(scale), _) => scale.to_vec(),
        (None, subbyte_graph::Quantizer::BinaryMean { per_channel: true }) => {
            data.chunks(row).map(mean).collect()
        }
        (None, _) => vec![mean(&data)],
    };
    let value = |(i, &w): (usize, &f32)| {
        let grid = quantizer.grid(scales[if scales.len() == 1 { 0 } else { i / row }]);
        grid.value(grid.code_f32(w))
    };
    let data = data.iter().enumerate().map(value).collect();
    Param::new(x.shape.clone(), x.role, data)
}
