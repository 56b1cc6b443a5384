use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use subbyte_data::Dataset;
use subbyte_graph::Graph;

use crate::limits::TableRange;

/// How the rows of a learned pixel table are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableUse {
    /// Rows, those of all colours together.
    pub rows: usize,
    /// Different rows of codes among those of each colour.
    pub distinct: usize,
    /// Rows that no image, of a sample where they are files, has a pixel for.
    pub unseen: usize,
    /// Rows all of whose entries rest at the ends of the range that they are kept in.
    pub at_limits: usize,
}

impl TableUse {
    /// What became of the table of `graph` that was trained on `data`, unaugmented; `None` where no table was learned.
    pub(crate) fn of(graph: &Graph, data: &Dataset) -> Option<Self> {
        let range = TableRange::all(graph).pop()?;
        let param = &graph.params[&range.table];
        let &[tables, rows, depth] = &param.shape[..] else {
            return None;
        };
        let (grid, low, high) = range.in_graph(graph);
        let entries = param.to_vec();
        let mut seen = vec![false; tables * rows];
        for pixel in data.images().chunks_exact(data.geometry().colours) {
            for (colour, &value) in pixel.iter().enumerate() {
                let table = if tables == 1 { 0 } else { colour };
                seen[table * rows + usize::from(value) * rows / 256] = true;
            }
        }
        let codes: BTreeSet<(usize, Vec<u8>)> = entries
            .chunks_exact(depth)
            .enumerate()
            .map(|(i, row)| (i / rows, row.iter().map(|&x| grid.code_f32(x)).collect()))
            .collect();
        let at_limits = |row: &&[f32]| row.iter().all(|&x| x <= low || x >= high);
        Some(Self {
            rows: tables * rows,
            distinct: codes.len(),
            unseen: seen.iter().filter(|seen| !**seen).count(),
            at_limits: entries.chunks_exact(depth).filter(at_limits).count(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Recipe;
    use subbyte_data::Geometry;
    use subbyte_graph::Storage;

    /// Images of few pixel values.
    fn data() -> Dataset {
        let geometry = Geometry {
            height: 32,
            width: 32,
            colours: 3,
        };
        let mut images = vec![7; 2 * geometry.bytes()];
        images[..3].copy_from_slice(&[0, 255, 8]);
        let classes = (0..10).map(|c| c.to_string()).collect();
        Dataset::new(geometry, classes, images, vec![3, 7]).unwrap()
    }

    fn used(settings: &[&str], change: impl FnOnce(&mut Vec<f32>)) -> Option<TableUse> {
        let mut recipe = Recipe::default();
        for setting in settings.iter().chain(&["table.depth=2"]) {
            recipe.set(setting).unwrap();
        }
        let mut graph = recipe.network(&data()).unwrap();
        if let Some(table) = graph.params.get_mut("input.table") {
            let mut entries = table.to_vec();
            change(&mut entries);
            table.storage = Storage::F32(entries);
        }
        TableUse::of(&graph, &data())
    }

    #[test]
    fn rows_are_counted_by_their_codes_pixels_and_limits() {
        let used = |settings: &[&str]| {
            used(settings, |entries| {
                entries.fill(0.7);
                entries[..6].copy_from_slice(&[-1.0, 2.0, 0.0, 0.7, 0.71, 0.69]);
            })
        };
        let expected = TableUse {
            rows: 256,
            // Codes 0 3, codes 0 1, and codes 1 1 of all others.
            distinct: 3,
            // All but 0, 7, 8 and 255.
            unseen: 252,
            at_limits: 1,
        };
        assert_eq!(used(&[]), Some(expected));
        let apart = TableUse {
            rows: 768,
            distinct: 5,
            // Red has seen 0 and 7, green 255 and 7, blue 8 and 7.
            unseen: 762,
            at_limits: 1,
        };
        assert_eq!(used(&["table.shared=false"]), Some(apart));
        let coarse = TableUse {
            rows: 32,
            // Neighbours share rows: 0 and 7, 8, 255.
            unseen: 29,
            ..expected
        };
        assert_eq!(used(&["table.rows=32"]), Some(coarse));
    }

    #[test]
    fn what_is_not_learned_has_no_use() {
        assert_eq!(used(&["input=planes"], |_| {}), None);
        assert_eq!(used(&["bits=float"], |_| {}), None);
    }
}
