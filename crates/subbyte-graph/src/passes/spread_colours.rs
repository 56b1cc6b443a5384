use crate::Param;

/// Part of the columns' mean square that keeps weights of columns which hardly differ from each other small.
const RIDGE: f64 = 1e-2;

/// Weights `[O][colours * D][kh][kw]` that make of the columns of a pixel table, `[1 or colours][rows][D]`, what `weights` of `shape`
/// `[O][colours][kh][kw]` make of pixels from 0 to 1, up to a constant. `None` where the shapes are not such.
///
/// A pixel value is nearly a weighted sum of the columns; these factors, found by least squares over all rows, times the weight of a
/// colour are the weights of its columns.
pub fn spread_colours(shape: &[usize], weights: &[f32], table: &Param) -> Option<Vec<f32>> {
    let (&[_, colours, kh, kw], &[tables, _, depth]) = (shape, &table.shape[..]) else {
        return None;
    };
    if ![1, colours].contains(&tables) {
        return None;
    }
    let factors: Vec<Vec<f64>> = (0..tables).map(|t| brightness(table, t)).collect();
    let mut result = Vec::with_capacity(weights.len() * depth);
    for (i, kernel) in weights.chunks_exact(kh * kw).enumerate() {
        let colour = i % colours;
        for factor in &factors[colour % tables] {
            result.extend(kernel.iter().map(|&w| (f64::from(w) * factor) as f32));
        }
    }
    Some(result)
}

/// Factors of the columns of table `t` whose sum is nearest to the pixel's brightness, but for a constant.
fn brightness(table: &Param, t: usize) -> Vec<f64> {
    let (rows, depth) = (table.shape[1], table.shape[2]);
    let values = table.to_vec();
    let values = &values[t * rows * depth..][..rows * depth];
    let mean = |d: usize| {
        values
            .iter()
            .skip(d)
            .step_by(depth)
            .map(|&v| f64::from(v))
            .sum::<f64>()
            / rows as f64
    };
    let means: Vec<f64> = (0..depth).map(mean).collect();
    // Normal equations of the centred columns, the right-hand side in the last place of each row.
    let mut equations = vec![vec![0.0; depth + 1]; depth];
    for (row, values) in values.chunks_exact(depth).enumerate() {
        let centred: Vec<f64> = values
            .iter()
            .zip(&means)
            .map(|(&v, m)| f64::from(v) - m)
            .collect();
        let wanted = (row as f64 + 0.5) / rows as f64 - 0.5;
        for (equation, x) in equations.iter_mut().zip(&centred) {
            for (sum, y) in equation.iter_mut().zip(centred.iter().chain([&wanted])) {
                *sum += x * y;
            }
        }
    }
    let diagonal = (0..depth).map(|d| equations[d][d]).sum::<f64>() / depth as f64;
    for (d, equation) in equations.iter_mut().enumerate() {
        equation[d] += RIDGE * diagonal + f64::MIN_POSITIVE;
    }
    let factors = solve(equations);
    // The ridge makes the sum flatter than the brightness is.
    let sums = values.chunks_exact(depth).map(|row| {
        let each = row.iter().zip(&factors);
        each.map(|(&v, f)| f64::from(v) * f).sum::<f64>()
    });
    let middle = means.iter().zip(&factors).map(|(m, f)| m * f).sum::<f64>();
    let slopes = sums.enumerate().map(|(row, sum)| {
        let wanted = (row as f64 + 0.5) / rows as f64 - 0.5;
        [wanted * (sum - middle), wanted * wanted]
    });
    let [along, all] = slopes.fold([0.0; 2], |a, b| [a[0] + b[0], a[1] + b[1]]);
    let gain = if along > 0.0 { all / along } else { 1.0 };
    factors.into_iter().map(|f| f * gain).collect()
}

/// Solves symmetric positive equations, which need no pivoting.
fn solve(mut equations: Vec<Vec<f64>>) -> Vec<f64> {
    let n = equations.len();
    for i in 0..n {
        let (done, below) = equations.split_at_mut(i + 1);
        let pivot = &done[i];
        for equation in below {
            let factor = equation[i] / pivot[i];
            for (a, b) in equation[i..].iter_mut().zip(&pivot[i..]) {
                *a -= factor * b;
            }
        }
    }
    let mut result = vec![0.0; n];
    for i in (0..n).rev() {
        let known: f64 = (i + 1..n).map(|j| equations[i][j] * result[j]).sum();
        result[i] = (equations[i][n] - known) / equations[i][i];
    }
    result
}
