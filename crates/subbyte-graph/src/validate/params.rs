//! Numbers of parameters, and roles that fit their use.

use std::collections::BTreeSet;

use crate::{CodedRows, Graph, Node, NodeId, Op, Param, Problems, Role, RunMultipliers, Storage};

pub(super) fn check(graph: &Graph, problems: &mut Problems) {
    for (name, param) in &graph.params {
        if let Some(what) = storage_problem(param) {
            problems.add(name, what);
        }
    }
    // A parameter that several nodes read is reported once.
    let mut reported = BTreeSet::new();
    for node in &graph.nodes {
        for (&input, place) in node.inputs.iter().zip(places(&node.op)) {
            if let Some((name, what)) = use_problem(graph, node, input, *place)
                && reported.insert(name)
            {
                problems.add(name, what);
            }
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
    Clip,
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
            Place::Clip => Some((Role::Clip, "clip value")),
        }
    }
}

/// Places of an operator's inputs, in order.
fn places(op: &Op) -> &'static [Place] {
    use Place::{Bias, Clip, Data, Mean, Norm, Scale, Table, Variance, Weight};
    match op {
        Op::Conv2d { .. } | Op::Linear => &[Data, Weight, Bias],
        Op::BatchNorm { .. } => &[Data, Norm, Norm, Mean, Variance],
        Op::GroupNorm { .. } => &[Data, Norm, Norm],
        Op::PixelTable => &[Data, Table],
        Op::Quantize(quantizer) => match quantizer.parameter() {
            Some(Role::Clip) => &[Data, Clip],
            Some(_) => &[Data, Scale],
            None => &[Data],
        },
        Op::Minifloat { .. } => &[Data, Clip],
        _ => &[],
    }
}

/// What is wrong with input `input` of `node`, and the name of whose fault it is.
fn use_problem<'a>(
    graph: &'a Graph,
    node: &'a Node,
    input: NodeId,
    place: Place,
) -> Option<(&'a str, String)> {
    let (role, what) = place.role()?;
    // Weights and tables may pass a quantizer on their way; the others are read as they are.
    let source = match place {
        Place::Weight | Place::Table => graph.before_quantizers(input)?,
        _ => input,
    };
    let Op::Param { name } = &graph.nodes.get(source)?.op else {
        let what = format!("its {what} must be a parameter, not what another node makes");
        return Some((&node.name, what));
    };
    let param = graph.params.get(name)?;
    let any = |wrong: fn(f32) -> bool| match &param.storage {
        Storage::F32(data) => data.iter().any(|&x| wrong(x)),
        Storage::Codes(_) => false,
    };
    let what = if param.role != role && param.role != Role::Constant {
        format!(
            "is the {what} of `{}` but has the role {:?}; use {role:?}, or Constant to freeze it",
            node.name, param.role
        )
    } else if place == Place::Variance && any(|v| v < 0.0) {
        "a variance is negative".into()
    } else if matches!(place, Place::Scale | Place::Clip)
        && (any(|s| s < 0.0) || !param.role.is_trained() && any(|s| s == 0.0))
    {
        format!("a {what} must be positive (0 only where training still sets it)")
    } else {
        return None;
    };
    Some((name, what))
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
        Storage::Codes(runs) => {
            if let Some(what) = runs.iter().find_map(|run| run_problem(param, run)) {
                return Some(what);
            }
            let numbers = |run: &CodedRows| finite(&run.codebook) && finite(&run.scales);
            let found = runs.iter().map(|run| run.codes.len()).sum();
            (found, runs.iter().all(numbers))
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

/// What is wrong with a run of rows.
fn run_problem(param: &Param, run: &CodedRows) -> Option<String> {
    let CodedRows {
        codebook,
        scales,
        multipliers,
        codes,
    } = run;
    let row = param.row();
    if codebook.len() != 1 << codes.bits() {
        return Some(format!(
            "its codebook has {} entries; codes of {} bits need {}",
            codebook.len(),
            codes.bits(),
            1 << codes.bits()
        ));
    }
    if row == 0 || codes.is_empty() || codes.len() % row != 0 {
        return Some(format!(
            "has {} numbers for the shape {:?}",
            codes.len(),
            param.shape
        ));
    }
    let rows = codes.len() / row;
    if scales.len() != 1 && scales.len() != rows {
        return Some(format!(
            "has {} scales for {rows} rows of {:?}; one is needed, or one for each row",
            scales.len(),
            param.shape
        ));
    }
    let Some(RunMultipliers { length, values }) = multipliers else {
        return None;
    };
    let taps = param.taps();
    let needed = match length {
        0 => None,
        length => (rows * taps).checked_mul((row / taps).div_ceil(*length)),
    };
    (needed != Some(values.len())).then(|| {
        format!(
            "has {} multipliers, one for {length} channels, for {rows} rows of {:?}",
            values.len(),
            param.shape
        )
    })
}
