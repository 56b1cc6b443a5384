//! Whether a file is a diffusion network: by the names of its inputs and by its metadata.

use subbyte_graph::{Diffusion, DiffusionKind, Graph};

use crate::schema::StringStringEntryProto;

/// Names of inputs that hold the deviation of the noise.
const DEVIATION: [&str; 2] = ["sigma", "sigmas"];

/// Names of inputs that hold a time step.
const TIME: [&str; 6] = [
    "t",
    "time",
    "timestep",
    "timesteps",
    "time_step",
    "time_steps",
];

/// Range of noise of Karras and others (2206.00364), which denoisers of this kind are trained for.
const SIGMA: [f32; 2] = [0.002, 80.0];

/// Time steps and betas of Ho and others (2006.11239).
const STEPS: usize = 1000;
const BETA: [f32; 2] = [1e-4, 0.02];

/// How `graph` is sampled; `None` where it is no diffusion network.
pub fn recognised(graph: &Graph, metadata: &[StringStringEntryProto]) -> Option<Diffusion> {
    let shapes = graph.shapes().ok()?;
    let output = shapes[*graph.outputs.first()?].feature()?;
    let named = |names: &[&str]| {
        let mut inputs = graph.inputs();
        let is = |name: &str| names.contains(&name.to_ascii_lowercase().as_str());
        let level = inputs.find(|(_, node, shape)| *shape == [1, 1, 1] && is(&node.name));
        level.map(|(_, node, _)| node.name.clone())
    };
    let (level, kind) = match (named(&DEVIATION), named(&TIME)) {
        (Some(level), _) => {
            let steps = is_distilled(metadata).then_some(1);
            let [sigma_min, sigma_max] = SIGMA;
            let kind = DiffusionKind::Picture {
                sigma_min,
                sigma_max,
                steps,
            };
            (level, kind)
        }
        (None, Some(level)) => {
            let [beta_first, beta_last] = BETA;
            let kind = DiffusionKind::Noise {
                steps: STEPS,
                beta_first,
                beta_last,
            };
            (level, kind)
        }
        (None, None) => return None,
    };
    let mut pictures = graph.inputs().filter(|(_, node, shape)| {
        // A picture of one pixel is no picture.
        *shape == output && *shape != [1, 1, 1] && node.name != level
    });
    let (_, picture, _) = pictures.next()?;
    Some(Diffusion {
        picture: picture.name.clone(),
        level,
        kind,
    })
}

/// Whether the network was trained to make its picture in one step.
fn is_distilled(metadata: &[StringStringEntryProto]) -> bool {
    let says = |word: &str| {
        let values = metadata.iter().filter_map(|entry| entry.value.as_deref());
        values.into_iter().any(|value| value.contains(word))
    };
    says("distill") || says("consistency")
}
