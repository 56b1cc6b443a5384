//! One operation: its opcode, then its parameters.

use subbyte_num::Packed;

use super::cursor::Cursor;
use super::error::ReadError;
use super::nodes::{Cursors, Sinks};
use super::sink::Sink;
use super::{requant, weights};
use crate::{Conv2d, Linear, Op, Pad, PixelTable, Requant, Window};

const IMAGE: u8 = 0;
const PIXEL_TABLE: u8 = 1;
const CONV2D: u8 = 2;
const LINEAR: u8 = 3;
const ADD: u8 = 4;
const MUL: u8 = 5;
const MAX_POOL: u8 = 6;
const AVG_POOL: u8 = 7;
const GLOBAL_AVG_POOL: u8 = 8;
const CONCAT: u8 = 9;
const SLICE: u8 = 10;
const PAD_CHANNELS: u8 = 11;
const FLATTEN: u8 = 12;
const UPSAMPLE: u8 = 13;
const THRESHOLDS: u8 = 14;
const MUL_SHIFT: u8 = 15;
const CODE_TABLE: u8 = 16;
const OUTPUT: u8 = 17;

pub(super) fn put(op: &Op, to: &mut Sinks) {
    let nodes = &mut to.nodes;
    match op {
        Op::Image => nodes.byte(IMAGE),
        Op::PixelTable(table) => {
            nodes.byte(PIXEL_TABLE);
            nodes.sizes(&[table.depth, table.tables]);
            nodes.code_type(table.code);
            to.tables.packed(&table.codes);
        }
        Op::Conv2d(conv) => {
            nodes.byte(CONV2D);
            put_window(conv.kernel, conv.stride, conv.padding, nodes);
            nodes.size(match conv.pad {
                Pad::Skip => 0,
                Pad::Code(code) => usize::from(code) + 1,
            });
            nodes.size(conv.groups);
            weights::put(&conv.weights, nodes, &mut to.weights);
            weights::put_bias(&conv.bias, nodes);
        }
        Op::Linear(layer) => {
            nodes.byte(LINEAR);
            weights::put(&layer.weights, nodes, &mut to.weights);
            weights::put_bias(&layer.bias, nodes);
        }
        Op::Add { code } => {
            nodes.byte(ADD);
            nodes.code_type(*code);
        }
        Op::Mul => nodes.byte(MUL),
        Op::MaxPool(w) => {
            nodes.byte(MAX_POOL);
            put_window(w.kernel, w.stride, w.padding, nodes);
        }
        Op::AvgPool(w) => {
            nodes.byte(AVG_POOL);
            put_window(w.kernel, w.stride, w.padding, nodes);
        }
        Op::GlobalAvgPool => nodes.byte(GLOBAL_AVG_POOL),
        Op::Concat => nodes.byte(CONCAT),
        Op::Slice { start, end, step } => {
            nodes.byte(SLICE);
            nodes.sizes(start);
            nodes.sizes(end);
            nodes.sizes(step);
        }
        Op::PadChannels {
            before,
            after,
            code,
        } => {
            nodes.byte(PAD_CHANNELS);
            nodes.sizes(&[*before, *after]);
            nodes.byte(*code);
        }
        Op::Flatten => nodes.byte(FLATTEN),
        Op::Upsample {
            vertical,
            horizontal,
        } => {
            nodes.byte(UPSAMPLE);
            nodes.sizes(&[*vertical, *horizontal]);
        }
        Op::Requant(Requant::Thresholds {
            code,
            thresholds,
            descending,
        }) => {
            nodes.byte(THRESHOLDS);
            requant::put_thresholds(*code, thresholds, descending, nodes);
        }
        Op::Requant(Requant::MulShift { code, channels }) => {
            nodes.byte(MUL_SHIFT);
            requant::put_mul_shift(*code, channels, nodes);
        }
        Op::CodeTable { code, table } => {
            nodes.byte(CODE_TABLE);
            nodes.code_type(*code);
            nodes.byte(table.len().ilog2() as u8);
            to.tables.packed(&Packed::new(code.bits, table));
        }
        Op::Output { scale_bits } => {
            nodes.byte(OUTPUT);
            nodes.bytes(&scale_bits.to_le_bytes());
        }
    }
}

pub(super) fn get(from: &mut Cursors) -> Result<Op, ReadError> {
    let nodes = &mut *from.nodes;
    Ok(match nodes.byte()? {
        IMAGE => Op::Image,
        PIXEL_TABLE => {
            let [depth, tables] = nodes.sizes()?;
            let code = nodes.code_type()?;
            let count = depth.checked_mul(tables).and_then(|n| n.checked_mul(256));
            let Some(count) = count else {
                return nodes.fail("a pixel table of too many codes");
            };
            Op::PixelTable(PixelTable {
                depth,
                tables,
                code,
                codes: from.tables.packed(code.bits, count)?,
            })
        }
        CONV2D => {
            let Window {
                kernel,
                stride,
                padding,
            } = get_window(nodes)?;
            let pad = match nodes.size()? {
                0 => Pad::Skip,
                code @ 1..=256 => Pad::Code((code - 1) as u8),
                _ => return nodes.fail("a padding code beyond 8 bits"),
            };
            let groups = nodes.size()?;
            let weights = weights::get(nodes, from.weights)?;
            Op::Conv2d(Conv2d {
                bias: weights::get_bias(&weights, nodes)?,
                weights,
                kernel,
                stride,
                padding,
                pad,
                groups,
            })
        }
        LINEAR => {
            let weights = weights::get(nodes, from.weights)?;
            let bias = weights::get_bias(&weights, nodes)?;
            Op::Linear(Linear { weights, bias })
        }
        ADD => Op::Add {
            code: nodes.code_type()?,
        },
        MUL => Op::Mul,
        MAX_POOL => Op::MaxPool(get_window(nodes)?),
        AVG_POOL => Op::AvgPool(get_window(nodes)?),
        GLOBAL_AVG_POOL => Op::GlobalAvgPool,
        CONCAT => Op::Concat,
        SLICE => Op::Slice {
            start: nodes.sizes()?,
            end: nodes.sizes()?,
            step: nodes.sizes()?,
        },
        PAD_CHANNELS => Op::PadChannels {
            before: nodes.size()?,
            after: nodes.size()?,
            code: nodes.byte()?,
        },
        FLATTEN => Op::Flatten,
        UPSAMPLE => Op::Upsample {
            vertical: nodes.size()?,
            horizontal: nodes.size()?,
        },
        THRESHOLDS => Op::Requant(requant::get_thresholds(nodes)?),
        MUL_SHIFT => Op::Requant(requant::get_mul_shift(nodes)?),
        CODE_TABLE => {
            let code = nodes.code_type()?;
            let entries = 1 << nodes.code_bits()?;
            let table = from.tables.packed(code.bits, entries)?.unpack();
            Op::CodeTable { code, table }
        }
        OUTPUT => Op::Output {
            scale_bits: nodes.u32()?,
        },
        _ => return nodes.fail("an unknown operation"),
    })
}

fn put_window(kernel: [usize; 2], stride: [usize; 2], padding: [usize; 4], nodes: &mut Sink) {
    nodes.sizes(&kernel);
    nodes.sizes(&stride);
    nodes.sizes(&padding);
}

fn get_window(nodes: &mut Cursor) -> Result<Window, ReadError> {
    Ok(Window {
        kernel: nodes.sizes()?,
        stride: nodes.sizes()?,
        padding: nodes.sizes()?,
    })
}
