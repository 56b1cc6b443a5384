use super::{Panels, Pixels, Run, Word};
use crate::{
    Level,
    isa::{Isa, LANES, Task, at_level},
};

/// For every pixel, multiplies the words of its runs, one after another, with the matrix: `to` receives
/// `sums[pixel][o] = Σ over k of word[k] * matrix[k][o]`.
///
/// `from` and `to` describe the same pixels among `words` and among `sums`. The words of all runs are as many as the matrix is deep.
///
/// # Panics
/// If a pixel's words or sums lie outside, or this processor lacks the level.
pub fn gather<W: Word>(
    level: Level,
    words: &[W],
    from: Pixels,
    runs: &[Run],
    matrix: &Panels<W>,
    sums: &mut [i32],
    to: Pixels,
) {
    debug_assert_eq!((from.rows, from.cols), (to.rows, to.cols));
    let task = Gather {
        words,
        from,
        runs,
        matrix,
        sums,
        to,
    };
    at_level!(level, I => I::detect().expect("a level of this processor").enter(task), else panic!("no level of this build"));
}

struct Gather<'a, W: Word> {
    words: &'a [W],
    from: Pixels,
    runs: &'a [Run],
    matrix: &'a Panels<W>,
    sums: &'a mut [i32],
    to: Pixels,
}

impl<W: Word> Task for Gather<'_, W> {
    type Output = ();

    // Tile shapes: sums, a row of the matrix and a word fit the registers, and enough sums are under way to hide the time that a
    // product takes.
    #[inline(always)]
    fn run<I: Isa>(mut self, isa: I) {
        let panels = self.matrix.outputs().div_ceil(LANES);
        let mut first = 0;
        while first < panels {
            first += match (panels - first, I::MANY_REGISTERS) {
                (_, false) => self.panels::<I, 4, 1>(isa, first),
                (1, true) => self.panels::<I, 8, 1>(isa, first),
                (2 | 3, true) => self.panels::<I, 8, 2>(isa, first),
                (_, true) => self.panels::<I, 6, 4>(isa, first),
            };
        }
    }
}

impl<W: Word> Gather<'_, W> {
    /// All pixels for `V` panels from `first` on, `P` pixels at a time. Returns the number of panels.
    #[inline(always)]
    fn panels<I: Isa, const P: usize, const V: usize>(&mut self, isa: I, first: usize) -> usize {
        let (from, to) = (self.from, self.to);
        let pixels = from.rows * from.cols;
        let mut panels = [self.matrix.panel(first); V];
        for v in 1..V {
            panels[v] = self.matrix.panel(first + v);
        }
        let (mut row, mut col) = (0, 0);
        for start in (0..pixels).step_by(P) {
            // The last tile repeats the last pixel.
            let (mut source, mut target) = ([0; P], [0; P]);
            for p in 0..P {
                source[p] = from.start + row * from.row + col * from.col;
                target[p] = to.start + row * to.row + col * to.col;
                if start + p + 1 < pixels {
                    col += 1;
                    if col == from.cols {
                        col = 0;
                        row += 1;
                    }
                }
            }
            let mut tile = [[isa.zero(); V]; P];
            let mut depth = 0;
            for run in self.runs {
                let mut words = [&self.words[..0]; P];
                for p in 0..P {
                    words[p] = &self.words[source[p] + run.offset..][..run.len];
                }
                let mut rows = [&panels[0][..0]; V];
                for v in 0..V {
                    rows[v] = &panels[v][depth..][..run.len];
                }
                for k in 0..run.len {
                    for p in 0..P {
                        for v in 0..V {
                            tile[p][v] = words[p][k].dot(isa, tile[p][v], &rows[v][k]);
                        }
                    }
                }
                depth += run.len;
            }
            for p in 0..P {
                if start + p < pixels {
                    for v in 0..V {
                        self.store(isa, tile[p][v], target[p], first + v);
                    }
                }
            }
        }
        V
    }

    #[inline(always)]
    fn store<I: Isa>(&mut self, isa: I, sums: I::Sums, target: usize, panel: usize) {
        let lane = panel * LANES;
        let to = &mut self.sums[target + lane..];
        match to.first_chunk_mut() {
            Some(to) if lane + LANES <= self.matrix.outputs() => isa.store(sums, to),
            _ => {
                let mut all = [0; LANES];
                isa.store(sums, &mut all);
                let left = self.matrix.outputs() - lane;
                to[..left].copy_from_slice(&all[..left]);
            }
        }
    }
}
