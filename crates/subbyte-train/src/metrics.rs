use crate::Metrics;

/// Counts how well logits fit labels. Sums are taken image by image, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    images: usize,
    top1: usize,
    top5: usize,
    loss: f64,
}

impl Tally {
    /// Counts a batch of logits `[labels.len()][classes]`.
    pub(crate) fn add(&mut self, logits: &[f32], labels: &[usize]) {
        let classes = logits.len() / labels.len().max(1);
        for (logits, &label) in logits.chunks_exact(classes.max(1)).zip(labels) {
            let own = logits[label];
            // Of equal logits the first one wins, as in the integer model.
            let better = logits
                .iter()
                .enumerate()
                .filter(|&(class, &logit)| logit > own || (logit == own && class < label))
                .count();
            self.images += 1;
            self.top1 += usize::from(better == 0);
            self.top5 += usize::from(better < 5);
            self.loss += cross_entropy(logits, own);
        }
    }

    /// Means over all images so far.
    pub(crate) fn metrics(&self) -> Metrics {
        let images = self.images.max(1) as f64;
        Metrics {
            top1: self.top1 as f64 / images,
            top5: self.top5 as f64 / images,
            loss: self.loss / images,
        }
    }
}

/// `-log softmax` of the right class's logit.
fn cross_entropy(logits: &[f32], own: f32) -> f64 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits
        .iter()
        .map(|&logit| f64::from(logit - largest).exp())
        .sum();
    sum.ln() - f64::from(own - largest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_and_losses_are_those_of_the_definition() {
        let mut tally = Tally::default();
        let logits = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        for label in [6, 2, 1] {
            tally.add(&logits, &[label]);
        }
        let metrics = tally.metrics();
        assert_eq!(tally.images, 3);
        assert_eq!((metrics.top1, metrics.top5), (1.0 / 3.0, 2.0 / 3.0));
        let log_sum = logits.iter().map(|x| f64::from(*x).exp()).sum::<f64>().ln();
        let expected = log_sum - (6.0 + 2.0 + 1.0) / 3.0;
        assert!((metrics.loss - expected).abs() < 1e-12);
    }

    #[test]
    fn of_equal_logits_the_first_wins() {
        let mut tally = Tally::default();
        tally.add(&[1.0, 1.0, 1.0, 1.0], &[0, 1]);
        assert_eq!(tally.metrics().top1, 0.5);
        assert!((tally.metrics().loss - 2f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn large_logits_do_not_overflow_and_broken_ones_show() {
        let mut tally = Tally::default();
        tally.add(&[1e30, -1e30], &[0]);
        assert_eq!(tally.metrics().loss, 0.0);
        tally.add(&[f32::NAN, 1.0], &[0]);
        assert!(tally.metrics().loss.is_nan());
    }
}
