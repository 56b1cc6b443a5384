//! The first convolution of a network that reads colours, for one that reads the columns of a pixel table.

use subbyte_graph::{Graph, Node, Op, spread_colours};

/// The first convolution of `graph` behind a pixel table, `[O][colours * D][kh][kw]`: its weight's name, and weights that make of the
/// table's columns what `colours(name)`, of shape `[O][colours][kh][kw]`, make of the pixels. `None` where there is no such pair.
///
/// Batch norm takes away the constant that is left, and the common factor of the pixels' normalization.
pub(super) fn weights<'a>(
    graph: &Graph,
    colours: impl FnOnce(&str) -> Option<(&'a [usize], &'a [f32])>,
) -> Option<(String, Vec<f32>)> {
    let reads_table = |node: &&Node| {
        let table = node.inputs.first().map(|&x| &graph.nodes[x].op);
        matches!(node.op, Op::Conv2d { groups: 1, .. }) && table == Some(&Op::PixelTable)
    };
    let conv = graph.nodes.iter().find(reads_table)?;
    let (name, own) = graph.source_param(conv.inputs[1])?;
    let (_, table) = graph.source_param(graph.nodes[conv.inputs[0]].inputs[1])?;
    let (shape, weight) = colours(name)?;
    // A table of one column leaves the shape as it was.
    if table.shape.last() == Some(&1) {
        return None;
    }
    let spread = spread_colours(shape, weight, table)?;
    let fits = shape[0] == own.shape[0] && shape[2..] == own.shape[2..];
    (fits && spread.len() == own.len()).then(|| (name.to_owned(), spread))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Recipe, test};

    fn network(settings: &[&str]) -> Graph {
        let mut recipe = Recipe::default();
        for setting in settings {
            recipe.set(setting).unwrap();
        }
        recipe.network(&test::images(20)).unwrap()
    }

    /// What the first convolution's tap makes of a pixel value, for every value, without its mean.
    fn responses(graph: &Graph, weights: &[f32], output: usize) -> Vec<f64> {
        let table = &graph.params["input.table"];
        let (depth, values) = (table.shape[2], table.to_vec());
        let taps = graph.params["stem.weight"].shape[2..]
            .iter()
            .product::<usize>();
        let weight = |d: usize| f64::from(weights[(output * depth + d) * taps]);
        let sums = values.chunks_exact(depth);
        let sums: Vec<f64> = sums
            .map(|row| {
                row.iter()
                    .enumerate()
                    .map(|(d, &v)| f64::from(v) * weight(d))
                    .sum()
            })
            .collect();
        let mean = sums.iter().sum::<f64>() / sums.len() as f64;
        sums.into_iter().map(|s| s - mean).collect()
    }

    #[test]
    fn a_pixel_means_what_it_meant_to_the_float_network() {
        let float = network(&["bits=float", "seed=2"]);
        let theirs = &float.params["stem.weight"];
        let numbers = theirs.to_vec();
        for settings in [
            &["input=generalised-thermometer"][..],
            &["input=thermometer", "table.depth=32"],
            &["input=planes"],
            &["input=table"],
            &["input=table", "table.init=bit-planes", "table.bits=1"],
        ] {
            let graph = network(settings);
            let (name, found) =
                weights(&graph, |_| Some((&theirs.shape, &numbers))).expect("weights");
            assert_eq!(
                (&*name, found.len()),
                ("stem.weight", graph.params[&name].len())
            );
            let taps = theirs.shape[2..].iter().product::<usize>();
            for output in 0..theirs.shape[0] {
                let weight = f64::from(numbers[output * taps]);
                for (v, response) in responses(&graph, &found, output).into_iter().enumerate() {
                    let wanted = weight * ((v as f64 + 0.5) / 256.0 - 0.5);
                    // A step of the encoder, and what the ridge takes away.
                    let tolerance = weight.abs() * 0.06;
                    assert!(
                        (response - wanted).abs() < tolerance,
                        "{settings:?}, {v}: {response}, {wanted}"
                    );
                }
            }
        }
    }

    #[test]
    fn other_first_layers_are_left_alone() {
        let float = network(&["bits=float"]);
        let theirs = &float.params["stem.weight"];
        let numbers = theirs.to_vec();
        for settings in [&["first=float"][..], &["first=eight-bit"], &["input=naive"]] {
            let found = weights(&network(settings), |_| Some((&theirs.shape, &numbers)));
            assert_eq!(found, None, "{settings:?}");
        }
        assert_eq!(weights(&network(&[]), |_| None), None);
    }
}
