//! Shape and kind of each operation's result from those of its inputs. Parameters have passed [`super::params`].

use alloc::{borrow::ToOwned, format, string::String};

use subbyte_num::CodeType;

use super::require::{codes, fits, flat, made_of, shape, sums, sums_within, times};
use super::{Kind, Shape, Tensor, accumulator};
use crate::{Conv2d, Input, Linear, Op, Pad, PixelTable, Requant, Window};

type Inferred = Result<Tensor, String>;

/// The tensor that `op` makes of `inputs`.
///
/// # Errors
/// Why it cannot.
pub(super) fn infer(op: &Op, inputs: &[Tensor], image: &Input) -> Inferred {
    match (op, inputs) {
        (Op::Image, []) => self::image(image),
        (Op::PixelTable(table), [x]) => pixel_table(table, x),
        (Op::Conv2d(conv), [x]) => conv2d(conv, x),
        (Op::Linear(layer), [x]) => linear(layer, x),
        (Op::Add { code }, [a, b]) => add(*code, a, b),
        (Op::Mul, [a, b]) => mul(a, b),
        (Op::MaxPool(w), [x]) => codes(x).and_then(|code| made_of(code, window(x.shape, w)?)),
        (Op::AvgPool(w), [x]) => sum_pool(x, window(x.shape, w)?, w.kernel),
        (Op::GlobalAvgPool, [x]) => {
            let whole = [x.shape.height, x.shape.width];
            sum_pool(x, shape(x.shape.channels, 1, 1)?, whole)
        }
        (Op::Concat, [first, rest @ ..]) => concat(first, rest),
        (Op::Slice { start, end, step }, [x]) => slice(x, start, end, step),
        (
            Op::PadChannels {
                before,
                after,
                code,
            },
            [x],
        ) => {
            let ty = codes(x)?;
            fits(*code, ty)?;
            let Shape {
                channels,
                height,
                width,
            } = x.shape;
            made_of(ty, shape(before + channels + after, height, width)?)
        }
        (Op::Flatten, [x]) => made_of(codes(x)?, shape(x.shape.len(), 1, 1)?),
        (
            Op::Upsample {
                vertical,
                horizontal,
            },
            [x],
        ) => {
            let Shape {
                channels,
                height,
                width,
            } = x.shape;
            let (height, width) = (times(height, *vertical)?, times(width, *horizontal)?);
            made_of(codes(x)?, shape(channels, height, width)?)
        }
        (Op::Requant(requant), [x]) => self::requant(requant, x),
        (Op::CodeTable { code, table }, [x]) => {
            let expected = 1 << codes(x)?.bits;
            if table.len() != expected {
                return Err(format!(
                    "a table of {} entries for {expected} codes",
                    table.len()
                ));
            }
            made_of(*code, x.shape)
        }
        (Op::Output { .. }, [x]) => {
            sums(x)?;
            flat(x)?;
            Ok(*x)
        }
        _ => Err(format!(
            "reads {} tensors, a number that this operation does not take",
            inputs.len()
        )),
    }
}

fn image(image: &Input) -> Inferred {
    if !matches!(image.colours, 1 | 3) {
        return Err(format!(
            "images of {} colours; 1 or 3 are possible",
            image.colours
        ));
    }
    Ok(Tensor {
        shape: shape(image.colours, image.height, image.width)?,
        kind: Kind::Image,
    })
}

fn pixel_table(table: &PixelTable, x: &Tensor) -> Inferred {
    if x.kind != Kind::Image {
        return Err("reads the image, but is given another tensor".to_owned());
    }
    let Shape {
        channels,
        height,
        width,
    } = x.shape;
    if table.tables != 1 && table.tables != channels {
        return Err(format!("{} tables for {channels} colours", table.tables));
    }
    made_of(table.code, shape(channels * table.depth, height, width)?)
}

/// Size of what a window makes of `x` as it slides, `channels` deep.
fn slide(
    x: Shape,
    channels: usize,
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 4],
) -> Result<Shape, String> {
    let [top, left, bottom, right] = padding;
    let padded = [x.height + top + bottom, x.width + left + right];
    if kernel[0] > padded[0] || kernel[1] > padded[1] {
        return Err(format!(
            "a kernel of {} x {} on {} rows and {} columns, padding included",
            kernel[0], kernel[1], padded[0], padded[1]
        ));
    }
    let places = |axis: usize| (padded[axis] - kernel[axis]) / stride[axis] + 1;
    shape(channels, places(0), places(1))
}

fn window(x: Shape, w: &Window) -> Result<Shape, String> {
    slide(x, x.channels, w.kernel, w.stride, w.padding)
}

