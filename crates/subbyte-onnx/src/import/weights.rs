//! Parameters behind quantizers.

use std::rc::Rc;

use subbyte_graph::Quantizer;

use super::value::Weights;
use crate::{
    error::Refusal,
    tensor::{Numbers, Tensor},
};

impl Weights {
    /// The values that the quantizer makes, in f32.
    pub fn rounded(&self) -> Tensor {
        let mut values = self.values.to_floats();
        if let Some(scale) = &self.scale {
            let scales = scale.to_floats();
            let inner: usize = self.values.dims.iter().skip(self.axis + 1).product();
            let length = self.values.dims.get(self.axis).copied().unwrap_or(1);
            for (i, value) in values.iter_mut().enumerate() {
                let scale = match scales.as_slice() {
                    [one] => *one,
                    all => all[i / inner.max(1) % length.max(1)],
                };
                let grid = self.quantizer.grid(scale);
                *value = grid.value(grid.code_f32(*value));
            }
        }
        self.values.with(Numbers::Float(values))
    }

    /// The same weights with rows and columns exchanged.
    pub fn transposed(&self) -> Result<Self, Refusal> {
        let axis = match self.per_channel() {
            true => 1 - self.axis.min(1),
            false => 0,
        };
        Ok(Self {
            values: Rc::new(transpose(&self.values)?),
            axis,
            ..self.clone()
        })
    }

    /// Whether output channels have scales of their own.
    pub fn per_channel(&self) -> bool {
        match (&self.scale, self.quantizer) {
            (_, Quantizer::BinaryMean { per_channel }) => per_channel,
            (Some(scale), _) => scale.len() != 1,
            (None, _) => false,
        }
    }
}

/// A matrix with rows and columns exchanged.
pub fn transpose(matrix: &Tensor) -> Result<Tensor, Refusal> {
    let &[rows, columns] = matrix.dims.as_slice() else {
        return Err(Refusal::broken(format!(
            "its weight has the shape {:?}; a matrix is needed",
            matrix.dims
        )));
    };
    let indices = (0..rows * columns).map(|i| i % rows * columns + i / rows);
    Ok(matrix.gather(vec![columns, rows], indices))
}
