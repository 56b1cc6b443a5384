//! Pictures out of seeded noise.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};

use subbyte_exec::{Inputs, Network};
use subbyte_graph::{DiffusionKind, Graph, rng::Rng};

use crate::{DiffusionError, Pictures, Schedule};

/// Steps where nothing is asked for and the network knows as many: denoisers, and predictors of noise.
const STEPS: [usize; 2] = [18, 50];

/// Pictures that are computed together.
const BATCH: usize = 16;

/// What can be chosen of a sampler.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// Steps; `None` for as many as suit the network: all that it knows where these are few.
    pub steps: Option<usize>,
    /// Seed of the noise, and of inputs that are not set.
    pub seed: u64,
    /// Numbers of other inputs, such as a class or a difficulty, for all pictures alike. Where nothing is set, every picture has
    /// numbers of its own, even over 0 to 1.
    pub set: BTreeMap<String, f32>,
}

/// A deterministic sampler of one network.
#[derive(Clone, Debug)]
pub struct Sampler {
    picture: String,
    level: String,
    /// Height, width, channels.
    shape: [usize; 3],
    schedule: Schedule,
    /// Whether what the network says of the picture is held within -1 to 1.
    clips: bool,
    seed: u64,
    conditions: Vec<Condition>,
}

/// Another input of the network.
#[derive(Clone, Debug)]
struct Condition {
    name: String,
    /// Height, width, channels.
    shape: [usize; 3],
    value: Option<f32>,
}

/// How far a sampler is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Pictures that are done.
    pub pictures: usize,
    /// The step that begins, from 0.
    pub step: usize,
    /// Steps in all.
    pub steps: usize,
}

impl Sampler {
    /// The sampler of `graph`.
    ///
    /// # Errors
    /// If the graph is no diffusion network, it does not know so many steps, or an input that is set does not exist.
    pub fn new(graph: &Graph, settings: &Settings) -> Result<Self, DiffusionError> {
        let network = || graph.name.clone();
        let diffusion = graph.diffusion.as_ref();
        let diffusion = diffusion.ok_or_else(|| DiffusionError::NoDiffusion(network()))?;
        let known = Schedule::most_steps(diffusion.kind);
        let suiting = match diffusion.kind {
            DiffusionKind::Picture { .. } => STEPS[0],
            DiffusionKind::Noise { .. } => STEPS[1],
        };
        let most = known.unwrap_or(usize::MAX);
        let steps = settings.steps.unwrap_or(suiting.min(most));
        if steps == 0 || steps > most {
            return Err(DiffusionError::Steps {
                network: network(),
                asked: steps,
                known: most,
            });
        }
        let mut shape = None;
        let mut conditions = Vec::new();
        for (_, node, [channels, height, width]) in graph.inputs() {
            let dims = [height, width, channels];
            if node.name == diffusion.picture {
                shape = Some(dims);
            } else if node.name != diffusion.level {
                conditions.push(Condition {
                    name: node.name.clone(),
                    shape: dims,
                    value: settings.set.get(&node.name).copied(),
                });
            }
        }
        for (name, value) in &settings.set {
            if !conditions.iter().any(|c| c.name == *name) {
                return Err(DiffusionError::NoInput {
                    network: network(),
                    name: name.clone(),
                    known: conditions.into_iter().map(|c| c.name).collect(),
                });
            }
            if !value.is_finite() {
                return Err(DiffusionError::Value(name.clone()));
            }
        }
        Ok(Self {
            picture: diffusion.picture.clone(),
            level: diffusion.level.clone(),
            shape: shape.ok_or_else(|| DiffusionError::NoDiffusion(network()))?,
            schedule: Schedule::new(diffusion.kind, steps),
            // Errors in the noise grow by up to 158 in the picture. Pixels have limits, other numbers (latents) may not.
            clips: matches!(diffusion.kind, DiffusionKind::Noise { .. })
                && shape.is_some_and(|[_, _, channels]| [1, 3].contains(&channels)),
            seed: settings.seed,
            conditions,
        })
    }

    /// The steps that are taken.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// Inputs that nothing is set for.
    pub fn unset(&self) -> impl Iterator<Item = &str> {
        let open = self.conditions.iter().filter(|c| c.value.is_none());
        open.map(|condition| condition.name.as_str())
    }

    /// Makes the pictures of these numbers; picture `i` of a seed is the same, whichever others are made. `see` is told before every step of
    /// a batch what the network reads, and may stop the work.
    ///
    /// # Errors
    /// If the network is not the one that the sampler was made for, it makes numbers that are not finite, or `see` stops the work.
    pub fn sample(
        &self,
        network: &Network,
        pictures: Range<usize>,
        mut see: impl FnMut(Step, &Inputs) -> ControlFlow<()>,
    ) -> Result<Pictures, DiffusionError> {
        let mut all = Pictures::empty(self.shape);
        let mut start = pictures.start;
        while start < pictures.end {
            let end = pictures.end.min(start + BATCH);
            let batch = self.batch(network, start..end, all.len(), &mut see)?;
            all.data.extend(batch);
            start = end;
        }
        Ok(all)
    }

