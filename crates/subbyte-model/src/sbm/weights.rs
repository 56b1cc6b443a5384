//! Weights and biases: what they are like in `NODES`, the codes and multipliers themselves in `WEIGHTS`.

use alloc::vec::Vec;

use subbyte_num::Packed;

use super::{cursor::Cursor, error::ReadError, sink::Sink};
use crate::{Multipliers, Segment, Weights};

const AFFINE: u8 = 0;
const LISTED: u8 = 1;

pub(super) fn put(weights: &Weights, nodes: &mut Sink, bulk: &mut Sink) {
    nodes.size(weights.per_channel);
    nodes.size(weights.segments.len());
    for segment in &weights.segments {
        nodes.size(segment.channels);
        nodes.byte(segment.codes.bits());
        put_codebook(segment, nodes);
        bulk.packed(&segment.codes);
        match &segment.multipliers {
            None => nodes.size(0),
            Some(multipliers) => put_multipliers(multipliers, nodes, bulk),
        }
    }
}

pub(super) fn get(nodes: &mut Cursor, bulk: &mut Cursor) -> Result<Weights, ReadError> {
    let per_channel = nodes.size()?;
    // With at least one weight a channel, all further counts are bounded by the length of the file.
    nodes.check(per_channel > 0, "weights of no inputs")?;
    let count = nodes.size()?;
    let mut segments = Vec::new();
    for _ in 0..count {
        let channels = nodes.size()?;
        nodes.check(channels > 0, "a weight segment of no channels")?;
        let bits = nodes.code_bits()?;
        let codebook = get_codebook(bits, nodes)?;
        let Some(weights) = channels.checked_mul(per_channel) else {
            return nodes.fail("too many weights");
        };
        let codes = bulk.packed(bits, weights)?;
        let multipliers = match nodes.size()? {
            0 => None,
            length => {
                let runs = channels * per_channel.div_ceil(length);
                Some(get_multipliers(length, runs, nodes, bulk)?)
            }
        };
        segments.push(Segment {
            channels,
            codebook,
            codes,
            multipliers,
        });
    }
    Ok(Weights {
        per_channel,
        segments,
    })
}

fn put_codebook(segment: &Segment, nodes: &mut Sink) {
    match segment.as_affine() {
        Some((a, b)) => {
            nodes.byte(AFFINE);
            nodes.signed(a);
            nodes.signed(b);
        }
        None => {
            nodes.byte(LISTED);
            for &level in &segment.codebook {
                nodes.signed(level);
            }
        }
    }
}

fn get_codebook(bits: u8, nodes: &mut Cursor) -> Result<Vec<i16>, ReadError> {
    let entries = 1i32 << bits;
    match nodes.byte()? {
        AFFINE => {
            let (a, b): (i16, i16) = (nodes.signed()?, nodes.signed()?);
            let level = |u| i16::try_from(i32::from(a) * u + i32::from(b)).ok();
            let codebook: Option<Vec<i16>> = (0..entries).map(level).collect();
            codebook.map_or_else(|| nodes.fail("levels beyond 16 bits"), Ok)
        }
        LISTED => {
            let codebook = (0..entries)
                .map(|_| nodes.signed())
                .collect::<Result<Vec<i16>, _>>()?;
            let evenly = crate::weights::as_affine(&codebook).is_some();
            nodes.check(!evenly, "a list of levels that are evenly spaced")?;
            Ok(codebook)
        }
        _ => nodes.fail("an unknown form of codebook"),
    }
}

/// Values count from the least one, in as many bits as the largest difference needs: 0 to 16. Bits beyond eight follow apart.
fn put_multipliers(multipliers: &Multipliers, nodes: &mut Sink, bulk: &mut Sink) {
    let (least, width) = span(&multipliers.values);
    nodes.size(multipliers.length);
    nodes.signed(least);
    nodes.byte(width);
    for (shift, bits) in planes(width) {
        let part = |&v: &i16| (v.abs_diff(least) >> shift) as u8 & ((1u16 << bits) - 1) as u8;
        let part: Vec<u8> = multipliers.values.iter().map(part).collect();
        bulk.packed(&Packed::new(bits, &part));
    }
}

fn get_multipliers(
    length: usize,
    count: usize,
    nodes: &mut Cursor,
    bulk: &mut Cursor,
) -> Result<Multipliers, ReadError> {
    let least: i16 = nodes.signed()?;
    let width = nodes.byte()?;
    nodes.check(width <= 16, "multipliers of more than 16 bits")?;
    let mut above = alloc::vec![0u16; count];
    for (shift, bits) in planes(width) {
        let part = bulk.packed(bits, count)?;
        for (value, part) in above.iter_mut().zip(part.iter()) {
            *value |= u16::from(part) << shift;
        }
    }
    let value = |d: u16| i16::try_from(i32::from(least) + i32::from(d)).ok();
    let values: Option<Vec<i16>> = above.into_iter().map(value).collect();
    match values {
        Some(values) if span(&values) == (least, width) => Ok(Multipliers { length, values }),
        _ => nodes.fail("multipliers that are beyond 16 bits or take more bits than they need"),
    }
}

/// The least value, and the bits of the largest difference from it.
fn span(values: &[i16]) -> (i16, u8) {
    let least = values.iter().copied().min().unwrap_or(0);
    let most = values.iter().copied().max().unwrap_or(0);
    (
        least,
        (u16::BITS - most.abs_diff(least).leading_zeros()) as u8,
    )
}

/// First bit and number of bits of each part that is packed by itself.
fn planes(width: u8) -> impl Iterator<Item = (u8, u8)> {
    let planes = [(0, width.min(8)), (8, width.saturating_sub(8))];
    planes.into_iter().filter(|&(_, bits)| bits > 0)
}

pub(super) fn put_bias(bias: &[i32], nodes: &mut Sink) {
    nodes.byte(u8::from(!bias.is_empty()));
    for &value in bias {
        nodes.signed(value);
    }
}

/// Biases of as many outputs as `weights` has, or none.
pub(super) fn get_bias(weights: &Weights, nodes: &mut Cursor) -> Result<Vec<i32>, ReadError> {
    match nodes.byte()? {
        0 => Ok(Vec::new()),
        1 => (0..weights.channels()).map(|_| nodes.signed()).collect(),
        _ => nodes.fail("biases that are neither there nor absent"),
    }
}
