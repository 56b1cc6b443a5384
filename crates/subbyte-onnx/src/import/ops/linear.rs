//! Convolutions and linear layers.

use subbyte_graph::{NodeId, Op, Role};

use super::{Call, Made, Refusal, activation, one, window};
use crate::import::{
    Import,
    layout::Layout,
    value::{Activation, Affine, Value},
    weights::transpose,
};
use crate::tensor::Tensor;

pub fn conv(import: &mut Import, call: &Call) -> Made {
    let x = import.settled(&activation(call, 0)?)?;
    import.check_nchw(&x)?;
    let weight = call.input(1)?;
    let &[_, per_group, height, width] = dims(weight)? else {
        return Err(Refusal::new(
            format!("has the weight {:?}", dims(weight)?),
            "only convolutions with two spatial axes can be taken over",
        ));
    };
    let kernel = call.sizes("kernel_shape", [height, width])?;
    if kernel != [height, width] {
        return Err(Refusal::broken(format!(
            "its kernel is {kernel:?}, its weight has {height} x {width}"
        )));
    }
    let window = window::window(call, kernel, import.sizes(&x))?;
    let groups = usize::try_from(call.int("group", 1))
        .map_err(|_| Refusal::broken("its number of groups is negative"))?;
    let weight = match x.reversed {
        false => parameter(import, weight, "", |w| Ok(w.clone()))?,
        true if groups == 1 => parameter(import, weight, "reversed", |w| {
            let inner = height * width;
            let row = per_group * inner;
            let place = |i: usize| {
                let channel = i % row / inner;
                i - channel * inner + (per_group - 1 - channel) * inner
            };
            Ok(w.gather(w.dims.clone(), (0..w.len()).map(place)))
        })?,
        true => {
            return Err(Refusal::new(
                "reads the image in the order blue, green, red, in groups",
                "export with RGB input",
            ));
        }
    };
    let mut inputs = vec![x.node, weight];
    inputs.extend(bias(import, call, 2)?);
    let op = Op::Conv2d {
        stride: window.stride,
        padding: window::join(x.padding, window.padding)?,
        groups,
    };
    let node = import.builder.push(call.name, op, &inputs)?;
    one(Activation::of(node))
}

pub fn gemm(import: &mut Import, call: &Call) -> Made {
    if call.int("transA", 0) != 0 {
        return Err(Refusal::new(
            "transposes its batch",
            "only products of features with weights can be taken over",
        ));
    }
    let (alpha, beta) = (call.float("alpha", 1.0), call.float("beta", 1.0));
    let is_transposed = call.int("transB", 0) != 0;
    if (alpha, beta) == (1.0, 1.0) {
        let bias = bias(import, call, 2)?;
        return one(linear(import, call, is_transposed, bias)?);
    }
    let x = linear(import, call, is_transposed, None)?;
    let mut affine = Affine {
        mul: vec![f64::from(alpha)],
        add: vec![0.0],
    };
    if let Some(bias) = call.optional_constant(2)? {
        let [outputs, ..] = import.builder.shape(x.node);
        let bias = bias.to_floats();
        if bias.len() != outputs && bias.len() != 1 {
            return Err(Refusal::broken(format!(
                "has a bias of {} numbers for {outputs} outputs",
                bias.len()
            )));
        }
        affine = Affine {
            mul: vec![f64::from(alpha); bias.len()],
            add: bias
                .iter()
                .map(|&b| f64::from(b) * f64::from(beta))
                .collect(),
        };
    }
    one(import.with_affine(&x, &affine)?)
}

pub fn matmul(import: &mut Import, call: &Call) -> Made {
    one(linear(import, call, false, None)?)
}

