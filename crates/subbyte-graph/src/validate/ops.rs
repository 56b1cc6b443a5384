//! Attributes of operators, and quantizers in their places.

use subbyte_num::{Minifloat, MinifloatGrid};

use crate::{Graph, Node, Op, Problems, Quantizer};

pub(super) fn check(graph: &Graph, node: &Node, problems: &mut Problems) {
    let what = match &node.op {
        Op::Normalize { mean, std } => normalize(graph, node, mean, std),
        Op::BatchNorm { eps } | Op::GroupNorm { eps, .. } => match eps.is_finite() && *eps >= 0.0 {
            true => None,
            false => Some(format!("its eps is {eps}; a number from 0 up is needed")),
        },
        Op::Attention { scale, .. } => finite("scale", &[*scale]),
        Op::Affine { mul, add } => finite("factor or summand", &[*mul, *add]),
        Op::Clip { low, high } => match low <= high {
            true => finite("limit", &[*low, *high]),
            false => Some(format!("its limits {low} and {high} leave no number")),
        },
        Op::Quantize(quantizer) => self::quantizer(graph, node, *quantizer),
        Op::Minifloat { format, offset } => minifloat(graph, node, *format, *offset),
        _ => None,
    };
    if let Some(what) = what {
        problems.add(&node.name, what);
    }
}

fn finite(what: &str, numbers: &[f32]) -> Option<String> {
    let wrong = numbers.iter().find(|x| !x.is_finite())?;
    Some(format!("its {what} is {wrong}; a finite number is needed"))
}

fn normalize(graph: &Graph, node: &Node, mean: &[f32], std: &[f32]) -> Option<String> {
    let image = node.inputs.first().and_then(|&id| graph.nodes.get(id));
    if let Some(Op::Image { colours, .. }) = image.map(|node| &node.op)
        && [mean.len(), std.len()] != [*colours; 2]
    {
        return Some(format!(
            "has {} means and {} deviations for {colours} colours",
            mean.len(),
            std.len()
        ));
    }
    let fine = mean.iter().all(|m| m.is_finite()) && std.iter().all(|s| s.is_finite() && *s > 0.0);
    (!fine)
        .then(|| format!("mean {mean:?} and deviation {std:?} must be finite, deviations positive"))
}

fn quantizer(graph: &Graph, node: &Node, quantizer: Quantizer) -> Option<String> {
    match quantizer {
        Quantizer::Lsq { bits, .. }
        | Quantizer::Affine { bits, .. }
        | Quantizer::MidTreadHalf { bits, .. }
        | Quantizer::Pact { bits }
        | Quantizer::DorefaWeight { bits }
            if !(1..=8).contains(&bits) =>
        {
            Some(format!("has {bits} bits; use 1 to 8"))
        }
        Quantizer::Lsq {
            bits: 1,
            signed: true,
        } => Some(
            "a signed learned-step quantizer has no positive level at 1 bit; use binary mean scaling or 2 bits".into(),
        ),
        Quantizer::Affine { bits, zero } if zero > quantizer.code_type().max_code() => Some(
            format!("its zero point {zero} is no code of {bits} bits"),
        ),
        Quantizer::MidTreadHalf { max, .. } if !(max.is_finite() && max > 0.0) => {
            Some(format!("its largest value is {max}; a positive number is needed"))
        }
        Quantizer::DorefaWeight { bits: 1 } => Some(
            "DoReFa's weights of 1 bit are those of binary mean scaling; use that".into(),
        ),
        _ if quantizer.is_for_weights() && !reads_param(graph, node) => {
            Some("its quantizer is for weights; use another one for activations".into())
        }
        _ => None,
    }
}

fn minifloat(graph: &Graph, node: &Node, format: Minifloat, offset: f32) -> Option<String> {
    let (_, clips) = graph.param_of(*node.inputs.get(1)?)?;
    let grid = |clip| MinifloatGrid {
        format,
        clip,
        offset,
    };
    let clips = clips.to_vec();
    let wrong = clips.into_iter().find(|clip| !grid(*clip).is_valid())?;
    Some(format!(
        "no {format} floats reach up to {wrong} from {offset}; a positive clip value of usual size is needed"
    ))
}

fn reads_param(graph: &Graph, node: &Node) -> bool {
    node.inputs
        .first()
        .is_some_and(|&id| graph.source_param(id).is_some())
}
