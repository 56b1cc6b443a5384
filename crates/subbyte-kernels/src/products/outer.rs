use super::{Pair, PairRow, Pixels, Run, Word};
use crate::{
    Level,
    isa::{Isa, LANES, Task, at_level},
};

/// Bytes of words and rows that a strip of pixels may fill: less than a first-level cache.
const STRIP: usize = 24 << 10;

/// Adds the products of every place's words and row:
/// `sums[k][o] += Σ over places of word[k] * row[place][o]`, with `word[k]` the pairs of the place's runs, one after another.
///
/// A place stands for two pixels: its pairs hold what the same tap reads at both, its row what belongs to both for every output.
/// `rows` is `[places][vectors]`, `sums` is `[depth][vectors * LANES]`, vectors of
/// [`LANES`] outputs.
///
/// # Panics
/// If a place's pairs lie outside, rows or sums are fewer, or this processor lacks the level.
pub fn outer(
    level: Level,
    pairs: &[Pair],
    places: Pixels,
    runs: &[Run],
    rows: &[PairRow],
    vectors: usize,
    sums: &mut [i32],
) {
    debug_assert_eq!(rows.len(), places.rows * places.cols * vectors);
    let bytes_per_row =
        places.cols * (places.col * size_of::<Pair>() + vectors * size_of::<PairRow>());
    let strip = (STRIP / bytes_per_row.max(1)).clamp(1, places.rows.max(1));
    let task = Outer {
        pairs,
        places,
        runs,
        rows,
        vectors,
        sums,
        strip,
    };
    at_level!(level, I => I::detect().expect("a level of this processor").enter(task), else panic!("no level of this build"));
}

struct Outer<'a> {
    pairs: &'a [Pair],
    places: Pixels,
    runs: &'a [Run],
    rows: &'a [PairRow],
    vectors: usize,
    sums: &'a mut [i32],
    /// Rows of places that are gone through together.
    strip: usize,
}

impl Task for Outer<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(mut self, isa: I) {
        let places = self.places;
        for first in (0..places.rows).step_by(self.strip) {
            let strip = first..(first + self.strip).min(places.rows);
            let mut vector = 0;
            while vector < self.vectors {
                vector += match (self.vectors - vector, I::MANY_REGISTERS) {
                    (_, false) => self.runs::<I, 4, 1>(isa, strip.clone(), vector),
                    (1, true) => self.runs::<I, 8, 1>(isa, strip.clone(), vector),
                    (2 | 3, true) => self.runs::<I, 8, 2>(isa, strip.clone(), vector),
                    (_, true) => self.runs::<I, 6, 4>(isa, strip.clone(), vector),
                };
            }
        }
    }
}

impl Outer<'_> {
    /// All words for `V` vectors of outputs from `vector` on, `R` words at a time. Returns the number of vectors.
    #[inline(always)]
    fn runs<I: Isa, const R: usize, const V: usize>(
        &mut self,
        isa: I,
        strip: core::ops::Range<usize>,
        vector: usize,
    ) -> usize {
        let mut depth = 0;
        for i in 0..self.runs.len() {
            let Run { offset, len } = self.runs[i];
            if len < R {
                for k in 0..len {
                    self.tile::<I, 1, V>(isa, strip.clone(), vector, offset + k, depth + k, 0);
                }
            } else {
                // The last tile overlaps the one before and leaves what that one did.
                for k in (0..len).step_by(R) {
                    let start = k.min(len - R);
                    let skip = k - start;
                    self.tile::<I, R, V>(
                        isa,
                        strip.clone(),
                        vector,
                        offset + start,
                        depth + start,
                        skip,
                    );
                }
            }
            depth += len;
        }
        V
    }

    /// Adds to words `depth + skip .. depth + R`, which lie `offset` after each place's start.
    #[inline(always)]
    fn tile<I: Isa, const R: usize, const V: usize>(
        &mut self,
        isa: I,
        strip: core::ops::Range<usize>,
        vector: usize,
        offset: usize,
        depth: usize,
        skip: usize,
    ) {
        let (places, vectors) = (self.places, self.vectors);
        let mut tile = [[isa.zero(); V]; R];
        for row in strip {
            let mut at = places.start + row * places.row + offset;
            let mut next = row * places.cols * vectors + vector;
            for _ in 0..places.cols {
                let words = &self.pairs[at..][..R];
                let rows = &self.rows[next..][..V];
                for r in 0..R {
                    for v in 0..V {
                        tile[r][v] = words[r].dot(isa, tile[r][v], &rows[v]);
                    }
                }
                at += places.col;
                next += vectors;
            }
        }
        for r in 0..R {
            if r >= skip {
                let first = ((depth + r) * vectors + vector) * LANES;
                let sums = self.sums[first..][..V * LANES].as_chunks_mut().0;
                for v in 0..V {
                    let sum = isa.add(isa.load(&sums[v]), tile[r][v]);
                    isa.store(sum, &mut sums[v]);
                }
            }
        }
    }
}