fn linear(
    import: &mut Import,
    call: &Call,
    is_transposed: bool,
    bias: Option<NodeId>,
) -> Result<Activation, Refusal> {
    let (x, places) = import.flattened(&activation(call, 0)?)?;
    let weight = match call.input(1)? {
        Value::Weights(weights) if !is_transposed => Value::Weights(weights.transposed()?),
        other => other.clone(),
    };
    // Quantized weights are transposed already, for their scales' sake.
    let transposes = !is_transposed && matches!(weight, Value::Constant(_));
    let variant = format!(
        "{}{}",
        if is_transposed { "" } else { "transposed" },
        if places.is_some() {
            " channels last"
        } else {
            ""
        }
    );
    let weight = parameter(import, &weight, &variant, |w| {
        let w = if transposes { transpose(w)? } else { w.clone() };
        let (Some(places), &[outputs, features]) = (&places, w.dims.as_slice()) else {
            return Ok(w);
        };
        if features != places.len() {
            return Err(Refusal::broken(format!(
                "its weight reads {features} features, its input has {}",
                places.len()
            )));
        }
        let mut sources = vec![0; features];
        for (source, &place) in places.iter().enumerate() {
            sources[place] = source;
        }
        let indices = (0..outputs).flat_map(|o| sources.iter().map(move |s| o * features + s));
        Ok(w.gather(w.dims.clone(), indices))
    })?;
    let inputs: Vec<NodeId> = [x.node, weight].into_iter().chain(bias).collect();
    let node = import.builder.push(call.name, Op::Linear, &inputs)?;
    Ok(Activation {
        layout: Layout::flat(),
        ..Activation::of(node)
    })
}

fn dims(weight: &Value) -> Result<&[usize], Refusal> {
    match weight {
        Value::Constant(tensor) => Ok(&tensor.dims),
        Value::Weights(weights) => Ok(&weights.values.dims),
        _ => Err(Refusal::new(
            "has weights that are computed from the image",
            "only constant weights can be taken over; fold constants before exporting",
        )),
    }
}

/// The node of a weight, quantized where it is. `edit`, called `variant`, may put its numbers in another order within output channels.
fn parameter(
    import: &mut Import,
    weight: &Value,
    variant: &str,
    edit: impl FnOnce(&Tensor) -> Result<Tensor, Refusal>,
) -> Result<NodeId, Refusal> {
    dims(weight)?;
    let (tensor, weights) = match weight {
        Value::Weights(weights) => (weights.values.clone(), Some(weights)),
        other => (other.as_constant(1)?, None),
    };
    let names = [tensor.name.as_str(), &tensor.key];
    let node = import.builder.param(names, variant, Role::Weight, || {
        let edited = edit(&tensor)?;
        let numbers = edited.to_floats();
        Ok((edited.dims, numbers))
    })?;
    let Some(weights) = weights else {
        return Ok(node);
    };
    if weights.per_channel() && weights.axis != 0 {
        return Err(Refusal::new(
            format!("has weights quantized along axis {}", weights.axis),
            "quantize them for each output channel, or for the whole tensor",
        ));
    }
    let scale = match &weights.scale {
        Some(scale) => Some(import.scale(scale)?),
        None => None,
    };
    let name = format!("{}.quantize", tensor.name);
    import
        .builder
        .quantize(&name, node, weights.quantizer, scale)
}

/// The node of bias `i`, where there is one.
fn bias(import: &mut Import, call: &Call, i: usize) -> Result<Option<NodeId>, Refusal> {
    let Some(bias) = call.optional_constant(i)? else {
        return Ok(None);
    };
    let outputs = match (call.operator(), dims(call.input(1)?)?) {
        ("Gemm", &[inner, outer]) => match call.int("transB", 0) {
            0 => outer,
            _ => inner,
        },
        (_, dims) => dims.first().copied().unwrap_or(0),
    };
    if bias.len() != outputs && bias.len() != 1 {
        return Err(Refusal::broken(format!(
            "has a bias of {} numbers for {outputs} outputs",
            bias.len()
        )));
    }
    let variant = format!("of {outputs}");
    let names = [bias.name.as_str(), &bias.key];
    let node = import.builder.param(names, &variant, Role::Bias, || {
        let mut numbers = bias.to_floats();
        if numbers.len() == 1 {
            numbers = vec![numbers[0]; outputs];
        }
        Ok((vec![outputs], numbers))
    })?;
    Ok(Some(node))
}
