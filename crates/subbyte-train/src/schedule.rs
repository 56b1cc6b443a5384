use std::f64::consts::PI;

use crate::recipe::{Recipe, Schedule};

impl Recipe {
    /// Learning rate of step `step` (from 0, over all epochs) when an epoch has `steps` steps.
    ///
    /// It depends on nothing but its arguments, so a resumed run needs no state of it.
    pub fn learning_rate_at(&self, step: usize, steps: usize) -> f64 {
        let step = step as f64;
        let warm_up = self.warm_up_epochs * steps as f64;
        if step < warm_up {
            return self.learning_rate * (step + 1.0) / warm_up.max(1.0);
        }
        let factor = match self.schedule {
            Schedule::Constant => 1.0,
            Schedule::Cosine => {
                let end = (self.epochs * steps) as f64;
                0.5 * (1.0 + (PI * (step - warm_up) / (end - warm_up)).cos())
            }
            Schedule::Steps => {
                let epochs = step / steps as f64;
                let passed = self.steps_at.iter().filter(|&&at| at as f64 <= epochs);
                self.step_factor.powi(passed.count() as i32)
            }
        };
        self.learning_rate * factor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(schedule: Schedule) -> Recipe {
        Recipe {
            epochs: 10,
            learning_rate: 0.4,
            schedule,
            ..Recipe::default()
        }
    }

    #[test]
    fn cosine_starts_at_the_learning_rate_is_half_in_the_middle_and_ends_near_zero() {
        let recipe = recipe(Schedule::Cosine);
        assert_eq!(recipe.learning_rate_at(0, 20), 0.4);
        assert!((recipe.learning_rate_at(100, 20) - 0.2).abs() < 1e-12);
        let last = recipe.learning_rate_at(199, 20);
        assert!(last > 0.0 && last < 1e-4, "{last}");
    }

    #[test]
    fn steps_fall_by_the_factor_after_the_epochs_named() {
        let recipe = Recipe {
            steps_at: vec![2, 5],
            ..recipe(Schedule::Steps)
        };
        let rate = |epoch: usize| recipe.learning_rate_at(epoch * 7, 7);
        assert_eq!([rate(0), rate(1)], [0.4, 0.4]);
        assert!((rate(2) - 0.04).abs() < 1e-12 && (rate(4) - 0.04).abs() < 1e-12);
        assert!((rate(5) - 0.004).abs() < 1e-12);
        // The last step of an epoch still belongs to it.
        assert_eq!(recipe.learning_rate_at(2 * 7 - 1, 7), 0.4);
    }

    #[test]
    fn warm_up_rises_in_equal_steps_to_the_learning_rate() {
        for schedule in [Schedule::Constant, Schedule::Cosine] {
            let recipe = Recipe {
                warm_up_epochs: 1.5,
                ..recipe(schedule)
            };
            for step in 0..6 {
                let expected = 0.4 * (step + 1) as f64 / 6.0;
                assert!((recipe.learning_rate_at(step, 4) - expected).abs() < 1e-12);
            }
            assert_eq!(recipe.learning_rate_at(6, 4), 0.4);
        }
    }
}
