//! What values carry along until something needs a node for it: scale and shift, padding, the order of colours.

use subbyte_graph::{Node, NodeId, Op, Role};

use super::{
    Import,
    layout::{Dim, Layout, Sizes},
    value::{Activation, Affine, Quantized, Value},
};
use crate::{error::Refusal, options::Preprocess};

/// Means above this are meant for pixels of 0 to 255.
const LARGEST_UNIT_MEAN: f64 = 2.0;

/// Factors below this are meant for pixels of 0 to 255.
const SMALLEST_UNIT_FACTOR: f64 = 0.5;

impl Import<'_> {
    /// Batch, channels, height and width of a value, padding included.
    pub fn sizes(&self, x: &Activation) -> Sizes {
        let [c, h, w] = self.builder.shape(x.node);
        let [top, left, bottom, right] = x.padding;
        let padded = |a: usize, b: usize, c: usize| a.saturating_add(b).saturating_add(c);
        Sizes([
            self.batch,
            c,
            padded(h, top, bottom),
            padded(w, left, right),
        ])
    }

    /// Lengths of the axes of a value.
    pub fn lengths_of(&self, value: &Value) -> Vec<usize> {
        match value {
            Value::Activation(x) | Value::Sigmoid(x) => x.layout.lengths(self.sizes(x)),
            Value::Runs(runs) => runs.lengths(self.sizes(&runs.x)),
            Value::Products(products) => {
                products.lengths(products.factors.each_ref().map(|x| self.sizes(x)))
            }
            Value::Constant(tensor) => tensor.dims.clone(),
            Value::Weights(weights) => weights.values.dims.clone(),
            Value::Integers(integers) => match &integers.of {
                Quantized::Activation(x) => x.layout.lengths(self.sizes(x)),
                Quantized::Constant(tensor) => tensor.dims.clone(),
            },
            Value::Unknown => Vec::new(),
        }
    }

    /// The value with its scale and shift done by nodes; padding stays.
    pub fn settled(&mut self, x: &Activation) -> Result<Activation, Refusal> {
        if let Op::Image { .. } = self.builder.node(x.node).op {
            return self.normalized(x);
        }
        if x.affine.is_identity() {
            return Ok(Activation {
                affine: Affine::identity(),
                ..x.clone()
            });
        }
        let node = match self.folded(x)? {
            Some(node) => node,
            None => self.scaled(x)?,
        };
        Ok(Activation {
            node,
            affine: Affine::identity(),
            ..x.clone()
        })
    }

    /// As [`Import::settled`], without padding and with colours in order, for operators that cannot take those into themselves.
    pub fn plain(&mut self, x: &Activation) -> Result<Activation, Refusal> {
        let x = self.settled(x)?;
        if x.is_padded() {
            return Err(Refusal::new(
                "reads zero padding that is no convolution's or pool's",
                "let a convolution or pool read the padded tensor",
            ));
        }
        if x.reversed {
            return Err(Refusal::new(
                "reads the image in the order blue, green, red",
                "only convolutions over all colours can read it; export with RGB input",
            ));
        }
        Ok(x)
    }

    /// As [`Import::plain`], with the axes `[N][C][H][W]`.
    pub fn nchw(&mut self, x: &Activation) -> Result<Activation, Refusal> {
        let x = self.plain(x)?;
        self.check_nchw(&x)?;
        Ok(x)
    }

    /// Refuses what has other axes than `[N][C][H][W]`.
    pub fn check_nchw(&self, x: &Activation) -> Result<(), Refusal> {
        match x.layout.is(&Layout::nchw(), self.sizes(x)) {
            true => Ok(()),
            false => Err(Refusal::new(
                format!(
                    "reads {:?} where batch, channels, height, width belong",
                    x.layout.lengths(self.sizes(x))
                ),
                "export the network channels-first",
            )),
        }
    }

    /// The scale and shift as part of the convolution or linear layer that makes `x`, where it can take them: a shift as its bias, and
    /// a scale into float weights.
    fn folded(&mut self, x: &Activation) -> Result<Option<NodeId>, Refusal> {
        let node = self.builder.node(x.node).clone();
        if let Op::GroupNorm { .. } = node.op {
            return self.folded_norm(x, &node).map(Some);
        }
        let (Op::Conv2d { .. } | Op::Linear, [input, weight, ..]) =
            (&node.op, node.inputs.as_slice())
        else {
            return Ok(None);
        };
        let channels = self.builder.shape(x.node)[0];
        let scales = x.affine.mul.iter().any(|m| (m - 1.0).abs() >= 1e-7);
        let (weight, old) = match (scales, self.builder.graph.param_of(*weight)) {
            (false, _) => (*weight, None),
            (true, None) => return Ok(None),
            (true, Some((name, param))) => (*weight, Some((name.to_owned(), param.clone()))),
        };
        let affine = &x.affine;
        let weight = match old {
            None => weight,
            Some((name, param)) => {
                let variant = format!("scaled for {}", node.name);
                self.builder.param([&name; 2], &variant, Role::Weight, || {
                    let mut numbers = param.to_vec();
                    let row = (numbers.len() / channels.max(1)).max(1);
                    for (channel, row) in numbers.chunks_mut(row).enumerate() {
                        let (mul, _) = affine.at(channel);
                        row.iter_mut()
                            .for_each(|w| *w = (f64::from(*w) * mul) as f32);
                    }
                    Ok((param.shape, numbers))
                })?
            }
        };
        let old = node
            .inputs
            .get(2)
            .and_then(|&id| self.builder.graph.param_of(id));
        let old = old.map(|(_, bias)| bias.to_vec());
        let name = format!("{}.bias", node.name);
        let variant = format!("of node {}", x.node);
        let bias = self.builder.param([&name; 2], &variant, Role::Bias, || {
            let old = |c: usize| old.as_ref().map_or(0.0, |bias| f64::from(bias[c]));
            let bias = (0..channels).map(|c| {
                let (mul, add) = affine.at(c);
                (old(c) * mul + add) as f32
            });
            Ok((vec![channels], bias.collect()))
        })?;
        let id = self
            .builder
            .replace(x.node, node.op, &[*input, weight, bias])?;
        Ok(Some(id))
    }

    /// The scale and shift as part of a group norm's own.
    fn folded_norm(&mut self, x: &Activation, node: &Node) -> Result<NodeId, Refusal> {
        let channels = self.builder.shape(x.node)[0];
        let old = |i: usize| self.builder.graph.param_of(node.inputs[i]);
        let [Some(gamma), Some(beta)] = [1, 2].map(|i| old(i).map(|(_, param)| param.to_vec()))
        else {
            return Err(Refusal::broken("has a norm without parameters"));
        };
        let both = (0..channels).map(|c| {
            let (mul, add) = x.affine.at(c);
            let line = (f64::from(gamma[c]) * mul, f64::from(beta[c]) * mul + add);
            (line.0 as f32, line.1 as f32)
        });
        let (gamma, beta): (Vec<f32>, Vec<f32>) = both.unzip();
        let mut inputs = vec![node.inputs[0]];
        let variant = format!("of node {}", x.node);
        for (part, numbers) in [("gamma", gamma), ("beta", beta)] {
            let name = format!("{}.{part}", node.name);
            let make = || Ok((vec![channels], numbers));
            let param = self.builder.param([&name; 2], &variant, Role::Norm, make)?;
            inputs.push(param);
        }
        self.builder.replace(x.node, node.op.clone(), &inputs)
    }

    /// The scale and shift as a node: in networks of float inputs, where they are the same for all channels, of its own, otherwise a batch
    /// norm of mean 0 and variance 1.
    fn scaled(&mut self, x: &Activation) -> Result<NodeId, Refusal> {
        if let (true, &[mul], &[add]) = (
            self.reads_floats,
            x.affine.mul.as_slice(),
            x.affine.add.as_slice(),
        ) {
            let name = format!("{}.scale", self.builder.node(x.node).name);
            let [mul, add] = [mul as f32, add as f32];
            return self.builder.push(&name, Op::Affine { mul, add }, &[x.node]);
        }
        let channels = self.builder.shape(x.node)[0];
        self.builder.budget.take(channels)?;
        let affine = x.affine.spread(channels);
        let name = format!("{}.scale", self.builder.node(x.node).name);
        let parts = [
            ("gamma", Role::Norm, affine.mul),
            ("beta", Role::Norm, affine.add),
            ("mean", Role::Statistic, vec![0.0; channels]),
            ("variance", Role::Statistic, vec![1.0; channels]),
        ];
        let mut inputs = vec![x.node];
        // Nodes may be scaled in several ways.
        let variant = format!("of {}", self.builder.graph.nodes.len());
        for (part, role, numbers) in parts {
            let numbers = numbers.into_iter().map(|x| x as f32).collect();
            let name = format!("{name}.{part}");
            let make = || Ok((vec![channels], numbers));
            inputs.push(self.builder.param([&name; 2], &variant, role, make)?);
        }
        self.builder
            .push(&name, Op::BatchNorm { eps: 0.0 }, &inputs)
    }

    /// The image with its normalization: what the options say or the file suggests, followed by the file's own.
    fn normalized(&mut self, x: &Activation) -> Result<Activation, Refusal> {
        let colours = self.builder.shape(x.node)[0];
        let own = x.affine.spread(colours);
        let guess = || {
            let [(mul, add), ..] = [own.at(0)];
            match (x.affine.is_identity(), colours) {
                (true, 3) => Preprocess::Torch,
                (true, _) => Preprocess::Unit,
                (false, _) if mul < SMALLEST_UNIT_FACTOR || -add / mul > LARGEST_UNIT_MEAN => {
                    Preprocess::Raw
                }
                (false, _) => Preprocess::Unit,
            }
        };
        let preprocess = self.options.preprocess.unwrap_or_else(guess);
        let (mul, add) = preprocess.affine(colours);
        let all = Affine { mul, add }.then(&own);
        if !all.mul.iter().all(|&m| m > 0.0 && (1.0 / m).is_finite()) {
            return Err(Refusal::new(
                format!("scales the image by {:?}", own.mul),
                "normalizations need positive factors",
            ));
        }
        // pixel * m + a = (pixel / 255 - mean) / std
        let std = all.mul.iter().map(|m| 1.0 / (255.0 * m));
        let mean = all.add.iter().zip(std.clone()).map(|(a, std)| -a * std);
        let mut mean: Vec<f32> = mean.map(|x| x as f32).collect();
        let mut std: Vec<f32> = std.map(|x| x as f32).collect();
        let reversed = x.reversed != (preprocess.is_bgr() && colours == 3);
        if reversed {
            mean.reverse();
            std.reverse();
        }
        let op = Op::Normalize { mean, std };
        let known = self.normalizations.iter().find(|(known, _)| *known == op);
        let node = match known {
            Some((_, node)) => *node,
            None => {
                let node = self.builder.push("normalize", op.clone(), &[x.node])?;
                self.normalizations.push((op, node));
                node
            }
        };
        Ok(Activation {
            node,
            affine: Affine::identity(),
            reversed,
            ..x.clone()
        })
    }

    /// `x` with `affine` on top. Padding must stay zero.
    pub fn with_affine(&mut self, x: &Activation, affine: &Affine) -> Result<Activation, Refusal> {
        if x.is_padded() && !affine.is_linear() {
            return Err(Refusal::new(
                "shifts a tensor after its zero padding",
                "put the padding into the convolution that reads it",
            ));
        }
        self.builder
            .budget
            .take(affine.mul.len().max(x.affine.mul.len()))?;
        Ok(Activation {
            affine: x.affine.then(affine),
            ..x.clone()
        })
    }

    /// `x` as flat features `[N][C]` in the order that the file's flattening has. The result says where each of them lies among
    /// the graph's, which are in the order channels, height, width; `None` where the two are the same.
    pub fn flattened(
        &mut self,
        x: &Activation,
    ) -> Result<(Activation, Option<Vec<usize>>), Refusal> {
        let x = self.plain(x)?;
        let sizes = self.sizes(&x);
        let refuse = || {
            let lengths = x.layout.lengths(sizes);
            Refusal::new(
                format!("reads {lengths:?} where a batch of flat features belongs"),
                "put Flatten before it",
            )
        };
        if x.layout.0.len() != 2 || x.layout.axis(0, sizes) != [Dim::N] {
            return Err(refuse());
        }
        let order = x.layout.axis(1, sizes);
        let [_, c, h, w] = sizes.0;
        let sorted = order.is_sorted();
        let node = match h * w {
            1 => x.node,
            _ => {
                let name = format!("{}.flat", self.builder.node(x.node).name);
                self.builder.push(&name, Op::Flatten, &[x.node])?
            }
        };
        let places = match sorted {
            true => None,
            false => {
                self.builder.budget.take(c * h * w)?;
                let stride = |dim: Dim| match dim {
                    Dim::N => 0,
                    Dim::C => h * w,
                    Dim::H => w,
                    Dim::W => 1,
                };
                let mut places = vec![0];
                for &dim in &order {
                    let along =
                        |&place: &usize| (0..sizes.of(dim)).map(move |i| place + i * stride(dim));
                    places = places.iter().flat_map(along).collect();
                }
                Some(places)
            }
        };
        let flat = Activation {
            layout: Layout::flat(),
            ..Activation::of(node)
        };
        Ok((flat, places))
    }
}
