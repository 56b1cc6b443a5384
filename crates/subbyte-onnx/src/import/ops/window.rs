//! Windows of convolutions and pools.

use subbyte_graph::Window;

use super::{Call, Refusal};
use crate::import::layout::{Dim, Sizes};

/// The window of a node over an input of `sizes`.
pub fn window(call: &Call, kernel: [usize; 2], sizes: Sizes) -> Result<Window, Refusal> {
    let stride = call.sizes("strides", [1, 1])?;
    let dilations = call.sizes("dilations", [1, 1])?;
    if (0..2).any(|i| dilations[i] != 1 && kernel[i] != 1) {
        return Err(Refusal::new(
            format!("has the dilations {dilations:?}"),
            "train the network without dilation",
        ));
    }
    if stride.contains(&0) || kernel.contains(&0) {
        return Err(Refusal::broken(format!(
            "has the strides {stride:?} and the kernel {kernel:?}"
        )));
    }
    let length = [sizes.of(Dim::H), sizes.of(Dim::W)];
    // All rows or columns that are missing where every stride has its window.
    let missing = |i: usize| {
        let windows = length[i].div_ceil(stride[i]);
        let end = (windows.saturating_sub(1)).saturating_mul(stride[i]);
        end.saturating_add(kernel[i]).saturating_sub(length[i])
    };
    let padding = match call.text("auto_pad", "NOTSET") {
        "NOTSET" | "" => call.sizes("pads", [0; 4])?,
        "VALID" => [0; 4],
        "SAME_UPPER" => {
            let before = [missing(0) / 2, missing(1) / 2];
            [
                before[0],
                before[1],
                missing(0) - before[0],
                missing(1) - before[1],
            ]
        }
        "SAME_LOWER" => {
            let after = [missing(0) / 2, missing(1) / 2];
            [
                missing(0) - after[0],
                missing(1) - after[1],
                after[0],
                after[1],
            ]
        }
        other => return Err(Refusal::broken(format!("has the auto_pad `{other}`"))),
    };
    Ok(Window {
        kernel,
        stride,
        padding,
    })
}

/// Rows and columns beyond the padding that `ceil_mode` adds below and right, so that a last window begun is a whole one.
pub fn ceil_extra(window: &Window, sizes: Sizes) -> Result<[usize; 2], Refusal> {
    let too_large = || Refusal::broken("its padding is too large");
    let mut extra = [0; 2];
    for (i, dim) in [Dim::H, Dim::W].into_iter().enumerate() {
        let [before, after] = [window.padding[i], window.padding[i + 2]];
        let inside = before.checked_add(sizes.of(dim)).ok_or_else(too_large)?;
        let padded = inside.checked_add(after).ok_or_else(too_large)?;
        let Some(room) = padded.checked_sub(window.kernel[i]) else {
            continue;
        };
        let mut last = room.div_ceil(window.stride[i]);
        // A window that starts in the padding behind does not count.
        if last.saturating_mul(window.stride[i]) >= inside {
            last = last.saturating_sub(1);
        }
        let end = last
            .saturating_mul(window.stride[i])
            .saturating_add(window.kernel[i]);
        extra[i] = end.saturating_sub(padded);
    }
    Ok(extra)
}

/// Padding of a window behind padding that a Pad node adds.
pub fn join(outer: [usize; 4], own: [usize; 4]) -> Result<[usize; 4], Refusal> {
    let mut padding = outer;
    for (sum, own) in padding.iter_mut().zip(own) {
        *sum = sum
            .checked_add(own)
            .ok_or_else(|| Refusal::broken("its padding is too large"))?;
    }
    Ok(padding)
}
