//! Parameters of requantization, all in `NODES`.

use alloc::vec::Vec;

use subbyte_num::{MulShift, Packed};

use super::{cursor::Cursor, error::ReadError, sink::Sink};
use crate::{CodeType, Requant};

/// Thresholds of a channel are near each other: the first one, then the differences.
pub(super) fn put_thresholds(
    code: CodeType,
    thresholds: &[i32],
    descending: &[bool],
    nodes: &mut Sink,
) {
    nodes.code_type(code);
    nodes.size(descending.len());
    let flags: Vec<u8> = descending.iter().map(|&d| u8::from(d)).collect();
    nodes.packed(&Packed::new(1, &flags));
    for channel in thresholds.chunks(usize::from(code.max_code())) {
        nodes.signed(channel[0]);
        for pair in channel.windows(2) {
            nodes.varint(pair[1].abs_diff(pair[0]).into());
        }
    }
}

pub(super) fn get_thresholds(nodes: &mut Cursor) -> Result<Requant, ReadError> {
    let code = nodes.code_type()?;
    let channels = nodes.size()?;
    let flags = nodes.packed(1, channels)?;
    let mut thresholds = Vec::new();
    for _ in 0..channels {
        let mut threshold: i32 = nodes.signed()?;
        thresholds.push(threshold);
        for _ in 1..code.max_code() {
            let difference = nodes.varint()?;
            threshold = match i64::try_from(difference)
                .ok()
                .and_then(|d| d.checked_add(threshold.into()))
            {
                Some(next) if next <= i32::MAX.into() => next as i32,
                _ => return nodes.fail("a threshold beyond 32 bits"),
            };
            thresholds.push(threshold);
        }
    }
    Ok(Requant::Thresholds {
        code,
        thresholds,
        descending: flags.iter().map(|flag| flag == 1).collect(),
    })
}

/// Shifts are mostly the same for all channels of a layer, so they are stored as runs.
pub(super) fn put_mul_shift(code: CodeType, channels: &[MulShift], nodes: &mut Sink) {
    nodes.code_type(code);
    nodes.size(channels.len());
    for m in channels {
        nodes.signed(m.bias);
        nodes.bytes(&m.mult.to_le_bytes());
        nodes.signed(m.add);
    }
    for shift in [|m: &MulShift| m.pre, |m: &MulShift| m.shift] {
        let shifts: Vec<u8> = channels.iter().map(shift).collect();
        nodes.runs(&shifts);
    }
}

pub(super) fn get_mul_shift(nodes: &mut Cursor) -> Result<Requant, ReadError> {
    let code = nodes.code_type()?;
    let count = nodes.size()?;
    let mut channels = Vec::new();
    for _ in 0..count {
        channels.push(MulShift {
            bias: nodes.signed()?,
            mult: nodes.i16()?,
            add: nodes.signed()?,
            ..MulShift::default()
        });
    }
    let (pre, shift) = (nodes.runs(count)?, nodes.runs(count)?);
    for (i, m) in channels.iter_mut().enumerate() {
        (m.pre, m.shift) = (pre[i], shift[i]);
    }
    Ok(Requant::MulShift { code, channels })
}
