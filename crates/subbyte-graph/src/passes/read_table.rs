use super::spread_colours;
use crate::networks::{Input, TABLE_MAX, encoder_columns, learned_columns};
use crate::{Graph, NodeId, Op, Param, Quantizer, Role};

impl Graph {
    /// Lets a float network read the low-bit columns of a pixel table or a fixed encoder in the place of normalized pixels. Convolutions
    /// that read them get weights and biases that make of the columns about what they made of colours ([`spread_colours`]); at the
    /// image's border, where the convolution sees code 0 and no longer the mean colour, they differ more.
    ///
    /// The graph has to be valid, every layer needs parameters of its own and a bias ([`Graph::own_parameters`]).
    ///
    /// # Errors
    /// If something else than convolutions without groups reads the pixels; with its name.
    pub fn read_table(&mut self, input: Input) -> Result<(), String> {
        let is_normalize = |node: &crate::Node| matches!(node.op, Op::Normalize { .. });
        let Some(pixels) = self.nodes.iter().position(is_normalize) else {
            return Err(format!("`{}` reads no normalized pixels", self.name));
        };
        let Op::Normalize { mean, std } = self.nodes[pixels].op.clone() else {
            unreachable!("found as such")
        };
        let (table, step, bits) = match input {
            Input::Encoder(encoder) => (encoder_columns(encoder), 1.0, encoder.bits()),
            Input::Table(config) => {
                let (param, step) = learned_columns(config, mean.len(), TABLE_MAX, 0);
                (param, step, config.bits)
            }
        };
        for reader in self.consumers()[pixels].clone() {
            self.read_columns(reader, &table, [&mean, &std])?;
        }
        let name = self.nodes[pixels].name.clone();
        let image = self.nodes[pixels].inputs[0];
        let table = self.fresh_param(format!("{name}.table"), table);
        // The step of a learned table stays, as in built-in networks: its gradient is the sum over all pixels.
        let step = Param::new([1], Role::Constant, vec![step]);
        let step = self.fresh_param(format!("{name}.table.scale"), step);
        let quantizer = Quantizer::Lsq {
            bits,
            signed: false,
        };
        let quantize = format!("{name}.table.quantize");
        let quantized = self.push(quantize, Op::Quantize(quantizer), &[table, step]);
        self.nodes[pixels].op = Op::PixelTable;
        self.nodes[pixels].inputs = vec![image, quantized];
        // What the table is made of has to stand before it.
        let made = [table, step, quantized];
        let before = (0..pixels).chain(made);
        let after = (pixels..self.nodes.len()).filter(|id| !made.contains(id));
        let order: Vec<NodeId> = before.chain(after).collect();
        self.reorder(&order);
        Ok(())
    }

    /// Gives convolution `reader` weights for the columns of `table`, and takes what they add on average out of its bias.
    fn read_columns(
        &mut self,
        reader: NodeId,
        table: &Param,
        [mean, std]: [&[f32]; 2],
    ) -> Result<(), String> {
        let node = &self.nodes[reader];
        let plain = matches!(node.op, Op::Conv2d { groups: 1, .. });
        let refused = || {
            format!(
                "`{}` reads the pixels; behind a pixel table that has to be a convolution without groups",
                node.name
            )
        };
        let own = |i: usize| self.param_of(*node.inputs.get(i)?).filter(|_| plain);
        let (Some((weight_name, weight)), Some((bias_name, bias))) = (own(1), own(2)) else {
            return Err(refused());
        };
        let [outputs, colours, kh, kw] = weight.shape[..] else {
            return Err(refused());
        };
        let mut scaled = weight.to_vec();
        for (i, kernel) in scaled.chunks_mut(kh * kw).enumerate() {
            kernel.iter_mut().for_each(|w| *w /= std[i % colours]);
        }
        let spread = spread_colours(&weight.shape, &scaled, table).ok_or_else(refused)?;
        let depth = table.shape[2];
        let means = column_means(table);
        let added = |o: usize| -> f64 {
            let taps = kh * kw;
            let of_columns = spread[o * colours * depth * taps..][..colours * depth * taps].iter();
            let columns = of_columns.enumerate().map(|(i, w)| {
                let column = i / taps % means.len();
                f64::from(*w) * means[column]
            });
            let of_colours = scaled[o * colours * taps..][..colours * taps].iter();
            // The mean of all pixel values is a half.
            let colours = of_colours
                .enumerate()
                .map(|(i, w)| f64::from(*w) * (0.5 - f64::from(mean[i / taps])));
            colours.sum::<f64>() - columns.sum::<f64>()
        };
        let bias = bias.to_vec().into_iter().enumerate();
        let bias: Vec<f32> = bias.map(|(o, b)| b + added(o) as f32).collect();
        let weight = Param::new([outputs, colours * depth, kh, kw], weight.role, spread);
        let bias = Param::new([outputs], Role::Bias, bias);
        let names = [weight_name, bias_name].map(str::to_owned);
        self.params.extend(names.into_iter().zip([weight, bias]));
        Ok(())
    }
}

/// Mean of every column over all rows, `[table][column]`.
fn column_means(table: &Param) -> Vec<f64> {
    let (rows, depth) = (table.shape[1], table.shape[2]);
    let values = table.to_vec();
    let one = |values: &[f32]| -> Vec<f64> {
        let mean = |d: usize| {
            let column = values.iter().skip(d).step_by(depth);
            column.map(|v| f64::from(*v)).sum::<f64>() / rows as f64
        };
        (0..depth).map(mean).collect()
    };
    values.chunks(rows * depth).flat_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::{FirstLayer, LastLayer, NetworkConfig, TableConfig, build};

    #[test]
    fn a_pixel_means_what_it_meant() {
        let config = NetworkConfig {
            bits: None,
            first: FirstLayer::Float,
            last: LastLayer::Float,
            mean: vec![0.4, 0.5, 0.3],
            std: vec![0.2, 0.3, 0.25],
            ..NetworkConfig::default()
        };
        let mut float = build("resnet20", &config).expect("network");
        float.fold_norms();
        float.own_parameters();
        let mut graph = float.clone();
        graph
            .read_table(Input::Table(TableConfig::default()))
            .expect("table");
        graph.validate().expect("valid");
        let param = |graph: &Graph, part: &str| graph.params[&format!("stem.{part}")].to_vec();
        let (w, b) = (param(&float, "folded.weight"), param(&float, "folded.bias"));
        let (columns, bias) = (param(&graph, "folded.weight"), param(&graph, "folded.bias"));
        let table = graph.params["input.normalize.table"].to_vec();
        // An even field of each grey, away from the border.
        for v in [0usize, 60, 128, 200, 255] {
            for o in 0..16 {
                let pixel = |c: usize| (v as f32 / 255.0 - config.mean[c]) / config.std[c];
                let wanted: f32 = (0..27).map(|i| w[o * 27 + i] * pixel(i / 9)).sum();
                let column = |i: usize| table[v * 10 + i / 9 % 10];
                let found: f32 = (0..270).map(|i| columns[o * 270 + i] * column(i)).sum();
                let size: f32 = (0..27)
                    .map(|i| (w[o * 27 + i] / config.std[i / 9]).abs())
                    .sum();
                let off = (wanted + b[o] - found - bias[o]).abs();
                assert!(off < 0.03 * size, "pixel {v}, channel {o}: {off} of {size}");
            }
        }
    }
}
