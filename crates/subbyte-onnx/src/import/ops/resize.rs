//! Enlarging.

use subbyte_graph::Op;

use super::{Call, Made, Refusal, activation, one};
use crate::import::{Import, layout::Dim, value::Activation};

pub fn resize(import: &mut Import, call: &Call) -> Made {
    let x = import.plain(&activation(call, 0)?)?;
    let is_upsample = call.operator() == "Upsample";
    let refuse = |what: String| {
        Refusal::new(
            what,
            "enlarge by whole factors with the nearest neighbour (asymmetric, floor)",
        )
    };
    let mode = call.text("mode", "nearest");
    if mode != "nearest" {
        return Err(refuse(format!("interpolates ({mode})")));
    }
    let coordinates = match is_upsample {
        true => "asymmetric",
        false => call.text("coordinate_transformation_mode", "half_pixel"),
    };
    let nearest = match is_upsample {
        true => "floor",
        false => call.text("nearest_mode", "round_prefer_floor"),
    };
    // For whole factors these are the same: every pixel is repeated.
    let repeats = match coordinates {
        "asymmetric" => nearest == "floor",
        "half_pixel" | "half_pixel_symmetric" | "pytorch_half_pixel" => {
            nearest.starts_with("round_prefer")
        }
        _ => false,
    };
    if !repeats {
        return Err(refuse(format!(
            "samples at {coordinates} places by {nearest}"
        )));
    }
    if call.has("axes") {
        return Err(refuse("names the axes that it enlarges".into()));
    }
    let lengths = x.layout.lengths(import.sizes(&x));
    let scales = call.optional_constant(if is_upsample { 1 } else { 2 })?;
    let scales = scales.filter(|tensor| tensor.len() != 0);
    let sizes = call.optional_constant(3)?;
    let factors: Vec<Option<usize>> = match (scales, sizes) {
        (Some(scales), _) => {
            let whole = |&s: &f32| (s >= 1.0 && s.fract() == 0.0).then_some(s as usize);
            scales.to_floats().iter().map(whole).collect()
        }
        (None, Some(sizes)) => {
            let factor = |(&to, &from): (&usize, &usize)| (to % from == 0).then_some(to / from);
            sizes.as_sizes()?.iter().zip(&lengths).map(factor).collect()
        }
        (None, None) => return Err(Refusal::broken("has neither scales nor sizes")),
    };
    if factors.len() != lengths.len() {
        return Err(Refusal::broken(format!(
            "has {} factors for {} axes",
            factors.len(),
            lengths.len()
        )));
    }
    let [mut vertical, mut horizontal] = [1, 1];
    for (axis, factor) in x.layout.0.iter().zip(&factors) {
        match (axis.as_slice(), factor) {
            (_, Some(1)) => {}
            ([Dim::H], Some(factor)) => vertical = *factor,
            ([Dim::W], Some(factor)) => horizontal = *factor,
            _ => return Err(refuse(format!("changes {lengths:?} by {factors:?}"))),
        }
    }
    if [vertical, horizontal] == [1, 1] {
        return one(x);
    }
    let op = Op::Upsample {
        vertical,
        horizontal,
    };
    let node = import.builder.push(call.name, op, &[x.node])?;
    one(Activation { node, ..x })
}