fn conv2d(conv: &Conv2d, x: &Tensor) -> Inferred {
    let code = codes(x)?;
    if let Pad::Code(pad) = conv.pad {
        fits(pad, code)?;
    }
    let expected = times(
        times(conv.kernel[0], conv.kernel[1])?,
        x.shape.channels / conv.groups,
    )?;
    if !x.shape.channels.is_multiple_of(conv.groups) || conv.weights.per_channel != expected {
        return Err(format!(
            "{} weights an output channel do not fit {} input channels in {} groups under a kernel of {} x {}",
            conv.weights.per_channel, x.shape.channels, conv.groups, conv.kernel[0], conv.kernel[1]
        ));
    }
    let shape = slide(
        x.shape,
        conv.weights.channels(),
        conv.kernel,
        conv.stride,
        conv.padding,
    )?;
    let (lo, hi) = accumulator::bounds(&conv.weights, &conv.bias, x.range())?;
    Ok(Tensor {
        shape,
        kind: Kind::Sums { lo, hi },
    })
}

fn linear(layer: &Linear, x: &Tensor) -> Inferred {
    if x.kind == Kind::Image {
        return Err("reads codes or sums, but is given the image".to_owned());
    }
    let features = flat(x)?;
    if layer.weights.per_channel != features {
        return Err(format!(
            "{} weights an output for {features} inputs",
            layer.weights.per_channel
        ));
    }
    let (lo, hi) = accumulator::bounds(&layer.weights, &layer.bias, x.range())?;
    Ok(Tensor {
        shape: shape(layer.weights.channels(), 1, 1)?,
        kind: Kind::Sums { lo, hi },
    })
}

fn add(code: CodeType, a: &Tensor, b: &Tensor) -> Inferred {
    let steps = (codes(a)?.step, codes(b)?.step);
    if steps != (1, 1) {
        return Err(format!(
            "adds codes of steps {} and {}; both must be 1",
            steps.0, steps.1
        ));
    }
    if a.shape != b.shape {
        return Err("adds tensors of different shapes".to_owned());
    }
    made_of(code, a.shape)
}

fn mul(a: &Tensor, b: &Tensor) -> Inferred {
    codes(a)?;
    codes(b)?;
    let single = |t: &Tensor| (t.shape.height, t.shape.width) == (1, 1);
    if a.shape.channels != b.shape.channels || !(a.shape == b.shape || single(a) || single(b)) {
        return Err("multiplies tensors whose shapes do not fit".to_owned());
    }
    let shape = if single(a) { b.shape } else { a.shape };
    let (a, b) = (a.range(), b.range());
    let corners =
        [(a.0, b.0), (a.0, b.1), (a.1, b.0), (a.1, b.1)].map(|(a, b)| i64::from(a) * i64::from(b));
    let [first, rest @ ..] = corners;
    let lo = rest.iter().fold(first, |m, &c| m.min(c));
    let hi = rest.iter().fold(first, |m, &c| m.max(c));
    sums_within(shape, lo, hi)
}

/// A pool that adds the levels under a kernel; what hangs over the border adds nothing.
fn sum_pool(x: &Tensor, shape: Shape, kernel: [usize; 2]) -> Inferred {
    codes(x)?;
    let (lo, hi) = x.range();
    let taps = (kernel[0].min(x.shape.height) * kernel[1].min(x.shape.width)) as i64;
    sums_within(shape, i64::from(lo) * taps, i64::from(hi) * taps)
}

fn concat(first: &Tensor, rest: &[Tensor]) -> Inferred {
    let code = codes(first)?;
    let mut channels = first.shape.channels;
    for x in rest {
        if codes(x)? != code
            || (x.shape.height, x.shape.width) != (first.shape.height, first.shape.width)
        {
            return Err("joins tensors of different code types, heights or widths".to_owned());
        }
        channels = channels.saturating_add(x.shape.channels);
    }
    made_of(
        code,
        shape(channels, first.shape.height, first.shape.width)?,
    )
}

fn slice(x: &Tensor, start: &[usize; 3], end: &[usize; 3], step: &[usize; 3]) -> Inferred {
    let code = codes(x)?;
    let size = [x.shape.channels, x.shape.height, x.shape.width];
    if (0..3).any(|axis| end[axis] > size[axis]) {
        return Err(format!("slice up to {end:?} of a tensor of {size:?}"));
    }
    let [channels, height, width] =
        [0, 1, 2].map(|axis| (end[axis] - start[axis]).div_ceil(step[axis]));
    made_of(code, shape(channels, height, width)?)
}

fn requant(requant: &Requant, x: &Tensor) -> Inferred {
    let (lo, hi) = sums(x)?;
    if requant.channels() != x.shape.channels {
        return Err(format!(
            "parameters for {} channels where {} are needed",
            requant.channels(),
            x.shape.channels
        ));
    }
    if let Requant::MulShift { channels, .. } = requant {
        for (i, m) in channels.iter().enumerate() {
            if lo.checked_add(m.bias).is_none() || hi.checked_add(m.bias).is_none() {
                return Err(format!(
                    "channel {i}: sums of {lo} to {hi} with a bias of {} are beyond 32 bits",
                    m.bias
                ));
            }
        }
    }
    made_of(requant.code(), x.shape)
}