    /// What the network reads on the way to these pictures, at `times` of the steps, evenly spaced, or at all where these are fewer: batches
    /// to calibrate with (methods.md 4.7). `see` is told as by [`Sampler::sample`].
    ///
    /// # Errors
    /// As [`Sampler::sample`].
    pub fn trajectory(
        &self,
        network: &Network,
        pictures: Range<usize>,
        times: usize,
        mut see: impl FnMut(Step) -> ControlFlow<()>,
    ) -> Result<Vec<Inputs>, DiffusionError> {
        let steps = self.schedule.len();
        let times = times.clamp(1, steps);
        // The first and the last, and what lies between.
        let place = |i: usize| match times {
            1 => 0,
            times => (2 * i * (steps - 1) + times - 1) / (2 * (times - 1)),
        };
        let chosen: Vec<usize> = (0..times).map(place).collect();
        let mut batches = Vec::new();
        self.sample(network, pictures, |step, inputs| {
            if chosen.contains(&step.step) {
                batches.push(inputs.clone());
            }
            see(step)
        })?;
        Ok(batches)
    }

    fn batch(
        &self,
        network: &Network,
        pictures: Range<usize>,
        done: usize,
        see: &mut impl FnMut(Step, &Inputs) -> ControlFlow<()>,
    ) -> Result<Vec<f32>, DiffusionError> {
        let n = pictures.len();
        let [height, width, channels] = self.shape;
        let conditions = self.conditions(pictures.clone());
        let mut x = self.noise(pictures);
        let steps = self.schedule.len();
        for (i, step) in self.schedule.steps.iter().enumerate() {
            let inputs = conditions
                .clone()
                .with(&self.picture, x.clone(), [n, height, width, channels])
                .with(&self.level, vec![step.level; n], [n, 1, 1, 1]);
            let now = Step {
                pictures: done,
                step: i,
                steps,
            };
            if see(now, &inputs).is_break() {
                return Err(DiffusionError::Stopped);
            }
            let output = network.predict(&inputs)?.into_data();
            for (x, output) in x.iter_mut().zip(output.iter::<f32>()) {
                let now = f64::from(*x);
                let mut picture = step.seen * now + step.told * f64::from(output);
                if self.clips {
                    picture = picture.clamp(-1.0, 1.0);
                }
                *x = (step.keep * now + step.add * picture) as f32;
            }
            if !x.iter().all(|x| x.is_finite()) {
                let step = i + 1;
                return Err(DiffusionError::NotFinite { step, steps });
            }
        }
        Ok(x)
    }

    /// What the pictures start from.
    fn noise(&self, pictures: Range<usize>) -> Vec<f32> {
        let size: usize = self.shape.iter().product();
        let mut noise = Vec::with_capacity(pictures.len() * size);
        for picture in pictures {
            let mut rng = Rng::named(self.seed, &format!("noise of picture {picture}"));
            let start = self.schedule.start as f32;
            noise.extend(std::iter::repeat_with(|| start * rng.normal()).take(size));
        }
        noise
    }

    /// The other inputs.
    fn conditions(&self, pictures: Range<usize>) -> Inputs {
        let mut inputs = Inputs::new();
        for condition in &self.conditions {
            let [height, width, channels] = condition.shape;
            let size: usize = condition.shape.iter().product();
            let mut data = Vec::with_capacity(pictures.len() * size);
            for picture in pictures.clone() {
                let name = format!("{} of picture {picture}", condition.name);
                let mut rng = Rng::named(self.seed, &name);
                let number = || condition.value.unwrap_or_else(|| rng.unit());
                data.extend(std::iter::repeat_with(number).take(size));
            }
            let shape = [pictures.len(), height, width, channels];
            inputs = inputs.with(&condition.name, data, shape);
        }
        inputs
    }
}

#[cfg(test)]
mod tests {
    use subbyte_graph::{Diffusion, Op};

    use super::*;

    /// Says that the picture is half of what it sees, plus its condition.
    fn network(kind: DiffusionKind) -> Graph {
        let mut graph = Graph::new("halves");
        let input = |height, width| Op::Input {
            channels: 1,
            height,
            width,
        };
        let x = graph.push("noisy", input(3, 2), &[]);
        let level = graph.push("sigma", input(1, 1), &[]);
        let condition = graph.push("condition", input(1, 1), &[]);
        let scale = |mul| Op::Affine { mul, add: 0.0 };
        let half = graph.push("half", scale(0.5), &[x]);
        let nothing = graph.push("nothing", scale(0.0), &[level]);
        let sum = graph.push("sum", Op::Add, &[half, nothing]);
        let sum = graph.push("with condition", Op::Add, &[sum, condition]);
        graph.outputs.push(sum);
        graph.diffusion = Some(Diffusion {
            picture: "noisy".into(),
            level: "sigma".into(),
            kind,
        });
        graph
    }

