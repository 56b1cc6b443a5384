use serde::{Deserialize, Serialize};

use crate::{Graph, Node, NodeId, Op, Problems, Shape};

/// How a network makes pictures out of noise: what its inputs are and what its first output says about them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Diffusion {
    /// The [`Op::Input`] of noisy pictures; the output has its shape.
    pub picture: String,
    /// The [`Op::Input`] of one number for each picture that says how noisy it is.
    pub level: String,
    /// What the output is.
    pub kind: DiffusionKind,
}

/// What a diffusion network predicts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "predicts", rename_all = "snake_case", deny_unknown_fields)]
pub enum DiffusionKind {
    /// The picture without noise, from one with noise of deviation `level` added to it (Karras and others, 2206.00364).
    Picture {
        /// Smallest deviation that the network knows.
        sigma_min: f32,
        /// Largest deviation, that of pure noise.
        sigma_max: f32,
        /// Most steps of a sampler that the network was made for; `None` for any number. Distilled networks know one or a few.
        steps: Option<usize>,
    },
    /// The noise of deviation 1 in `sqrt(a) * picture + sqrt(1 - a) * noise`, `a` being the product of `1 - beta` over the time steps up to
    /// `level`, which counts from 0 (Ho and others, 2006.11239).
    Noise {
        /// Time steps in all.
        steps: usize,
        /// Beta of the first time step.
        beta_first: f32,
        /// Beta of the last time step; those between lie on a line.
        beta_last: f32,
    },
}

impl Graph {
    /// The float inputs: their nodes with channels, height and width.
    pub fn inputs(&self) -> impl Iterator<Item = (NodeId, &Node, [usize; 3])> {
        let nodes = self.nodes.iter().enumerate();
        nodes.filter_map(|(id, node)| match node.op {
            Op::Input {
                channels,
                height,
                width,
            } => Some((id, node, [channels, height, width])),
            _ => None,
        })
    }

