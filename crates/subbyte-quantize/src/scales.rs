use std::ops::Range;

use rayon::prelude::*;
use subbyte_graph::RunMultipliers;

use crate::codebook::best_scale;
use crate::formats::Formats;
use crate::layer::Layer;
use crate::prepared::Prepared;
use crate::rounding::RowGrid;
use crate::vector_fit::best_alpha;

/// Largest multiplier of vectors, in rows with scales of their own and where all rows share one.
const LARGEST: [f32; 2] = [127.0, 1023.0];

/// Scales of a layer's weights.
pub(crate) struct Scales {
    /// One for all rows or one each.
    pub scales: Vec<f32>,
    /// Whole factors `[row][input]`, where vectors have scales of their own.
    pub multipliers: Option<Vec<f32>>,
    rows: usize,
}

impl Scales {
    /// Scales of least squared error of `weights` on the formats' codebooks; each weight's error is counted by `importance` of its row's
    /// inputs where rows have scales, and as it is where vectors have.
    pub fn new<'a>(
        prepared: &Prepared,
        layer: &Layer,
        formats: &Formats,
        weights: &[f32],
        importance: impl Fn(usize) -> &'a Vec<f32> + Sync,
    ) -> Self {
        let row = layer.geometry.row();
        let one = prepared.has_one_scale(layer);
        let rows: Vec<&[f32]> = weights.chunks(row).collect();
        if let Some(length) = formats.vector {
            let taps = layer.geometry.kernel.iter().product();
            let largest = formats.of(0).max() as u8;
            let alphas: Vec<f32> = rows
                .par_iter()
                .flat_map_iter(|row| alphas(row, taps, length, largest))
                .collect();
            return Self::of_alphas(&alphas, rows.len(), one);
        }
        let scales = match one {
            true => vec![best_scale(&rows, importance(0), formats.of(0))],
            false => rows
                .par_iter()
                .enumerate()
                .map(|(r, row)| best_scale(&[row], importance(r), formats.of(r)))
                .collect(),
        };
        Self {
            scales,
            multipliers: None,
            rows: rows.len(),
        }
    }

    /// One scale for all of `rows` rows, or one each.
    pub fn plain(scales: Vec<f32>, rows: usize) -> Self {
        Self {
            scales,
            multipliers: None,
            rows,
        }
    }

    /// The scale of every weight as a whole multiple of its row's.
    fn of_alphas(alphas: &[f32], rows: usize, one: bool) -> Self {
        let largest = LARGEST[usize::from(one)];
        let sharing = alphas.len() / if one { 1 } else { rows };
        let scale = |alphas: &[f32]| match alphas.iter().fold(0f32, |max, a| max.max(*a)) {
            0.0 => 1.0,
            max => max / largest,
        };
        let scales: Vec<f32> = alphas.chunks(sharing).map(scale).collect();
        let multiple = |(i, alpha): (usize, &f32)| (alpha / scales[i / sharing]).round();
        let multipliers = alphas.iter().enumerate().map(multiple).collect();
        Self {
            scales,
            multipliers: Some(multipliers),
            rows,
        }
    }

    /// What each row's weights may be.
    pub fn grids<'a>(&'a self, formats: &'a Formats) -> Vec<RowGrid<'a>> {
        let row = |m: &Vec<f32>| m.len() / self.rows;
        let grid = |r: usize| RowGrid {
            codebook: formats.of(r),
            scale: self.scales[r * self.scales.len() / self.rows],
            multipliers: self
                .multipliers
                .as_ref()
                .map(|m| &m[r * row(m)..][..row(m)]),
        };
        (0..self.rows).map(grid).collect()
    }

    /// The one scale, or those of some rows.
    pub fn of_rows(&self, rows: Range<usize>) -> Vec<f32> {
        match self.scales.len() {
            1 => self.scales.clone(),
            _ => self.scales[rows].to_vec(),
        }
    }

    /// The multipliers of some rows, one for each vector.
    ///
    /// # Panics
    /// If there are none.
    pub fn run_multipliers(
        &self,
        rows: Range<usize>,
        row: usize,
        taps: usize,
        length: usize,
    ) -> RunMultipliers {
        let all = self.multipliers.as_ref().expect("vectors have multipliers");
        let of_row = |r: usize| {
            let starts = (0..row / taps).step_by(length);
            let at = move |tap: usize| starts.clone().map(move |channel| channel * taps + tap);
            (0..taps).flat_map(at).map(move |i| all[r * row + i] as i16)
        };
        RunMultipliers {
            length,
            values: rows.flat_map(of_row).collect(),
        }
    }
}

/// The scale of every weight `[channel][tap]` of a row whose vectors are `length` channels at one tap.
fn alphas(row: &[f32], taps: usize, length: usize, largest: u8) -> Vec<f32> {
    let mut alphas = vec![0.0; row.len()];
    let channels = row.len() / taps;
    for tap in 0..taps {
        for start in (0..channels).step_by(length) {
            let vector = (start..(start + length).min(channels)).map(|c| c * taps + tap);
            let weights: Vec<f32> = vector.clone().map(|i| row[i]).collect();
            let alpha = best_alpha(&weights, largest);
            vector.for_each(|i| alphas[i] = alpha);
        }
    }
    alphas
}