    fn denoiser(steps: Option<usize>) -> Graph {
        network(DiffusionKind::Picture {
            sigma_min: 0.01,
            sigma_max: 4.0,
            steps,
        })
    }

    fn run(graph: &Graph, settings: &Settings, pictures: Range<usize>) -> Pictures {
        let sampler = Sampler::new(graph, settings).unwrap();
        let network = Network::on_cpu(graph).unwrap();
        let go = |_, _: &Inputs| ControlFlow::Continue(());
        sampler.sample(&network, pictures, go).unwrap()
    }

    #[test]
    fn a_picture_depends_on_seed_and_number_alone() {
        let graph = denoiser(None);
        let settings = |seed| Settings {
            seed,
            steps: Some(3),
            ..Settings::default()
        };
        let all = run(&graph, &settings(1), 0..35);
        assert_eq!((all.shape, all.len()), ([3, 2, 1], 35));
        let some = run(&graph, &settings(1), 30..33);
        assert_eq!(some.data, all.data[30 * 6..33 * 6]);
        assert_ne!(run(&graph, &settings(2), 30..33), some);
        assert_ne!(all.data[..6], all.data[6..12]);
    }

    #[test]
    fn one_step_is_what_the_network_says_of_noise() {
        let settings = Settings {
            set: BTreeMap::from([("condition".into(), 0.25)]),
            ..Settings::default()
        };
        let found = run(&denoiser(Some(1)), &settings, 0..1);
        let mut rng = Rng::named(0, "noise of picture 0");
        let expected: Vec<f32> = (0..6).map(|_| 4.0 * rng.normal() / 2.0 + 0.25).collect();
        assert_eq!(found.data, expected);
    }

    #[test]
    fn calibration_sees_the_first_and_the_last_step_and_some_between() {
        let graph = denoiser(None);
        let settings = Settings {
            steps: Some(9),
            ..Settings::default()
        };
        let sampler = Sampler::new(&graph, &settings).unwrap();
        let network = Network::on_cpu(&graph).unwrap();
        let go = |_| ControlFlow::Continue(());
        let batches = sampler.trajectory(&network, 0..20, 5, go).unwrap();
        let levels: Vec<f32> = sampler.schedule().levels().step_by(2).collect();
        let seen: Vec<f32> = batches
            .iter()
            .map(|batch| batch.get("sigma").unwrap().data()[0])
            .collect();
        assert_eq!(seen, [levels.clone(), levels].concat());
        assert_eq!(batches[0].get("noisy").unwrap().shape(), [16, 3, 2, 1]);
        assert_eq!(batches[9].get("noisy").unwrap().shape(), [4, 3, 2, 1]);
        let all = sampler.trajectory(&network, 0..1, 100, go).unwrap();
        assert_eq!(all.len(), 9);
    }

    #[test]
    fn what_cannot_be_sampled_is_refused() {
        let refusal = |graph: &Graph, settings: Settings| {
            Sampler::new(graph, &settings).unwrap_err().to_string()
        };
        let steps = |steps| Settings {
            steps: Some(steps),
            ..Settings::default()
        };
        assert!(refusal(&denoiser(Some(1)), steps(2)).contains("from 1 to 1 steps"));
        assert!(refusal(&denoiser(None), steps(0)).contains("0 steps"));
        let noise = network(DiffusionKind::Noise {
            steps: 10,
            beta_first: 1e-4,
            beta_last: 0.02,
        });
        assert!(refusal(&noise, steps(11)).contains("from 1 to 10 steps"));
        let set = |name: &str, value| Settings {
            set: BTreeMap::from([(name.into(), value)]),
            ..Settings::default()
        };
        assert!(refusal(&noise, set("sigma", 1.0)).contains("there is condition"));
        assert!(refusal(&noise, set("condition", f32::NAN)).contains("not finite"));
        let mut plain = noise.clone();
        plain.diffusion = None;
        assert!(refusal(&plain, Settings::default()).contains("no diffusion network"));
        let sampler = Sampler::new(&noise, &steps(3)).unwrap();
        let network = Network::on_cpu(&noise).unwrap();
        let stop = |_, _: &Inputs| ControlFlow::Break(());
        let stopped = sampler.sample(&network, 0..1, stop);
        assert!(matches!(stopped, Err(DiffusionError::Stopped)));
    }
}
