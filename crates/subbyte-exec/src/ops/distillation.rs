use burn::tensor::{Tensor, activation};

/// Mean over the batch of `T² KL(softmax(teacher / T) || softmax(logits / T))` with the temperature `T` (Hinton, Vinyals and Dean,
/// 2015); both are logits `[N][1][1][K]`, and no gradient reaches the teacher. The result is `[1]`, 0 where both agree.
///
/// Plain tensor operations serve every backend here: logits are few.
///
/// # Panics
/// If the shapes differ.
pub fn distillation(logits: Tensor<4>, teacher: Tensor<4>, temperature: f32) -> Tensor<1> {
    assert_eq!(logits.dims(), teacher.dims(), "logits of one shape");
    let [n, _, _, classes] = logits.dims();
    let log_shares =
        |logits: Tensor<4>| activation::log_softmax(logits.reshape([n, classes]) / temperature, 1);
    let target = log_shares(teacher.detach());
    let divergence = target.clone().exp() * (target - log_shares(logits));
    divergence.sum() * (temperature * temperature / n as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{assert_close, random, to_vec};

    /// `softmax(row / t)` in f64.
    fn shares(row: &[f32], t: f64) -> Vec<f64> {
        let all: Vec<f64> = row.iter().map(|x| (f64::from(*x) / t).exp()).collect();
        let sum: f64 = all.iter().sum();
        all.iter().map(|e| e / sum).collect()
    }

    #[test]
    fn loss_and_gradient_follow_the_closed_form() {
        let (n, classes, t) = (5, 10, 3.0);
        let student = (random([n, 1, 1, classes], 1) * 8.0).require_grad();
        let teacher = random([n, 1, 1, classes], 2) * 8.0;
        let loss = distillation(student.clone(), teacher.clone(), t as f32);
        let grads = loss.backward();
        let (mut expected, mut gradient) = (0.0, Vec::new());
        let rows = to_vec(&student);
        let teachers = to_vec(&teacher);
        for (student, teacher) in rows.chunks(classes).zip(teachers.chunks(classes)) {
            for (p, q) in shares(teacher, t).into_iter().zip(shares(student, t)) {
                expected += t * t * p * (p / q).ln() / n as f64;
                gradient.push((t * (q - p) / n as f64) as f32);
            }
        }
        assert_close(&to_vec(&loss), &[expected as f32], 1e-5);
        let found = to_vec(&student.grad(&grads).expect("gradient"));
        assert_close(&found, &gradient, 1e-4);
    }

    #[test]
    fn a_student_that_agrees_loses_nothing() {
        let logits = random([3, 1, 1, 7], 4) * 20.0;
        let loss = to_vec(&distillation(logits.clone(), logits, 4.0));
        assert!(loss[0].abs() < 1e-5, "{loss:?}");
    }
}
