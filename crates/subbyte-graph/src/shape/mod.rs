//! Shape inference for one image.

mod rules;

use rules::{arity, output_shape};

use crate::{Graph, Op, Problems};

/// Limit of one tensor of one image, so that products of sizes cannot overflow.
const MAX_ELEMENTS: usize = i32::MAX as usize;

/// Shape of the tensor that a node makes, without the batch axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// u8 pixels: colours, height, width.
    Image([usize; 3]),
    /// Values: channels, height, width; a flat vector is `[features, 1, 1]`.
    Feature([usize; 3]),
    /// A parameter, quantized or not, by its own axes.
    Param(Vec<usize>),
}

impl Shape {
    /// Lengths of the axes.
    pub fn dims(&self) -> &[usize] {
        match self {
            Shape::Image(dims) | Shape::Feature(dims) => dims,
            Shape::Param(dims) => dims,
        }
    }

    /// Channels, height and width of a feature tensor.
    pub fn feature(&self) -> Option<[usize; 3]> {
        match self {
            Shape::Feature(dims) => Some(*dims),
            _ => None,
        }
    }

    /// The shape that `op` makes of tensors of `inputs`. A parameter's own shape is not `op`'s to know.
    ///
    /// # Errors
    /// What does not fit: the number of inputs, their shapes, or the size of the result.
    pub fn of(op: &Op, inputs: &[&Shape]) -> Result<Shape, String> {
        check_arity(op, inputs.len())?;
        if let Op::Param { name } = op {
            return Err(format!("the shape of parameter `{name}` is its own"));
        }
        limited(output_shape(op, inputs)?)
    }

    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.dims().iter().product()
    }
}

impl Graph {
    /// Shapes of all nodes for one image.
    ///
    /// # Errors
    /// Every node whose inputs do not fit it. Nodes behind such a node are not judged.
    pub fn shapes(&self) -> Result<Vec<Shape>, Problems> {
        let mut problems = Problems::default();
        let shapes = self.partial_shapes(&mut problems);
        problems.or(shapes.into_iter().flatten().collect())
    }

    /// Shapes as far as they can be known; the others are `None` and their causes are added to `problems`.
    pub(crate) fn partial_shapes(&self, problems: &mut Problems) -> Vec<Option<Shape>> {
        let mut shapes: Vec<Option<Shape>> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let shape = self.infer(&node.inputs, &shapes, &node.op);
            shapes.push(shape.unwrap_or_else(|what| {
                problems.add(&node.name, what);
                None
            }));
        }
        shapes
    }

    fn infer(
        &self,
        inputs: &[usize],
        shapes: &[Option<Shape>],
        op: &Op,
    ) -> Result<Option<Shape>, String> {
        if let Some(&input) = inputs.iter().find(|&&input| input >= shapes.len()) {
            return Err(match self.nodes.get(input) {
                Some(later) => format!(
                    "reads node {input} (`{}`), which does not come before it: sort the nodes topologically",
                    later.name
                ),
                None => format!("reads node {input}, but there are {}", self.nodes.len()),
            });
        }
        check_arity(op, inputs.len())?;
        let known: Option<Vec<&Shape>> = inputs.iter().map(|&i| shapes[i].as_ref()).collect();
        let Some(inputs) = known else {
            return Ok(None);
        };
        let shape = match op {
            Op::Param { name } => match self.params.get(name) {
                Some(param) => Shape::Param(param.shape.clone()),
                None => {
                    return Err(format!(
                        "parameter `{name}` does not exist: add it to the graph"
                    ));
                }
            },
            _ => output_shape(op, &inputs)?,
        };
        limited(shape).map(Some)
    }
}

fn check_arity(op: &Op, inputs: usize) -> Result<(), String> {
    let (least, most) = arity(op);
    if (least..=most).contains(&inputs) {
        return Ok(());
    }
    let wanted = match most {
        usize::MAX => format!("{least} or more"),
        most if most > least => format!("{least} to {most}"),
        _ => least.to_string(),
    };
    Err(format!("has {inputs} inputs, needs {wanted}"))
}

/// `shape` where it is neither empty nor too large.
fn limited(shape: Shape) -> Result<Shape, String> {
    let mut dims = shape.dims().iter();
    match dims.try_fold(1, |n: usize, &d| n.checked_mul(d)) {
        Some(n) if n > 0 && n <= MAX_ELEMENTS => Ok(shape),
        Some(0) => Err(format!("makes an empty tensor {:?}", shape.dims())),
        _ => Err(format!(
            "makes a tensor {:?} that is too large",
            shape.dims()
        )),
    }
}
