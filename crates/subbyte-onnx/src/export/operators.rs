//! Every operator of a graph in ONNX's words.

use subbyte_graph::{NodeId, Op, Window};

use super::{
    Export, Tensor,
    file::{float, int, ints, text},
};
use crate::schema::AttributeProto;

impl Export<'_> {
    /// Writes node `id`, which makes a tensor of features.
    pub(super) fn operator(&mut self, id: NodeId) -> Result<Tensor, String> {
        let graph = self.graph;
        let node = &graph.nodes[id];
        let name = node.name.as_str();
        match &node.op {
            // Neither makes features.
            Op::Image { .. } | Op::Param { .. } => Ok(Tensor::default()),
            Op::Normalize { mean, std } => Ok(self.normalize(id, mean, std)),
            Op::PixelTable => self.pixel_table(id),
            Op::Quantize(quantizer) => self.quantizer(id, *quantizer),
            Op::Minifloat { format, .. } => Err(format!(
                "its numbers are {format} floats, for which ONNX has no quantizer; export the float network, or one of integers"
            )),
            Op::Conv2d {
                stride,
                padding,
                groups,
            } => {
                let x = self.spatial_input(id);
                let inputs = self.with_constants(id, x)?;
                let kernel = match self.shapes[node.inputs[1]].dims() {
                    &[_, _, height, width] => [height, width],
                    _ => return Err("its weight has no height and width".to_owned()),
                };
                let window = Window {
                    kernel,
                    stride: *stride,
                    padding: *padding,
                };
                let mut attributes = attributes(&window);
                attributes.push(int("group", *groups));
                Ok(self.spatial_node(name, "Conv", &inputs, attributes))
            }
            Op::Linear => {
                let x = self.tensors[node.inputs[0]].clone();
                let x = self.flat(name, &x);
                let inputs = self.with_constants(id, x)?;
                let transposed = vec![int("transB", 1)];
                let name = self.append(name, "Gemm", &inputs, transposed);
                Ok(Tensor { name, flat: true })
            }
            Op::BatchNorm { eps } => {
                let x = self.tensors[node.inputs[0]].clone();
                let inputs = self.with_constants(id, x.name)?;
                let eps = vec![float("epsilon", *eps)];
                let name = self.append(name, "BatchNormalization", &inputs, eps);
                Ok(Tensor { name, ..x })
            }
            Op::Input { .. }
            | Op::GroupNorm { .. }
            | Op::Attention { .. }
            | Op::Affine { .. }
            | Op::Clip { .. }
            | Op::Map { .. } => {
                Err("is not written to ONNX yet; keep the network as .sbg".to_owned())
            }
            Op::Relu => Ok(self.map(id, "Relu", Vec::new())),
            Op::Relu6 => {
                let x = self.tensors[node.inputs[0]].clone();
                let low = self.file.float("relu6.min", 0.0);
                let high = self.file.float("relu6.max", 6.0);
                let name = self
                    .file
                    .node(name, "Clip", &[&x.name, &low, &high], Vec::new());
                Ok(Tensor { name, ..x })
            }
            Op::Silu => {
                let x = self.tensors[node.inputs[0]].clone();
                let file = &mut self.file;
                let gate = format!("{name}.sigmoid");
                let gate = file.node(&gate, "Sigmoid", &[&x.name], Vec::new());
                let name = file.node(name, "Mul", &[&x.name, &gate], Vec::new());
                Ok(Tensor { name, ..x })
            }
            Op::HardSwish => Ok(self.map(id, "HardSwish", Vec::new())),
            Op::HardSigmoid => {
                let line = vec![float("alpha", 1.0 / 6.0), float("beta", 0.5)];
                Ok(self.map(id, "HardSigmoid", line))
            }
            Op::MaxPool(window) => {
                let x = self.spatial_input(id);
                Ok(self.spatial_node(name, "MaxPool", &[x], attributes(window)))
            }
            Op::AvgPool(window) => {
                let x = self.spatial_input(id);
                let mut attributes = attributes(window);
                attributes.push(int("count_include_pad", 1));
                Ok(self.spatial_node(name, "AveragePool", &[x], attributes))
            }
            Op::AvgPoolInside(window) => {
                let x = self.spatial_input(id);
                let mut attributes = attributes(window);
                attributes.push(int("count_include_pad", 0));
                Ok(self.spatial_node(name, "AveragePool", &[x], attributes))
            }
            Op::GlobalAvgPool => {
                let x = self.spatial_input(id);
                Ok(self.spatial_node(name, "GlobalAveragePool", &[x], Vec::new()))
            }
            Op::Add => Ok(self.joined(id, "Add", Vec::new())),
            Op::Mul => Ok(self.joined(id, "Mul", Vec::new())),
            Op::Concat => Ok(self.joined(id, "Concat", vec![int("axis", 1)])),
            Op::Slice { start, end, step } => {
                let x = self.spatial_input(id);
                let lists = [("start", start), ("end", end), ("step", step)];
                let [start, end, step] = lists.map(|(what, values)| {
                    let values = values.map(|n| n as i64);
                    self.file.list(&format!("{name}.{what}"), &values)
                });
                let axes = self.file.list("axes.image", &[1, 2, 3]);
                let inputs = [x, start, end, axes, step];
                Ok(self.spatial_node(name, "Slice", &inputs, Vec::new()))
            }
            Op::PadChannels { before, after } => {
                let x = self.spatial_input(id);
                let pads = [0, *before as i64, 0, 0, 0, *after as i64, 0, 0];
                let pads = self.file.list(&format!("{name}.pads"), &pads);
                Ok(self.spatial_node(name, "Pad", &[x, pads], Vec::new()))
            }
            Op::Flatten => {
                let x = self.tensors[node.inputs[0]].clone();
                let name = match x.flat {
                    true => x.name,
                    false => self
                        .file
                        .node(name, "Flatten", &[&x.name], vec![int("axis", 1)]),
                };
                Ok(Tensor { name, flat: true })
            }
            Op::Upsample {
                vertical,
                horizontal,
            } => {
                let x = self.spatial_input(id);
                let factors = [1.0, 1.0, *vertical as f32, *horizontal as f32];
                let factors = self.file.floats(&format!("{name}.factors"), &[4], &factors);
                let nearest = vec![
                    text("mode", "nearest"),
                    text("coordinate_transformation_mode", "asymmetric"),
                    text("nearest_mode", "floor"),
                ];
                Ok(self.spatial_node(name, "Resize", &[x, String::new(), factors], nearest))
            }
        }
    }

    fn append(
        &mut self,
        name: &str,
        operator: &str,
        inputs: &[String],
        attributes: Vec<AttributeProto>,
    ) -> String {
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        self.file.node(name, operator, &inputs, attributes)
    }

    /// Appends a node whose result has height and width.
    fn spatial_node(
        &mut self,
        name: &str,
        operator: &str,
        inputs: &[String],
        attributes: Vec<AttributeProto>,
    ) -> Tensor {
        let name = self.append(name, operator, inputs, attributes);
        Tensor { name, flat: false }
    }

    /// A function of every number of node `id`'s input.
    fn map(&mut self, id: NodeId, operator: &str, attributes: Vec<AttributeProto>) -> Tensor {
        let node = &self.graph.nodes[id];
        let x = self.tensors[node.inputs[0]].clone();
        let name = self.file.node(&node.name, operator, &[&x.name], attributes);
        Tensor { name, ..x }
    }

    /// An operator of several tensors, which must have one rank.
    fn joined(&mut self, id: NodeId, operator: &str, attributes: Vec<AttributeProto>) -> Tensor {
        let node = &self.graph.nodes[id];
        let tensors: Vec<Tensor> = node
            .inputs
            .iter()
            .map(|&i| self.tensors[i].clone())
            .collect();
        let flat = tensors.iter().all(|x| x.flat);
        let inputs: Vec<String> = match flat {
            true => tensors.into_iter().map(|x| x.name).collect(),
            false => tensors
                .iter()
                .map(|x| self.spatial(&node.name, x))
                .collect(),
        };
        let name = self.append(&node.name, operator, &inputs, attributes);
        Tensor { name, flat }
    }

    /// `x` and the parameters of node `id`.
    fn with_constants(&mut self, id: NodeId, x: String) -> Result<Vec<String>, String> {
        let mut inputs = vec![x];
        for &param in &self.graph.nodes[id].inputs[1..] {
            inputs.push(self.constant(param)?);
        }
        Ok(inputs)
    }

    /// The first input of node `id`, with height and width.
    fn spatial_input(&mut self, id: NodeId) -> String {
        let node = &self.graph.nodes[id];
        let x = self.tensors[node.inputs[0]].clone();
        self.spatial(&node.name, &x)
    }

    /// `x` as `[N][C][H][W]`, for node `reader`.
    pub(super) fn spatial(&mut self, reader: &str, x: &Tensor) -> String {
        if !x.flat {
            return x.name.clone();
        }
        let axes = self.file.list("axes.pixels", &[2, 3]);
        let name = format!("{reader}.unsqueeze");
        self.file
            .node(&name, "Unsqueeze", &[&x.name, &axes], Vec::new())
    }

    /// `x`, of height and width 1, as `[N][C]`, for node `reader`.
    pub(super) fn flat(&mut self, reader: &str, x: &Tensor) -> String {
        if x.flat {
            return x.name.clone();
        }
        let name = format!("{reader}.flatten");
        self.file
            .node(&name, "Flatten", &[&x.name], vec![int("axis", 1)])
    }
}

fn attributes(window: &Window) -> Vec<AttributeProto> {
    vec![
        ints("kernel_shape", &window.kernel),
        ints("strides", &window.stride),
        ints("pads", &window.padding),
    ]
}
