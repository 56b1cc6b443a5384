use subbyte_num::{CodeType, round_half_even_f32};

/// The values that a row of weights may take, `scale * level` with whole levels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowGrid {
    pub min: f32,
    pub max: f32,
    pub scale: f32,
}

impl RowGrid {
    /// All levels of signed codes of `bits` bits.
    pub fn signed(bits: u8, scale: f32) -> Self {
        let code = CodeType::signed(bits);
        Self {
            min: code.min_level() as f32,
            max: code.max_level() as f32,
            scale,
        }
    }

    /// The level whose value is nearest to `x`.
    pub fn nearest(&self, x: f32) -> f32 {
        round_half_even_f32(x / self.scale).clamp(self.min, self.max)
    }
}

/// Scales that are tried between the one that reaches the largest weight and a fifth of it.
const TRIALS: usize = 100;

/// The scale of signed codes of `bits` bits that gives the weights in `rows`, which share it, the least squared error, each weight's
/// error counted by `importance`.
pub(crate) fn best_scale(rows: &[&[f32]], importance: &[f32], bits: u8) -> f32 {
    let code = CodeType::signed(bits);
    let all = rows.iter().flat_map(|row| row.iter());
    let largest = all.fold(0f32, |max, w| max.max(w.abs()));
    if largest == 0.0 {
        return 1.0;
    }
    // The lowest level reaches one step further than the highest.
    let whole = largest / code.max_level() as f32;
    let error = |scale: f32| -> f64 {
        let grid = RowGrid::signed(bits, scale);
        let row = |row: &&[f32]| -> f64 {
            let each = row.iter().zip(importance);
            let each = each.map(|(w, by)| by * (w - scale * grid.nearest(*w)).powi(2));
            each.sum::<f32>().into()
        };
        rows.iter().map(row).sum()
    };
    let trials = (0..=TRIALS).map(|i| whole * 0.2f32.powf(i as f32 / TRIALS as f32));
    let trials = trials.map(|scale| (error(scale), scale));
    trials
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .expect("several")
        .1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_scale_clips_outliers_of_few_bits_only() {
        let mut row: Vec<f32> = (0..200).map(|i| (i as f32 * 0.37).sin()).collect();
        row.push(3.0);
        let importance = vec![1.0; row.len()];
        let reach = |bits| {
            let scale = best_scale(&[&row], &importance, bits);
            scale * RowGrid::signed(bits, scale).max
        };
        assert!(reach(3) < 1.5);
        assert!(reach(8) > 2.9);
        let mut only_outlier = vec![0.0; row.len()];
        *only_outlier.last_mut().unwrap() = 1.0;
        let scale = best_scale(&[&row], &only_outlier, 3);
        assert!((scale * RowGrid::signed(3, scale).nearest(3.0) - 3.0).abs() < 0.05);
    }
}
