//! How noise goes down from step to step.

use subbyte_graph::DiffusionKind;

/// Exponent that spaces the noise levels of denoisers (Karras and others, 2206.00364, equation 5).
const RHO: f64 = 7.0;

/// The steps of a deterministic sampler: what the network is told at each, and how its output moves the picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    pub(crate) steps: Vec<Move>,
    /// Deviation of the noise that pictures start from.
    pub(crate) start: f64,
}

/// One step of `x`: the network's output says that without noise it is `picture = seen * x + told * output`, and it becomes
/// `keep * x + add * picture`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Move {
    /// What the network is told of the noise.
    pub level: f32,
    pub seen: f64,
    pub told: f64,
    pub keep: f64,
    pub add: f64,
}

impl Schedule {
    /// Most steps that a network of `kind` knows; `None` where there is no limit.
    pub fn most_steps(kind: DiffusionKind) -> Option<usize> {
        match kind {
            DiffusionKind::Picture { steps, .. } => steps,
            DiffusionKind::Noise { steps, .. } => Some(steps),
        }
    }

    /// A schedule of `count` steps, at least 1 and at most [`Schedule::most_steps`].
    ///
    /// Denoisers take Euler's steps between noise levels of Karras and others (2206.00364, algorithm 1 with order 1), the last to none.
    /// Predictors of noise take the steps of DDIM with eta 0 (2010.02502, equation 12) between evenly spaced times, the first of which is
    /// the last of training (2305.08891, trailing).
    pub fn new(kind: DiffusionKind, count: usize) -> Self {
        match kind {
            DiffusionKind::Picture {
                sigma_min,
                sigma_max,
                ..
            } => Self::euler(f64::from(sigma_min), f64::from(sigma_max), count),
            DiffusionKind::Noise {
                steps,
                beta_first,
                beta_last,
            } => Self::ddim(&signal(steps, beta_first, beta_last), count),
        }
    }

    /// Number of steps.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether there is no step.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// What the network is told of the noise at each step.
    pub fn levels(&self) -> impl Iterator<Item = f32> {
        self.steps.iter().map(|step| step.level)
    }

    /// With the denoised picture d, `x + (x - d) / sigma * (next - sigma)`.
    fn euler(sigma_min: f64, sigma_max: f64, count: usize) -> Self {
        let [high, low] = [sigma_max, sigma_min].map(|sigma| sigma.powf(1.0 / RHO));
        let sigma = |i: usize| match i {
            i if i >= count => 0.0,
            0 => sigma_max,
            i => (high + i as f64 / (count - 1) as f64 * (low - high)).powf(RHO),
        };
        let step = |i: usize| {
            let keep = sigma(i + 1) / sigma(i);
            Move {
                level: sigma(i) as f32,
                seen: 0.0,
                told: 1.0,
                keep,
                add: 1.0 - keep,
            }
        };
        Self {
            steps: (0..count).map(step).collect(),
            start: sigma_max,
        }
    }

    /// With the signals a now and b next, and noise e: the picture is `(x - sqrt(1 - a) * e) / sqrt(a)`; what it leaves of x is noise, and the
    /// next x is `sqrt(b) * picture + sqrt(1 - b) * noise`.
    fn ddim(signal: &[f64], count: usize) -> Self {
        let time = |i: usize| ((count - i) * signal.len() / count).checked_sub(1);
        let step = |i: usize| {
            let now = time(i).expect("no more steps than times");
            let (a, b) = (signal[now], time(i + 1).map_or(1.0, |next| signal[next]));
            let keep = ((1.0 - b) / (1.0 - a)).sqrt();
            Move {
                level: now as f32,
                seen: 1.0 / a.sqrt(),
                told: -((1.0 - a) / a).sqrt(),
                keep,
                add: b.sqrt() - keep * a.sqrt(),
            }
        };
        Self {
            steps: (0..count).map(step).collect(),
            start: 1.0,
        }
    }
}

/// Share of the picture's variance that is left after each time step: products of `1 - beta`.
pub fn signal(steps: usize, beta_first: f32, beta_last: f32) -> Vec<f64> {
    let [first, last] = [beta_first, beta_last].map(f64::from);
    let slope = (last - first) / (steps.max(2) - 1) as f64;
    let mut product = 1.0;
    let next = |t: usize| {
        product *= 1.0 - (first + slope * t as f64);
        product
    };
    (0..steps).map(next).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PICTURE: DiffusionKind = DiffusionKind::Picture {
        sigma_min: 0.002,
        sigma_max: 80.0,
        steps: None,
    };
    const NOISE: DiffusionKind = DiffusionKind::Noise {
        steps: 1000,
        beta_first: 1e-4,
        beta_last: 0.02,
    };

    /// Where a picture of one number ends whose network is exact: `x0` and `noise` are known to it.
    fn ends(kind: DiffusionKind, count: usize) -> f64 {
        let schedule = Schedule::new(kind, count);
        let (x0, noise) = (0.3, -1.7);
        let signal = signal(1000, 1e-4, 0.02);
        let mixed = |level: f32| match kind {
            DiffusionKind::Picture { .. } => x0 + f64::from(level) * noise,
            DiffusionKind::Noise { .. } => {
                let a = signal[level as usize];
                a.sqrt() * x0 + (1.0 - a).sqrt() * noise
            }
        };
        let mut x = mixed(schedule.steps[0].level);
        for step in &schedule.steps {
            assert!(
                (x - mixed(step.level)).abs() < 1e-4,
                "{x} at {}",
                step.level
            );
            let output = match kind {
                DiffusionKind::Picture { .. } => x0,
                DiffusionKind::Noise { .. } => noise,
            };
            let picture = step.seen * x + step.told * output;
            x = step.keep * x + step.add * picture;
        }
        x
    }

    #[test]
    fn an_exact_network_leads_to_the_picture_through_the_levels_that_it_is_told() {
        for count in [1, 2, 7, 50, 1000] {
            for kind in [PICTURE, NOISE] {
                assert!((ends(kind, count) - 0.3).abs() < 1e-4, "{kind:?} {count}");
            }
        }
    }

    #[test]
    fn levels_span_what_the_network_knows() {
        let levels = |kind, count| Schedule::new(kind, count).levels().collect::<Vec<f32>>();
        assert_eq!(levels(PICTURE, 1), [80.0]);
        let many = levels(PICTURE, 18);
        assert_eq!((many[0], many.len()), (80.0, 18));
        assert!((many[17] - 0.002).abs() < 1e-6);
        // The second of 18 levels, as the paper's own code has it.
        assert!((many[1] - 57.586).abs() < 1e-2, "{}", many[1]);
        assert!(many.is_sorted_by(|a, b| a > b));
        assert_eq!(levels(NOISE, 1), [999.0]);
        assert_eq!(levels(NOISE, 4), [999.0, 749.0, 499.0, 249.0]);
        let all = levels(NOISE, 1000);
        assert!(all.iter().rev().enumerate().all(|(i, &t)| t == i as f32));
    }

    #[test]
    fn signals_are_those_of_the_paper() {
        let signal = signal(1000, 1e-4, 0.02);
        assert!((signal[0] - 0.9999).abs() < 1e-7);
        assert!((signal[999] - 4.04e-5).abs() < 1e-7, "{}", signal[999]);
    }
}
