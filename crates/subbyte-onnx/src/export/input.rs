//! The image, and what turns its pixels into numbers.

use subbyte_graph::NodeId;

use super::{
    Export, Form, Tensor,
    file::{int, ints},
};
use crate::schema::data_type;

/// Values of a pixel, the rows of a table as it is written.
const PIXELS: usize = 256;

impl Export<'_> {
    /// The file's input.
    pub(super) fn image(&mut self, id: NodeId) -> Tensor {
        let dims = self.dims(id);
        let doc = match dims[0] {
            1 => "grey pixels from 0 to 255",
            _ => "red, green and blue pixels from 0 to 255",
        };
        let name = self.file.input(&self.graph.nodes[id].name, &dims, doc);
        Tensor { name, flat: false }
    }

    /// `(pixel / 255 - mean) / std`, in these steps.
    pub(super) fn normalize(&mut self, id: NodeId, mean: &[f32], std: &[f32]) -> Tensor {
        let node = &self.graph.nodes[id];
        let (name, x) = (&node.name, self.tensors[node.inputs[0]].name.clone());
        let dims = [1, mean.len(), 1, 1];
        let file = &mut self.file;
        let largest = file.float("pixel.max", 255.0);
        let mean = file.floats(&format!("{name}.mean"), &dims, mean);
        let std = file.floats(&format!("{name}.std"), &dims, std);
        let x = file.node(&format!("{name}.unit"), "Div", &[&x, &largest], Vec::new());
        let x = file.node(&format!("{name}.centre"), "Sub", &[&x, &mean], Vec::new());
        let name = file.node(name, "Div", &[&x, &std], Vec::new());
        Tensor { name, flat: false }
    }

    /// Looks every pixel value up: Gather makes `[N][colours][H][W][D]`, whose last axis moves behind the colours.
    pub(super) fn pixel_table(&mut self, id: NodeId) -> Result<Tensor, String> {
        let graph = self.graph;
        let node = &graph.nodes[id];
        let name = &node.name;
        let [image, table] = [node.inputs[0], node.inputs[1]];
        let (param_name, param) = graph
            .source_param(table)
            .ok_or("its table is no parameter")?;
        let &[tables, rows, depth] = param.shape.as_slice() else {
            return Err("its table has other axes than tables, rows and columns".to_owned());
        };
        let mut pixels = self.tensors[image].name.clone();
        let as_integers = vec![int("to", data_type::INT32 as usize)];
        pixels = self
            .file
            .node(&format!("{name}.pixels"), "Cast", &[&pixels], as_integers);
        if tables > 1 {
            let starts = (0..tables).flat_map(|t| ((t * PIXELS) as i32).to_le_bytes());
            let starts = starts.collect();
            let dims = [1, tables, 1, 1];
            let file = &mut self.file;
            let starts = file.constant(&format!("{name}.starts"), &dims, data_type::INT32, starts);
            pixels = file.node(
                &format!("{name}.rows"),
                "Add",
                &[&pixels, &starts],
                Vec::new(),
            );
        }
        let shape = [tables * PIXELS, depth];
        // Scales of their own for every colour would not outlast the move of the axes.
        let levels = self.levels(table)?.filter(|l| l.scales.len() == 1);
        let levels = levels.and_then(|levels| Some((levels.integers()?, levels)));
        match (levels, self.form) {
            (None, _) => {
                let values = match self.levels(table)? {
                    Some(levels) => levels.values(),
                    None => param.to_vec(),
                };
                let values = every_pixel(&values, rows, depth);
                let table = self.file.floats(param_name, &shape, &values);
                let name = self.looked_up(id, name, &table, &pixels, depth);
                Ok(Tensor { name, flat: false })
            }
            (Some((integers, levels)), Form::Qonnx) => {
                let values = every_pixel(&levels.values(), rows, depth);
                let written = self.file.floats(param_name, &shape, &values);
                let x = self.looked_up(id, name, &written, &pixels, depth);
                let scale = self.scale_name(table, param_name);
                let scale = self.file.float(&scale, levels.scales[0]);
                let quantizer = &graph.nodes[table].name;
                let name = integers.quant(&mut self.file, quantizer, [&x, &scale], "ROUND");
                Ok(Tensor { name, flat: false })
            }
            (Some((integers, levels)), Form::Qdq) => {
                // Bytes, which Gather and Transpose of every runtime know.
                let all = every_pixel(&levels.levels, rows, depth);
                let table_name = format!("{param_name}{}", super::weights::SUFFIX);
                let zero = i32::from(integers.zero);
                let codes = all.iter().map(|level| (level + zero) as u8);
                let written =
                    self.file
                        .constant(&table_name, &shape, integers.byte_type(), codes.collect());
                let x = self.looked_up(id, name, &written, &pixels, depth);
                let scale = self.scale_name(table, param_name);
                let quantizer = &graph.nodes[table].name;
                let x = integers.clip(&mut self.file, &format!("{quantizer}.clip"), x);
                let scale = self.file.float(&scale, levels.scales[0]);
                let zero = format!("{}.{}", integers.type_name(), integers.zero);
                let zero =
                    self.file
                        .constant(&zero, &[], integers.byte_type(), vec![integers.zero]);
                let inputs = [x.as_str(), &scale, &zero];
                let name = self
                    .file
                    .node(quantizer, "DequantizeLinear", &inputs, Vec::new());
                Ok(Tensor { name, flat: false })
            }
        }
    }

    fn looked_up(
        &mut self,
        id: NodeId,
        name: &str,
        table: &str,
        pixels: &str,
        depth: usize,
    ) -> String {
        let [channels, height, width] = self.dims(id);
        let file = &mut self.file;
        let x = file.node(
            &format!("{name}.columns"),
            "Gather",
            &[table, pixels],
            vec![int("axis", 0)],
        );
        if depth == 1 {
            let axes = file.list("axes.last", &[4]);
            return file.node(name, "Squeeze", &[&x, &axes], Vec::new());
        }
        let order = vec![ints("perm", &[0, 1, 4, 2, 3])];
        let x = file.node(&format!("{name}.order"), "Transpose", &[&x], order);
        let shape = [-1, channels as i64, height as i64, width as i64];
        let shape = file.list(&format!("{name}.shape"), &shape);
        file.node(name, "Reshape", &[&x, &shape], Vec::new())
    }
}

/// A table `[tables][rows][depth]` with a row for each pixel value.
fn every_pixel<T: Copy>(table: &[T], rows: usize, depth: usize) -> Vec<T> {
    let rows = table
        .chunks_exact(depth)
        .flat_map(|row| std::iter::repeat_n(row, PIXELS / rows));
    rows.flatten().copied().collect()
}
