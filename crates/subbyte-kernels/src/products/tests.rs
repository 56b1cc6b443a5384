use std::{vec, vec::Vec};

use super::*;
use crate::Level;

const FROM: Pixels = Pixels {
    rows: 5,
    cols: 7,
    start: 2,
    row: 90,
    col: 11,
};
const RUNS: [Run; 3] = [
    Run { offset: 0, len: 9 },
    Run { offset: 90, len: 9 },
    Run {
        offset: 180,
        len: 9,
    },
];
const WORDS: usize = 800;

fn levels() -> impl Iterator<Item = Level> {
    let all = Level::ALL.iter().copied();
    all.filter(|level| level.is_available())
}

fn pick<T: Copy, const N: usize>(from: [T; N], i: usize) -> T {
    from[(i * 7919 + i / 5 * 104_729) / 8 % N]
}

fn wide(i: usize) -> i16 {
    pick([i16::MAX, -5, 0, 77, -i16::MAX, 1], i)
}

fn pairs() -> Vec<Pair> {
    (0..WORDS).map(|i| [wide(2 * i), wide(2 * i + 1)]).collect()
}

/// The words that pixel `p` reads.
fn words<W: Word>(all: &[W], p: usize) -> impl Iterator<Item = W> {
    let start = FROM.start + p / FROM.cols * FROM.row + p % FROM.cols * FROM.col;
    let run = move |run: Run| all[start + run.offset..][..run.len].iter().copied();
    RUNS.into_iter().flat_map(run)
}

/// Compares [`gather`] at every level with sums of `operands` times weights. Runs end within a word.
fn assert_gathers<W: Word>(
    all: &[W],
    operands: impl Fn(W) -> Vec<i32>,
    weight: impl Fn(usize) -> W::Weight,
) where
    i32: From<W::Weight>,
{
    let elements = 9 * W::PARTS - 1;
    for outputs in [1, 5, 16, 17, 32, 48, 64, 70, 130] {
        let at = |run: usize, element: usize, o: usize| weight((run * 64 + element) * 200 + o);
        let panels = Panels::<W>::new(outputs, RUNS.len(), elements, at);
        let to = Pixels {
            start: 3,
            row: 7 * (outputs + 1) + 5,
            col: outputs + 1,
            ..FROM
        };
        let mut expected = vec![9; to.start + FROM.rows * to.row];
        for p in 0..FROM.rows * FROM.cols {
            let operands: Vec<i32> = words(all, p).flat_map(&operands).collect();
            let runs = operands.chunks(9 * W::PARTS);
            for o in 0..outputs {
                let products = runs.clone().enumerate().flat_map(|(run, operands)| {
                    let known = operands[..elements].iter().enumerate();
                    known.map(move |(e, x)| x.wrapping_mul(at(run, e, o).into()))
                });
                let sum = products.fold(0, i32::wrapping_add);
                expected[to.start + p / to.cols * to.row + p % to.cols * to.col + o] = sum;
            }
        }
        for level in levels() {
            let mut sums = vec![9; expected.len()];
            gather(level, all, FROM, &RUNS, &panels, &mut sums, to);
            assert!(sums == expected, "{outputs} outputs at level {level}");
        }
    }
}

#[test]
fn every_level_gathers_pairs() {
    let operands = |pair: Pair| pair.map(i32::from).to_vec();
    assert_gathers(&pairs(), operands, |i| wide(i + 1));
}

#[test]
fn every_level_gathers_quads() {
    let codes =
        (0..WORDS).map(|i| core::array::from_fn(|part| pick([0, 255, 1, 3, 97], 4 * i + part)));
    let quads: Vec<Quad> = codes.collect();
    let operands = |quad: Quad| quad.map(i32::from).to_vec();
    // The largest whose products with 255 fit 16 bits in pairs.
    assert_gathers(&quads, operands, |i| pick([-64, 3, 0, 64, -1], i));
}

#[test]
fn every_level_adds_outer_products() {
    let (pairs, depth) = (pairs(), 27);
    for vectors in [1, 2, 3, 4, 5] {
        let rows: Vec<PairRow> = (0..FROM.rows * FROM.cols * vectors)
            .map(|row| Aligned(core::array::from_fn(|i| wide(row * 32 + i + 3))))
            .collect();
        let start = vec![-7i32; depth * vectors * LANES];
        let mut expected = start.clone();
        for (p, rows) in rows.chunks(vectors).enumerate() {
            for (sums, word) in expected.chunks_mut(vectors * LANES).zip(words(&pairs, p)) {
                for (sums, row) in sums.chunks_mut(LANES).zip(rows) {
                    for (sum, row) in sums.iter_mut().zip(row.0.as_chunks::<2>().0) {
                        for (x, y) in word.into_iter().zip(row) {
                            *sum = sum.wrapping_add(i32::from(x).wrapping_mul((*y).into()));
                        }
                    }
                }
            }
        }
        for level in levels() {
            let mut sums = start.clone();
            outer(level, &pairs, FROM, &RUNS, &rows, vectors, &mut sums);
            assert!(sums == expected, "{vectors} vectors at level {level}");
        }
    }
}
