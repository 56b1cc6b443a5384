use pulp::Arch;

use super::{Panels, Pixels, Run, gather, outer};

/// Every instruction set of this machine, the best one last.
fn archs() -> Vec<Arch> {
    #[allow(unused_mut, reason = "only x86 has several")]
    let mut archs = vec![Arch::Scalar];
    #[cfg(target_arch = "x86_64")]
    {
        archs.extend(pulp::x86::V3::try_new().map(Arch::V3));
        archs.extend(pulp::x86::V4::try_new().map(Arch::V4));
    }
    let missing = if cfg!(target_arch = "x86_64") {
        3 - archs.len()
    } else {
        0
    };
    println!("x86 instruction sets that this machine lacks: {missing}");
    archs
}

fn numbers(len: usize, seed: usize) -> Vec<f32> {
    let number = |i: usize| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.0 - 1.0;
    (0..len).map(number).collect()
}

fn assert_close(found: &[f32], expected: &[f32]) {
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f - e).abs() < 1e-3, "element {i}: {f} instead of {e}");
    }
}

const FROM: Pixels = Pixels {
    rows: 5,
    cols: 7,
    start: 2,
    row: 90,
    col: 11,
};
const RUNS: [Run; 3] = [
    Run { offset: 0, len: 13 },
    Run { offset: 90, len: 8 },
    Run {
        offset: 180,
        len: 3,
    },
];
const DEPTH: usize = 24;

/// The values that pixel `p` reads.
fn values(src: &[f32], p: usize) -> Vec<f32> {
    let start = FROM.start + p / FROM.cols * FROM.row + p % FROM.cols * FROM.col;
    let run = |run: &Run| src[start + run.offset..][..run.len].to_vec();
    RUNS.iter().flat_map(run).collect()
}

/// Results of instruction sets with fused multiply-add are the same to the bit.
fn assert_fused_agree(results: &[Vec<f32>]) {
    for pair in results[1..].windows(2) {
        assert_eq!(pair[0], pair[1]);
    }
}

#[test]
fn every_instruction_set_multiplies_gathered_values() {
    let src = numbers(700, 1);
    let archs = archs();
    for outputs in [1, 5, 8, 16, 17, 31, 32, 48, 64, 70, 130] {
        let matrix = numbers(DEPTH * outputs, 2);
        let to = Pixels {
            start: 3,
            row: 7 * (outputs + 1) + 5,
            col: outputs + 1,
            ..FROM
        };
        let results: Vec<Vec<f32>> = archs
            .iter()
            .map(|&arch| {
                let row = |k| (k * outputs, 1);
                let panels = Panels::on(arch, DEPTH, outputs, &matrix, row);
                let mut dst = vec![9.0; to.start + FROM.rows * to.row];
                gather(&src, FROM, &RUNS, &panels, &mut dst, to);
                dst
            })
            .collect();
        let mut expected = vec![9.0; results[0].len()];
        for p in 0..FROM.rows * FROM.cols {
            let values = values(&src, p);
            let at = to.start + p / to.cols * to.row + p % to.cols * to.col;
            for o in 0..outputs {
                let terms = values.iter().enumerate();
                expected[at + o] = terms.map(|(k, v)| v * matrix[k * outputs + o]).sum();
            }
        }
        for result in &results {
            assert_close(result, &expected);
        }
        assert_fused_agree(&results);
    }
}

#[test]
fn every_instruction_set_adds_outer_products() {
    let src = numbers(700, 1);
    let archs = archs();
    for width in [16, 32, 48, 64, 80] {
        let grad = numbers(FROM.rows * FROM.cols * width, 3);
        let start = numbers(DEPTH * width, 4);
        let results: Vec<Vec<f32>> = archs
            .iter()
            .map(|&arch| {
                let mut sums = start.clone();
                outer(arch, &src, FROM, &RUNS, &grad, width, &mut sums);
                sums
            })
            .collect();
        let mut expected = start;
        for (p, grad) in grad.chunks_exact(width).enumerate() {
            for (row, value) in expected.chunks_exact_mut(width).zip(values(&src, p)) {
                for (sum, g) in row.iter_mut().zip(grad) {
                    *sum += value * g;
                }
            }
        }
        for result in &results {
            assert_close(result, &expected);
        }
        assert_fused_agree(&results);
    }
}
