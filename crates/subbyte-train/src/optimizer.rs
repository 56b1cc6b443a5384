//! burn's update rules over named parameters, with state that can be kept on disk.

use std::collections::BTreeMap;

use burn::{
    optim::{
        Adam, AdamConfig, Optimizer as Rule, RecordState, Sgd, SgdConfig, StateSink, StateSource,
        decay::WeightDecayConfig, momentum::MomentumConfig,
    },
    tensor::{Device, Tensor, TensorData},
};
use subbyte_graph::Role;

use crate::recipe::{OptimizerKind, Recipe};

/// Updates parameters one at a time and remembers what the rule needs of each.
pub(crate) struct Optimizer {
    rule: Box<dyn NamedRule>,
}

/// An optimizer's memory in numbers that survive a file bit for bit.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct OptimizerState {
    /// Tensors by `PARAMETER.part`.
    pub(crate) tensors: BTreeMap<String, Vec<f32>>,
    /// Counters by `PARAMETER.part`.
    pub(crate) counters: BTreeMap<String, u64>,
}

impl Optimizer {
    /// The recipe's update rule, with nothing remembered.
    pub(crate) fn new(recipe: &Recipe) -> Self {
        let decay = WeightDecayConfig::new(recipe.weight_decay as f32);
        let rule: Box<dyn NamedRule> = match recipe.optimizer {
            OptimizerKind::Sgd => {
                let momentum = (recipe.momentum > 0.0).then(|| {
                    MomentumConfig::new()
                        .with_momentum(recipe.momentum)
                        .with_dampening(0.0)
                        .with_nesterov(recipe.nesterov)
                });
                let plain = SgdConfig::new().with_momentum(momentum);
                Box::new(Groups::<Sgd> {
                    decaying: plain.clone().with_weight_decay(Some(decay)).build(),
                    plain: plain.build(),
                    states: BTreeMap::new(),
                })
            }
            OptimizerKind::Adam => {
                let plain = AdamConfig::new().with_epsilon(1e-8);
                Box::new(Groups::<Adam> {
                    decaying: plain.clone().with_weight_decay(Some(decay)).build(),
                    plain: plain.build(),
                    states: BTreeMap::new(),
                })
            }
        };
        Self { rule }
    }

    /// The new value of a parameter; neither tensor is tracked by autodiff.
    pub(crate) fn step(
        &mut self,
        name: &str,
        role: Role,
        learning_rate: f64,
        value: Tensor<1>,
        gradient: Tensor<1>,
    ) -> Tensor<1> {
        self.rule
            .step(name, role.decays(), learning_rate, value, gradient)
    }

    /// All that is remembered.
    pub(crate) fn state(&self) -> OptimizerState {
        let mut sink = StateSink::default();
        self.rule.save(&mut sink);
        let tensors = sink.tensors.into_iter().map(|(name, data)| {
            let values = data.try_into_vec_as().expect("optimizer states are f32");
            (name, values)
        });
        let counters = sink.scalars.into_iter().map(|(name, value)| {
            let count = u64::try_from(value).expect("optimizers count in whole numbers");
            (name, count)
        });
        OptimizerState {
            tensors: tensors.collect(),
            counters: counters.collect(),
        }
    }

    /// Remembers `state` for the parameters called `names`, as far as it speaks of them.
    pub(crate) fn restore(&mut self, names: &[&str], state: OptimizerState, device: &Device) {
        let counters = state.counters.into_iter();
        let mut source = StateSource::new(counters.map(|(k, v)| (k, v.into())).collect());
        for (name, values) in state.tensors {
            let shape = [values.len()];
            source.insert_tensor(name, TensorData::new(values, shape));
        }
        self.rule.load(names, &mut source, device);
    }
}

/// One update rule for named flat tensors.
trait NamedRule {
    fn step(
        &mut self,
        name: &str,
        decays: bool,
        learning_rate: f64,
        value: Tensor<1>,
        gradient: Tensor<1>,
    ) -> Tensor<1>;
    fn save(&self, sink: &mut StateSink);
    fn load(&mut self, names: &[&str], source: &mut StateSource, device: &Device);
}