    /// Checks that the description of sampling speaks of this graph.
    pub(crate) fn check_diffusion(&self, shapes: &[Option<Shape>], problems: &mut Problems) {
        let Some(diffusion) = &self.diffusion else {
            return;
        };
        let shape_of = |name: &String| {
            let mut inputs = self.inputs();
            let found = inputs.find(|(_, node, _)| node.name == *name);
            found.map(|(_, _, shape)| shape)
        };
        let (picture, level) = (shape_of(&diffusion.picture), shape_of(&diffusion.level));
        let mut add = |what: String| problems.add(&self.name, what);
        for (name, shape) in [(&diffusion.picture, picture), (&diffusion.level, level)] {
            if shape.is_none() {
                add(format!(
                    "is sampled by its input `{name}`, which it has not"
                ));
            }
        }
        if let Some(shape) = level
            && (shape != [1, 1, 1] || diffusion.level == diffusion.picture)
        {
            add(format!(
                "is told noise by `{}` of {shape:?}; one number for each picture is needed",
                diffusion.level
            ));
        }
        let output = self.outputs.first().and_then(|&id| shapes.get(id)?.clone());
        if let (Some(picture), Some(output)) = (picture, output)
            && output.feature() != Some(picture)
        {
            add(format!(
                "makes {:?} of noisy pictures of {picture:?}; one shape is needed",
                output.dims()
            ));
        }
        match diffusion.kind {
            DiffusionKind::Picture {
                sigma_min,
                sigma_max,
                steps,
            } => {
                if !(sigma_min > 0.0 && sigma_min <= sigma_max && sigma_max.is_finite()) {
                    add(format!(
                        "knows noise from {sigma_min} to {sigma_max}; rising positive numbers are needed"
                    ));
                }
                if steps == Some(0) {
                    add("knows samplers of no step".into());
                }
            }
            DiffusionKind::Noise {
                steps,
                beta_first,
                beta_last,
            } => {
                let inside = |beta: f32| beta > 0.0 && beta < 1.0;
                if steps == 0 || !inside(beta_first) || !inside(beta_last) {
                    add(format!(
                        "has {steps} time steps with betas from {beta_first} to {beta_last}; at least one step and betas between 0 and 1 are needed"
                    ));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Function, Param, Role, fuse::fuse, sbg};

    /// A denoiser with every operator that networks of floats have: pictures of 4 x 6 x 6, a noise level.
    fn denoiser() -> Graph {
        let mut g = Graph::new("denoiser");
        let input = |channels, height, width| Op::Input {
            channels,
            height,
            width,
        };
        let x = g.push("noisy", input(4, 6, 6), &[]);
        let level = g.push("sigma", input(1, 1, 1), &[]);
        let function = Function::Log;
        let level = g.push("log", Op::Map { function }, &[level]);
        let (mul, add) = (0.25, -0.1);
        let level = g.push("scaled", Op::Affine { mul, add }, &[level]);
        let mut line = |part: &str, value: f32| {
            let param = Param::new([4], Role::Norm, vec![value; 4]);
            g.param(format!("norm.{part}"), param)
        };
        let (gamma, beta) = (line("gamma", 1.0), line("beta", 0.0));
        let norm = Op::GroupNorm {
            groups: 2,
            eps: 1e-5,
        };
        let y = g.push("norm", norm, &[x, gamma, beta]);
        let y = g.push("shifted", Op::Add, &[y, level]);
        let attention = Op::Attention {
            heads: 2,
            scale: 0.7,
        };
        let y = g.push("attention", attention, &[y, x, x]);
        let (low, high) = (-1.0, 1.0);
        let y = g.push("denoised", Op::Clip { low, high }, &[y]);
        g.outputs.push(y);
        g.diffusion = Some(Diffusion {
            picture: "noisy".into(),
            level: "sigma".into(),
            kind: DiffusionKind::Picture {
                sigma_min: 0.002,
                sigma_max: 80.0,
                steps: Some(1),
            },
        });
        g
    }

    #[test]
    fn networks_of_floats_are_stored_whole_and_have_no_integer_form() {
        let graph = denoiser();
        let bytes = sbg::to_bytes(&graph, &sbg::Extras::default()).unwrap();
        assert_eq!(sbg::from_bytes(&bytes).unwrap().0, graph);
        assert!(!graph.is_fully_quantized());
        let refusal = fuse(&graph).unwrap_err();
        assert_eq!(refusal.0.0.len(), 1, "{refusal}");
        assert!(
            refusal.to_string().contains("noisy: is an input of floats"),
            "{refusal}"
        );
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        for (node, op, expected) in [
            (
                "norm",
                Op::GroupNorm {
                    groups: 3,
                    eps: 1e-5,
                },
                "3 groups do not divide 4 channels",
            ),
            (
                "attention",
                Op::Attention {
                    heads: 3,
                    scale: 1.0,
                },
                "3 heads do not divide",
            ),
            (
                "noisy",
                Op::Input {
                    channels: 6,
                    height: 6,
                    width: 6,
                },
                "its gamma is [4]; [6] is needed",
            ),
            (
                "denoised",
                Op::Clip {
                    low: 1.0,
                    high: -1.0,
                },
                "leave no number",
            ),
            (
                "scaled",
                Op::Affine {
                    mul: f32::NAN,
                    add: 0.0,
                },
                "a finite number is needed",
            ),
        ] {
            let mut graph = denoiser();
            let place = graph.nodes.iter().position(|n| n.name == node).unwrap();
            graph.nodes[place].op = op;
            let problems = graph.validate().unwrap_err().to_string();
            assert!(problems.contains(expected), "{expected} in {problems}");
        }
    }

    #[test]
    fn what_is_said_of_sampling_must_be_true_of_the_graph() {
        let expect = |change: fn(&mut Diffusion), expected: &str| {
            let mut graph = denoiser();
            change(graph.diffusion.as_mut().unwrap());
            let problems = graph.validate().unwrap_err().to_string();
            assert!(problems.contains(expected), "{expected} in {problems}");
        };
        expect(
            |d| d.picture = "x".into(),
            "its input `x`, which it has not",
        );
        expect(
            |d| d.level = "noisy".into(),
            "one number for each picture is needed",
        );
        expect(|d| d.picture = "sigma".into(), "one shape is needed");
        expect(
            |d| {
                d.kind = DiffusionKind::Noise {
                    steps: 0,
                    beta_first: 1e-4,
                    beta_last: 0.02,
                }
            },
            "at least one step",
        );
    }
}
