//! Pools.

use subbyte_graph::{Op, Quantizer, Window};

use super::{Call, Made, Refusal, activation, one, window};
use crate::import::{
    Import,
    layout::{Dim, Layout},
    value::Activation,
};

pub fn max(import: &mut Import, call: &Call) -> Made {
    let x = import.settled(&activation(call, 0)?)?;
    import.check_nchw(&x)?;
    if x.reversed || x.is_padded() && !is_never_negative(import, &x) {
        import.plain(&x)?;
    }
    let (mut window, extra) = pool_window(import, call, &x)?;
    // Padding never wins, so a window that reaches over the end reads padding.
    window.padding = window::join(window.padding, [0, 0, extra[0], extra[1]])?;
    window.padding = window::join(window.padding, x.padding)?;
    let node = import
        .builder
        .push(call.name, Op::MaxPool(window), &[x.node])?;
    one(Activation::of(node))
}

pub fn average(import: &mut Import, call: &Call) -> Made {
    let x = import.settled(&activation(call, 0)?)?;
    import.check_nchw(&x)?;
    if x.reversed {
        import.plain(&x)?;
    }
    let (mut window, extra) = pool_window(import, call, &x)?;
    if extra != [0, 0] {
        return Err(Refusal::new(
            "averages less in its last windows (ceil_mode)",
            "train the network without ceil_mode",
        ));
    }
    if !reads_padding(import, &window, &x) {
        window.padding = [0; 4];
    }
    if window.padding != [0; 4] && call.int("count_include_pad", 0) == 0 {
        // What the file pads before it would count.
        let x = import.plain(&x)?;
        let op = Op::AvgPoolInside(window);
        let node = import.builder.push(call.name, op, &[x.node])?;
        return one(Activation::of(node));
    }
    window.padding = window::join(window.padding, x.padding)?;
    let node = import
        .builder
        .push(call.name, Op::AvgPool(window), &[x.node])?;
    one(Activation::of(node))
}

fn pool_window(
    import: &Import,
    call: &Call,
    x: &Activation,
) -> Result<(Window, [usize; 2]), Refusal> {
    let kernel = call.sizes("kernel_shape", [0, 0])?;
    let sizes = import.sizes(x);
    let window = window::window(call, kernel, sizes)?;
    let extra = match call.int("ceil_mode", 0) {
        0 => [0, 0],
        _ => window::ceil_extra(&window, sizes)?,
    };
    Ok((window, extra))
}

/// Whether a window reaches into its own padding. Strides may leave padding below and right to nobody.
fn reads_padding(import: &Import, window: &Window, x: &Activation) -> bool {
    let sizes = import.sizes(x);
    let reads = |i: usize, dim: Dim| {
        let [before, after] = [window.padding[i], window.padding[i + 2]];
        let length = x.padding[i]
            .saturating_add(sizes.of(dim))
            .saturating_add(x.padding[i + 2]);
        // What the last stride leaves over; a window that does not fit at all is not judged here.
        let room = length.saturating_add(after).checked_sub(window.kernel[i]);
        before > 0 || room.is_none_or(|room| room % window.stride[i] < after)
    };
    reads(0, Dim::H) || reads(1, Dim::W)
}

/// Whether zero padding cannot win a maximum.
fn is_never_negative(import: &Import, x: &Activation) -> bool {
    match import.builder.node(x.node).op {
        Op::Relu | Op::Relu6 | Op::HardSigmoid => true,
        Op::Quantize(quantizer @ Quantizer::Lsq { .. }) => quantizer.code_type().min_level() == 0,
        _ => false,
    }
}

pub fn global_average(import: &mut Import, call: &Call) -> Made {
    let x = import.nchw(&activation(call, 0)?)?;
    let node = import
        .builder
        .push(call.name, Op::GlobalAvgPool, &[x.node])?;
    one(Activation::of(node))
}

pub fn global_max(import: &mut Import, call: &Call) -> Made {
    let x = import.nchw(&activation(call, 0)?)?;
    let [_, height, width] = import.builder.shape(x.node);
    let window = Window {
        kernel: [height, width],
        stride: [1, 1],
        padding: [0; 4],
    };
    let node = import
        .builder
        .push(call.name, Op::MaxPool(window), &[x.node])?;
    one(Activation::of(node))
}

pub fn reduce_mean(import: &mut Import, call: &Call) -> Made {
    let x = import.plain(&activation(call, 0)?)?;
    let sizes = import.sizes(&x);
    let rank = x.layout.0.len();
    let axes = call
        .axes(1, rank)?
        .unwrap_or_else(|| match call.int("noop_with_empty_axes", 0) {
            0 => (0..rank).collect(),
            _ => Vec::new(),
        });
    let mut reduced: Vec<Dim> = axes.iter().flat_map(|&i| x.layout.axis(i, sizes)).collect();
    reduced.sort_unstable();
    let mut spatial = vec![Dim::H, Dim::W];
    spatial.retain(|&dim| sizes.of(dim) != 1);
    let layout = match call.int("keepdims", 1) {
        0 => {
            let kept = (0..rank).filter(|i| !axes.contains(i));
            kept.map(|i| x.layout.0[i].clone()).collect()
        }
        _ => x.layout.0.clone(),
    };
    if reduced != spatial {
        return Err(Refusal::new(
            "averages over other axes than height and width",
            "only the mean over whole images can be taken over",
        ));
    }
    let node = import
        .builder
        .push(call.name, Op::GlobalAvgPool, &[x.node])?;
    one(Activation {
        layout: Layout(layout),
        ..Activation::of(node)
    })
}
