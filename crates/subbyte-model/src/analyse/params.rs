//! Parameters of one operation, looked at without its inputs.

use alloc::{borrow::ToOwned, format};
use core::ops::RangeInclusive;

use subbyte_num::CodeType;

use super::{MAX_DIM, MAX_ELEMENTS, problems::Notes};
use crate::{Conv2d, Linear, Op, PixelTable, Requant, Weights, Window};

/// Notes everything that is wrong with the parameters of `op`.
pub(super) fn check(op: &Op, notes: &mut Notes) {
    match op {
        Op::Image | Op::Mul | Op::GlobalAvgPool | Op::Concat | Op::Flatten => {}
        Op::PixelTable(table) => pixel_table(table, notes),
        Op::Conv2d(conv) => conv2d(conv, notes),
        Op::Linear(Linear { weights, bias }) => sums_of_products(weights, bias, notes),
        Op::Add { code } => {
            code_type(*code, notes);
            notes.check(code.step == 1, || {
                format!("the result has step {}, not 1", code.step)
            });
        }
        Op::MaxPool(window) | Op::AvgPool(window) => self::window(window, notes),
        Op::Slice { start, end, step } => {
            for axis in 0..3 {
                dimension("step of the slice", step[axis], 1, notes);
                notes.check(start[axis] < end[axis], || {
                    format!("slice {}..{} is empty", start[axis], end[axis])
                });
            }
        }
        Op::PadChannels { before, after, .. } => {
            dimension("channels before", *before, 0, notes);
            dimension("channels after", *after, 0, notes);
        }
        Op::Upsample {
            vertical,
            horizontal,
        } => {
            dimension("vertical factor", *vertical, 1, notes);
            dimension("horizontal factor", *horizontal, 1, notes);
        }
        Op::Requant(requant) => self::requant(requant, notes),
        Op::CodeTable { code, table } => {
            let size = table.len();
            notes.check(size.is_power_of_two() && (2..=256).contains(&size), || {
                format!("a table of {size} entries; a power of two from 2 to 256 is needed")
            });
            if code_type(*code, notes) {
                codes_fit(table.iter().copied(), *code, notes);
            }
        }
        // A positive and finite f32 by its bits.
        Op::Output { scale_bits } => {
            notes.check((1..0x7f80_0000).contains(scale_bits), || {
                "the scale of the logits is not a positive number".to_owned()
            });
        }
    }
}

fn code_type(code: CodeType, notes: &mut Notes) -> bool {
    notes.check(code.is_valid(), || {
        format!(
            "code type of {} bits and step {}; 1 to 8 bits and a positive step are needed",
            code.bits, code.step
        )
    })
}

fn codes_fit(mut codes: impl Iterator<Item = u8>, code: CodeType, notes: &mut Notes) {
    if let Some(wrong) = codes.find(|&c| c > code.max_code()) {
        notes
            .texts
            .push(format!("code {wrong} does not fit {} bits", code.bits));
    }
}

fn dimension(what: &str, value: usize, least: usize, notes: &mut Notes) -> bool {
    notes.check((least..=MAX_DIM).contains(&value), || {
        format!("{what} is {value}; {least} to {MAX_DIM} are possible")
    })
}

fn length(what: &str, found: usize, expected: Option<usize>, notes: &mut Notes) -> bool {
    notes.check(Some(found) == expected, || match expected {
        Some(expected) => format!("{found} {what} where {expected} are needed"),
        None => format!("{found} {what} where too many are needed"),
    })
}

fn pixel_table(table: &PixelTable, notes: &mut Notes) {
    dimension("depth", table.depth, 1, notes);
    notes.check(matches!(table.tables, 1 | 3), || {
        format!(
            "{} tables; 1 or one for each of 3 colours are possible",
            table.tables
        )
    });
    code_type(table.code, notes);
    notes.check(table.codes.bits() == table.code.bits, || {
        format!(
            "codes of {} bits in a table of {} bits",
            table.codes.bits(),
            table.code.bits
        )
    });
    let expected = (256 * table.tables.min(3)).checked_mul(table.depth);
    length("codes", table.codes.len(), expected, notes);
}

fn window(window: &Window, notes: &mut Notes) {
    kernel(window.kernel, window.stride, window.padding, notes);
}

