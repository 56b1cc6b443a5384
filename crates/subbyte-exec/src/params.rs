use burn::module::{Module, Param};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use subbyte_graph::{Graph, Param as GraphParam, Role};

use crate::ExecError;

/// The parameters of a graph as one burn module: each a flat `[len]` tensor, in the order of their names. The graph knows their
/// shapes. Those whose role is trained require gradients. Those that are codes and never trained are not here: they stay packed in
/// the graph, and a pass decodes each when it comes to it.
#[derive(Module, Debug)]
pub struct Parameters {
    tensors: Vec<Param<Tensor<1>>>,
    #[module(skip)]
    infos: Vec<ParameterInfo>,
}

/// What a parameter is, without its numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterInfo {
    /// Its name in the graph.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Number of values.
    pub len: usize,
}

/// Whether a parameter is kept at the bit width of its codes.
fn stays_packed(param: &GraphParam) -> bool {
    param.code_bits().is_some() && !param.role.is_trained()
}

impl Parameters {
    /// Uploads the parameters of `graph`.
    pub fn new(graph: &Graph, device: &Device) -> Self {
        let (tensors, infos) = graph
            .params
            .iter()
            .filter(|(_, param)| !stays_packed(param))
            .map(|(name, param)| {
                let data = TensorData::new(param.to_vec(), [param.len()]);
                let info = ParameterInfo {
                    name: name.clone(),
                    role: param.role,
                    len: param.len(),
                };
                let tensor = Param::from_data(data, device);
                (tensor.set_require_grad(param.role.is_trained()), info)
            })
            .unzip();
        Self { tensors, infos }
    }

    /// Name, role and tensor of every parameter.
    pub fn iter(&self) -> impl Iterator<Item = (&ParameterInfo, &Param<Tensor<1>>)> {
        self.infos.iter().zip(&self.tensors)
    }

    /// The tensor of parameter `name`.
    pub fn get(&self, name: &str) -> Option<&Param<Tensor<1>>> {
        self.position(name).ok().map(|i| &self.tensors[i])
    }

    /// The numbers of parameter `name`.
    ///
    /// # Errors
    /// If there is no such parameter.
    pub fn values(&self, name: &str) -> Result<Vec<f32>, ExecError> {
        let i = self.position(name)?;
        Ok(self.tensors[i].val().into_data().iter::<f32>().collect())
    }

    /// Replaces the numbers of parameter `name`.
    ///
    /// # Errors
    /// If there is no such parameter or it has another number of values.
    pub fn set(&mut self, name: &str, values: Vec<f32>) -> Result<(), ExecError> {
        let i = self.position(name)?;
        if values.len() != self.infos[i].len {
            return Err(ExecError::ParameterLength {
                name: name.to_owned(),
                expected: self.infos[i].len,
                found: values.len(),
            });
        }
        let device = self.tensors[i].val().device().inner();
        let len = values.len();
        self.replace(
            i,
            Tensor::from_data(TensorData::new(values, [len]), &device),
        );
        Ok(())
    }

    /// Takes the gradient of every trained parameter that has one and replaces the parameter by what `rule` makes of it:
    /// `rule(info, value, gradient)`. Neither tensor is on a gradient tape.
    pub fn update(
        &mut self,
        gradients: &mut Gradients,
        mut rule: impl FnMut(&ParameterInfo, Tensor<1>, Tensor<1>) -> Tensor<1>,
    ) {
        for i in 0..self.tensors.len() {
            let value = self.tensors[i].val();
            if self.infos[i].role.is_trained()
                && let Some(gradient) = value.grad_remove(gradients)
            {
                let new = rule(&self.infos[i], value.inner(), gradient);
                self.replace(i, new);
            }
        }
    }

    /// Puts `value`, which is on no tape, in the place of parameter `i`.
    fn replace(&mut self, i: usize, value: Tensor<1>) {
        let trained = self.infos[i].role.is_trained();
        let old = self.tensors[i].clone();
        self.tensors[i] = old.map(|old| {
            if old.is_autodiff() {
                Tensor::from_inner(value).set_require_grad(trained)
            } else {
                value
            }
        });
    }

    fn position(&self, name: &str) -> Result<usize, ExecError> {
        self.infos
            .binary_search_by(|info| info.name.as_str().cmp(name))
            .map_err(|_| ExecError::UnknownParameter(name.to_owned()))
    }
}
