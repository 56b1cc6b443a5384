//! The first convolution of a network that reads colours, for one that reads the columns of a pixel table.

use subbyte_graph::{Graph, Node, Op, Param};

/// Part of the columns' mean square that keeps weights of columns which hardly differ from each other small.
const RIDGE: f64 = 1e-2;

/// The first convolution of `graph` behind a pixel table, `[O][colours * D][kh][kw]`: its weight's name, and weights that make of the
/// table's columns what `colours(name)`, of shape `[O][colours][kh][kw]`, make of the pixels. `None` where there is no such pair.
///
/// A pixel value is nearly a weighted sum of the columns; these factors, found by least squares over all 256 values, times the weight of a
/// colour are the weights of its columns. Batch norm takes away the constant that is left, and the common factor of the pixels' normalization.
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
    let (&[outputs, channels, kh, kw], &[theirs, colours, their_kh, their_kw]) =
        (&own.shape[..], shape)
    else {
        return None;
    };
    let &[tables, _, depth] = &table.shape[..] else {
        return None;
    };
    if [outputs, channels, kh, kw] != [theirs, colours * depth, their_kh, their_kw] || depth == 1 {
        return None;
    }
    let factors: Vec<Vec<f64>> = (0..tables).map(|t| brightness(table, t)).collect();
    let taps = kh * kw;
    let mut result = Vec::with_capacity(own.len());
    for (i, kernel) in weight.chunks_exact(taps).enumerate() {
        let colour = i % colours;
        for factor in &factors[colour % tables] {
            result.extend(kernel.iter().map(|&w| (f64::from(w) * factor) as f32));
        }
    }
    Some((name.to_owned(), result))
}

/// Factors of the columns of table `t` whose sum is nearest to the pixel's brightness, but for a constant.
fn brightness(table: &Param, t: usize) -> Vec<f64> {
    let (rows, depth) = (table.shape[1], table.shape[2]);
    let values = table.to_vec();
    let values = &values[t * rows * depth..][..rows * depth];
    let mean = |d: usize| {
        values
            .iter()
            .skip(d)
            .step_by(depth)
            .map(|&v| f64::from(v))
            .sum::<f64>()
            / rows as f64
    };
    let means: Vec<f64> = (0..depth).map(mean).collect();
    // Normal equations of the centred columns, the right-hand side in the last place of each row.
    let mut equations = vec![vec![0.0; depth + 1]; depth];
    for (row, values) in values.chunks_exact(depth).enumerate() {
        let centred: Vec<f64> = values
            .iter()
            .zip(&means)
            .map(|(&v, m)| f64::from(v) - m)
            .collect();
        let wanted = (row as f64 + 0.5) / rows as f64 - 0.5;
        for (equation, x) in equations.iter_mut().zip(&centred) {
            for (sum, y) in equation.iter_mut().zip(centred.iter().chain([&wanted])) {
                *sum += x * y;
            }
        }
    }
    let diagonal = (0..depth).map(|d| equations[d][d]).sum::<f64>() / depth as f64;
    for (d, equation) in equations.iter_mut().enumerate() {
        equation[d] += RIDGE * diagonal + f64::MIN_POSITIVE;
    }
    solve(equations)
}

/// Solves symmetric positive equations, which need no pivoting.
fn solve(mut equations: Vec<Vec<f64>>) -> Vec<f64> {
    let n = equations.len();
    for i in 0..n {
        let (done, below) = equations.split_at_mut(i + 1);
        let pivot = &done[i];
        for equation in below {
            let factor = equation[i] / pivot[i];
            for (a, b) in equation[i..].iter_mut().zip(&pivot[i..]) {
                *a -= factor * b;
            }
        }
    }
    let mut result = vec![0.0; n];
    for i in (0..n).rev() {
        let known: f64 = (i + 1..n).map(|j| equations[i][j] * result[j]).sum();
        result[i] = (equations[i][n] - known) / equations[i][i];
    }
    result
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