fn kernel(kernel: [usize; 2], stride: [usize; 2], padding: [usize; 4], notes: &mut Notes) {
    for axis in 0..2 {
        dimension("kernel side", kernel[axis], 1, notes);
        dimension("stride", stride[axis], 1, notes);
    }
    // A window that lies in padding alone would have no meaning for a pool.
    for (side, pad) in padding.into_iter().enumerate() {
        notes.check(pad < kernel[side % 2], || {
            format!(
                "padding of {pad} is not less than the kernel's {}",
                kernel[side % 2]
            )
        });
    }
}

fn conv2d(conv: &Conv2d, notes: &mut Notes) {
    kernel(conv.kernel, conv.stride, conv.padding, notes);
    sums_of_products(&conv.weights, &conv.bias, notes);
    if dimension("number of groups", conv.groups, 1, notes) {
        notes.check(
            channels(&conv.weights).is_some_and(|c| c.is_multiple_of(conv.groups)),
            || {
                format!(
                    "the output channels are not a multiple of {} groups",
                    conv.groups
                )
            },
        );
    }
}

fn sums_of_products(weights: &Weights, bias: &[i32], notes: &mut Notes) {
    let channels = channels(weights);
    let count = channels.and_then(|c| c.checked_mul(weights.per_channel));
    notes.check(channels.is_some_and(|c| (1..=MAX_DIM).contains(&c)), || {
        format!("the number of output channels is not 1 to {MAX_DIM}")
    });
    notes.check(
        count.is_some_and(|c| c <= MAX_ELEMENTS) && weights.per_channel > 0,
        || format!("the number of weights is not 1 to {MAX_ELEMENTS}"),
    );
    notes.check(bias.is_empty() || Some(bias.len()) == channels, || {
        format!("{} biases do not match the output channels", bias.len())
    });
    for (i, segment) in weights.segments.iter().enumerate() {
        let mut local = Notes::default();
        local.check(segment.channels > 0, || "no channels".to_owned());
        length(
            "levels in the codebook",
            segment.codebook.len(),
            Some(1 << segment.codes.bits()),
            &mut local,
        );
        length(
            "weights",
            segment.codes.len(),
            segment.channels.checked_mul(weights.per_channel),
            &mut local,
        );
        if let Some(multipliers) = &segment.multipliers
            && local.check(multipliers.length > 0, || {
                "multipliers for runs of no weights".to_owned()
            })
        {
            let runs = weights.per_channel.div_ceil(multipliers.length);
            length(
                "multipliers",
                multipliers.values.len(),
                segment.channels.checked_mul(runs),
                &mut local,
            );
        }
        notes.texts.extend(
            local
                .texts
                .into_iter()
                .map(|text| format!("weight segment {i}: {text}")),
        );
    }
}

/// As [`Weights::channels`], for weights that are not yet known to be sound.
fn channels(weights: &Weights) -> Option<usize> {
    weights
        .segments
        .iter()
        .try_fold(0usize, |sum, s| sum.checked_add(s.channels))
}

fn requant(requant: &Requant, notes: &mut Notes) {
    if !code_type(requant.code(), notes) {
        return;
    }
    match requant {
        Requant::Thresholds {
            code,
            thresholds,
            descending,
        } => {
            const BITS: RangeInclusive<u8> = 1..=4;
            notes.check(BITS.contains(&code.bits), || {
                format!(
                    "thresholds for codes of {} bits; 1 to 4 are possible",
                    code.bits
                )
            });
            let n = usize::from(code.max_code());
            let needed = descending.len().checked_mul(n);
            let complete = length("thresholds", thresholds.len(), needed, notes);
            let unsorted = thresholds
                .chunks(n)
                .position(|channel| !channel.is_sorted());
            if let (true, Some(channel)) = (complete, unsorted) {
                notes
                    .texts
                    .push(format!("the thresholds of channel {channel} do not ascend"));
            }
        }
        Requant::MulShift { channels, .. } => {
            if let Some(channel) = channels.iter().position(|m| !m.is_valid()) {
                notes.texts.push(format!(
                    "shift or addend of channel {channel} is outside its limits"
                ));
            }
        }
    }
}
