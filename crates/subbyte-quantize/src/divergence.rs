//! How far a network's output distribution is from another's.

use burn::tensor::{Device, Tensor};
use subbyte_exec::{Images, Network, Walk};
use subbyte_graph::Graph;

use crate::QuantizeError;

/// Mean Kullback-Leibler divergence of a quantized classifier's output distribution from the float network's, in nats an image.
///
/// # Errors
/// If a network cannot be run on the images.
pub fn output_divergence(
    float: &Graph,
    quantized: &Graph,
    images: &[Images],
) -> Result<f64, QuantizeError> {
    let [float, quantized] = [float, quantized].map(|g| Network::new(g, &Device::flex()));
    let (float, quantized) = (float?, quantized?);
    let (mut moved, mut count) = (0.0, 0);
    for batch in images {
        let of = |network: &Network| Ok::<_, QuantizeError>(rows(network.predict(batch)?));
        moved += divergence(&of(&float)?, &of(&quantized)?) * batch.len() as f64;
        count += batch.len();
    }
    Ok(moved / count.max(1) as f64)
}

/// The logits of a batch, `[image][class]`.
fn rows(logits: Tensor<4>) -> Vec<Vec<f64>> {
    let [_, _, _, classes] = logits.dims();
    let data: Vec<f64> = logits.into_data().iter::<f64>().collect();
    data.chunks(classes).map(<[f64]>::to_vec).collect()
}

/// About `count` of the images, as batches of their own.
pub(crate) fn spread(batches: &[Images], count: usize) -> Vec<Images> {
    let all: usize = batches.iter().map(Images::len).sum();
    let every = (all / count.max(1)).max(1);
    let pick = |images: &Images| {
        let [_, height, width, colours] = images.shape();
        let bytes = height * width * colours;
        let chosen = images.data().chunks(bytes).step_by(every);
        let data: Vec<u8> = chosen.flatten().copied().collect();
        let shape = [data.len() / bytes, height, width, colours];
        Images::new(data, shape)
    };
    batches.iter().map(pick).collect()
}

/// The logits of all images, `[image][class]`, when `walk` has gone through `graph`.
pub(crate) fn logits(walk: &mut Walk<'_>, graph: &Graph) -> Vec<Vec<f64>> {
    walk.run_to(graph.nodes.len());
    let logits = walk.features(graph.outputs[0]);
    logits.flat_map(rows).collect()
}

/// Mean Kullback-Leibler divergence between the distributions that logits mean, in nats.
pub(crate) fn divergence(expected: &[Vec<f64>], found: &[Vec<f64>]) -> f64 {
    let log_softmax = |logits: &[f64]| -> Vec<f64> {
        let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = logits.iter().map(|l| (l - max).exp()).sum();
        logits.iter().map(|l| l - max - sum.ln()).collect()
    };
    let one = |(expected, found): (&Vec<f64>, &Vec<f64>)| -> f64 {
        let (p, q) = (log_softmax(expected), log_softmax(found));
        p.iter().zip(&q).map(|(p, q)| p.exp() * (p - q)).sum()
    };
    let all: f64 = expected.iter().zip(found).map(one).sum();
    all / expected.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distributions_diverge_by_what_differs_in_them() {
        let a = vec![vec![0.0, 1.0, 2.0]];
        let shifted = vec![vec![5.0, 6.0, 7.0]];
        assert!(divergence(&a, &shifted).abs() < 1e-12);
        let half = vec![vec![0.0, 0.0]];
        let ninety = vec![vec![9f64.ln(), 0.0]];
        let exact = 0.5 * (0.5f64 / 0.9).ln() + 0.5 * (0.5f64 / 0.1).ln();
        assert!((divergence(&half, &ninety) - exact).abs() < 1e-12);
    }

    #[test]
    fn trial_images_come_from_all_batches() {
        let batches: Vec<Images> = (0..4)
            .map(|b| Images::new(vec![b; 16 * 2], [16, 2, 1, 1]))
            .collect();
        let few = spread(&batches, 8);
        let lengths: Vec<usize> = few.iter().map(Images::len).collect();
        assert_eq!(lengths, [2; 4]);
        assert_eq!(few[3].data(), [3; 4]);
    }
}
