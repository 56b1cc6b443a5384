//! Operators with parameters of their own: the pixel table, convolutions and linear layers.

use subbyte_model::{Conv2d, Linear, Op as IntegerOp, Packed, Pad, PixelTable, Weights};

use super::fusion::{Fusion, Tensor, Value};
use super::weights::{Coded, LayerWeights};
use super::{Chain, Step};
use crate::{NodeId, Op};

impl Fusion<'_> {
    pub(super) fn pixel_table(&mut self, id: NodeId) -> Result<Value, String> {
        let table = Coded::of(self.graph, self.graph.nodes[id].inputs[1])?;
        let [tables, rows, depth] = table.shape[..] else {
            return Err("a pixel table has the shape [1 or colours][rows][D]".to_owned());
        };
        let &[scale] = &table.scales[..] else {
            return Err("a pixel table has one scale".to_owned());
        };
        let code = table.code;
        // The integer model has a row for every pixel value.
        let codes: Vec<u8> = table
            .codes
            .chunks_exact(depth)
            .flat_map(|row| row.repeat(256 / rows))
            .collect();
        let op = PixelTable {
            depth,
            tables,
            code,
            codes: Packed::new(code.bits, &codes),
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
    pub(super) fn weighted(
        &mut self,
        id: NodeId,
        x: &Tensor,
        value: &Value,
    ) -> Result<Value, String> {
        let node = &self.graph.nodes[id];
        let scale = self.pure(x)?;
        let LayerWeights {
            shape,
            weights,
            scales,
        } = LayerWeights::of(self.graph, node.inputs[1])?;
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
                kernel: [shape[2], shape[3]],
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
        let mut chain = Chain::scales(scales.iter().map(|s| s * scale).collect());
        if let Some(&bias) = node.inputs.get(2) {
            let add = self.parameter(bias);
            chain = chain.then(Step::Affine {
                mul: vec![1.0; add.len()],
                add,
            });
        }
        Ok(Value::Sums(self.tensor(id, op, vec![x.node], range, chain)))
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
