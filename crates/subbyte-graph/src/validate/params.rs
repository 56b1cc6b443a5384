//! Numbers of parameters, and roles that fit their use.

use crate::{Graph, Node, NodeId, Op, Param, Problems, Role, Storage};

pub(super) fn check(graph: &Graph, problems: &mut Problems) {
    for (name, param) in &graph.params {
        if let Some(what) = storage_problem(param) {
            problems.add(name, what);
        }
    }
    for node in &graph.nodes {
        for (&input, place) in node.inputs.iter().zip(places(&node.op)) {
            check_use(graph, node, input, *place, problems);
        }
    }
}

/// What an input of an operator is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A tensor, or the parameter that a quantizer reads.
    Data,
    Weight,
    Bias,
    Norm,
    Mean,
    Variance,
    Table,
    Scale,
}

impl Place {
    /// The role of a trained or measured parameter here, and its name for messages.
    fn role(self) -> Option<(Role, &'static str)> {
        match self {
            Place::Data => None,
            Place::Weight => Some((Role::Weight, "weight")),
            Place::Bias => Some((Role::Bias, "bias")),
            Place::Norm => Some((Role::Norm, "scale or shift")),
            Place::Mean => Some((Role::Statistic, "mean")),
            Place::Variance => Some((Role::Statistic, "variance")),
            Place::Table => Some((Role::Table, "table")),
            Place::Scale => Some((Role::Scale, "scale")),
        }
    }
}

/// Places of an operator's inputs, in order.
fn places(op: &Op) -> &'static [Place] {
    use Place::{Bias, Data, Mean, Norm, Scale, Table, Variance, Weight};
    match op {
        Op::Conv2d { .. } | Op::Linear => &[Data, Weight, Bias],
        Op::BatchNorm { .. } => &[Data, Norm, Norm, Mean, Variance],
        Op::PixelTable => &[Data, Table],
        Op::Quantize(_) => &[Data, Scale],
        _ => &[],
    }
}

fn check_use(graph: &Graph, node: &Node, input: NodeId, place: Place, problems: &mut Problems) {
    let Some((role, what)) = place.role() else {
        return;
    };
    // Weights and tables may pass a quantizer on their way; the others are read as they are.
    let param = match place {
        Place::Weight | Place::Table => graph.source_param(input),
        _ => graph.param_of(input),
    };
    let Some((name, param)) = param else {
        if graph.nodes.get(input).is_some() {
            problems.add(
                &node.name,
                format!("its {what} must be a parameter, not what another node makes"),
            );
        }
        return;
    };
    if param.role != role && param.role != Role::Constant {
        problems.add(
            name,
            format!(
                "is the {what} of `{}` but has the role {:?}; use {role:?}, or Constant to freeze it",
                node.name, param.role
            ),
        );
    }
    let is_f32 = match &param.storage {
        Storage::F32(data) => Some(data),
        Storage::Codes { .. } => None,
    };
    match place {
        Place::Variance if is_f32.is_some_and(|data| data.iter().any(|&v| v < 0.0)) => {
            problems.add(name, "a variance is negative");
        }
        // A trained scale of 0 is set from the first batch.
        Place::Scale
            if is_f32.is_some_and(|data| {
                data.iter()
                    .any(|&s| s < 0.0 || (s == 0.0 && !param.role.is_trained()))
            }) =>
        {
            problems.add(
                name,
                "a scale must be positive (0 only where training still sets it)",
            );
        }
        _ => {}
    }
}

/// What is wrong with the numbers themselves.
fn storage_problem(param: &Param) -> Option<String> {
    let shape = &param.shape;
    let Some(len) = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)) else {
        return Some(format!("its shape {shape:?} is too large"));
    };
    let finite = |data: &[f32]| data.iter().all(|x| x.is_finite());
    let (found, finite) = match &param.storage {
        Storage::F32(data) => (data.len(), finite(data)),
        Storage::Codes {
            codebook,
            scales,
            codes,
        } => {
            if codebook.len() != 1 << codes.bits() {
                return Some(format!(
                    "its codebook has {} entries; codes of {} bits need {}",
                    codebook.len(),
                    codes.bits(),
                    1 << codes.bits()
                ));
            }
            if scales.len() != 1 && Some(&scales.len()) != shape.first() {
                return Some(format!(
                    "has {} scales; one is needed, or one for each of the first axis of {shape:?}",
                    scales.len()
                ));
            }
            (codes.len(), finite(codebook) && finite(scales))
        }
    };
    if found != len {
        Some(format!("has {found} numbers for the shape {shape:?}"))
    } else if !finite {
        Some("some numbers are infinite or NaN: training diverged or the file is damaged".into())
    } else {
        None
    }
}