/// A rule with and without weight decay, and the states of all parameters.
struct Groups<R: Rule> {
    decaying: R,
    plain: R,
    states: BTreeMap<String, R::State<1>>,
}

impl<R: Rule> NamedRule for Groups<R> {
    fn step(
        &mut self,
        name: &str,
        decays: bool,
        learning_rate: f64,
        value: Tensor<1>,
        gradient: Tensor<1>,
    ) -> Tensor<1> {
        let rule = if decays { &self.decaying } else { &self.plain };
        let state = self.states.remove(name);
        let (value, state) = rule.step(learning_rate, value, gradient, state);
        if let Some(state) = state {
            self.states.insert(name.to_owned(), state);
        }
        value
    }

    fn save(&self, sink: &mut StateSink) {
        for (name, state) in &self.states {
            state.state_flatten(name, sink);
        }
    }

    fn load(&mut self, names: &[&str], source: &mut StateSource, device: &Device) {
        for &name in names {
            if let Some(state) = R::State::<1>::state_unflatten(name, source, device) {
                self.states.insert(name.to_owned(), state);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(values: &[f32], device: &Device) -> Tensor<1> {
        Tensor::from_data(TensorData::from(values), device)
    }

    fn values(tensor: &Tensor<1>) -> Vec<f32> {
        tensor.to_data().try_into_vec_as().unwrap()
    }

    fn recipes() -> [Recipe; 3] {
        let base = Recipe {
            weight_decay: 0.01,
            ..Recipe::default()
        };
        [
            base.clone(),
            Recipe {
                momentum: 0.0,
                nesterov: false,
                ..base.clone()
            },
            Recipe {
                optimizer: OptimizerKind::Adam,
                ..base
            },
        ]
    }

    #[test]
    fn nesterov_momentum_and_decay_are_those_of_the_textbook() {
        let device = Device::flex();
        let recipe = &recipes()[0];
        let mut optimizer = Optimizer::new(recipe);
        let (mut expected, mut velocity) = (1.0, 0.0);
        let mut value = tensor(&[1.0], &device);
        for gradient in [0.5, -0.25, 1.0] {
            let decayed = gradient + 0.01 * expected;
            velocity = 0.9 * velocity + decayed;
            expected -= 0.1 * (decayed + 0.9 * velocity);
            value = optimizer.step("w", Role::Weight, 0.1, value, tensor(&[gradient], &device));
            assert!((values(&value)[0] - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn only_weights_and_clip_values_decay() {
        let device = Device::flex();
        for recipe in recipes() {
            for role in [
                Role::Weight,
                Role::Bias,
                Role::Norm,
                Role::Scale,
                Role::Clip,
                Role::Table,
            ] {
                let mut optimizer = Optimizer::new(&recipe);
                let value = tensor(&[3.0, -2.0], &device);
                let still = tensor(&[0.0, 0.0], &device);
                let new = values(&optimizer.step("p", role, 0.1, value, still));
                if role.decays() {
                    assert!(new[0] < 3.0 && new[1] > -2.0);
                } else {
                    assert_eq!(new, [3.0, -2.0]);
                }
            }
        }
    }

    #[test]
    fn a_restored_optimizer_goes_on_bit_for_bit() {
        let device = Device::flex();
        for recipe in recipes() {
            let mut optimizer = Optimizer::new(&recipe);
            let mut value = tensor(&[1.0, -0.3, 0.01], &device);
            let gradient = |step: usize| {
                tensor(
                    &[0.3 * step as f32, -0.7, 1e-4 / (step + 1) as f32],
                    &device,
                )
            };
            for step in 0..3 {
                value = optimizer.step("w", Role::Weight, 0.1, value, gradient(step));
            }
            let mut restored = Optimizer::new(&recipe);
            restored.restore(&["w", "other"], optimizer.state(), &device);
            assert_eq!(restored.state(), optimizer.state());
            let mut other = value.clone();
            for step in 3..6 {
                value = optimizer.step("w", Role::Weight, 0.1, value, gradient(step));
                other = restored.step("w", Role::Weight, 0.1, other, gradient(step));
            }
            assert_eq!(values(&value), values(&other));
        }
    }
}
