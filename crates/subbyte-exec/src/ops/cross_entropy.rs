use std::sync::Arc;

use burn::tensor::{Tensor, TensorData, activation};

use super::custom::{CustomOp, Output, Primitive, View, apply};

/// Mean over the batch of the cross entropy between `softmax(logits [N][1][1][K])` and the labels' classes, of which each label
/// leaves `smoothing` to all classes evenly. The result is `[1]`.
///
/// # Panics
/// If there is not one label below `K` for each image.
pub fn cross_entropy(logits: Tensor<4>, labels: &[u32], smoothing: f32) -> Tensor<1> {
    let [n, _, _, classes] = logits.dims();
    assert_eq!(labels.len(), n, "one label for each image");
    assert!(
        labels.iter().all(|label| (*label as usize) < classes),
        "labels below {classes}"
    );
    match Primitive::of(&logits) {
        Some(logits) => {
            let op = CrossEntropy {
                labels: labels.into(),
                smoothing,
            };
            apply(op, [logits]).0
        }
        None => generic(logits, labels, smoothing),
    }
}

/// The same by tensor operations, for any backend.
fn generic(logits: Tensor<4>, labels: &[u32], smoothing: f32) -> Tensor<1> {
    let [n, _, _, classes] = logits.dims();
    let mut targets = vec![smoothing / classes as f32; n * classes];
    for (row, label) in targets.chunks_exact_mut(classes).zip(labels) {
        row[*label as usize] += 1.0 - smoothing;
    }
    let targets = Tensor::from_data(TensorData::new(targets, [n, classes]), &logits.device());
    let log = activation::log_softmax(logits.reshape([n, classes]), 1);
    (log * targets).sum() * (-1.0 / n as f32)
}

#[derive(Clone, Debug)]
struct CrossEntropy {
    labels: Arc<[u32]>,
    smoothing: f32,
}

/// `exp(logit - largest)` of one row in f64, and their sum.
fn exponentials(row: &[f32]) -> (impl Iterator<Item = f64>, f64, f64) {
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let largest = f64::from(largest);
    let all = row.iter().map(move |x| (f64::from(*x) - largest).exp());
    let sum = all.clone().sum();
    (all, sum, largest)
}

impl CustomOp<1> for CrossEntropy {
    type Saved = ();
    const KEEP: [bool; 1] = [true];

    fn forward(&self, [logits]: [View; 1]) -> Output<()> {
        let classes = logits.data.len() / self.labels.len().max(1);
        let smoothing = f64::from(self.smoothing);
        let rows = logits.data.chunks_exact(classes).zip(self.labels.iter());
        let total: f64 = rows
            .map(|(row, label)| {
                let (_, sum, largest) = exponentials(row);
                let mean: f64 = row.iter().copied().map(f64::from).sum::<f64>() / classes as f64;
                let target = f64::from(row[*label as usize]);
                // The log of the sum, less the targets' mean logit.
                sum.ln() + largest - (1.0 - smoothing) * target - smoothing * mean
            })
            .sum();
        Output {
            data: vec![(total / self.labels.len() as f64) as f32],
            shape: vec![1],
            saved: (),
        }
    }

    fn backward(
        &self,
        (): (),
        [logits]: [View; 1],
        grad: &mut Vec<f32>,
        _: [bool; 1],
    ) -> [Option<Vec<f32>>; 1] {
        let classes = logits.data.len() / self.labels.len().max(1);
        let factor = f64::from(grad[0]) / self.labels.len() as f64;
        let smoothing = f64::from(self.smoothing);
        let mut result = Vec::with_capacity(logits.data.len());
        for (row, label) in logits.data.chunks_exact(classes).zip(self.labels.iter()) {
            let (all, sum, _) = exponentials(row);
            result.extend(all.enumerate().map(|(class, e)| {
                let hit = if class == *label as usize {
                    1.0 - smoothing
                } else {
                    0.0
                };
                (factor * (e / sum - hit - smoothing / classes as f64)) as f32
            }));
        }
        [Some(result)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{assert_close, from_vec, random, to_vec};

    #[test]
    fn agrees_with_tensor_operations() {
        let labels = [3, 0, 9, 9, 5];
        for smoothing in [0.0, 0.1] {
            let run = |f: fn(Tensor<4>, &[u32], f32) -> Tensor<1>| {
                let x = (random([5, 1, 1, 10], 1) * 8.0).require_grad();
                let loss = f(x.clone(), &labels, smoothing);
                let grads = (loss.clone() * 3.0).backward();
                [to_vec(&loss), to_vec(&x.grad(&grads).expect("gradient"))]
            };
            for (fused, plain) in run(cross_entropy).into_iter().zip(run(generic)) {
                assert_close(&fused, &plain, 1e-5);
            }
        }
    }

    #[test]
    fn even_logits_cost_the_log_of_the_classes_whatever_their_size() {
        for value in [0.0, 1e4, -1e4] {
            let logits = from_vec(vec![value; 20], [2, 1, 1, 10]);
            let loss = to_vec(&cross_entropy(logits, &[1, 2], 0.1));
            assert_close(&loss, &[10f32.ln()], 1e-6);
        }
    }
}
