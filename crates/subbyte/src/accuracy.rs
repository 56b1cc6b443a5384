/// How well integer logits classify.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accuracy {
    /// Images that were classified.
    pub images: usize,
    right: usize,
    among_five: usize,
}

impl Accuracy {
    /// Counts one image. Of equal logits the first class wins.
    ///
    /// # Panics
    /// If the label is not below the number of logits.
    pub fn add(&mut self, logits: &[i32], label: usize) {
        let own = logits[label];
        let better =
            |(class, &logit): (usize, &i32)| logit > own || (logit == own && class < label);
        let rank = logits.iter().enumerate().filter(|&x| better(x)).count();
        self.images += 1;
        self.right += usize::from(rank == 0);
        self.among_five += usize::from(rank < 5);
    }

    /// Share of images whose class has the largest logit.
    pub fn top1(&self) -> f64 {
        self.right as f64 / self.images.max(1) as f64
    }

    /// Share of images whose class is among the five largest logits.
    pub fn top5(&self) -> f64 {
        self.among_five as f64 / self.images.max(1) as f64
    }
}

/// The class that logits choose: the first of the largest.
pub fn predicted_class<T: PartialOrd>(logits: &[T]) -> usize {
    let better = |best: usize, class: usize| {
        if logits[class] > logits[best] {
            class
        } else {
            best
        }
    };
    (1..logits.len()).fold(0, better)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_logits_the_first_class_wins() {
        let logits = [3, 7, 7, -1, 0, 2, 5];
        assert_eq!(predicted_class(&logits), 1);
        let mut accuracy = Accuracy::default();
        for label in [1, 2, 3, 5] {
            accuracy.add(&logits, label);
        }
        // Class 5 is fifth behind 1, 2, 6 and 0; class 3 is last.
        assert_eq!(
            (accuracy.images, accuracy.top1(), accuracy.top5()),
            (4, 0.25, 0.75)
        );
    }
}
