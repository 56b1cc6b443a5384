//! What an update may not do: push a step to zero, or a table entry out of the range where it has a gradient.

use burn::tensor::Tensor;
use subbyte_exec::{ExecError, Network};
use subbyte_graph::{Graph, Op, Param, Quantizer, Role};
use subbyte_num::Grid;

/// Least share of a quantizer's step that one update leaves. A step that overshoots zero would otherwise end up tiny, saturate every
/// value, and take long to come back.
const LEAST_SHARE: f32 = 0.5;

/// Least step of a quantizer; far below any that is learned, far above what division cannot stand.
const LEAST_STEP: f32 = 1e-8;

/// Distance, in codes, that table entries keep from the values of the smallest and the largest code: on or beyond them a clipping
/// quantizer has no gradient (methods.md 1.5). So small a distance changes no code.
const MARGIN: f32 = 1.0 / 64.0;

/// The updated steps of a quantizer, kept positive.
pub(crate) fn positive(old: Tensor<1>, new: Tensor<1>) -> Tensor<1> {
    new.max_pair(old.mul_scalar(LEAST_SHARE))
        .clamp_min(LEAST_STEP)
}

/// Where the values of a learned table's codes lie.
#[derive(Clone, Debug)]
pub(crate) struct TableRange {
    /// Name of the table.
    pub(crate) table: String,
    quantizer: Quantizer,
    /// Name of the quantizer's parameter, where it has one.
    parameter: Option<String>,
}

impl TableRange {
    /// The ranges of all learned tables that are quantized.
    pub(crate) fn all(graph: &Graph) -> Vec<Self> {
        let range = |node: &subbyte_graph::Node| {
            let Op::Quantize(quantizer) = node.op else {
                return None;
            };
            let (table, param) = graph.param_of(node.inputs[0])?;
            let parameter = node.inputs.get(1).and_then(|&id| graph.param_of(id));
            (param.role == Role::Table).then(|| Self {
                table: table.into(),
                quantizer,
                parameter: parameter.map(|(name, _)| name.into()),
            })
        };
        graph.nodes.iter().filter_map(range).collect()
    }

    /// Brings the table's entries back into the range.
    pub(crate) fn enforce(&self, network: &mut Network) -> Result<(), ExecError> {
        let parameters = network.parameters_mut();
        let parameter = match &self.parameter {
            Some(name) => parameters.values(name)?[0],
            None => 1.0,
        };
        let (low, high) = limits(self.quantizer.grid(parameter));
        let mut entries = parameters.values(&self.table)?;
        for entry in &mut entries {
            // Not `clamp`, which cannot be asked about a step that is not a number.
            *entry = entry.max(low).min(high);
        }
        parameters.set(&self.table, entries)
    }

    /// The grid of the table's codes in `graph`, and its least and its largest entry.
    pub(crate) fn in_graph(&self, graph: &Graph) -> (Grid, f32, f32) {
        let value = |name: &String| graph.params.get(name).map(Param::to_vec);
        let parameter = self.parameter.as_ref().and_then(value);
        let grid = self.quantizer.grid(parameter.map_or(1.0, |p| p[0]));
        let (low, high) = limits(grid);
        (grid, low, high)
    }
}

/// The least and the largest entry of a table with this grid of unsigned codes.
fn limits(grid: Grid) -> (f32, f32) {
    let step = grid.scale() as f32;
    let n = f32::from(grid.code_type().max_code());
    (MARGIN * step, (n - MARGIN) * step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Recipe, test};
    use burn::tensor::{Device, TensorData};

    #[test]
    fn steps_are_at_most_halved_and_never_zero() {
        let device = Device::flex();
        let tensor = |values: &[f32]| Tensor::<1>::from_data(TensorData::from(values), &device);
        let old = tensor(&[1.0, 1.0, 1.0, 1e-8]);
        let new = tensor(&[1.5, 0.75, -3.0, -1.0]);
        let kept: Vec<f32> = positive(old, new).into_data().try_into_vec_as().unwrap();
        assert_eq!(kept, [1.5, 0.75, 0.5, 1e-8]);
    }

    #[test]
    fn table_entries_come_back_to_where_they_have_a_gradient_and_keep_their_codes() {
        for (quantizer, max) in [
            ("lsq", 2.0),
            ("mid-tread-half", 2.0),
            ("dorefa", 1.0),
            ("pact", 2.0),
        ] {
            let mut recipe = Recipe::default();
            recipe
                .set(&format!("activation-quantizer={quantizer}"))
                .unwrap();
            let graph = recipe.network(&test::images(20)).unwrap();
            let mut network = Network::new(&graph, &Device::flex()).unwrap();
            let step = max / 3.0;
            let mut entries = network.parameters().values("input.table").unwrap();
            entries[..4].copy_from_slice(&[-7.0, 0.0, 0.5, 7.0]);
            let expected = [step / 64.0, step / 64.0, 0.5, max - step / 64.0];
            network
                .parameters_mut()
                .set("input.table", entries.clone())
                .unwrap();
            let ranges = TableRange::all(&graph);
            assert_eq!(ranges.len(), 1);
            ranges[0].enforce(&mut network).unwrap();
            let kept = network.parameters().values("input.table").unwrap();
            for (kept, expected) in kept.iter().zip(expected) {
                assert!((kept - expected).abs() < 1e-6, "{kept} {expected}");
            }
            assert_eq!(kept[4..], entries[4..]);
        }
    }

    #[test]
    fn fixed_encoders_and_float_tables_have_no_range() {
        for settings in ["input=planes", "bits=float"] {
            let mut recipe = Recipe::default();
            recipe.set(settings).unwrap();
            let graph = recipe.network(&test::images(20)).unwrap();
            assert!(TableRange::all(&graph).is_empty());
        }
    }
}
