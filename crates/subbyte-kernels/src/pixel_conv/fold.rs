//! A pixel table and the convolution behind it as tables of unsigned entries, one entry for every different vector of codes.

use alloc::{vec, vec::Vec};

use super::PADDING;
use crate::{Conv, PixelTable, Store};

/// What the tables are made of.
#[derive(Clone, Debug)]
pub struct Fold {
    /// Of each colour, the class of every pixel value and of [`PADDING`].
    pub(super) classes: Vec<[u16; PADDING + 1]>,
    /// Entries of a colour under a tap: the most classes that a colour has.
    pub(super) entries: usize,
    /// `[channels][taps][colours][entries]`, the smallest of each table taken away; nothing where a store has the packed ones.
    pub(super) values: Vec<i32>,
    /// What all values have in common.
    pub(super) unit: i32,
    /// The largest sum.
    highest: i32,
    /// What was taken away, with the bias.
    pub(super) constants: Vec<i32>,
}

impl Fold {
    /// `None` where the convolution has several groups, or where entries do not fit a byte or sums 16 bits.
    pub fn of(table: &PixelTable<'_>, conv: &Conv<'_>) -> Option<Self> {
        Self::by(&mut Store::packing(), table, conv)
    }

    /// As [`Fold::of`] with what is found of all weights through a store.
    pub fn by(store: &mut Store<'_>, table: &PixelTable<'_>, conv: &Conv<'_>) -> Option<Self> {
        if conv.groups != 1 {
            return None;
        }
        let mut classes = Vec::new();
        // Of each colour, the levels of every class.
        let mut levels = Vec::new();
        for colour in 0..table.input.channels {
            let (own, firsts) = classify(table, conv, colour);
            classes.push(own);
            let own = firsts.iter().map(|&first| match u8::try_from(first) {
                Ok(value) => {
                    let codes = table.lookup(colour, value).iter();
                    codes.map(|&code| conv.code.level(code)).collect()
                }
                Err(_) => vec![conv.pad; table.depth],
            });
            levels.push(own.collect::<Vec<Vec<i32>>>());
        }
        let entries = levels.iter().map(Vec::len).max()?;
        let mut values = Vec::new();
        let mut found = vec![0; 3 + conv.channels];
        store.fill(&mut found, |found| {
            let [fits, unit, highest, constants @ ..] = found else {
                return;
            };
            [*fits, *unit, *highest] = tables(&levels, entries, conv, &mut values, constants);
        });
        store.check(&mut found, |found| match found[0] {
            0 => true,
            1 => {
                let unit = i32::try_from(found[1]).is_ok_and(|unit| unit > 0);
                unit && (0..i64::from(u16::MAX) - 1).contains(&found[2])
            }
            _ => false,
        });
        let [fits, unit, highest] = [found[0], found[1], found[2]];
        (fits == 1).then(|| Self {
            classes,
            entries,
            values,
            unit: unit as i32,
            highest: highest as i32,
            constants: found[3..].iter().map(|&c| c as i32).collect(),
        })
    }

    /// What is taken away from sums so that they fit 16 bits and a sign.
    pub(super) fn middle(&self) -> i16 {
        (self.highest / 2) as i16
    }

    /// Consecutive tables, of `run` at a time and at most `most`, whose entries' sum fits a byte in every output channel.
    pub(super) fn depth(&self, run: usize, most: usize) -> usize {
        let largest = self.values.chunks_exact(self.entries);
        let largest: Vec<i32> = largest
            .map(|table| table.iter().max().map_or(0, |most| most / self.unit))
            .collect();
        let fits = |depth: &usize| {
            let mut groups = largest.chunks_exact(run).flat_map(|row| row.chunks(*depth));
            groups.all(|group| group.iter().sum::<i32>() <= i32::from(u8::MAX))
        };
        (1..=most).rev().find(fits).unwrap_or(1)
    }
}

/// Makes the tables of all output channels, `levels` of every class of a colour times weights, and what was taken away of each.
/// Gives 1 where entries fit a byte and sums 16 bits, what all values have in common, and the largest sum.
fn tables(
    levels: &[Vec<Vec<i32>>],
    entries: usize,
    conv: &Conv<'_>,
    values: &mut Vec<i32>,
    constants: &mut [i64],
) -> [i64; 3] {
    let depth = conv.input.channels / levels.len();
    values.reserve(conv.channels * conv.window.taps() * levels.len() * entries);
    let (mut unit, mut largest, mut highest) = (0, 0, 0i64);
    let mut weights = conv.weights.chunks_exact(depth);
    for (channel, constant) in constants.iter_mut().enumerate() {
        *constant = conv.bias(channel).into();
        let mut high = 0;
        for _ in 0..conv.window.taps() {
            for (levels, weights) in levels.iter().zip(&mut weights) {
                let start = values.len();
                let products = |levels: &Vec<i32>| -> i32 {
                    levels.iter().zip(weights).map(|(level, w)| level * w).sum()
                };
                values.extend(levels.iter().map(products));
                let least = values[start..].iter().copied().min().unwrap_or(0);
                *constant += i64::from(least);
                let mut most = 0;
                for value in &mut values[start..] {
                    *value -= least;
                    most = most.max(*value);
                    if unit != 1 {
                        unit = greatest_common_divisor(unit, *value);
                    }
                }
                values.resize(start + entries, 0);
                largest = largest.max(most);
                high += i64::from(most);
            }
        }
        highest = highest.max(high);
    }
    let (unit, middle) = (unit.max(1), highest / 2);
    constants
        .iter_mut()
        .for_each(|constant| *constant += middle);
    // One value below the lowest sum stays free, so that a threshold can be there.
    let fits = largest / unit <= i32::from(u8::MAX) && highest < i64::from(u16::MAX) - 1;
    [fits.into(), unit.into(), highest]
}

/// The class of every value of a colour and of padding, and a value of each class.
fn classify(
    table: &PixelTable<'_>,
    conv: &Conv<'_>,
    colour: usize,
) -> ([u16; PADDING + 1], Vec<usize>) {
    let mut classes = [0; PADDING + 1];
    let mut firsts: Vec<usize> = Vec::new();
    for value in 0..=u8::MAX {
        let codes = table.lookup(colour, value);
        let known = firsts.iter().position(|&first| {
            u8::try_from(first).is_ok_and(|first| table.lookup(colour, first) == codes)
        });
        classes[usize::from(value)] = known.unwrap_or(firsts.len()) as u16;
        if known.is_none() {
            firsts.push(value.into());
        }
    }
    // Padding has the vector of a value, or one more.
    let pads = |&first: &usize| {
        let codes = u8::try_from(first).map(|first| table.lookup(colour, first));
        codes.is_ok_and(|codes| {
            let mut levels = codes.iter().map(|&code| conv.code.level(code));
            levels.all(|level| level == conv.pad)
        })
    };
    let own = firsts.iter().position(pads).unwrap_or_else(|| {
        firsts.push(PADDING);
        firsts.len() - 1
    });
    classes[PADDING] = own as u16;
    (classes, firsts)
}

fn greatest_common_divisor(a: i32, b: i32) -> i32 {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}
